"""A dump of the module's line explained byte by byte, for a person.

Takes any bytes: frames of either direction, noise between them, frames cut off or damaged.
What is not understood is shown as such and counts as personal: it may be somebody's name or face.
"""

from collections.abc import Callable, Iterator

from firmware_protocols.describing import Field
from firmware_protocols.efaa_xor16.envelope import SYNC, Layout, check
from firmware_protocols.efaa_xor16.explain_data import data_fields
from firmware_protocols.efaa_xor16.frames import ENCRYPTED, FROM_HOST, FROM_MODULE, HEADER_SIZE, Frame
from firmware_protocols.efaa_xor16.msg_ids import LABELS_ZH, MsgId, name_of
from firmware_protocols.efaa_xor16.recognise import check_direction, is_from_module
from firmware_protocols.errors import RemoteProtocolError

RESEND = "have it sent again; if it repeats, check cable, shielding and baud rate"


def explain(data: bytes, direction: str | None) -> list[Field]:
    """Every byte of `data`, in order."""
    check_direction(direction)
    return list(walk(data, FROM_HOST, lambda frame, at: _frame(frame, at, direction)))


def explain_encrypted(data: bytes, direction: str | None) -> list[Field]:
    """Every byte of `data`, read as encrypted frames."""
    check_direction(direction)
    return list(walk(data, ENCRYPTED, _encrypted))


def walk(
    data: bytes, layout: Layout, explain_frame: Callable[[bytes, int], Iterator[Field]]
) -> Iterator[Field]:
    """Every byte of `data`; `explain_frame` is given what may be a frame, and its offset."""
    at = 0
    while at < len(data):
        start = data.find(SYNC, at)
        if start != at:
            end = start if start > at else len(data)
            yield _noise(at, data[at:end])
            at = end
            continue
        end = _frame_end(data, start, layout)
        yield from explain_frame(data[start:end], start)
        at = end


def _noise(at: int, run: bytes) -> Field:
    if SYNC.startswith(run):
        return Field(at, len(run), "sync", note="cut off", advice=RESEND, wrong=True)
    return Field(at, len(run), "noise", note="no EF AA in it", advice=RESEND, personal=True, wrong=True)


def _frame_end(data: bytes, start: int, layout: Layout) -> int:
    """Where the frame at `start` ends: by its size, unless that is wrong and another frame begins sooner."""
    header = data[start : start + layout.header_size]
    if len(header) == layout.header_size:
        end = start + layout.header_size + layout.size(header) + 1
        if end <= len(data) and layout.expected(data[start:end]) == data[end - 1]:
            return end
    else:
        end = len(data)
    following = data.find(SYNC, start + len(SYNC))
    return min(end, len(data), following if following > 0 else len(data))


def _frame(raw: bytes, at: int, direction: str | None) -> Iterator[Field]:
    from_module = is_from_module(raw, direction)
    way = "module -> host" if from_module else "host -> module"
    yield Field(at, len(SYNC), "sync", way, "begins every frame")
    try:
        check(raw, FROM_MODULE if from_module else FROM_HOST)
    except RemoteProtocolError as exc:
        yield from damaged(raw, at, exc, FROM_HOST)
        return
    frame = Frame.from_bytes(raw)
    yield _msg_id(frame.msg_id, at)
    yield Field(at + 3, 2, "size", str(len(frame.data)), "data bytes that follow")
    yield from data_fields(frame, at + HEADER_SIZE)
    yield Field(at + len(raw) - 1, 1, "parity", "fits", "exclusive-or of everything after EF AA")


def _msg_id(msg_id: int, at: int) -> Field:
    known = msg_id in LABELS_ZH
    return Field(at + 2, 1, "MsgID", name_of(msg_id), LABELS_ZH[MsgId(msg_id)] if known else "not known")


def _encrypted(raw: bytes, at: int) -> Iterator[Field]:
    yield Field(at, len(SYNC), "sync", "", "begins every frame")
    try:
        check(raw, ENCRYPTED)
    except RemoteProtocolError as exc:
        yield from damaged(raw, at, exc, ENCRYPTED)
        return
    size = len(raw) - ENCRYPTED.header_size - 1
    yield Field(at + 2, 2, "length", str(size), "bytes of cipher text that follow")
    yield Field(
        at + ENCRYPTED.header_size,
        size,
        "cipher text",
        "not opened",
        "AES-128-ECB over MsgID, size and data, padded with zeros",
        personal=True,
        opaque=True,
    )
    yield Field(at + len(raw) - 1, 1, "parity", "fits", "exclusive-or of the cipher text only")


def damaged(raw: bytes, at: int, error: RemoteProtocolError, layout: Layout) -> Iterator[Field]:
    """What is left of a frame that must not be believed. The cause stands at the field that shows it."""
    header = raw[len(SYNC) : layout.header_size]
    if not header:
        yield Field(at + len(SYNC), 0, "header", "", str(error), RESEND, wrong=True)
        return
    in_header = error.code != "checksum"
    yield Field(
        at + len(SYNC),
        len(header),
        "header",
        header.hex(" "),
        str(error) if in_header else "",
        RESEND if in_header else "",
        wrong=in_header,
    )
    body = raw[layout.header_size : len(raw) if in_header else -1]
    if body:
        note = "nothing in it can be trusted"
        yield Field(at + layout.header_size, len(body), "data", "not decoded", note, personal=True)
    if not in_header:
        expected = layout.expected(raw)
        value = f"wrong, {expected:02X} would fit"
        yield Field(at + len(raw) - 1, 1, layout.check_name, value, str(error), RESEND, wrong=True)
