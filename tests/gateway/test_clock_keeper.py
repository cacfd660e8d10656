"""What a gateway remembers of time, and by which time it judges certificates."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway import RELEASED_MS
from gateway.clock import (
    Anchor,
    CertificateTime,
    ClockNotice,
    ClockQuality,
    ClockSource,
    ClockStepped,
    ClockSynced,
    ManualClock,
    Timekeeper,
    memory,
)
from gateway.clock.keeper import CENTER_JUDGES_MS
from gateway.clock.memory import Memory

BOOT = "87389cf03c0f4376b8caa195260ea502"
OTHER_BOOT = "0" * 32
IN_2026 = 1_795_309_322_000
HOUR = 3_600_000


def at_1970() -> ManualClock:
    return ManualClock(61_000, 5_000, quality=ClockQuality.UNSYNCED, error_ms=None, source=ClockSource.NONE)


def keeper(path: Path, clock: ManualClock) -> Timekeeper:
    return Timekeeper(clock, BOOT, path / "clock.json", memory.load(path / "clock.json"))


MEMORIES = [
    Memory(),
    Memory(good_wall_ms=IN_2026),
    Memory(good_wall_ms=1, boot_id=BOOT, machine_offset_ms=-5, anchor=Anchor(ClockSource.NTP, 2, 3, None)),
    Memory(boot_id=BOOT, anchor=Anchor(ClockSource.CENTER, IN_2026, 3, 70)),
]


@pytest.mark.parametrize("remembered", MEMORIES)
def test_what_was_saved_is_loaded(tmp_path: Path, remembered: Memory) -> None:
    memory.save(tmp_path / "clock.json", remembered)
    assert memory.load(tmp_path / "clock.json") == remembered
    assert [left.name for left in tmp_path.iterdir()] == ["clock.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"good_wall_ms": null}',
        '{"good_wall_ms":1,"boot_id":"","machine_offset_ms":null,"anchor":["moon",1,2,3]}',
        '{"good_wall_ms":1,"boot_id":"","machine_offset_ms":null,"anchor":[1]}',
        "\xff",
    ],
)
def test_a_damaged_file_is_no_memory_and_no_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "clock.json").write_text(text, encoding="latin-1")
    assert memory.load(tmp_path / "clock.json") == Memory()


def test_another_boot_keeps_only_the_time_that_has_passed() -> None:
    assert MEMORIES[2].of_boot(OTHER_BOOT) == Memory(good_wall_ms=1)
    assert MEMORIES[2].of_boot(BOOT) == MEMORIES[2]


async def test_a_restart_within_the_boot_rests_on_the_measurement_and_another_boot_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIJIAO_BOOT_ID", BOOT)
    first = Timekeeper.load(tmp_path / "clock.json")
    wall_ms, mono_ms = first.clock.machine()
    measured = Anchor(ClockSource.CENTER, wall_ms + 86_400_000, mono_ms, 70)
    first.clock.accept(measured)
    await first.keep()
    again = Timekeeper.load(tmp_path / "clock.json").clock
    if again.now().quality is not ClockQuality.SYNCED:  # this machine's own clock may be
        assert again.anchor == measured
        assert again.now().wall_ms - wall_ms >= 86_400_000
    monkeypatch.setenv("ZHIJIAO_BOOT_ID", OTHER_BOOT)
    assert Timekeeper.load(tmp_path / "clock.json").clock.anchor is None


async def test_only_a_time_server_raises_the_floor(tmp_path: Path) -> None:
    clock = ManualClock(IN_2026 + HOUR, 5_000, quality=ClockQuality.UNSYNCED, error_ms=None)
    kept = keeper(tmp_path, clock)
    await kept.keep()
    assert kept.floor_ms == RELEASED_MS
    clock.set_quality(ClockQuality.HOLDOVER, source=ClockSource.RTC)
    await kept.keep()
    assert kept.floor_ms == RELEASED_MS, "a clock chip may stand in any year"
    clock.accept(Anchor(ClockSource.CENTER, IN_2026 + HOUR, clock.mono_ms, 70))
    await kept.keep()
    assert kept.floor_ms == RELEASED_MS, "a center that was wrong once would shut out for good"
    clock.set_quality(ClockQuality.SYNCED, error_ms=5, source=ClockSource.NTP)
    await kept.keep()
    assert keeper(tmp_path, at_1970()).floor_ms == IN_2026 + HOUR, "also for the next boot"


async def test_a_floor_from_a_wrong_time_server_comes_down_with_the_right_one(tmp_path: Path) -> None:
    clock = ManualClock(IN_2026 * 2)
    kept = keeper(tmp_path, clock)
    await kept.keep()
    clock.wall_ms = IN_2026 + HOUR
    await kept.keep()
    assert kept.floor_ms == keeper(tmp_path, at_1970()).floor_ms == IN_2026 + HOUR


def test_the_newest_event_by_a_time_server_is_part_of_the_floor(tmp_path: Path) -> None:
    kept = keeper(tmp_path, at_1970())
    kept.saw_events(
        [
            (ClockQuality.UNSYNCED, IN_2026 * 2),
            (ClockQuality.HOLDOVER, IN_2026 + 2),
            (ClockQuality.SYNCED, IN_2026 + 1),
        ]
    )
    assert kept.floor_ms == IN_2026 + 1
    kept.saw_events([])
    assert kept.floor_ms == RELEASED_MS


def test_certificates_are_judged_by_the_machine_where_its_clock_is_right(tmp_path: Path) -> None:
    assert keeper(tmp_path, ManualClock()).certificate_time() is None


@pytest.mark.parametrize(("wall_ms", "at_ms"), [(61_000, RELEASED_MS), (RELEASED_MS + HOUR, RELEASED_MS)])
def test_an_unset_clock_judges_certificates_by_what_has_passed(
    tmp_path: Path, wall_ms: int, at_ms: int
) -> None:
    clock = at_1970()
    clock.wall_ms = wall_ms
    assert keeper(tmp_path, clock).certificate_time() == CertificateTime(at_ms, passed_only=True)


def test_a_known_time_on_a_machine_at_1970_judges_both_dates(tmp_path: Path) -> None:
    clock = at_1970()
    clock.accept(Anchor(ClockSource.CENTER, IN_2026, clock.mono_ms, 70))
    assert keeper(tmp_path, clock).certificate_time() == CertificateTime(IN_2026, passed_only=False)
    clock.advance(CENTER_JUDGES_MS)
    assert keeper(tmp_path, clock).certificate_time() == CertificateTime(RELEASED_MS, passed_only=True), (
        "a center's wrong time shuts out for hours, not until the next boot"
    )


async def test_a_stored_notice_is_remembered_and_a_refused_one_is_not(tmp_path: Path) -> None:
    clock, told = ManualClock(), list[ClockNotice]()
    kept = keeper(tmp_path, clock)
    both = asyncio.Event()

    async def notify(notice: ClockNotice) -> bool:
        told.append(notice)
        if isinstance(notice, ClockStepped):
            return True
        both.set()
        return False

    task = asyncio.create_task(kept.run(notify))
    async with asyncio.timeout(10):
        await both.wait()
    task.cancel()
    await asyncio.wait([task])
    assert [type(notice) for notice in told] == [ClockSynced]
    assert not (tmp_path / "clock.json").exists()


async def test_a_disk_that_refuses_costs_no_more_than_the_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Timekeeper(ManualClock(), BOOT, tmp_path / "gone" / "clock.json", Memory())
    await kept.keep()
    assert "clock state not remembered on disk" in caplog.text


async def test_the_file_holds_nothing_but_times(tmp_path: Path) -> None:
    await keeper(tmp_path, ManualClock()).keep()
    document = json.loads((tmp_path / "clock.json").read_text())
    assert set(document) == {"v", "good_wall_ms", "boot_id", "machine_offset_ms", "anchor"}
