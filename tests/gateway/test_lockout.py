"""Who has to wait, over restarts, reboots and hands on the clock: against a model, and by what must never be."""

from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.access.lockout import (
    ACCOUNT_PACE,
    ALL,
    KNOWN_SOURCES,
    LOCK_MS,
    MOST_ENTRIES,
    NOBODY,
    SOURCE_PACE,
    TRIES,
    Lockout,
)
from gateway.clock import ManualClock
from gateway.store.accounts import Lock

ACCOUNTS = ("desk-1", "desk-2")
SOURCES = tuple(f"10.0.0.{n}" for n in range(8))
MINUTE = 60_000


@dataclass
class Count:
    """What the model knows of one account and source, or of one of both alone; times are those of the model."""

    failures: int = 0
    clear: int = 0
    written: int = 0
    known: bool = False


@dataclass
class Machine:
    """The lockout as a gateway uses it, its rows in a dictionary instead of a table."""

    clock: ManualClock = field(default_factory=ManualClock)
    rows: dict[tuple[str, str], Lock] = field(default_factory=dict)
    lockout: Lockout = field(default_factory=Lockout)

    def start(self) -> None:
        now = self.clock.now()
        self.lockout = Lockout()
        self.lockout.restore(list(self.rows.values()), now.boot_id, now.mono_ms)
        self.save()

    def save(self) -> None:
        now = self.clock.now()
        unsaved = self.lockout.unsaved(now.boot_id, now.mono_ms)
        self.rows |= {(lock.account, lock.source): lock for lock in unsaved.locks}
        for key in unsaved.gone:
            self.rows.pop(key, None)
        self.lockout.saved(unsaved)
        assert self.lockout.unsaved(now.boot_id, now.mono_ms).locks == ()

    def wait(self, account: str, source: str) -> int:
        found = self.lockout.wait(account, source, self.clock.mono_ms)
        return 0 if found is None else found.ms

    def fail(self, account: str, source: str) -> None:
        self.lockout.failed(account, source, self.clock.mono_ms)
        self.save()

    def succeed(self, account: str, source: str) -> None:
        self.lockout.succeeded(account, source, self.clock.mono_ms)
        self.save()


class Guessing(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine()
        self.now = 0  # of the model: time during which the machine had power
        self.boots = 1
        self.counts: dict[tuple[str, str], Count] = defaultdict(Count)
        self.tried: dict[tuple[str, str], list[int]] = defaultdict(list)  # failures, since the last success

    @initialize()
    def begin(self) -> None:
        self.machine.start()

    @rule(account=st.sampled_from(ACCOUNTS), source=st.sampled_from(SOURCES), often=st.integers(1, 7))
    def guess(self, account: str, source: str, often: int) -> None:
        for _ in range(often):
            expected = self.expected(account, source)
            assert self.machine.wait(account, source) == expected
            if expected:
                return  # a refused try is not counted
            self.machine.fail(account, source)
            self.over_is_forgotten()
            self.tried[account, source].append(self.now)
            pair = self.counts[account, source]
            pair.failures = (pair.failures if self.now < pair.clear else 0) + 1
            pair.clear, pair.written = self.now + LOCK_MS, self.now
            for key, pace in (((account, ALL), ACCOUNT_PACE), ((NOBODY, source), SOURCE_PACE)):
                count = self.counts[key]
                count.clear = max(count.clear, self.now) + pace.step_ms
                count.written = self.now

    @rule(account=st.sampled_from(ACCOUNTS), source=st.sampled_from(SOURCES))
    def sign_in(self, account: str, source: str) -> None:
        if self.expected(account, source):
            return
        self.machine.succeed(account, source)
        self.over_is_forgotten()
        self.counts[account, source] = Count(known=True, written=self.now)
        self.tried[account, source].clear()

    @rule(ms=st.sampled_from((1, 1000, MINUTE, 90_000, 5 * MINUTE, LOCK_MS - 1, LOCK_MS, 60 * MINUTE)))
    def time_passes(self, ms: int) -> None:
        self.machine.clock.advance(ms)
        self.now += ms

    @rule(ms=st.sampled_from((-10 * 365 * 86_400_000, -LOCK_MS, LOCK_MS, 365 * 86_400_000)))
    def somebody_sets_the_clock(self, ms: int) -> None:
        self.machine.clock.step(ms)

    @rule()
    def the_gateway_tidies_up(self) -> None:
        self.machine.lockout.tidy(self.machine.clock.mono_ms)
        self.machine.save()
        self.over_is_forgotten()

    @rule()
    def the_process_starts_again(self) -> None:
        self.machine.start()

    @rule(mono_ms=st.sampled_from((0, 20_000, 10**9)))
    def the_machine_starts_again(self, mono_ms: int) -> None:
        self.boots += 1
        self.machine.clock.boot_id = f"{self.boots:032x}"
        self.machine.clock.mono_ms = mono_ms
        self.machine.start()
        for count in self.counts.values():
            count.clear += self.now - count.written  # what remained when it was written begins again
            count.written = self.now

    @invariant()
    def everybody_waits_as_long_as_expected(self) -> None:
        for account in ACCOUNTS:
            for source in SOURCES:
                assert self.machine.wait(account, source) == self.expected(account, source)

    @invariant()
    def nobody_tries_more_than_five_times_in_a_quarter_of_an_hour(self) -> None:
        for moments in self.tried.values():
            for last in range(TRIES, len(moments)):
                assert moments[last] - moments[last - TRIES] >= LOCK_MS

    @invariant()
    def one_machine_locks_the_account_for_itself_only(self) -> None:
        for account in ACCOUNTS:
            guessing = {
                source for (name, source), moments in self.tried.items() if name == account and moments
            }
            if len(guessing) <= 2:
                others = [source for source in SOURCES if source not in guessing]
                assert all(self.pair_and_account(account, source) == 0 for source in others)

    @invariant()
    def nobody_waits_longer_than_the_lock(self) -> None:
        assert all(self.machine.wait(a, s) <= LOCK_MS for a in ACCOUNTS for s in SOURCES)

    def over_is_forgotten(self) -> None:
        for key, count in list(self.counts.items()):
            if count.clear <= self.now:
                self.counts[key] = Count(known=count.known, clear=self.now, written=self.now)

    def pair_and_account(self, account: str, source: str) -> int:
        pair = self.counts.get((account, source), Count())
        if pair.failures >= TRIES and self.now < pair.clear:
            return pair.clear - self.now
        return 0 if pair.known else self.over((account, ALL), ACCOUNT_PACE.burst, ACCOUNT_PACE.step_ms)

    def expected(self, account: str, source: str) -> int:
        waits = self.pair_and_account(account, source)
        return waits or self.over((NOBODY, source), SOURCE_PACE.burst, SOURCE_PACE.step_ms)

    def over(self, key: tuple[str, str], burst: int, step_ms: int) -> int:
        return max(0, self.counts.get(key, Count()).clear - self.now - (burst - 1) * step_ms)


Guessing.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestGuessing = Guessing.TestCase


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_strangers_of_many_addresses_are_slowed_and_the_office_goes_on(machine: Machine) -> None:
    machine.succeed("desk-1", "192.168.1.7")
    guesses = 0
    for second in range(24 * 3600):
        address = f"2001:db8:{second:x}::"
        if not machine.lockout.wait("desk-1", address, machine.clock.mono_ms):
            machine.lockout.failed("desk-1", address, machine.clock.mono_ms)
            guesses += 1
        machine.clock.advance(1000)
    assert 24 * 40 <= guesses <= 30 + 24 * 40
    assert machine.wait("desk-1", "192.168.1.7") == 0


def test_six_machines_lock_strangers_out_and_not_the_office(machine: Machine) -> None:
    machine.succeed("desk-1", "192.168.1.7")
    for source in SOURCES[:6]:
        for _ in range(TRIES):
            assert machine.wait("desk-1", source) == 0
            machine.fail("desk-1", source)
    assert machine.wait("desk-1", "192.168.1.8") == ACCOUNT_PACE.step_ms
    assert machine.wait("desk-1", "192.168.1.7") == 0
    assert machine.wait("desk-2", "192.168.1.8") == 0
    machine.start()
    assert machine.wait("desk-1", "192.168.1.8") == ACCOUNT_PACE.step_ms
    assert machine.wait("desk-1", "192.168.1.7") == 0


def test_one_machine_that_tries_many_accounts_is_slowed(machine: Machine) -> None:
    names = [machine.lockout.stand_in(f"name {n}") for n in range(25)]
    for name in names[:20]:
        assert machine.wait(name, SOURCES[0]) == 0
        machine.fail(name, SOURCES[0])
    found = machine.lockout.wait("desk-1", SOURCES[0], machine.clock.mono_ms)
    assert found is not None
    assert (found.code, found.ms) == ("too_many", SOURCE_PACE.step_ms)
    assert machine.wait("desk-1", SOURCES[1]) == 0
    assert {lock.account for lock in machine.rows.values()} == {NOBODY}, "no typed name is written down"


def test_only_the_last_machines_are_known(machine: Machine) -> None:
    for n in range(KNOWN_SOURCES + 3):
        machine.succeed("desk-1", f"10.0.1.{n}")
    machine.start()
    known = [lock.source for lock in machine.rows.values() if lock.known]
    assert sorted(known) == sorted(f"10.0.1.{n}" for n in range(3, KNOWN_SOURCES + 3))
    machine.succeed("desk-1", "10.0.2.1")
    assert sum(bool(lock.known) for lock in machine.rows.values()) == KNOWN_SOURCES, "also after a restart"


def test_memory_and_table_stay_small(machine: Machine) -> None:
    for n in range(3 * MOST_ENTRIES):
        machine.lockout.failed(
            machine.lockout.stand_in(str(n)), f"10.{n >> 8}.{n & 255}.1", machine.clock.mono_ms
        )
        machine.clock.advance(10)
    machine.save()
    assert len(machine.lockout._entries) <= 4 * MOST_ENTRIES
    assert len(machine.rows) <= MOST_ENTRIES
    machine.clock.advance(LOCK_MS + SOURCE_PACE.longest_ms)
    machine.fail("desk-1", SOURCES[0])
    assert len(machine.rows) == 3, "what is over is forgotten on disk too"


@pytest.mark.parametrize("remaining", [-5, 1 << 60])
def test_damage_locks_nobody_out_for_good(machine: Machine, remaining: int) -> None:
    for source in (SOURCES[0], ALL):
        machine.rows["desk-1", source] = Lock(
            account="desk-1",
            source=source,
            failures=1 << 40,
            known=0,
            boot="",
            mono_ms=-1,
            remaining_ms=remaining,
        )
    machine.start()
    assert machine.wait("desk-1", SOURCES[0]) == (LOCK_MS if remaining > 0 else 0)
    machine.clock.advance(ACCOUNT_PACE.longest_ms)
    assert machine.wait("desk-1", SOURCES[0]) == 0
