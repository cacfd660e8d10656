"""`zhijiao diagnose`: useful to whoever helps, and nobody can be found in it."""

import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from drivers.simulators.people import people
from gateway.cli import diagnose_parts
from gateway.cli.diagnose_parts import log_lines, parts, plain
from gateway.clock import ManualClock
from gateway.config import load_without_files
from tests.gateway.store_fixtures import draft, running_store
from tests.gateway.technicians_box import Box, box

ANNA = next(iter(people(1)))
CANARIES = (str(ANNA.id_number), str(ANNA.name), "canary-secret", "36.6683104")  # type: ignore[union-attr]


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    """A box with a store that speaks of persons, and a journal that should not but might."""
    made = box(tmp_path)
    made.config.write_text(
        made.config.read_text()
        + '[uplink]\nbroker = "mqtts://127.0.0.1:1"\nusername = "canary-secret"\npassword_file = "p"\n'
    )
    (made.folder / "p").write_text("canary-secret")
    clock = ManualClock()
    async with running_store(made.store, clock) as store:
        await store.append([draft(clock.now(), who=CANARIES[1], number=CANARIES[0])], clock.now())
    record = {"level": "warning", "msg": "device lost", "device": "idcard-1", "name": CANARIES[1]}
    journal = [
        {"__REALTIME_TIMESTAMP": "1795309322000000", "MESSAGE": json.dumps(record)},
        {"MESSAGE": f"Traceback: {CANARIES[1]} {CANARIES[0]}"},
        {"MESSAGE": json.dumps({"msg": f"of {CANARIES[0]}"})},
    ]
    lines = "\n".join(json.dumps(one) for one in journal)

    def ask(words: Any) -> str | None:
        return lines if words[0] == "journalctl" else None

    monkeypatch.setattr(diagnose_parts, "ask", ask)
    return made


def bundle(desk: Box) -> dict[str, str]:
    with zipfile.ZipFile(desk.folder / "d.zip") as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


async def test_every_part_is_there_and_nobody_is_named(desk: Box) -> None:
    told = desk.run("diagnose", "--out", desk.folder / "d.zip")
    assert told.code == 0, told.out
    found = bundle(desk)
    assert found.keys() == {*parts(), "manifest.json"}
    for name, text in found.items():
        assert not [one for one in CANARIES if one in text], name
    assert stat.S_IMODE((desk.folder / "d.zip").stat().st_mode) == 0o600
    assert "it names nobody" in told.out


async def test_the_canaries_are_where_they_were_looked_for(desk: Box) -> None:
    assert CANARIES[0].encode() in b"".join(one.read_bytes() for one in desk.store.parent.iterdir())
    assert "canary-secret" in desk.config.read_text()


async def test_it_helps(desk: Box) -> None:
    desk.run("diagnose", "--out", desk.folder / "d.zip", "--json")
    found = {name: text for name, text in bundle(desk).items() if name.endswith(".json")}
    assert json.loads(found["config.json"])["uplink"]["broker"]
    assert json.loads(found["store.json"])["events"]
    assert {one["name"] for one in json.loads(found["doctor.json"])} >= {"clock", "disk", "keys", "broker"}
    assert json.loads(found["versions.json"])["libraries"]["paho-mqtt"]
    first = json.loads(bundle(desk)["log.jsonl"].splitlines()[0])
    assert first == {"at_s": 1795309322, "level": "warning", "msg": "device lost", "device": "idcard-1"}


async def test_what_cannot_be_collected_is_said_and_the_rest_is_there(
    desk: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnose_parts, "ask", lambda _words: None)
    desk.store.unlink()
    told = desk.run("diagnose", "--out", desk.folder / "d.zip", "--json")
    assert told.code == 1
    assert told.json["missing"].keys() == {"store.json", "log.jsonl"}
    assert json.loads(bundle(desk)["manifest.json"])["missing"].keys() == {"store.json", "log.jsonl"}


async def test_nothing_is_overwritten(desk: Box) -> None:
    (desk.folder / "d.zip").write_text("mine")
    assert desk.run("diagnose", "--out", desk.folder / "d.zip").code == 78
    assert (desk.folder / "d.zip").read_text() == "mine"


async def test_no_key_and_no_content_of_a_file_is_in_the_settings(desk: Box) -> None:
    settings = json.dumps(plain(load_without_files(desk.config)), default=str)
    assert "event-key.pem" in settings
    assert "ab" * 32 not in settings


@pytest.mark.parametrize("line", ["", "not json", "[1]", '{"MESSAGE": null}', '{"MESSAGE": [104, 105]}'])
def test_whatever_the_journal_holds(line: str) -> None:
    assert all(isinstance(json.loads(one), dict) for one in log_lines(line))
