"""Plays a procedure against a transcript: plain text that a technician can read and write.

# a comment
procedure read_card with_fingerprint
> hex          the procedure must send exactly this
< hex          and is given this frame; `< vector ID` takes it from a vector file
! timeout      or is told that nothing came
= Result ...   how it must end
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_protocols.errors import ProtocolError, ReplyTimeout
from firmware_protocols.exchange import Ask, Exchange, More, Pause
from firmware_protocols.idcard_sam.frames import Reply, Request


@dataclass(slots=True)
class Transcript:
    procedure: list[str]
    steps: list[tuple[str, str]]
    result: list[str]
    timeouts: list[float] = field(default_factory=list)  # what was granted for each reply, filled by play


def read(path: Path) -> Transcript:
    procedure: list[str] = []
    steps: list[tuple[str, str]] = []
    result: list[str] = []
    for line in path.read_text("ascii").splitlines():
        mark, _, rest = line.partition(" ")
        match mark:
            case "#" | "":
                continue
            case "procedure":
                procedure = rest.split()
            case "=":
                result = rest.split(" ", 2)
            case ">" | "<" | "!":
                steps.append((mark, rest))
            case _:
                raise ValueError(f"{path.name}: no line begins with {mark!r}")
    return Transcript(procedure, steps, result)


def play(
    exchange: Exchange[Request, Reply, Any], transcript: Transcript, vectors: dict[str, bytes]
) -> object:
    """The result of the procedure, or the protocol error it ended with."""
    steps = iter(transcript.steps)
    answer: Reply | ProtocolError | None = None
    try:
        while True:
            wish = exchange.throw(answer) if isinstance(answer, ProtocolError) else exchange.send(answer)
            if isinstance(wish, Pause):
                answer = None
                continue
            assert not isinstance(wish, More), "a card reader never talks before it answers"
            answer = _answer(wish, steps, vectors)
            transcript.timeouts.append(wish.timeout_s)
    except StopIteration as stop:
        result: object = stop.value
    except ProtocolError as exc:
        result = exc
    assert list(steps) == [], "the procedure ended before the transcript did"
    return result


def _answer(wish: Ask[Request], steps: Any, vectors: dict[str, bytes]) -> Reply | ReplyTimeout:
    mark, sent = next(steps, ("", "nothing more"))
    assert (mark, sent) == (">", wish.request.to_bytes().hex())
    mark, given = next(steps)
    if mark == "!":
        return ReplyTimeout("no reply")
    kind, _, name = given.partition(" ")
    return Reply.from_bytes(vectors[name] if kind == "vector" else bytes.fromhex(given))
