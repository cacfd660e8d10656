"""What the person in front of a face module should do next, and what to make of it when time is over.

A module says four times a second what its camera sees. The same step is told at most once a second.
Leaves out: the module (face_module.py), and the words on the screen (the page).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from drivers.factors import Guide, Step
from firmware_protocols.efaa_xor16.notes import FaceNote
from firmware_protocols.efaa_xor16.states import Direction

REPEAT_S = 1.0
NO_FACE, EYES_CLOSED, NORMAL = 1, 13, 0

STEPS: Mapping[int, Step] = MappingProxyType(
    {
        NO_FACE: Step.PRESENT,
        2: Step.CENTRE,
        3: Step.CENTRE,
        4: Step.CENTRE,
        5: Step.CENTRE,
        6: Step.CLOSER,
        7: Step.FARTHER,
        8: Step.UNCOVER,
        9: Step.UNCOVER,
        10: Step.UNCOVER,
        11: Step.AGAIN,
        EYES_CLOSED: Step.OPEN_EYES,
        17: Step.AGAIN,
        20: Step.STRAIGHT,
        21: Step.STRAIGHT,
        22: Step.STRAIGHT,
        23: Step.STRAIGHT,
    }
)

TURNS: Mapping[Direction, Step] = MappingProxyType(
    {
        Direction.MIDDLE: Step.STRAIGHT,
        Direction.RIGHT: Step.RIGHT,
        Direction.LEFT: Step.LEFT,
        Direction.DOWN: Step.DOWN,
        Direction.UP: Step.UP,
    }
)


class FaceGuide:
    """One person's way through one question."""

    def __init__(self, guide: Guide, clock: Callable[[], float]) -> None:
        self._guide = guide
        self._clock = clock
        self._told: dict[Step, float] = {}
        self._turn: Step | None = None
        self._seen = NO_FACE  # the last state

    def heard(self, note: FaceNote) -> None:
        """The camera sees this."""
        self._seen = note.state
        step = STEPS.get(note.state)
        if step is Step.AGAIN and self._turn is not None:
            step = self._turn  # turned the wrong way: the way asked for helps more than "again"
        if step is not None:
            self.tell(step)

    def turn(self, direction: Direction) -> None:
        """The next direction of an enrolment."""
        self._turn = TURNS[direction]
        self.tell(self._turn)

    def tell(self, step: Step) -> None:
        """Tell it, unless it was told just now."""
        now = self._clock()
        if now - self._told.get(step, -REPEAT_S) >= REPEAT_S:
            self._told[step] = now
            self._guide(step)

    @property
    def why_in_vain(self) -> str:
        """The reason where the time is over: nobody there at the end, eyes closed, or never fit to recognise."""
        if self._seen == NO_FACE:
            return "nothing_presented"
        return "eyes_closed" if self._seen == EYES_CLOSED else "poor"
