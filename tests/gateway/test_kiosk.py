"""A kiosk at work: inputs in order, devices asked and left alone in time, the screen after the disk."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from drivers.errors import LinkUnavailable
from drivers.factors import Enrolment, Factor, Guide, Identified, Matched, NotEnrolled, NotMatched, Step
from drivers.questions import Questions
from gateway.checkin.facts import Outcome, RosterState, Shown
from gateway.checkin.kiosk import MOST_WAITING, Kiosk, KioskView
from gateway.checkin.purposes import Purpose
from gateway.checkin.session import SHOWN_S, STEP_S, Stage
from gateway.clock import ManualClock
from gateway.errors import StoreRefused
from gateway.ingest.facts import Fact
from tests.gateway.test_session import ANNA, BORIS, MODULE, PEOPLE, Roster
from tests.gateway.uplink_bench import until


class Finger:
    """A module that answers when a test says so."""

    factor = Factor.FINGER

    def __init__(self) -> None:
        self.asked = 0
        self.cancelled = 0
        self.lights: list[bool] = []
        self.away = False
        self.guide: Guide = lambda _step: None
        self._answers: asyncio.Queue[Identified] = asyncio.Queue()

    def press(self, slot: int) -> None:
        self._answers.put_nowait(Matched(slot, 88, MODULE))

    def say(self, answer: Identified) -> None:
        self._answers.put_nowait(answer)

    async def identify(self, *, timeout_s: float, guide: Guide) -> Identified:
        self.asked += 1
        self.guide = guide
        if self.away:
            raise LinkUnavailable("away", "not connected")
        guide(Step.PRESENT)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._answers.get()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def enrol(self, *, slot: int | None, timeout_s: float, guide: Guide) -> Enrolment:
        del timeout_s, guide
        return NotEnrolled("full", slot)

    async def erase(self, slots: Sequence[int]) -> None:
        del slots

    async def slots(self) -> frozenset[int]:
        return frozenset()

    async def show(self, *, accepted: bool) -> None:
        self.lights.append(accepted)


class Desk:
    """A kiosk, its module, a disk and a clock."""

    def __init__(self, only: Purpose | None = None) -> None:
        self.finger = Finger()
        self.roster = Roster()
        self.facts: list[Fact] = []
        self.noted: dict[str, str] = {}
        self.views: list[KioskView] = []
        self.disk = asyncio.Event()
        self.disk.set()
        self.after_commit = asyncio.Event()
        self.after_commit.set()
        self.refusal: StoreRefused | None = None
        self.storing = 0  # times that something went to the disk
        self.now_s = 0.0
        self.time = ManualClock()
        ids = iter(range(1, 1000))
        self.kiosk = Kiosk(
            "kiosk-1",
            directory=self.roster,
            recorder=self,
            devices={"finger-1": self.finger},
            new_id=lambda: f"s{next(ids)}",
            changed=lambda: self.views.append(self.kiosk.view),
            only=only,
            clock=lambda: self.now_s,
            stamp=self.time.now,
        )

    async def store(
        self, facts: Sequence[Fact], device: str, *, notes: Mapping[str, str | None] | None = None
    ) -> None:
        assert device == "kiosk-1"
        self.storing += 1
        await self.disk.wait()
        if self.refusal is not None:
            raise self.refusal
        self.facts += facts
        for key, value in (notes or {}).items():
            self.noted.pop(key, None)
            if value is not None:
                self.noted[key] = value
        await self.after_commit.wait()

    async def notes(self, prefix: str) -> dict[str, str]:
        return {
            key.removeprefix(prefix): value for key, value in self.noted.items() if key.startswith(prefix)
        }

    def card(self, ref: str) -> None:
        assert self.kiosk.card(f"hmac-{ref}", f"event-{ref}")

    async def stage(self, stage: Stage) -> None:
        await until(lambda: self.kiosk.view.stage is stage, f"{stage}, not {self.kiosk.view.stage}")

    @property
    def types(self) -> list[str]:
        return [fact.type for fact in self.facts]


@asynccontextmanager
async def at_work(make: Callable[[], Desk] = Desk) -> AsyncIterator[Desk]:
    desk = make()
    running = asyncio.create_task(desk.kiosk.run())
    try:
        yield desk
    finally:
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled(), "it ended by itself"


async def proving(desk: Desk, ref: str = "p-anna") -> None:
    desk.card(ref)
    desk.kiosk.touch(Purpose.REPORT)
    await desk.stage(Stage.PROVING)
    await until(lambda: desk.finger.asked > 0, "the module to be asked")


async def test_card_purpose_and_finger_count_and_the_light_says_so() -> None:
    async with at_work() as desk:
        await proving(desk)
        await until(lambda: desk.kiosk.view.step is Step.PRESENT, "the step")
        assert desk.kiosk.view.name == ANNA.name
        assert desk.kiosk.view.wanted == {Factor.FINGER}
        desk.finger.press(PEOPLE.index(ANNA))
        await desk.stage(Stage.SHOWN)
        assert desk.types == ["checkin.opened", "identity.finger_matched", "checkin.completed"]
        assert desk.kiosk.view.shown == Shown(Outcome.COMPLETED, None, ANNA.name)
        await until(lambda: desk.finger.lights == [True], "the light")


async def test_the_screen_and_the_light_wait_for_the_disk() -> None:
    async with at_work() as desk:
        await proving(desk)
        desk.disk.clear()
        desk.finger.press(PEOPLE.index(ANNA))
        await asyncio.sleep(0.6)
        assert desk.kiosk.view.shown is None
        assert desk.finger.lights == []
        assert desk.types == ["checkin.opened"]
        desk.disk.set()
        await desk.stage(Stage.SHOWN)


async def test_a_disk_that_refuses_is_told_and_the_module_is_left_alone() -> None:
    async with at_work() as desk:
        await proving(desk)
        desk.refusal = StoreRefused("store_full", "no room")
        desk.finger.press(PEOPLE.index(ANNA))
        await desk.stage(Stage.SHOWN)
        assert desk.kiosk.view.shown == Shown(Outcome.NOT_STORED, "store_full")
        await until(lambda: desk.finger.lights == [False], "the light")


async def test_the_finger_of_another_is_rejected() -> None:
    async with at_work() as desk:
        await proving(desk)
        desk.finger.press(PEOPLE.index(BORIS))
        await desk.stage(Stage.SHOWN)
        assert desk.types[-1] == "checkin.rejected"


async def test_a_person_who_leaves_is_asked_for_no_longer() -> None:
    async with at_work() as desk:
        await proving(desk)
        desk.kiosk.leave()
        await desk.stage(Stage.IDLE)
        await until(lambda: desk.finger.cancelled == 1, "the question to be withdrawn")
        assert desk.types[-1] == "checkin.abandoned"
        assert desk.kiosk.view == KioskView()


async def test_patience_ends_by_a_clock_that_nobody_sets() -> None:
    async with at_work() as desk:
        await proving(desk)
        desk.now_s += STEP_S
        await desk.stage(Stage.IDLE)
        assert desk.types[-1] == "checkin.abandoned"
        await proving(desk, "p-boris")
        desk.finger.press(PEOPLE.index(BORIS))
        await desk.stage(Stage.SHOWN)
        desk.now_s += SHOWN_S
        await desk.stage(Stage.IDLE)
        assert desk.kiosk.view == KioskView()


async def test_a_module_that_is_away_is_asked_again_and_counts_as_no_try() -> None:
    async with at_work() as desk:
        desk.finger.away = True
        desk.card("p-anna")
        desk.kiosk.touch(Purpose.REPORT)
        await until(lambda: desk.kiosk.view.hint == "away", "the hint")
        desk.finger.away = False
        await until(lambda: desk.finger.asked > 1, "another question")
        desk.finger.press(PEOPLE.index(ANNA))
        await desk.stage(Stage.SHOWN)
        assert desk.types == ["checkin.opened", "identity.finger_matched", "checkin.completed"]


async def test_staff_vouch_while_the_module_is_away() -> None:
    async with at_work() as desk:
        desk.finger.away = True
        desk.card("p-anna")
        desk.kiosk.touch(Purpose.REPORT)
        await desk.stage(Stage.PROVING)
        desk.kiosk.staff_word(desk.kiosk.view.session or "", "staff-1", "module broken")
        await desk.stage(Stage.SHOWN)
        assert desk.facts[-1].data["method"] == "staff"


async def test_nobody_presenting_a_finger_is_no_try_and_the_module_goes_on_waiting() -> None:
    async with at_work() as desk:
        await proving(desk)
        desk.finger.say(NotMatched("nothing_presented"))
        await until(lambda: desk.finger.asked == 2, "the module to be asked again")
        assert desk.types == ["checkin.opened"]
        assert desk.kiosk.view.stage is Stage.PROVING
        desk.finger.press(PEOPLE.index(ANNA))
        await desk.stage(Stage.SHOWN)


async def test_a_card_laid_while_the_disk_is_busy_comes_after_what_was_being_stored() -> None:
    async with at_work() as desk:
        await proving(desk)
        desk.disk.clear()
        desk.finger.press(PEOPLE.index(ANNA))
        await until(lambda: desk.storing == 2, "the ending to go to the disk")
        desk.card("p-boris")
        await asyncio.sleep(0.1)
        desk.disk.set()
        await until(lambda: "checkin.completed" in desk.types, "the first check-in")
        await until(lambda: desk.kiosk.view.name == BORIS.name, "the second person")
        assert [fact.subject for fact in desk.facts if fact.type == "checkin.completed"] == ["person/p-anna"]


async def test_who_is_not_on_the_roster_is_recorded_and_told() -> None:
    async with at_work(lambda: Desk(only=Purpose.REPORT)) as desk:
        desk.roster.state = RosterState(3, 10, expired=False)
        desk.card("nobody")
        await desk.stage(Stage.SHOWN)
        assert desk.types == ["checkin.opened", "checkin.pending_review"]
        assert desk.kiosk.view.shown == Shown(Outcome.PENDING_REVIEW, "unknown_person")
        assert desk.finger.lights == []


async def test_a_card_that_cannot_be_read_gives_a_hint_and_changes_no_session() -> None:
    async with at_work() as desk:
        desk.kiosk.unread("card_auth")
        await until(lambda: desk.kiosk.view.hint == "card_auth", "the hint")
        assert desk.facts == []
        desk.card("p-anna")
        await until(lambda: desk.kiosk.view.hint is None, "no hint")


async def test_taps_beyond_all_bounds_are_refused_not_kept() -> None:
    desk = Desk()
    taken = [desk.kiosk.touch(Purpose.REPORT) for _ in range(MOST_WAITING + 5)]
    assert taken.count(False) == 5


async def test_a_session_that_was_cut_off_is_ended_at_the_next_start_and_the_person_is_told() -> None:
    async with at_work() as desk:
        await proving(desk)
    noted = dict(desk.noted)
    assert list(noted) == ["session:kiosk-1:s1"]

    def restarted() -> Desk:
        again = Desk()
        again.noted = noted
        return again

    async with at_work(restarted) as again:
        await until(lambda: again.kiosk.view.hint == "cut_off", "the hint")
        (ended,) = again.facts
        assert (ended.type, ended.subject, ended.restricted) == ("checkin.abandoned", "person/p-anna", True)
        assert (ended.data["reason"], ended.data["session"], ended.data["purpose"]) == (
            "cut_off",
            "s1",
            "report",
        )
        assert again.noted == {}
        again.card("p-anna")
        await again.stage(Stage.CHOOSING)
        assert again.kiosk.view.hint is None


async def test_an_ending_forgets_what_was_noted_of_its_session() -> None:
    async with at_work() as desk:
        await proving(desk)
        assert desk.noted
        desk.finger.press(PEOPLE.index(ANNA))
        await desk.stage(Stage.SHOWN)
        assert list(desk.noted) == ["ended:kiosk-1"]


async def test_a_session_whose_ending_the_disk_refused_is_ended_when_it_takes_events_again() -> None:
    async with at_work() as desk:
        await proving(desk)
        desk.refusal = StoreRefused("store_full", "no room")
        desk.finger.press(PEOPLE.index(ANNA))
        await desk.stage(Stage.SHOWN)
        desk.refusal = None
        await until(lambda: desk.types == ["checkin.opened", "checkin.abandoned"], "the ending")
        assert desk.facts[-1].data["reason"] == "cut_off"
        assert desk.noted == {}


async def test_a_driver_with_a_bug_is_asked_again() -> None:
    """The bug rises in the driver's own run, where its supervisor sees it; the asker hears that it is away."""
    questions, failed = Questions("finger-1"), []
    async with at_work() as desk:
        real = desk.finger.identify

        async def broken() -> Identified:
            failed.append(True)
            raise ValueError("a bug")

        async def through_questions(*, timeout_s: float, guide: Guide) -> Identified:
            if not failed:
                return await questions.ask(broken)
            return await real(timeout_s=timeout_s, guide=guide)

        async def nothing() -> None:
            return

        run = asyncio.create_task(questions.serve(nothing, every_s=60))
        desk.finger.identify = through_questions  # type: ignore[method-assign]
        desk.card("p-anna")
        desk.kiosk.touch(Purpose.REPORT)
        with pytest.raises(ValueError, match="a bug"):
            await run
        await until(lambda: desk.finger.asked > 0, "the module to be asked again")
        desk.finger.press(PEOPLE.index(ANNA))
        await desk.stage(Stage.SHOWN)
        assert desk.types[-1] == "checkin.completed"


# -- a process that dies at any point ------------------------------------------------------------------------


def dead_after(desk: Desk) -> Callable[[], Desk]:
    """What starts again where `desk` died: the same disk."""

    def make() -> Desk:
        again = Desk()
        again.noted = dict(desk.noted)
        again.time.mono_ms = desk.time.mono_ms + 20_000
        again.time.wall_ms = desk.time.wall_ms + 20_000
        return again

    return make


async def killed_between_commit_and_screen() -> Desk:
    """The ending is on disk; nobody has heard of it."""
    async with at_work() as desk:
        await proving(desk)
        desk.after_commit.clear()
        desk.finger.press(PEOPLE.index(ANNA))
        await until(lambda: desk.types[-1:] == ["checkin.completed"], "the commit")
        assert desk.kiosk.view.shown is None
    return desk


async def test_what_was_on_disk_when_the_process_died_is_what_the_kiosk_tells() -> None:
    desk = await killed_between_commit_and_screen()
    async with at_work(dead_after(desk)) as again:
        await again.stage(Stage.SHOWN)
        shown = again.kiosk.view.shown
        assert shown is not None
        assert (shown.outcome, shown.recalled_ms) == (Outcome.COMPLETED, desk.time.wall_ms)
        assert (shown.name, again.kiosk.view.purpose) == (None, Purpose.REPORT)
        assert again.facts == [], "nothing is recorded twice"
        assert again.finger.lights == []
        again.now_s += SHOWN_S
        await again.stage(Stage.IDLE)
        assert again.kiosk.view.hint is None


@pytest.mark.parametrize("later_ms", [121_000, -30_000])
async def test_an_ending_of_long_ago_is_not_told_again(later_ms: int) -> None:
    desk = await killed_between_commit_and_screen()

    def make() -> Desk:
        again = dead_after(desk)()
        again.time.boot_id = "another"  # then only the calendar can tell
        again.time.wall_ms = desk.time.wall_ms + later_ms
        return again

    async with at_work(make) as again:
        again.card("p-boris")
        await again.stage(Stage.CHOOSING)
        assert all(view.shown is None for view in again.views)
        ended = again.kiosk.endings.find("s1")
        assert ended is not None
        assert ended.outcome is Outcome.COMPLETED, "a program that asks is told all the same"


async def test_whoever_was_cut_off_before_the_ending_is_told_that_it_does_not_count() -> None:
    async with at_work() as desk:
        await proving(desk)
    async with at_work(dead_after(desk)) as again:
        await until(lambda: again.kiosk.view.hint == "cut_off", "the hint")
        assert again.types == ["checkin.abandoned"]
        again.now_s += 61
        await until(lambda: again.kiosk.view.hint is None, "the hint to go")


# -- who watches ---------------------------------------------------------------------------------------------


async def test_each_change_reaches_a_watcher_at_once_with_a_rising_number() -> None:
    async with at_work() as desk:
        views = desk.kiosk.changes(beat_s=30)
        first = await anext(views)
        assert first.stage is Stage.IDLE
        desk.card("p-anna")
        async with asyncio.timeout(1):
            second = await anext(views)
        assert (second.stage, second.name, second.number) == (Stage.CHOOSING, ANNA.name, first.number + 1)
        await views.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_slow_watcher_misses_views_and_not_the_last_one() -> None:
    async with at_work() as desk:
        views = desk.kiosk.changes(beat_s=30)
        await anext(views)
        await proving(desk)
        desk.finger.press(PEOPLE.index(ANNA))
        await desk.stage(Stage.SHOWN)
        last = await anext(views)
        assert last == desk.kiosk.view
        assert last.number > 3
        await views.aclose()  # type: ignore[attr-defined]


async def test_silence_is_broken_for_whoever_watches() -> None:
    async with at_work() as desk:
        views = desk.kiosk.changes(beat_s=0.01)
        async with asyncio.timeout(5):
            assert (await anext(views)).number == (await anext(views)).number
        await views.aclose()  # type: ignore[attr-defined]


async def test_a_hint_does_not_wait_for_the_next_person() -> None:
    async with at_work() as desk:
        desk.kiosk.unread("card_auth")
        await until(lambda: desk.kiosk.view.hint == "card_auth", "the hint")
        desk.now_s += SHOWN_S
        await until(lambda: desk.kiosk.view.hint is None, "the hint to go")


async def test_another_card_ends_one_session_and_opens_the_next_in_one_transaction() -> None:
    async with at_work(lambda: Desk(only=Purpose.REPORT)) as desk:
        await proving(desk)
        before = desk.storing
        desk.card("p-boris")
        await until(lambda: desk.types.count("checkin.opened") == 2, "the second session")
        assert desk.types[1:] == ["checkin.abandoned", "checkin.opened"]
        assert desk.storing == before + 1
