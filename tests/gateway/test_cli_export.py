"""An exported range verifies with the public key alone, an independent verifier agrees, and no byte can be changed."""

import asyncio
import json
import os
import sqlite3
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.evidence.chain import keyring
from gateway.evidence.export_file import FileCheck, verify_file
from tests.e2e.independent import VerdictError, judge
from tests.gateway.store_fixtures import SIGNER, draft, running_store
from tests.gateway.technicians_box import PUBLIC, Box, box, fill, new_boot, wires, zhijiao

EVENTS = 12


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    return box(tmp_path)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Box:
    """Two epochs of EVENTS sequences each."""
    made, clock = box(tmp_path_factory.mktemp("sound")), ManualClock()

    async def two_epochs() -> None:
        for boot in "ab":
            async with running_store(made.store, new_boot(clock, boot), clean=False) as store:
                await store.append([draft(clock.now(), n=i) for i in range(EVENTS - 1)], clock.now())

    asyncio.run(two_epochs())
    return made


def epochs(desk: Box) -> list[str]:
    with desk.database() as db:
        return [str(row[0]) for row in db.execute("SELECT epoch FROM epoch ORDER BY first_n")]


def exported(desk: Box, name: str = "out.jsonl", *words: object) -> Path:
    path = desk.folder / name
    path.unlink(missing_ok=True)
    told = desk.run("outbox", "export", "--out", path, *words)
    assert told.code in {0, 1}, told.err
    return path


def verified(content: bytes) -> FileCheck:
    return verify_file(BytesIO(content), keyring({SIGNER.kid: PUBLIC}), lambda _done: None)


def test_every_line_is_the_wire_bytes_and_the_last_is_the_manifest(sound: Box) -> None:
    *lines, last = exported(sound).read_bytes().splitlines()
    assert lines == list(wires(sound.store))
    manifest = json.loads(last)
    assert manifest["count"] == 2 * EVENTS
    assert [(e["epoch"], e["from"], e["to"]) for e in manifest["epochs"]] == [
        (epoch, 1, EVENTS) for epoch in epochs(sound)
    ]
    assert manifest["keys"] == [{"alg": "EdDSA", "kid": SIGNER.kid, "public": PUBLIC.hex()}]


def test_the_file_is_its_owners_alone_and_says_so(sound: Box) -> None:
    path = sound.folder / "private.jsonl"
    told = sound.run("outbox", "export", "--out", path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert "0600" in told.out
    assert "含个人信息" in told.out
    again = sound.run("outbox", "export", "--out", path)
    assert "[file_exists]" in again.err
    assert not path.with_name("private.jsonl.partial").exists()


def test_the_public_key_alone_is_enough(sound: Box, tmp_path: Path) -> None:
    path = exported(sound)
    for key in (sound.public_key, PUBLIC.hex(), f"{SIGNER.kid}={PUBLIC.hex()}"):
        told = zhijiao("verify", path, "--key", key)
        assert told.code == 0, told.out
    assert "signed: nothing was cut off" in told.out
    assert "genuine and complete" in told.out
    assert zhijiao("verify", path, "--trust", sound.trust, "--json").json["signed_manifest"] is True
    wrong = zhijiao("verify", path, "--key", "ab" * 32)
    assert wrong.code == 2
    assert "signature" in wrong.out
    unknown = zhijiao("verify", path, "--key", f"other#1={'ab' * 32}")
    assert PUBLIC.hex() in unknown.out, "it says which key the file names, to be compared"
    assert "[no_key]" in zhijiao("verify", path).err


def test_an_independent_verifier_agrees(sound: Box) -> None:
    *lines, _manifest = exported(sound).read_bytes().splitlines()
    assert judge(lines, (), {SIGNER.kid: PUBLIC}) == dict.fromkeys(epochs(sound), EVENTS)
    with pytest.raises(VerdictError):
        judge(lines[:3] + lines[4:], (), {SIGNER.kid: PUBLIC})


@settings(max_examples=60, deadline=None)
@given(epoch=st.integers(0, 1), ends=st.tuples(st.integers(1, EVENTS), st.integers(1, EVENTS)).map(sorted))
def test_every_range_verifies(sound: Box, epoch: int, ends: list[int]) -> None:
    first, last = ends
    words = ("--epoch", epochs(sound)[epoch], "--from", first, "--to", last)
    check = verified(exported(sound, "range.jsonl", *words).read_bytes())
    assert check.finding_count == 0, check.findings
    assert [(s.first, s.last, s.count) for s in check.spans] == [(first, last, last - first + 1)]
    assert not check.unsigned


@settings(max_examples=250, deadline=None)
@given(where=st.integers(0), bit=st.integers(0, 7))
def test_every_flipped_bit_of_a_signed_file_is_found(sound: Box, where: int, bit: int) -> None:
    path = sound.folder / "flip.jsonl"
    content = bytearray((path if path.exists() else exported(sound, "flip.jsonl")).read_bytes())
    content[where % len(content)] ^= 1 << bit
    assert verified(bytes(content)).finding_count > 0


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_line_can_be_dropped_doubled_or_moved(sound: Box, data: st.DataObject) -> None:
    path = sound.folder / "lines.jsonl"
    lines = (path if path.exists() else exported(sound, "lines.jsonl")).read_bytes().splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    match data.draw(st.sampled_from(["drop", "double", "move"])):
        case "drop":
            del lines[at]
        case "double":
            lines.insert(at, lines[at])
        case _:
            lines.insert(data.draw(st.integers(0, len(lines) - 2).filter(lambda to: to != at)), lines.pop(at))
    assert verified(b"".join(lines)).finding_count > 0


@pytest.mark.parametrize("end", [0, 1, 100, 5000])
def test_a_file_cut_off_is_found(sound: Box, end: int) -> None:
    content = exported(sound).read_bytes()[:end]
    assert "no_manifest" in {finding.code for finding in verified(content).findings}


def test_without_the_event_key_the_manifest_is_unsigned_and_that_is_said(sound: Box) -> None:
    path = sound.folder / "bare.jsonl"
    assert zhijiao("outbox", "export", "--store", sound.store, "--out", path).code == 0
    told = zhijiao("verify", path, "--key", sound.public_key)
    assert told.code == 0
    assert "whether events were cut off at the ends is not proven" in told.out


async def test_purged_events_are_holes_in_the_file_and_the_manifest_owns_up_to_them(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 20, settled=21)
    with desk.database() as db:
        db.execute("DELETE FROM event WHERE n IN (5, 6, 7)")
    path = desk.folder / "out.jsonl"
    told = desk.run("outbox", "export", "--out", path)
    assert told.code == 1
    assert "3 events of the range are not held" in told.out
    offline = zhijiao("verify", path, "--key", desk.public_key)
    assert offline.code == 1
    assert "3 of them not held any more" in offline.out


async def test_an_altered_row_is_not_handed_out_as_evidence(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 20)
    with desk.database() as db:
        wire = bytes(db.execute("SELECT wire FROM event WHERE n = 9").fetchone()[0])
        db.execute("UPDATE event SET wire = ? WHERE n = 9", (wire.replace(b'"n":7', b'"n":8'),))
    path = desk.folder / "out.jsonl"
    told = desk.run("outbox", "export", "--out", path, "--json")
    assert told.code == 2
    assert (told.json["altered"], told.json["manifest"]["count"]) == (1, 20)
    assert zhijiao("verify", path, "--key", desk.public_key).code == 1


def test_ranges_that_do_not_exist_are_refused(sound: Box) -> None:
    path = sound.folder / "none.jsonl"
    for words in (
        ("--epoch", "ffffffff"),
        ("--epoch", epochs(sound)[0], "--from", EVENTS + 1),
        ("--epoch", epochs(sound)[0], "--from", 0),
        ("--epoch", epochs(sound)[0], "--from", 5, "--to", 4),
        ("--from", 1, "--to", 2),
    ):
        told = sound.run("outbox", "export", "--out", path, *words)
        assert "[usage]" in told.err, words
        assert not path.exists()


def test_personal_data_does_not_go_to_a_terminal(sound: Box) -> None:
    leader, follower = os.openpty()
    try:
        with os.fdopen(os.dup(follower), "w") as terminal, pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdout", terminal)
            from gateway.cli.main import execute

            code = execute(["outbox", "export", "--config", str(sound.config)])
        assert code == 78
    finally:
        os.close(leader)
        os.close(follower)


def test_it_can_be_piped(sound: Box) -> None:
    told = sound.run("outbox", "export")
    assert verified(told.out.encode()).finding_count == 0
    assert "restricted" in told.err


def test_a_store_is_read_while_the_file_is_made_and_never_written(sound: Box) -> None:
    with sqlite3.connect(sound.store, isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        exported(sound, "beside.jsonl")
        db.execute("ROLLBACK")
