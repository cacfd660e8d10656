"""Roll calls: whatever happens in whatever order, they end in one event that says what was answered and no more."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.checkin import rollcall
from gateway.checkin.rollcall import MOST_PERSONS, Answer, Ended, Note, event_data, from_text, opened, to_text
from gateway.checkin.rollcalls import RollCalls
from gateway.clock import ManualClock, iso_ms
from gateway.errors import ContractError, StoreRefused
from gateway.evidence import canonical
from gateway.ingest.ingest import Ingest
from gateway.ingest.sealing import Sealer
from gateway.metrics import Metrics
from gateway.store.store import Store
from tests.gateway.store_fixtures import GATEWAY, running_store
from tests.gateway.technicians_box import wires

REFS = tuple(f"p-{number}" for number in range(6))
HOUR_MS = 3_600_000


class Machine(RuleBasedStateMachine):
    """The rules against a plain dict."""

    def __init__(self) -> None:
        super().__init__()
        self.call = opened("c", REFS, now_ms=0, deadline_ms=HOUR_MS, by="staff-1")
        self.model: dict[str, tuple[Answer, Note | None]] = {}

    @rule(ref=st.sampled_from(REFS), answer=st.sampled_from(Answer), note=st.none() | st.sampled_from(Note))
    def answer(self, ref: str, answer: Answer, note: Note | None) -> None:
        self.call = rollcall.answered(self.call, ref, answer, note, "staff-2")
        self.model[ref] = (answer, note)

    @rule(ref=st.text(max_size=5).filter(lambda ref: ref not in REFS))
    def nobody(self, ref: str) -> None:
        with pytest.raises(ContractError, match="not asked"):
            rollcall.answered(self.call, ref, Answer.PRESENT, None, "staff-2")

    @precondition(lambda self: self.model)
    @rule()
    def power_cut(self) -> None:
        self.call = from_text("c", to_text(self.call))

    @invariant()
    def everybody_stands_in_one_place(self) -> None:
        data: dict[str, Any] = event_data(self.call, Ended.CLOSED, "staff-1")
        places = [ref for kind in (*Answer, "unanswered") for ref in data[kind]]
        assert sorted(places) == sorted(REFS)
        assert data["unanswered"] == [ref for ref in REFS if ref not in self.model]
        for ref, (answer, note) in self.model.items():
            assert ref in data[answer]
            assert [one for one in Note if ref in data["notes"].get(one, [])] == ([note] if note else [])
        assert self.call.open_for == len(REFS) - len(self.model)


Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestRules = Machine.TestCase


@pytest.mark.parametrize(
    ("persons", "deadline_ms", "code"),
    [
        ([], HOUR_MS, "nobody"),
        ([f"p-{n}" for n in range(MOST_PERSONS + 1)], HOUR_MS, "too_many"),
        (["p"], 1000, "bad_time"),
        (["p"], 25 * HOUR_MS, "bad_time"),
    ],
)
def test_what_cannot_be_opened(persons: Sequence[str], deadline_ms: int, code: str) -> None:
    with pytest.raises(ContractError) as refused:
        opened("c", persons, now_ms=0, deadline_ms=deadline_ms, by="s")
    assert refused.value.code == code


def test_the_largest_fits_into_one_event() -> None:
    refs = [f"{number:064d}" for number in range(MOST_PERSONS)]
    call = opened("c", refs, now_ms=0, deadline_ms=HOUR_MS, by="s")
    for ref in refs:
        call = rollcall.answered(call, ref, Answer.ABSENT, Note.NOT_REACHED, "staff-1")
    canonical.encode(event_data(call, Ended.CLOSED, "s"))  # raises where it is too large


class Box:
    """Roll calls over a real store."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        ingest = Ingest(store, clock, Sealer(GATEWAY, bytes(32), None), Metrics(), GATEWAY)
        self.calls = RollCalls(
            store,
            ingest,
            clock,
            GATEWAY,
            known=lambda ref: ref in REFS,
            present=self.present,
            changed=lambda: None,
        )

    async def present(self) -> Sequence[str]:
        return REFS[:2]


def answers(path: Path) -> list[dict[str, Any]]:
    events: list[Any] = [canonical.decode(wire) for wire in wires(path)]
    return [one for one in events if one["type"] == "cn.zhijiao.system.rollcall_answered"]


async def test_it_outlives_a_restart_and_ends_in_one_event(tmp_path: Path) -> None:
    path, clock = tmp_path / "events.db", ManualClock()
    deadline = iso_ms(clock.now().wall_ms + HOUR_MS)
    async with running_store(path, clock) as store:
        box = Box(store, clock)
        args: dict[str, Any] = {"persons": list(REFS), "deadline": deadline}
        assert await box.calls.open("cmd-1", args) == "cmd-1"
        assert await box.calls.open("cmd-1", args) == "cmd-1"  # a repeat opens nothing
        await box.calls.answer("cmd-1", REFS[0], Answer.PRESENT, None, "staff-1")
        await box.calls.answer("cmd-1", REFS[1], Answer.ABSENT, Note.ILL, "staff-2")
    async with running_store(path, clock) as store:
        box = Box(store, clock)
        await box.calls.load()
        (call,) = box.calls.open_now
        assert call.open_for == len(REFS) - 2
        await asyncio.gather(
            box.calls.end("cmd-1", by="staff-1"), box.calls.end("cmd-1", by="staff-2"), return_exceptions=True
        )
        assert box.calls.open_now == []
        await box.calls.load()
        assert box.calls.open_now == []
    (event,) = answers(path)
    data = event["data"]
    assert event["dataclassification"] == "restricted"
    assert (data["present"], data["absent"], data["unanswered"]) == ([REFS[0]], [REFS[1]], list(REFS[2:]))
    assert data["notes"] == {"ill": [REFS[1]]}
    assert (data["rollcall"], data["opened_by"], data["ended"]) == ("cmd-1", "center", "closed")


async def test_time_ends_it(tmp_path: Path) -> None:
    path, clock = tmp_path / "events.db", ManualClock()
    async with running_store(path, clock) as store:
        box = Box(store, clock)
        await box.calls.begin("a", None, deadline_ms=clock.now().wall_ms + HOUR_MS, by="staff-1")
        await box.calls.end_overdue()
        assert [call.persons for call in box.calls.open_now] == [REFS[:2]]
        clock.advance(HOUR_MS)
        await box.calls.end_overdue()
        assert box.calls.open_now == []
    (event,) = answers(path)
    assert (event["data"]["ended"], event["data"]["unanswered"]) == ("deadline", list(REFS[:2]))


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({}, "args"),
        ({"persons": "present"}, "args"),
        ({"persons": "everybody", "deadline": "2026-11-22T08:00:00.000Z"}, "args"),
        ({"persons": [1], "deadline": "2026-11-22T08:00:00.000Z"}, "args"),
        ({"persons": "present", "deadline": "soon"}, "args"),
        ({"persons": ["p-unknown"], "deadline": "later"}, "args"),
    ],
)
async def test_a_command_that_makes_no_sense_opens_nothing(
    tmp_path: Path, args: dict[str, Any], code: str
) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "events.db", clock) as store:
        box = Box(store, clock)
        with pytest.raises(ContractError) as refused:
            await box.calls.open("cmd", args)
        assert refused.value.code == code
        assert box.calls.open_now == []


async def test_nothing_is_shown_that_the_disk_did_not_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "events.db", clock) as store:
        box = Box(store, clock)
        await box.calls.begin("a", None, deadline_ms=clock.now().wall_ms + HOUR_MS, by="staff-1")

        async def full(*_args: object, **_more: object) -> None:
            raise StoreRefused("store_full", "full")

        with monkeypatch.context() as broken:
            broken.setattr(store, "run", full)
            broken.setattr(store, "append", full)
            with pytest.raises(StoreRefused):
                await box.calls.answer("a", REFS[0], Answer.PRESENT, None, "staff-1")
            with pytest.raises(StoreRefused):
                await box.calls.end("a", by="staff-1")
        assert [call.answers for call in box.calls.open_now] == [{}]
        await box.calls.end("a", by="staff-1")


async def test_a_note_that_cannot_be_read_stays_and_is_counted(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "events.db", clock) as store:
        await store.run(lambda box: box.note("rollcall:x", "{broken"))
        box = Box(store, clock)
        await box.calls.load()
        assert (box.calls.open_now, box.calls.unreadable) == ([], 1)
        assert await store.read(lambda one: one.noted("rollcall:x")) == "{broken"
