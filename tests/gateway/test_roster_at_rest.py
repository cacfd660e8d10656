"""No name, number hash or schedule can be read from database, WAL, backup, import or log without the key."""

import io
import logging
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.checkin.at_rest import Purpose, RosterSeal
from gateway.checkin.strict import RosterError
from gateway.logs import JsonFormatter, LogHandler
from tests.gateway import rosters
from tests.gateway.roster_box import roster_box, running
from tests.gateway.rosters import person, schedule, signed
from tests.gateway.technicians_box import zhijiao

NAME, UNIT, MODULE, TRACKER = "测试*钱甲", "canaryunit01", "CANARY-MODULE-7", "CANARY-TRACKER-7"
NUMBER = "330102188801011234"
WINDOW = ["07:13", "19:47"]
CANARY = person(
    1,
    ref="canary-ref-0001",
    number_hmac=rosters.number_hmac(NUMBER),
    name=NAME,
    unit=UNIT,
    schedule=schedule(windows=[WINDOW]),
    references=[{"method": "finger", "module": MODULE, "slot": 1, "enrolment": "canary-enrol"}],
    trackers=[{"id": TRACKER, "approved_until": "2026-12-31"}],
)
WORDS = [
    NAME.encode(),
    NAME.encode("utf-16-le"),
    UNIT.encode(),
    MODULE.encode(),
    TRACKER.encode(),
    b"canary",
    rosters.number_hmac(NUMBER).encode(),
    bytes.fromhex(rosters.number_hmac(NUMBER)),
    NUMBER.encode(),
    WINDOW[0].encode(),
    WINDOW[1].encode(),
    b"number_hmac",
    b"windows",
]


def found_in(folder: Path) -> list[tuple[str, bytes]]:
    files = [one for one in folder.rglob("*") if one.is_file()]
    assert files
    return [(one.name, word) for one in files for word in WORDS if word in one.read_bytes()]


@pytest.fixture
def journal() -> Iterator[io.StringIO]:
    """All logging of a test, as the journal would get it."""
    root, text = logging.getLogger(), io.StringIO()
    level, handler = root.level, LogHandler(text)
    handler.setFormatter(JsonFormatter(journal=False))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


async def test_no_canary_stands_anywhere(tmp_path: Path, journal: io.StringIO) -> None:
    desk = roster_box(tmp_path)
    handed = tmp_path / "handed-over.jsonl"
    handed.write_bytes(signed([CANARY, *(person(n) for n in range(2, 50))]))
    assert found_in(tmp_path), "the search can find: the center's own file is clear"
    state, said = desk.store.parent, []
    said.append(desk.run("roster", "import", handed))
    assert said[-1].code == 0
    assert found_in(state) == [], "what waits is encrypted"
    async with running(desk) as box:
        assert (state / "events.db-wal").stat().st_size > 0
        assert found_in(state) == [], "database and WAL while it runs"
        in_force = box.keeper.in_force
        assert in_force is not None
        logging.getLogger("gateway").info("roster %r %r", in_force.roster, in_force.roster.persons)
        said.append(desk.run("roster", "status"))
        said.append(desk.run("roster", "status", "--json"))
        said.append(desk.run("backup", "--out", state / "backup.db"))
        assert said[-1].code == 0, said[-1].err
        handed.write_bytes(signed([CANARY], version=2))
        said.append(desk.run("roster", "import", handed))
        assert await box.keeper.look()
    assert found_in(state) == []
    spoken = journal.getvalue() + "".join(one.out + one.err for one in said)
    assert "roster applied" in spoken
    for word in WORDS:
        if word not in {b"canary", b"windows"}:  # a reference may be shown: it is a pseudonym
            assert word not in spoken.encode()
    with closing(sqlite3.connect(state / "backup.db")) as db:
        assert db.execute("SELECT count(*) FROM roster").fetchone() == (1,)


async def test_a_backup_carries_the_roster_to_whoever_has_the_key(tmp_path: Path) -> None:
    desk = roster_box(tmp_path)
    handed = tmp_path / "r.jsonl"
    handed.write_bytes(signed([CANARY], version=3))
    desk.run("roster", "import", handed)
    async with running(desk):
        desk.run("backup", "--out", tmp_path / "b.db")
    assert zhijiao("restore", tmp_path / "b.db", "--config", desk.config, "--yes").code == 0
    async with running(desk) as box:
        assert box.version() == 3


async def test_a_salvage_keeps_the_roster(tmp_path: Path) -> None:
    desk = roster_box(tmp_path)
    handed = tmp_path / "r.jsonl"
    handed.write_bytes(signed([CANARY], version=3))
    desk.run("roster", "import", handed)
    async with running(desk):
        pass
    (desk.store.parent / "events.db.suspect").write_text("a test\n")
    async with running(desk) as box:
        assert box.version() == 3
    assert list(desk.store.parent.glob("events.db.damaged-*")), "it was salvaged"


KEY = bytes(range(32))


@given(st.binary(max_size=2000))
def test_what_was_closed_opens_with_the_same_key_name_and_purpose_alone(file: bytes) -> None:
    seal = RosterSeal(KEY, "gw-370102-01")
    closed = seal.close(file, Purpose.APPLIED)
    assert seal.open(closed, Purpose.APPLIED) == file
    assert closed != seal.close(file, Purpose.APPLIED), "another nonce each time"
    for other, purpose in (
        (RosterSeal(bytes(32), "gw-370102-01"), Purpose.APPLIED),
        (RosterSeal(KEY, "gw-370102-02"), Purpose.APPLIED),
        (seal, Purpose.INCOMING),
    ):
        with pytest.raises(RosterError) as caught:
            other.open(closed, purpose)
        assert caught.value.code == "roster_sealed"


@given(st.data())
def test_any_altered_bytes_stay_closed(data: st.DataObject) -> None:
    seal = RosterSeal(KEY, "gw-370102-01")
    closed = bytearray(seal.close(b"a roster", Purpose.APPLIED))
    at = data.draw(st.integers(0, len(closed) - 1))
    closed[at] ^= data.draw(st.integers(1, 255))
    for candidate in (bytes(closed), bytes(closed[:at])):
        with pytest.raises(RosterError):
            seal.open(candidate, Purpose.APPLIED)


def test_the_key_is_the_one_that_the_decision_note_derives(tmp_path: Path) -> None:
    """HKDF by OpenSSL's own command: not by the library that we use."""
    told = subprocess.run(
        ["openssl", "kdf", "-keylen", "32", "-kdfopt", "digest:SHA256", "-kdfopt", f"hexkey:{KEY.hex()}",
         "-kdfopt", "info:zhijiao/roster-at-rest/1", "HKDF"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if told.returncode:
        pytest.skip("not run: needs `openssl kdf` of OpenSSL 3")
    key = bytes.fromhex(told.stdout.strip().replace(":", ""))
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    closed = RosterSeal(KEY, "gw-370102-01").close(b"a roster", Purpose.APPLIED)
    aad = b"zhijiao/roster-at-rest/1|applied|gw-370102-01"
    assert AESGCM(key).decrypt(closed[4:16], closed[16:], aad)
