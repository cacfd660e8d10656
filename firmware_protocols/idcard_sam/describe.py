"""Frames of the reader by name and key, for tests and machines. For a person: explain.py.

A card record is given with its text, because that is what a decoder is judged by; photo and
fingerprint are measured and left out.
"""

from firmware_protocols.describing import Json
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.idcard_sam.commands import BAUD_RATES, Command, identify, request_for
from firmware_protocols.idcard_sam.dialect import NAMES, DialectRequest
from firmware_protocols.idcard_sam.envelope import (
    DIALECT,
    DIALECT_RULE,
    HEADER_SIZE,
    PREAMBLE,
    REPLY_BOUNDS,
    REQUEST_BOUNDS,
    unseal,
)
from firmware_protocols.idcard_sam.explain import explain
from firmware_protocols.idcard_sam.fingerprint import fingers
from firmware_protocols.idcard_sam.frames import Reply, Request
from firmware_protocols.idcard_sam.messages import (
    CardFound,
    CardRecord,
    CardSelected,
    ChipNumber,
    NewAddress,
    SamId,
    parse_reply,
    record_sizes,
)
from firmware_protocols.idcard_sam.recognise import answered_command, is_from_reader
from firmware_protocols.idcard_sam.status import status_of
from firmware_protocols.idcard_sam.text_block import ResidentText, TextBlock

__all__ = ["decode", "explain"]


def decode(data: bytes, direction: str | None) -> Json:
    """The keys of exactly one frame. Bytes before its preamble are skipped, bytes after it are an error."""
    start = max(data.find(PREAMBLE), 0)
    frame = data[start:]
    keys = _reply_keys(frame) if is_from_reader(frame, direction) else _request_keys(frame)
    return {**keys, "skipped": start} if start else keys


def _request_keys(frame: bytes) -> Json:
    try:
        request = Request.from_body(unseal(frame, REQUEST_BOUNDS))
    except RemoteProtocolError as exc:
        if exc.code == "dialect":
            return _dialect_keys(frame)
        raise
    command = identify(request)
    keys: Json = {
        **_ends(frame),
        "cmd": f"{request.cmd:02X}",
        "para": f"{request.para:02X}",
        "data": request.data.hex(),
        "name": command.value if command else "unknown command",
    }
    if command is Command.SET_BAUD:
        keys["baud"] = BAUD_RATES.get(request.para)
    if command is Command.SET_RF_FRAME:
        keys["rf_frame_bytes"] = request.data[0]
    return keys


def _dialect_keys(frame: bytes) -> Json:
    request = DialectRequest.from_bytes(frame)
    cmd, para = request.command.value
    return {
        **_ends(frame),
        "dialect": DIALECT,
        "checksum_rule": DIALECT_RULE,
        "valid_in_standard_dialect": False,
        "cmd": f"{cmd:02X}",
        "para": f"{para:02X}",
        "data": request.data.hex(),
        "name": f"{NAMES[request.command]} in a vendor dialect",
    }


def _reply_keys(frame: bytes) -> Json:
    reply = Reply.from_body(unseal(frame, REPLY_BOUNDS))
    status = status_of(reply.sw3)
    return {
        **_ends(frame),
        "sw1": f"{reply.sw1:02X}",
        "sw2": f"{reply.sw2:02X}",
        "sw3": f"{reply.sw3:02X}",
        "status": status.name,
        "action": str(status.action),
        "meaning": status.meaning,
        **_data_keys(reply),
    }


def _data_keys(reply: Reply) -> Json:
    raw: Json = {"data": reply.data.hex()}
    message = parse_reply(request_for(answered_command(reply)), reply)
    match message:
        case CardRecord():
            return _record_keys(message, reply.data)
        case CardFound(iin):
            return {**raw, "iin": iin.hex()}
        case CardSelected(serial):
            return {**raw, "serial": serial.hex()}
        case SamId(text):
            return {**raw, "sam_id": text}
        case ChipNumber(value):
            return {**raw, "chip_number": value.hex()}
        case NewAddress(addresses):
            latest = addresses[-1]
            return {
                **raw,
                "new_address": latest,
                "addresses": list(addresses),
                "fields": {"new_address": latest},
                "repaired": message.repaired,
            }
        case _:
            return raw


def _record_keys(record: CardRecord, data: bytes) -> Json:
    keys: Json = dict(zip(("text_len", "photo_len", "fingerprint_len"), record_sizes(data), strict=False))
    if record.fingerprint is not None:
        found = fingers(record.fingerprint)
        keys["finger_positions"] = [f"{finger.position:02X}" for finger in found]
        keys["finger_names"] = [finger.label for finger in found]
    return {
        **keys,
        "card_type": str(record.text.layout),
        "fields": _text_keys(record.text),
        "repaired": record.text.repaired,
    }


def _text_keys(text: TextBlock) -> Json:
    fields: Json = {
        slot.name: getattr(text, slot.name)
        for slot in text.slots
        if not slot.name.startswith(("reserved", "spare"))
    }
    if isinstance(text, ResidentText):
        # Older references call the spare slot "new address"; it was blank on every card known.
        fields["new_address"] = text.spare or None
    return fields


def _ends(frame: bytes) -> Json:
    return {
        "len": int.from_bytes(frame[len(PREAMBLE) : HEADER_SIZE], "big"),
        "checksum": f"{frame[-1]:02X}",
    }
