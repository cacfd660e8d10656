"""Whatever happens to a gateway's clocks, the center puts every event at its true time, within what is stated.

A machine with a drifting crystal and no clock chip lives through any sequence of passing time, hands on the
clock, time servers, the center's answers, restarts and reboots. Its events and pairings are judged by a
reader that shares no code with the product.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import RELEASED_MS
from gateway.clock import (
    CenterTime,
    ClockNotice,
    ClockQuality,
    ClockSource,
    ClockSynced,
    ClockWatch,
    KernelTime,
    Stamp,
    SystemClock,
    memory,
)
from gateway.clock.center import TimeRefused
from gateway.clock.memory import Memory

DAY = 86_400_000
PAIRING_DRIFT_PPM = 100  # as the contract states
LOST = KernelTime(synchronised=False, error_ms=None)


@dataclass(frozen=True)
class Told:
    """What the center got, in order, with the truth that only the test knows."""

    stamp: Stamp
    true_ms: int
    pairing: ClockSynced | None = None


class Machine:
    """A board: its crystal drifts while nobody disciplines it; its wall clock starts at 1970 at every boot."""

    def __init__(self, folder: Path, drift_ppm: int) -> None:
        self.path = folder / "clock.json"
        self.drift_ppm = drift_ppm
        self.true_ms = RELEASED_MS + 30 * DAY
        self.told: list[Told] = []
        self.boots = 0
        self.reboot()

    @property
    def mono_ms(self) -> int:
        return self.mono_us // 1_000

    def read(self) -> tuple[int, int]:
        return self.mono_ms + self.offset_ms, self.mono_ms

    # -- what happens to it ---------------------------------------------------------------------------

    def reboot(self) -> None:
        self.boots += 1
        self.boot_id = f"{self.boots:032x}"
        self.mono_us, self.offset_ms, self.kernel = 4_000_000, 5_000, LOST
        self.true_ms += 60_000
        self.restart()

    def restart(self) -> None:
        remembered = memory.load(self.path)
        here = remembered.of_boot(self.boot_id)
        self.clock = SystemClock(
            self.boot_id,
            read=self.read,
            kernel_time=lambda: self.kernel,
            timesync_flag=self.path / "none",
            rtc_flag=self.path / "none",
            anchor=here.anchor,
            floor_ms=max(RELEASED_MS, remembered.good_wall_ms),
        )
        self.watch = ClockWatch(self.clock, machine_offset_ms=here.machine_offset_ms)

    def advance(self, ms: int) -> None:
        disciplined = self.kernel.synchronised
        self.true_ms += ms
        self.mono_us += ms * 1_000 + (0 if disciplined else ms * self.drift_ppm // 1_000)

    def step(self, ms: int) -> None:
        """A hand on the clock: the kernel is no longer synchronised, as Linux has it."""
        self.offset_ms += ms
        self.kernel = LOST

    def ntp(self, error_ms: int) -> None:
        self.offset_ms = self.true_ms + error_ms - self.mono_ms
        self.kernel = KernelTime(synchronised=True, error_ms=abs(error_ms) + 3)

    def ntp_gone(self) -> None:
        self.kernel = LOST

    def center(self, there_ms: int, back_ms: int) -> None:
        async def ask() -> tuple[int, int, int]:
            sent = self.mono_ms
            self.advance(there_ms)
            center_ms = self.true_ms
            self.advance(back_ms)
            return center_ms, sent, self.mono_ms

        async def sleep(seconds: float) -> None:
            self.advance(round(seconds * 1000))

        try:
            asyncio.run(CenterTime(self.clock, ask, lambda: RELEASED_MS).ask(sleep=sleep))
        except TimeRefused as refused:
            if refused.code != "slow":
                raise  # a true center is never disputed

    # -- what it tells --------------------------------------------------------------------------------

    def event(self) -> None:
        self.told.append(Told(self.clock.now(), self.true_ms))

    def look(self) -> None:
        for notice in self.watch.look():
            self.record(notice)

    def record(self, notice: ClockNotice) -> None:
        pairing = notice if isinstance(notice, ClockSynced) else None
        self.told.append(Told(self.clock.now(), self.true_ms, pairing))
        memory.save(
            self.path,
            Memory(
                boot_id=self.boot_id,
                machine_offset_ms=self.watch.machine_offset_ms,
                anchor=self.clock.anchor,
            ),
        )


def corrected(told: Sequence[Told]) -> list[tuple[int, int] | None]:
    """Time and bound of every event by the nearest pairing of its boot; None for a boot without one."""
    found: list[tuple[int, int] | None] = []
    for event in told:
        pairings = [
            other.pairing
            for other in told
            if other.pairing is not None and other.stamp.boot_id == event.stamp.boot_id
        ]
        if not pairings:
            found.append(None)
            continue
        mono = event.stamp.mono_ms
        nearest = min(pairings, key=lambda pairing: abs(pairing.mono_ms - mono))
        away = abs(nearest.mono_ms - mono)
        assert nearest.error_ms is not None
        bound = nearest.error_ms + away * PAIRING_DRIFT_PPM / 1e6 + 2  # whole milliseconds on both sides
        found.append((nearest.wall_ms - (nearest.mono_ms - mono), int(bound)))
    return found


def judge(machine: Machine) -> None:
    told = machine.told
    for event, right in zip(told, corrected(told), strict=True):
        if right is not None:
            time_ms, bound_ms = right
            off = abs(time_ms - event.true_ms)
            assert off <= bound_ms, f"corrected time is {off} ms off, {bound_ms} are stated"
        stamp = event.stamp
        if stamp.quality is not ClockQuality.UNSYNCED:
            assert stamp.error_ms is not None
            off = abs(stamp.wall_ms - event.true_ms)
            assert off <= stamp.error_ms + 4, f"{stamp.quality} time is {off} ms off, {stamp.error_ms} stated"
    trues = [event.true_ms for event in told]
    assert trues == sorted(trues), "order of sequence is the order in which things happened"


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[str, tuple[int, ...]]]:
    step = st.one_of(
        st.tuples(st.just("advance"), st.tuples(st.integers(1, 3 * DAY))),
        st.tuples(st.just("advance"), st.tuples(st.integers(1, 30_000))),
        st.tuples(
            st.just("step"), st.tuples(st.sampled_from([-DAY, DAY, -1_001, 1_001, 900, -20 * 365 * DAY]))
        ),
        st.tuples(st.just("ntp"), st.tuples(st.integers(-900, 900))),
        st.tuples(st.just("ntp_gone"), st.just(())),
        st.tuples(st.just("center"), st.tuples(st.integers(0, 2_000), st.integers(0, 3_500))),
        st.tuples(st.just("restart"), st.just(())),
        st.tuples(st.just("reboot"), st.just(())),
        st.tuples(st.just("event"), st.just(())),
    )
    return draw(st.lists(step, min_size=1, max_size=25))


@settings(max_examples=100, deadline=None)
@given(life=lives(), drift_ppm=st.integers(-95, 95))
def test_corrected_times_are_right_and_in_order_whatever_happens(
    life: list[tuple[str, tuple[int, ...]]], drift_ppm: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder), drift_ppm)
        machine.look()
        for name, arguments in life:
            getattr(machine, name)(*arguments)
            machine.event()
            machine.look()
        judge(machine)


def test_the_judgement_can_fail(tmp_path: Path) -> None:
    """The negative control: a pairing of another boot, and a crystal worse than stated."""
    machine = Machine(tmp_path, 0)
    machine.look()
    machine.event()
    machine.ntp(5)
    machine.look()
    machine.reboot()
    machine.event()
    assert corrected(machine.told)[-1] is None
    for at, told in enumerate(machine.told):
        if told.pairing is not None:
            other_boot = Stamp(told.stamp.wall_ms, told.stamp.mono_ms, machine.boot_id, told.stamp.quality, 8)
            machine.told[at] = Told(other_boot, told.true_ms, told.pairing)
    for failing in (machine, worse_crystal(tmp_path)):
        try:
            judge(failing)
        except AssertionError:
            continue
        raise AssertionError("a wrong time was not found")


def worse_crystal(folder: Path) -> Machine:
    machine = Machine(folder, 400)
    machine.ntp(0)
    machine.look()
    machine.ntp_gone()
    machine.advance(DAY)
    machine.event()
    return machine


def test_a_boot_that_was_never_synced_claims_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, 20)
    for ms in (1_000, DAY, 1_000):
        machine.advance(ms)
        machine.event()
        machine.look()
    assert {told.stamp.quality for told in machine.told} == {ClockQuality.UNSYNCED}
    assert corrected(machine.told) == [None] * 3
    judge(machine)


def test_one_answer_of_the_center_puts_the_whole_boot_right(tmp_path: Path) -> None:
    machine = Machine(tmp_path, 20)
    machine.look()
    machine.event()
    machine.advance(600_000)
    machine.center(20, 30)
    machine.look()
    machine.step(-DAY)
    machine.event()
    machine.restart()
    machine.event()
    machine.look()
    judge(machine)
    assert all(right is not None and right[1] < 1_000 for right in corrected(machine.told))
    assert machine.told[-1].stamp.quality is ClockQuality.HOLDOVER
    assert machine.clock.source is ClockSource.CENTER
