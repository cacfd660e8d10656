"""A dump of the reader's line explained byte by byte, for a person.

Takes any bytes: frames of either direction, noise between them, frames cut off or damaged.
What is not understood is shown as such and counts as personal: it may come from a card.
"""

from collections.abc import Iterator

from firmware_protocols.checksums import xor8
from firmware_protocols.describing import Field
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.idcard_sam.commands import BAUD_RATES, COMMANDS, Command, identify
from firmware_protocols.idcard_sam.envelope import (
    DIALECT,
    DIALECT_COMMANDS,
    HEADER_SIZE,
    PREAMBLE,
    REPLY_BOUNDS,
    REQUEST_BOUNDS,
    unseal,
)
from firmware_protocols.idcard_sam.explain_data import data_fields
from firmware_protocols.idcard_sam.frames import Reply, Request
from firmware_protocols.idcard_sam.recognise import is_from_reader
from firmware_protocols.idcard_sam.status import Action, status_of

RESEND = "have it sent again; if it repeats, check cable, shielding and baud rate"


def explain(data: bytes, direction: str | None) -> list[Field]:
    """Every byte of `data`, in order."""
    return list(_explain(data, direction))


def _explain(data: bytes, direction: str | None) -> Iterator[Field]:
    at = 0
    while at < len(data):
        start = data.find(PREAMBLE, at)
        if start != at:
            end = start if start > at else len(data)
            yield _noise(at, data[at:end])
            at = end
            continue
        end = _frame_end(data, start)
        yield from _frame(data[start:end], start, direction)
        at = end


def _noise(at: int, run: bytes) -> Field:
    if run.strip(b"\xaa") == b"":
        return Field(at, len(run), "extra AA", note="before a preamble; harmless")
    if PREAMBLE.startswith(run):
        return Field(at, len(run), "preamble", note="cut off", advice=RESEND, wrong=True)
    return Field(
        at,
        len(run),
        "noise",
        note="no preamble AA AA AA 96 69 in it",
        advice=RESEND,
        personal=True,
        wrong=True,
    )


def _frame_end(data: bytes, start: int) -> int:
    """Where the frame at `start` ends: by its length, unless that is wrong and another frame begins sooner."""
    length = int.from_bytes(data[start + len(PREAMBLE) : start + HEADER_SIZE], "big")
    end = start + HEADER_SIZE + length
    if (
        0 < length <= REPLY_BOUNDS.maximum
        and end <= len(data)
        and xor8(data[start + len(PREAMBLE) : end]) == 0
    ):
        return end
    following = data.find(PREAMBLE, start + len(PREAMBLE))
    return min(end if length else len(data), len(data), following if following > 0 else len(data))


def _frame(frame: bytes, at: int, direction: str | None) -> Iterator[Field]:
    from_reader = is_from_reader(frame, direction)
    bounds = REPLY_BOUNDS if from_reader else REQUEST_BOUNDS
    way = "reader -> host" if from_reader else "host -> reader"
    yield Field(at, len(PREAMBLE), "preamble", way, "begins every frame")
    try:
        body = unseal(frame, bounds)
    except RemoteProtocolError as exc:
        if exc.code == "dialect":
            yield from _dialect(frame, at)
        else:
            yield from _damaged(frame, at, exc)
        return
    yield _length(frame, at)
    yield from _reply(body, at) if from_reader else _request(body, at)
    yield Field(at + len(frame) - 1, 1, "check", "fits", "exclusive-or of length and body")


def _length(frame: bytes, at: int) -> Field:
    length = int.from_bytes(frame[len(PREAMBLE) : HEADER_SIZE], "big")
    return Field(at + len(PREAMBLE), 2, "length", str(length), "bytes that follow")


def _request(body: bytes, at: int) -> Iterator[Field]:
    request = Request.from_body(body)
    command = identify(request)
    name = command.value if command else "unknown command"
    zh = COMMANDS[command].label_zh if command else "未知命令"
    at += HEADER_SIZE
    if command is Command.SET_BAUD:
        baud = BAUD_RATES.get(request.para)
        yield Field(at, 1, "command", name, zh)
        yield Field(at + 1, 1, "speed", f"{baud} baud" if baud else "no known speed", wrong=baud is None)
    else:
        yield Field(at, 2, "command", name, zh)
    if request.data:
        text = f"{request.data[0]} bytes" if command is Command.SET_RF_FRAME else request.data.hex(" ")
        yield Field(at + 2, len(request.data), "data", text, personal=command is None)


def _reply(body: bytes, at: int) -> Iterator[Field]:
    reply = Reply.from_body(body)
    wrong = (reply.sw1, reply.sw2) != (0, 0)
    note = "every known reply has 00 00" if wrong else ""
    yield Field(at + HEADER_SIZE, 2, "SW1 SW2", f"{reply.sw1:02X} {reply.sw2:02X}", note, wrong=wrong)
    yield _status(reply.sw3, at)
    yield from data_fields(reply, at + HEADER_SIZE + 3)


def _status(sw3: int, at: int) -> Field:
    status = status_of(sw3)
    advice = "" if status.action is Action.OK else f"{status.action}: {status.advice}"
    return Field(at + HEADER_SIZE + 2, 1, "SW3 status", status.meaning, status.meaning_zh, advice)


def _dialect(frame: bytes, at: int) -> Iterator[Field]:
    head = frame[HEADER_SIZE : HEADER_SIZE + 2]
    yield _length(frame, at)
    yield Field(at + HEADER_SIZE, 2, "command", DIALECT_COMMANDS[head], f"of the {DIALECT} dialect")
    if len(frame) > HEADER_SIZE + 3:
        yield Field(at + HEADER_SIZE + 2, len(frame) - HEADER_SIZE - 3, "data", personal=True)
    yield Field(
        at + len(frame) - 1,
        1,
        "check",
        f"fits the {DIALECT} dialect",
        "two's complement of the byte sum; the standard protocol would have "
        f"{xor8(frame[len(PREAMBLE) : -1]):02X}",
        f"this host speaks the {DIALECT} dialect, the gateway does not: use a reader of the standard protocol",
    )


def _damaged(frame: bytes, at: int, error: RemoteProtocolError) -> Iterator[Field]:
    """What is left of a frame that must not be believed. The cause stands at the field that shows it."""
    if len(frame) <= HEADER_SIZE:
        rest = len(frame) - len(PREAMBLE)
        yield Field(at + len(PREAMBLE), rest, "length", "", str(error), RESEND, wrong=True)
        return
    length = _length(frame, at)
    body = frame[HEADER_SIZE:]
    if error.code == "checksum":
        yield length
        body = body[:-1]
    else:
        yield Field(length.offset, 2, "length", length.value, str(error), RESEND, wrong=True)
    yield Field(
        at + HEADER_SIZE,
        len(body),
        "body",
        "not decoded",
        "nothing in it can be trusted",
        personal=True,
    )
    if error.code == "checksum":
        expected = xor8(frame[len(PREAMBLE) : -1])
        yield Field(
            at + len(frame) - 1,
            1,
            "check",
            f"wrong, {expected:02X} would fit",
            str(error),
            RESEND,
            wrong=True,
        )
