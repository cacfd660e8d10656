"""What the report says of an epoch, and when its events really happened."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.main import main
from gateway.clock import ClockQuality, ManualClock, iso_ms
from gateway.envelope import GENESIS, Draft, Place, Sealed, seal, sequence
from gateway.evidence.canonical import Json
from gateway.evidence.corrected_time import Corrected, Pairing, Pairings, TimeQuality
from gateway.receiver.report import Completeness, events, report
from gateway.uuid7 import uuid7
from tests.gateway.receiver_fixtures import (
    EPOCH,
    GW,
    KEY,
    ORG,
    ROOT,
    Time,
    chain,
    info,
    message,
    receiving,
    record,
    status,
)

BOOT, OTHER_BOOT = "a" * 32, "b" * 32
TRUE_MS = 1_795_309_322_000  # what the time really was at monotonic 0


def zhijiao(*command: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(list(command))
    return int(ended.value.code or 0)


def stamped(
    boot: str, mono_ms: int, *, clockq: str = "unsynced", time_ms: int = 0, **more: Json
) -> dict[str, Json]:
    return {"bootid": boot, "monoms": str(mono_ms), "clockq": clockq, "time": iso_ms(time_ms), **more}


def pairing(mono_ms: int, *, boot: str = BOOT, source: str = "ntp", error_ms: int | None = 5) -> Pairing:
    return Pairing(mono_ms, TRUE_MS + mono_ms, error_ms, source, boot)


@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=6, unique=True),
    st.integers(0, 10**9),
    st.randoms(use_true_random=False),
)
def test_every_event_of_a_boot_gets_its_true_time_from_the_nearest_pairing(
    moments: list[int], mono_ms: int, random: Any
) -> None:
    """Each pairing is off by its own error, so the answer tells which one was used."""
    off = {moment: index * 1000 for index, moment in enumerate(moments)}
    pairings = [Pairing(at, TRUE_MS + at + off[at], 5, "ntp", BOOT) for at in moments]
    random.shuffle(pairings)
    corrected = Pairings(pairings).correct(stamped(BOOT, mono_ms))
    distance = min(abs(at - mono_ms) for at in moments)
    nearest = {TRUE_MS + mono_ms + off[at] for at in moments if abs(at - mono_ms) == distance}
    assert corrected.ms in nearest
    assert corrected.quality is TimeQuality.PAIRED
    assert corrected.error_ms is not None
    assert 5 + distance / 10_000 <= corrected.error_ms < 6 + distance / 10_000


@pytest.mark.parametrize(
    ("pairings", "event", "expected"),
    [
        ([], stamped(BOOT, 5), Corrected(None, TimeQuality.UNKNOWN)),
        ([pairing(9, boot=OTHER_BOOT)], stamped(BOOT, 5), Corrected(None, TimeQuality.UNKNOWN)),
        (
            [pairing(9, source="rtc", error_ms=None)],
            stamped(BOOT, 5),
            Corrected(TRUE_MS + 5, TimeQuality.CHIP),
        ),
        (
            [pairing(6, source="rtc", error_ms=None), pairing(9)],
            stamped(BOOT, 5),
            Corrected(TRUE_MS + 5, TimeQuality.PAIRED, 6),
        ),
        ([pairing(9, source="center")], stamped(BOOT, 5), Corrected(TRUE_MS + 5, TimeQuality.PAIRED, 6)),
        (
            [],
            stamped(BOOT, 5, clockq="synced", time_ms=77, clockerrms=12),
            Corrected(77, TimeQuality.STATED, 12),
        ),
        (
            [pairing(9, source="rtc", error_ms=None)],
            stamped(BOOT, 5, clockq="synced", time_ms=77, clockerrms=12),
            Corrected(77, TimeQuality.STATED, 12),
        ),
        ([], stamped(BOOT, 5, clockq="holdover", time_ms=77), Corrected(77, TimeQuality.CHIP)),
        ([pairing(9)], {"time": "yesterday", "clockq": "synced"}, Corrected(None, TimeQuality.UNKNOWN)),
        ([pairing(9)], {}, Corrected(None, TimeQuality.UNKNOWN)),
    ],
    ids=[
        *("nothing known", "pairing of another boot", "clock chip only", "chip is nearer", "by the center"),
        *("own word", "own word beats a chip", "holdover of a chip", "unreadable", "altered away"),
    ],
)
def test_what_a_corrected_time_rests_on(
    pairings: Sequence[Pairing], event: dict[str, Json], expected: Corrected
) -> None:
    assert Pairings(pairings).correct(event) == expected


def booted_at_1970() -> list[Sealed]:
    """Three events at 1970, the pairing 10 s after the third, one event after it."""
    clock, made, previous = ManualClock(wall_ms=1000, mono_ms=1000, boot_id=BOOT), list[Sealed](), GENESIS
    clock.set_quality(ClockQuality.UNSYNCED)
    opening: dict[str, Json] = {"reason": "new_store", "profile": "intl", "software": "0", "previous": None}
    pair: dict[str, Json] = {
        "source": "ntp", "wall_ms": TRUE_MS + 13_000, "mono_ms": "13000", "step_ms": 0, "error_ms": 4,
    }  # fmt: skip
    steps: list[tuple[str, dict[str, Json], int]] = [
        ("system.epoch_opened", opening, 1000),
        ("identity.card_read", {"n": 2}, 2000),
        ("identity.card_read", {"n": 3}, 3000),
        ("clock.synced", pair, 13_000),
        ("identity.card_read", {"n": 5}, 14_000),
    ]
    for seq, (name, data, mono_ms) in enumerate(steps, 1):
        clock.advance(mono_ms - clock.mono_ms)
        draft = Draft(
            id=uuid7(clock.wall_ms),
            type=name,
            subject=f"gateway/{GW}",
            device="gateway",
            at=clock.now(),
            data=data,
        )
        made.append(seal(draft, Place(ORG, GW, EPOCH, seq, previous), clock.now(), KEY))
        previous = made[-1].hash
    return made


@pytest.mark.usefixtures("on_both")
async def test_events_of_1970_are_listed_with_their_true_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = booted_at_1970()
    async with receiving(tmp_path / "c.db") as receiver:
        for event, name in zip(made, ("system", "identity", "identity", "clock", "identity"), strict=True):
            await receiver.accept(f"{ROOT}evt/{name}", event.wire)
    listed = list(events(record(tmp_path / "c.db")))
    assert [event.time_ms for event in listed] == [1000, 2000, 3000, 13_000, 14_000]
    assert [event.corrected.ms for event in listed] == [
        TRUE_MS + at for at in (1000, 2000, 3000, 13_000, 14_000)
    ]
    assert {event.corrected.quality for event in listed} == {TimeQuality.PAIRED}
    (epoch,) = report(record(tmp_path / "c.db"))
    assert (epoch.time, epoch.times) == ("paired", {"paired": 5})
    assert zhijiao("receive", "--db", record(tmp_path / "c.db"), "--events") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["corrected_ms"] for line in lines] == [event.corrected.ms for event in listed]
    assert "subject" not in lines[0]
    assert "wire" not in lines[0]


@pytest.mark.usefixtures("on_both")
async def test_without_the_pairing_the_time_is_unknown_and_the_epoch_complete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with receiving(tmp_path / "c.db") as receiver:
        for event, name in zip(booted_at_1970(), ("system", "identity", "identity"), strict=False):
            await receiver.accept(f"{ROOT}evt/{name}", event.wire)
    (epoch,) = report(record(tmp_path / "c.db"))
    assert (epoch.complete, epoch.intact, epoch.time) == (True, True, "unknown")
    assert zhijiao("receive", "--db", record(tmp_path / "c.db"), "--report") == 0, (
        "time is a verdict of its own"
    )
    assert "time unknown at worst (unknown 3)" in capsys.readouterr().out


@pytest.mark.usefixtures("on_both")
async def test_the_three_verdicts_on_completeness_and_their_exit_codes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db, time, made = tmp_path / "c.db", Time(), chain(90)
    ask = ["receive", "--db", record(db), "--report"]
    async with receiving(db, time) as receiver:
        await receiver.accept_many([message(event) for event in made if event.seq % 2])
        await receiver.accept(*info(time, (EPOCH, 90, made[89].hash)))
    (epoch,) = report(record(db))
    assert epoch.completeness is Completeness.INCOMPLETE
    assert (epoch.missing, epoch.end) == (45, 90)
    assert epoch.missing_ranges == tuple((seq, seq) for seq in range(2, 34, 2))
    assert zhijiao(*ask) == 1
    assert "#30, #32 and 29 more" in capsys.readouterr().out
    async with receiving(db, time) as receiver:
        await receiver.accept(*status(time))
        await receiver.look_after()
        time.pass_s(600)
        await receiver.look_after()
        (_, wire) = receiver.messages_due()[0]
        told = {"v": 1, "cmdid": json.loads(wire)["cmdid"], "status": "done"}
        told |= {"result": {"sent": [], "unavailable": [[sequence(2), sequence(90)]]}}
        await receiver.accept(f"{ROOT}rsp/resend", json.dumps(told).encode())
    (epoch,) = report(record(db))
    assert epoch.completeness is Completeness.DECLARED
    assert (epoch.missing, epoch.lost, epoch.lost_ranges[:2]) == (0, 45, ((2, 2), (4, 4)))
    assert zhijiao(*ask, "--json") == 1
    assert json.loads(capsys.readouterr().out)["completeness"] == "incomplete-but-declared"
    async with receiving(db, time) as receiver:
        await receiver.accept_many([message(event) for event in made])
    (epoch,) = report(record(db))
    assert epoch.completeness is Completeness.COMPLETE
    assert zhijiao(*ask) == 0


@pytest.mark.usefixtures("on_both")
async def test_forks_and_rollbacks_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db, time, made, twins = tmp_path / "c.db", Time(), chain(6), chain(6)
    async with receiving(db, time) as receiver:
        await receiver.accept_many([message(event) for event in [*made, twins[3]]])
        await receiver.accept(*status(time, acked=sequence(8)))
        forgotten: Json = {"epoch": EPOCH, "last_seq": 2, "last_hash": made[1].hash.hex()}
        await receiver.accept(*message(chain(1, epoch="00000002", previous=forgotten)[0]))
    epoch = next(epoch for epoch in report(record(db)) if epoch.epoch == EPOCH)
    assert (epoch.forks, epoch.fork_seqs) == (1, (4,))
    assert epoch.alarms == {"center_rollback": 1, "store_rollback": 1}
    assert zhijiao("receive", "--db", record(db), "--report") == 2
    out = capsys.readouterr().out
    assert "forks at #4" in out
    assert "ALARM center_rollback, 1 times" in out
    assert "ALARM store_rollback, 1 times" in out
    assert "NOT INTACT" in out


@pytest.mark.usefixtures("on_both")
async def test_a_stated_end_beyond_all_reason_costs_nothing(tmp_path: Path) -> None:
    db, time = tmp_path / "c.db", Time()
    async with receiving(db, time) as receiver:
        await receiver.accept_many([message(event) for event in chain(3)])
        await receiver.accept(*info(time, (EPOCH, 10**15, bytes(32))))
    (epoch,) = report(record(db))
    assert (epoch.missing, epoch.missing_ranges) == (10**15 - 3, ((4, 10**15),))
