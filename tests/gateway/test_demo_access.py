"""The demo's accounts: made once, the same at every start, in its folder only."""

import json
from pathlib import Path

import pytest

from gateway.demo.access import FILE, DemoAccess, ensure_access
from gateway.demo.keys import DemoKeys
from tests.gateway.access_box import DESK, access_box, running
from tests.gateway.technicians_box import Box


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    made = access_box(tmp_path)
    made.store.parent.rename(tmp_path / "gateway")
    made.config.write_text(made.config.read_text().replace('"state"', '"gateway"'))
    return made


def ensured(desk: Box) -> tuple[DemoAccess, dict[str, dict[str, str]]]:
    keys = DemoKeys(desk.folder / "keys", "gw-370102-01")
    keys.folder.mkdir(exist_ok=True)
    keys.hmac_key.write_text((desk.folder / "id-hmac.key").read_text())
    told = ensure_access(desk.folder, keys, desk.config)
    return told, json.loads((desk.folder / FILE).read_text())


class _Demo(Box):
    @property
    def store(self) -> Path:
        return self.folder / "gateway" / "events.db"


async def test_they_are_made_once_and_work(desk: Box) -> None:
    demo = _Demo(desk.folder)
    told, kept = ensured(demo)
    assert set(kept["passwords"]) == {"admin", "auditor", "staff", "technician"}
    assert all(password in told.sign_in for password in kept["passwords"].values())
    assert told.tokens == kept["tokens"]
    for file in (FILE, "kiosk-1.token", "kiosk-2.token"):
        assert (desk.folder / file).stat().st_mode & 0o777 == 0o600
    assert ensured(demo)[1] == kept, "also while the changes wait"
    async with running(demo) as box:
        for name, password in kept["passwords"].items():
            assert (await box.access.sign_in(name, password, DESK)).principal.role == name
        token = (desk.folder / "kiosk-1.token").read_text().strip()
        found = box.access.kiosk(token)
        assert found is not None
        assert found.name == "kiosk-1"
        assert ensured(demo)[1] == kept
        assert not await box.access.left.look(), "nothing is handed over twice"


async def test_a_file_that_was_cut_off_is_made_anew(desk: Box) -> None:
    demo = _Demo(desk.folder)
    _, before = ensured(demo)
    async with running(demo):
        pass
    (desk.folder / FILE).write_text('{"passw')
    _, kept = ensured(demo)
    assert kept != before
    async with running(demo) as box:
        await box.access.sign_in("staff", kept["passwords"]["staff"], DESK)
        assert box.access.kiosk(kept["tokens"]["kiosk-2"]) is not None
