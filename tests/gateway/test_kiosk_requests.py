"""A program asks a kiosk: what came of it is told when it is on disk, and a repeat changes nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.events import CardRead, CardType, DeviceEvent
from drivers.factors import Factor, Matched
from gateway.checkin.answered import KEPT_MS, Answer, Answered, Key, KeyInUse, KeyReused, TooMany
from gateway.checkin.purposes import Purpose
from gateway.checkin.requests import BURST, Requests
from gateway.checkin.session import Stage
from gateway.clock import ManualClock
from gateway.errors import ContractError, StoreRefused
from gateway.ingest.facts import Fact, fact_of
from gateway.ingest.sealing import Sealer
from tests.gateway.test_kiosk import Desk
from tests.gateway.test_session import ANNA, MODULE, PEOPLE
from tests.gateway.uplink_bench import until

CARD = CardRead(
    card_type=CardType.RESIDENT,
    id_number="p-anna",
    name="测试甲",
    valid_from="18900101",
    valid_to="19100101",
    check_digit_ok=True,
    text_repaired=False,
)


class Terminal(Desk):
    """A kiosk of another maker, and the disk it writes to; numbers are those of the test's roster."""

    def __init__(self) -> None:
        super().__init__(only=Purpose.REPORT)
        self.sealer = Sealer("gw-370102-01", bytes(32), None)
        self.made = 0
        self.kiosk.terminal = True
        self.requests = Requests(self.kiosk, self, self.time.now)

    def said(self, device: str, event: DeviceEvent) -> Fact:
        assert isinstance(event, CardRead)
        self.made += 1
        event_id = f"card-{self.made}"
        fact = replace(fact_of(device, event, event_id, self.sealer), id=event_id)
        fact.data["number_hmac"] = f"hmac-{event.id_number}"
        return fact

    def keyed_hash(self, content: bytes) -> str:
        return self.sealer.content_hash(content)

    def key(self, key: str = "k1", body: bytes = b"body") -> Key:
        return self.requests.key(key, body)


@asynccontextmanager
async def at_work(make: Callable[[], Terminal] = Terminal) -> AsyncIterator[Terminal]:
    desk = make()
    running = asyncio.create_task(desk.kiosk.run())
    try:
        yield desk
    finally:
        running.cancel()
        await asyncio.wait([running])


def again_on_the_disk_of(desk: Terminal) -> Terminal:
    again = Terminal()
    again.noted = dict(desk.noted)
    again.time = desk.time
    again.requests = Requests(again.kiosk, again, again.time.now)
    return again


async def test_a_terminal_checks_somebody_in() -> None:
    async with at_work() as desk:
        opened = await desk.requests.card(desk.key("k1"), CARD)
        assert desk.kiosk.view.stage is Stage.PROVING
        assert desk.kiosk.view.wanted == {Factor.FINGER, Factor.FACE}
        assert opened == Answer(desk.kiosk.view.session, changed=True)
        assert opened.session is not None
        finger = Matched(PEOPLE.index(ANNA), 91, MODULE)
        ended = await desk.requests.factor(desk.key("k2"), opened.session, Factor.FINGER, finger)
        assert ended == opened
        assert desk.types == [
            "identity.card_read",
            "checkin.opened",
            "identity.finger_matched",
            "checkin.completed",
        ]
        read, begun, matched, _ = desk.facts
        assert begun.data["card_event"] == read.id
        assert read.data["reported_by"] == matched.data["reported_by"] == "kiosk-1"
        assert desk.storing == 2, "card and opening in one transaction, finger and ending in one"
        assert "p-anna" not in repr(desk.noted)


async def test_the_answer_stands_in_the_transaction_of_its_events() -> None:
    async with at_work() as desk:
        asked = asyncio.create_task(desk.requests.card(desk.key(), CARD))
        desk.disk.clear()
        await until(lambda: desk.storing == 1, "the disk")
        await asyncio.sleep(0.05)
        assert not asked.done(), "nothing is answered before the commit"
        assert not desk.noted
        desk.disk.set()
        await asked
        assert [key for key in desk.noted if key.startswith("answer:kiosk-1:")]


async def test_a_repeat_gets_the_stored_answer_also_after_a_restart() -> None:
    async with at_work() as desk:
        first = await desk.requests.card(desk.key(), CARD)
        facts = list(desk.facts)
        assert await desk.requests.card(desk.key(), CARD) == first
        assert desk.facts == facts
    async with at_work(lambda: again_on_the_disk_of(desk)) as again:
        await until(lambda: again.kiosk.view.hint == "cut_off", "the start")
        assert await again.requests.card(again.key(), CARD) == first
        assert again.types == ["checkin.abandoned"]


async def test_a_key_that_was_used_for_something_else_is_refused() -> None:
    async with at_work() as desk:
        await desk.requests.touch(desk.key("k1", b"one"), Purpose.REPORT)
        with pytest.raises(KeyReused):
            await desk.requests.touch(desk.key("k1", b"two"), Purpose.ENROL)


async def test_a_repeat_while_it_is_carried_out_is_told_so() -> None:
    async with at_work() as desk:
        desk.disk.clear()
        asked = asyncio.create_task(desk.requests.card(desk.key(), CARD))
        await until(lambda: desk.storing == 1, "the disk")
        with pytest.raises(KeyInUse):
            await desk.requests.card(desk.key(), CARD)
        with pytest.raises(KeyReused):
            await desk.requests.card(desk.key(body=b"other"), CARD)
        desk.disk.set()
        assert await asked == await desk.requests.card(desk.key(), CARD)
        assert desk.types == ["identity.card_read", "checkin.opened"]


async def test_what_the_disk_refused_is_not_remembered_and_may_come_again() -> None:
    async with at_work() as desk:
        desk.refusal = StoreRefused("store_full", "no room")
        with pytest.raises(StoreRefused):
            await desk.requests.card(desk.key(), CARD)
        assert not desk.noted
        desk.refusal = None
        assert (await desk.requests.card(desk.key(), CARD)).changed
        assert desk.types == ["identity.card_read", "checkin.opened"]


async def test_whoever_goes_away_while_it_is_stored_finds_the_answer_later() -> None:
    async with at_work() as desk:
        desk.disk.clear()
        asked = asyncio.create_task(desk.requests.card(desk.key(), CARD))
        await until(lambda: desk.storing == 1, "the disk")
        asked.cancel()
        await asyncio.wait([asked])
        desk.disk.set()
        await desk.stage(Stage.PROVING)
        await asyncio.sleep(0)
        assert (await desk.requests.card(desk.key(), CARD)).changed
        assert desk.types == ["identity.card_read", "checkin.opened"]


async def test_only_a_terminal_may_report_what_a_device_would() -> None:
    async with at_work() as desk:
        desk.kiosk.terminal = False
        with pytest.raises(ContractError, match="terminal = true"):
            await desk.requests.card(desk.key(), CARD)
        with pytest.raises(ContractError, match="terminal = true"):
            await desk.requests.factor(desk.key(), "s1", Factor.FINGER, Matched(0, 90, MODULE))
        assert desk.storing == 0


async def test_a_card_that_lies_there_is_told_once() -> None:
    async with at_work() as desk:
        first = await desk.requests.card(desk.key("k1"), CARD)
        again = await desk.requests.card(desk.key("k2"), CARD)
        assert again == Answer(first.session, changed=False)
        assert desk.types == ["identity.card_read", "checkin.opened"]


async def test_rows_cannot_be_produced_at_will() -> None:
    async with at_work() as desk:
        for count in range(BURST):
            await desk.requests.touch(desk.key(f"k{count}"), Purpose.REPORT)
        with pytest.raises(TooMany):
            await desk.requests.touch(desk.key("more"), Purpose.REPORT)
        desk.time.mono_ms += 1000
        assert (await desk.requests.touch(desk.key("more"), Purpose.REPORT)).session


# -- answers alone: whatever comes in whatever order -----------------------------------------------------------


class Notes:
    def __init__(self) -> None:
        self.disk: dict[str, str] = {}

    async def notes(self, prefix: str) -> dict[str, str]:
        return {one.removeprefix(prefix): text for one, text in self.disk.items() if one.startswith(prefix)}

    def keyed_hash(self, content: bytes) -> str:
        return content.hex()

    def commit(self, notes: dict[str, str | None]) -> None:
        for one, text in notes.items():
            self.disk.pop(one, None)
            if text is not None:
                self.disk[one] = text


STEP = st.one_of(
    st.tuples(
        st.just("ask"),
        st.sampled_from("abc"),
        st.sampled_from("xy"),
        st.sampled_from(["ok", "refused", "dies"]),
    ),
    st.tuples(st.just("wait"), st.integers(0, 2 * KEPT_MS)),
    st.tuples(st.just("restart"), st.booleans()),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEP, max_size=25))
def test_a_key_does_its_work_once_in_a_day_whatever_happens(steps: list[tuple[object, ...]]) -> None:
    asyncio.run(_one_history(steps))


async def _one_history(steps: list[tuple[object, ...]]) -> None:
    """`done` is the model: what is on disk, and when by a clock that runs on over everything."""
    notes, clock, now = Notes(), ManualClock(), 0
    answered = Answered("kiosk-1", notes, clock.now)
    done: dict[str, tuple[str, Answer, int]] = {}
    work = 0
    for step in steps:
        if step[0] == "wait":
            clock.advance(int(str(step[1])))
            now += int(str(step[1]))
        elif step[0] == "restart":
            if step[1]:
                clock.boot_id, clock.mono_ms = f"{work:032x}", 5_000
            answered = Answered("kiosk-1", notes, clock.now)
        else:
            _, name, body, fate = map(str, step)
            key = answered.key(name, body.encode())
            known = done.get(name)
            fresh = known is not None and now - known[2] <= KEPT_MS
            try:
                told = await answered.begin(key)
            except KeyReused:
                assert known is not None
                assert known[0] != body
                continue
            if fresh:
                assert known is not None
                assert (told, body) == (known[1], known[0])
            if told is not None:
                continue
            work += 1
            answer = Answer(f"s{work}", changed=True)
            if fate == "refused":
                answered.end(key, None)
                continue
            notes.commit(answered.noted(key, answer))
            done[name] = body, answer, now
            if fate == "dies":  # between commit and answer
                answered = Answered("kiosk-1", notes, clock.now)
            else:
                answered.end(key, answer)


async def test_answers_are_bounded_and_none_is_forgotten_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.checkin.answered.MOST_KEPT", 64)
    notes, clock = Notes(), ManualClock()
    answered = Answered("kiosk-1", notes, clock.now)

    async def ask(name: str) -> None:
        key = answered.key(name, b"")
        assert await answered.begin(key) is None
        notes.commit(answered.noted(key, Answer(None, changed=False)))
        answered.end(key, Answer(None, changed=False))

    for count in range(64):
        await ask(f"k{count}")
    with pytest.raises(TooMany):
        await answered.begin(answered.key("more", b""))
    clock.advance(KEPT_MS + 1)
    await ask("more")
    assert len(notes.disk) == 1, "what is a day old went with the next"
