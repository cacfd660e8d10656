"""A whole request as it was seen on the line: for a person with a capture. The gateway's server reads its own."""

from dataclasses import dataclass

METHODS = (b"GET /iclock/", b"POST /iclock/")


@dataclass(frozen=True, slots=True)
class Captured:
    """A request and where its body begins."""

    method: str
    target: str
    body_at: int


def captured(data: bytes) -> Captured | None:
    """The request that `data` begins with; None where it is a body alone."""
    if not data.startswith(METHODS):
        return None
    line, _, _ = data.partition(b"\n")
    words = line.decode("ascii", "replace").split()
    for mark in (b"\r\n\r\n", b"\n\n"):
        if (at := data.find(mark)) >= 0:
            return Captured(words[0], words[1], at + len(mark))
    return Captured(words[0], words[1], len(data))
