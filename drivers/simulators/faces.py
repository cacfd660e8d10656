"""Faces as a module sees them. Each is a label and a habit; no picture exists."""

from dataclasses import dataclass

NO_FACE, TOO_FAR, EYES_CLOSED = 1, 6, 13


@dataclass(frozen=True, slots=True)
class Face:
    """Somebody in front of the camera. `label` tells people apart and says nothing of them."""

    label: str
    states: tuple[int, ...] = ()  # what the camera says first, one state a note; then the face is in place
    living: bool = True
    eyes_open: bool = True
    turns: bool = True  # looks where it is asked to


def far_then_near(label: str) -> Face:
    """Stands too far away at first."""
    return Face(label, states=(TOO_FAR,) * 6)


def never_fit(label: str) -> Face:
    """Never comes close enough."""
    return Face(label, states=(TOO_FAR,) * 10_000)


def walks_away(label: str) -> Face:
    """Is seen for a moment, and gone."""
    return Face(label, states=(TOO_FAR, TOO_FAR, *(NO_FACE,) * 10_000))


def picture_of(face: Face) -> Face:
    """A photograph held up to the camera."""
    return Face(face.label, living=False)


def asleep(face: Face) -> Face:
    """The same person with closed eyes."""
    return Face(face.label, eyes_open=False)
