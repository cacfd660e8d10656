"""Frames of JT/T 808 for machines and people."""

from firmware_protocols.describing import Field, Json
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.jt808.bodies import fields_of
from firmware_protocols.jt808.frames import FLAG_BYTE, Frame, unescaped
from firmware_protocols.jt808.reports import reports_of
from firmware_protocols.tracker_describing import described
from firmware_protocols.tracker_explaining import Part, explained, summary


def decode(data: bytes, direction: str | None) -> Json:  # noqa: ARG001 - the message's number tells the way
    """The keys of exactly one frame; one with a wrong check too, which `frame` says."""
    if data[:1] == b"(" and data[-1:] == b")":  # the locks' text packets, which share the port
        return {"position": False, "alarms": [], "raw": {"text": data.decode("latin-1")}, "frame": {}}
    frame = Frame.from_bytes(data)
    told = described(reports_of(frame), frame_facts(frame))
    try:
        raw = fields_of(frame)
    except RemoteProtocolError:
        return told
    if frame.msg_id == 0x0704:
        told["raw"] = raw
        told["positions"] = [described([one], {}) for one in reports_of(frame)]
    return told


def frame_facts(frame: Frame) -> dict[str, object]:
    """What the frame says of itself."""
    found: dict[str, object] = {
        "checksum_ok": frame.check == frame.computed,
        "checksum_in_frame": f"{frame.check or 0:02x}",
        "checksum_computed": f"{frame.computed:02x}",
        "msg_id": f"0x{frame.msg_id:04X}",
        "body_len": frame.claimed,
        "encryption": frame.encryption,
        "subpackage": frame.package is not None,
        "version_flag": frame.flags_version,
        "phone_bcd": frame.phone,
        "serial": frame.serial,
        "body_len_actual": len(frame.body),
        "body_hex": frame.body.hex(),
    }
    if frame.version is not None:
        found["protocol_version"] = frame.version
    if frame.package is not None:
        found |= {"packet_total": frame.package[0], "packet_no": frame.package[1]}
    return found


def explain(data: bytes, direction: str | None) -> list[Field]:  # noqa: ARG001 - the message's number tells the way
    """Every byte: flags, and what stands between them."""
    parts: list[Part] = []
    for place, piece in enumerate(data.split(FLAG_BYTE)):
        if place:
            parts.append(Part(1, "flag", "7E"))
        if piece:
            parts.append(_between(piece))
    return explained([parts], lambda one: one)


def _between(piece: bytes) -> Part:
    try:
        frame = Frame.from_content(unescaped(piece))
    except RemoteProtocolError as exc:
        return Part(len(piece), "noise", exc.code, wrong=True)
    if frame.check != frame.computed:
        wrong = f"check {frame.check:02x} where {frame.computed:02x} is right"
        return Part(len(piece), "noise", wrong, wrong=True)
    head = (
        f"0x{frame.msg_id:04X} of {frame.device_id}, serial {frame.serial}, {len(frame.body)} bytes of body"
    )
    return Part(len(piece), head, summary(described(reports_of(frame), {})), personal=True)
