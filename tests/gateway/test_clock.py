"""The system clock: what it reads from the kernel, and what it makes of it."""

import ctypes
import time
from pathlib import Path

import pytest

from gateway import RELEASED_MS
from gateway.clock import (
    Anchor,
    ClockQuality,
    ClockSource,
    KernelTime,
    ManualClock,
    Stamp,
    SystemClock,
    iso_ms,
    parse_iso_ms,
    read_adjtimex,
    read_boot_id,
    timex_layout,
)
from gateway.clock import kernel as kernel_module
from gateway.errors import StartError

BOOT = "87389cf03c0f4376b8caa195260ea502"
IN_2026 = 1_795_309_322_004
AT_1970 = 61_000
GOOD = KernelTime(synchronised=True, error_ms=12)
LOST = KernelTime(synchronised=False, error_ms=None)


class Machine:
    """A machine whose clocks, kernel and files say what the test wants."""

    def __init__(self, folder: Path, wall_ms: int = IN_2026) -> None:
        self.folder = folder
        self.wall_ms = wall_ms
        self.mono_ms = 5_000
        self.kernel: KernelTime | None = LOST
        self.asked = 0
        self.restart()

    def _ask(self) -> KernelTime | None:
        self.asked += 1
        return self.kernel

    def restart(self, anchor: Anchor | None = None, **settings: int) -> SystemClock:
        """Another process of the same boot."""
        self.clock = SystemClock(
            BOOT,
            read=lambda: (self.wall_ms, self.mono_ms),
            kernel_time=self._ask,
            timesync_flag=self.folder / "synchronized",
            rtc_flag=self.folder / "hctosys",
            anchor=anchor,
            **settings,
        )
        return self.clock

    def wait(self, ms: int) -> None:
        self.wall_ms += ms
        self.mono_ms += ms

    def stamp_after_cache(self) -> Stamp:
        self.wait(1_000)
        return self.clock.now()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_stamp_carries_both_clocks_the_boot_and_the_kernels_error_bound(machine: Machine) -> None:
    machine.kernel = GOOD
    assert machine.clock.now() == Stamp(IN_2026, 5_000, BOOT, ClockQuality.SYNCED, 12)
    assert machine.clock.source is ClockSource.NTP


@pytest.mark.parametrize(
    ("kernel", "quality"),
    [
        (KernelTime(synchronised=True, error_ms=1_000), ClockQuality.SYNCED),
        (KernelTime(synchronised=True, error_ms=1_001), ClockQuality.UNSYNCED),
        (KernelTime(synchronised=True, error_ms=None), ClockQuality.UNSYNCED),
        (KernelTime(synchronised=False, error_ms=5), ClockQuality.UNSYNCED),
    ],
)
def test_synced_needs_the_kernels_word_and_an_error_of_at_most_a_second(
    machine: Machine, kernel: KernelTime, quality: ClockQuality
) -> None:
    machine.kernel = kernel
    assert machine.clock.now().quality is quality


def test_an_error_bound_is_not_claimed_while_the_kernel_is_unsynchronised(machine: Machine) -> None:
    machine.kernel = KernelTime(synchronised=False, error_ms=5)
    assert machine.clock.now().error_ms is None


def test_a_clock_that_was_synced_holds_over_for_the_rest_of_the_boot(machine: Machine) -> None:
    machine.kernel = GOOD
    machine.clock.now()
    machine.kernel = LOST
    assert machine.stamp_after_cache().quality is ClockQuality.HOLDOVER
    assert machine.clock.source is ClockSource.NTP


def test_what_an_earlier_process_of_this_boot_measured_counts_at_once(machine: Machine) -> None:
    assert machine.clock.now().quality is ClockQuality.UNSYNCED
    stamp = machine.restart(Anchor(ClockSource.NTP, IN_2026 - 4_000, 1_000, 12)).now()
    assert stamp == Stamp(IN_2026, 5_000, BOOT, ClockQuality.HOLDOVER, 13)


def test_a_hand_on_the_clock_changes_nothing_that_is_recorded_in_holdover(machine: Machine) -> None:
    machine.kernel = GOOD
    machine.clock.now()
    machine.kernel = LOST
    machine.wall_ms += 86_400_000
    stamp = machine.stamp_after_cache()
    assert (stamp.wall_ms, stamp.quality) == (IN_2026 + 1_000, ClockQuality.HOLDOVER)


def test_the_bound_of_holdover_grows_by_the_crystals_drift(machine: Machine) -> None:
    machine.kernel = GOOD
    machine.clock.now()
    machine.kernel = LOST
    machine.wait(3_600_000)
    assert machine.clock.now().error_ms == 12 + 360


def test_a_clock_that_is_set_is_not_believed_for_the_rest_of_the_second(machine: Machine) -> None:
    machine.kernel = GOOD
    machine.clock.now()
    machine.kernel = LOST  # as the kernel says after a hand on the clock
    machine.wall_ms += 5_000
    stamp = machine.clock.now()
    assert (stamp.wall_ms, stamp.quality) == (IN_2026, ClockQuality.HOLDOVER)


def test_a_clock_set_while_the_kernel_is_asked_does_not_make_1970_a_measurement(tmp_path: Path) -> None:
    machine = Machine(tmp_path, AT_1970)

    def set_meanwhile() -> KernelTime:
        machine.wall_ms = IN_2026
        return GOOD

    machine.clock._kernel_time = set_meanwhile
    assert machine.clock.now() == Stamp(IN_2026, 5_000, BOOT, ClockQuality.SYNCED, 12)


def test_a_clock_that_never_stands_still_is_not_synced(machine: Machine) -> None:
    def set_again() -> KernelTime:
        machine.wall_ms += 60_000
        return GOOD

    machine.clock._kernel_time = set_again
    assert machine.clock.now().quality is ClockQuality.UNSYNCED


def test_a_kernel_synchronised_to_a_time_before_this_software_was_made_is_wrong(tmp_path: Path) -> None:
    machine = Machine(tmp_path, RELEASED_MS - 1)
    machine.kernel = GOOD
    stamp = machine.clock.now()
    assert (stamp.quality, stamp.error_ms) == (ClockQuality.UNSYNCED, None)


def test_a_clock_chip_behind_a_time_that_has_passed_is_not_believed(machine: Machine) -> None:
    (machine.folder / "hctosys").write_text("1\n")
    assert machine.restart(floor_ms=IN_2026 + 1).now().quality is ClockQuality.UNSYNCED
    assert machine.restart(floor_ms=IN_2026).now().quality is ClockQuality.HOLDOVER


def test_the_centers_time_replaces_the_machines_until_the_kernel_is_synchronised(tmp_path: Path) -> None:
    machine = Machine(tmp_path, AT_1970)
    machine.clock.accept(Anchor(ClockSource.CENTER, IN_2026, 5_000, 70))
    stamp = machine.stamp_after_cache()
    assert stamp == Stamp(IN_2026 + 1_000, 6_000, BOOT, ClockQuality.HOLDOVER, 71)
    assert (machine.clock.source, machine.clock.machine()) == (ClockSource.CENTER, (AT_1970 + 1_000, 6_000))
    machine.wall_ms, machine.kernel = IN_2026 + 990, GOOD
    assert machine.clock.now() == Stamp(IN_2026 + 990, 6_000, BOOT, ClockQuality.SYNCED, 12)
    assert machine.clock.source is ClockSource.NTP


def test_the_release_is_a_time_that_has_passed() -> None:
    assert time.time_ns() // 1_000_000 > RELEASED_MS


@pytest.mark.parametrize(
    ("hctosys", "wall_ms", "quality"),
    [
        ("1\n", IN_2026, ClockQuality.HOLDOVER),
        ("1\n", AT_1970, ClockQuality.UNSYNCED),  # the chip's battery is empty
        ("1\n", RELEASED_MS - 1, ClockQuality.UNSYNCED),
        ("0\n", IN_2026, ClockQuality.UNSYNCED),
        (None, IN_2026, ClockQuality.UNSYNCED),
    ],
)
def test_a_clock_chip_makes_holdover_only_when_it_set_a_believable_time(
    tmp_path: Path, hctosys: str | None, wall_ms: int, quality: ClockQuality
) -> None:
    machine = Machine(tmp_path, wall_ms)
    if hctosys is not None:
        (tmp_path / "hctosys").write_text(hctosys)
    assert machine.clock.now().quality is quality
    assert machine.clock.source is (ClockSource.RTC if quality is ClockQuality.HOLDOVER else ClockSource.NONE)


def test_under_a_filter_that_forbids_the_call_timesyncds_flag_decides(machine: Machine) -> None:
    machine.kernel = None
    assert machine.clock.now().quality is ClockQuality.UNSYNCED
    (machine.folder / "synchronized").touch()
    stamp = machine.stamp_after_cache()
    assert (stamp.quality, stamp.error_ms) == (ClockQuality.SYNCED, None)
    (machine.folder / "synchronized").unlink()
    assert machine.stamp_after_cache().quality is ClockQuality.HOLDOVER


def test_the_kernel_is_asked_at_most_once_a_second(machine: Machine) -> None:
    for _ in range(20):
        machine.clock.now()
        machine.wait(100)
    assert machine.asked == 2


def test_stamps_at_1970_work(tmp_path: Path) -> None:
    stamp = Machine(tmp_path, AT_1970).clock.now()
    assert (iso_ms(stamp.wall_ms), stamp.quality) == ("1970-01-01T00:01:01.000Z", ClockQuality.UNSYNCED)


def test_the_real_clock_agrees_with_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHIJIAO_BOOT_ID", BOOT)
    before = (time.time_ns() // 1_000_000, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000)
    stamp = SystemClock().now()
    after = (time.time_ns() // 1_000_000, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000)
    assert before[0] <= stamp.wall_ms <= after[0]
    assert before[1] <= stamp.mono_ms <= after[1]
    assert stamp.boot_id == BOOT


# --- the kernel's structure -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("long", "size", "offsets"),
    [
        # sizeof and offsetof as a C compiler gives them for glibc's struct timex
        (ctypes.c_int64, 208, {"maxerror": 24, "status": 40, "time_sec": 72, "shift": 112, "tai": 160}),
        (ctypes.c_int32, 128, {"maxerror": 12, "status": 20, "time_sec": 36, "shift": 56, "tai": 80}),
    ],
)
def test_struct_timex_has_the_kernels_layout(
    long: type[ctypes.c_int32] | type[ctypes.c_int64], size: int, offsets: dict[str, int]
) -> None:
    layout = timex_layout(long)
    assert ctypes.sizeof(layout) == size
    assert {name: getattr(layout, name).offset for name in offsets} == offsets


class Kernel:
    """Stands for libc: answers adjtimex with fixed values, and notes what it was asked to change."""

    def __init__(self, state: int, *, status: int = 0, maxerror_us: int = 0) -> None:
        self.state, self.status, self.maxerror_us = state, status, maxerror_us
        self.modes: int | None = None

    def adjtimex(self, reference: object) -> int:
        request = reference._obj  # type: ignore[attr-defined]  # what ctypes.byref points to
        self.modes = request.modes
        request.status, request.maxerror = self.status, self.maxerror_us
        return self.state


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        (Kernel(0, status=0x2001, maxerror_us=12_001), KernelTime(synchronised=True, error_ms=13)),
        (Kernel(1, maxerror_us=0), KernelTime(synchronised=True, error_ms=0)),  # a leap second is announced
        (Kernel(5, maxerror_us=900), KernelTime(synchronised=False, error_ms=1)),
        (Kernel(0, status=0x0040, maxerror_us=900), KernelTime(synchronised=False, error_ms=1)),
        (Kernel(0, maxerror_us=16_000_000), KernelTime(synchronised=True, error_ms=None)),
        (Kernel(-1), None),
    ],
    ids=["good", "leap", "time-error", "sta-unsync", "saturated", "forbidden"],
)
def test_the_kernels_answer_is_understood(
    monkeypatch: pytest.MonkeyPatch, kernel: Kernel, said: KernelTime | None
) -> None:
    monkeypatch.setattr(kernel_module, "_libc", kernel)
    assert read_adjtimex() == said
    assert kernel.modes == 0, "reading must never set the clock"


def test_the_real_kernel_answers_or_is_forbidden_to() -> None:
    said = read_adjtimex()
    assert said is None or said.error_ms is None or 0 <= said.error_ms < 16_000


# --- boot id --------------------------------------------------------------------------------------


def test_the_units_boot_id_comes_before_the_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proc = tmp_path / "boot_id"
    proc.write_text("a464d259-2cbc-47b4-976a-2de9128ddabc\n")
    monkeypatch.delenv("ZHIJIAO_BOOT_ID", raising=False)
    assert read_boot_id(proc) == "a464d2592cbc47b4976a2de9128ddabc"
    monkeypatch.setenv("ZHIJIAO_BOOT_ID", BOOT)
    assert read_boot_id(proc) == BOOT


def test_without_any_boot_id_the_start_fails_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZHIJIAO_BOOT_ID", raising=False)
    with pytest.raises(StartError, match="Environment=ZHIJIAO_BOOT_ID=%b"):
        read_boot_id(tmp_path / "hidden")


@pytest.mark.parametrize("given", ["", "%b", BOOT[:-1], BOOT + "0", "g" * 32])
def test_a_boot_id_that_is_none_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHIJIAO_BOOT_ID", given)
    with pytest.raises(StartError, match="32 hexadecimal digits"):
        read_boot_id()


# --- written times --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wall_ms", "written"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (IN_2026, "2026-11-22T01:02:02.004Z"),
        (951_782_400_999, "2000-02-29T00:00:00.999Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_written_and_read_in_one_form(wall_ms: int, written: str) -> None:
    assert iso_ms(wall_ms) == written
    assert parse_iso_ms(written) == wall_ms


@pytest.mark.parametrize(
    "written",
    [
        "",
        "2026-11-22T01:02:02Z",
        "2026-11-22T01:02:02.0040Z",
        "2026-11-22T01:02:02.004",
        "2026-11-22T01:02:02.004z",
        "2026-11-22 01:02:02.004Z",
        "2026-11-22T01:02:02.004+00:00",
        " 2026-11-22T01:02:02.004Z",
        "2026-11-22T01:02:02.004Z\n",
        "2026-02-29T01:02:02.004Z",
        "2026-11-22T24:00:00.000Z",
        "2026-11-22T23:59:60.000Z",
        "0000-01-01T00:00:00.000Z",
        "２０２６-11-22T01:02:02.004Z",
    ],
)
def test_any_other_form_is_refused(written: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - both the form and the calendar may refuse
        parse_iso_ms(written)


# --- the injectable clock -------------------------------------------------------------------------


def test_the_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(IN_2026, 5_000, quality=ClockQuality.UNSYNCED, error_ms=None)
    first = clock.now()
    assert clock.now() == first
    clock.advance(1_500)
    clock.step(-60_000)
    moved = clock.now()
    assert moved.wall_ms - first.wall_ms == 1_500 - 60_000
    assert moved.mono_ms - first.mono_ms == 1_500
    clock.accept(Anchor(ClockSource.NTP, IN_2026, 5_000, 12))
    assert clock.now() == Stamp(IN_2026 + 1_500, 6_500, first.boot_id, ClockQuality.HOLDOVER, 13)
