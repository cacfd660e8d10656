"""Frames of a bus by name and key, for tests and machines. For a person: explain.py.

Directions: "cp>pd" and "pd>cp" are frames, "value" is a frame of either; "data" is the data of a biometric message
without the frame around it. What is sealed stays closed.
"""

from firmware_protocols.describing import Json
from firmware_protocols.osdp import biometrics as bio
from firmware_protocols.osdp.catalogue import parse_command, parse_reply
from firmware_protocols.osdp.codes import Command, Reply, name_of
from firmware_protocols.osdp.explain import explain
from firmware_protocols.osdp.frames import EVERYBODY, Check, Frame
from firmware_protocols.osdp.layout import Message
from firmware_protocols.osdp.recognise import DATA, check_direction, check_way
from firmware_protocols.osdp.telling import WITHHELD, told

__all__ = ["decode", "explain", "frame_keys", "message_of"]


def decode(data: bytes, direction: str | None) -> Json:
    """The keys of exactly one frame; with "data", of one biometric message's data."""
    check_direction(direction)
    if direction == DATA:
        return _bare_data(data)
    frame = Frame.from_bytes(data)
    check_way(frame, direction)
    return frame_keys(frame)


def message_of(frame: Frame) -> Message | None:
    """What the frame says; None where that is sealed. Code: data_length."""
    if frame.security is not None and frame.security.is_sealed:
        return None
    parse = parse_reply if frame.reply else parse_command
    return parse(frame.code, frame.data)


def frame_keys(frame: Frame) -> Json:
    """The keys of a frame, and of what it says where that is not sealed. Code: data_length."""
    message = message_of(frame)
    keys: Json = {
        "mark": frame.mark,
        "address": frame.address,
        "reply": frame.reply,
        "length": len(frame.to_bytes()) - frame.mark,
        "seq": frame.sequence,
        "check": str(frame.check),
        "scb": frame.security.to_bytes().hex() if frame.security else None,
        "code": f"{frame.code:02X}",
        "data": frame.data.hex(),
        "mac": frame.mac.hex() if frame.mac else None,
        "name": name_of(frame.code, reply=frame.reply),
    }
    if isinstance(message, WITHHELD):
        del keys["data"]
    if frame.check is Check.CRC16:
        keys["crc_le"] = frame.to_bytes()[-2:].hex().upper()
    if frame.address == EVERYBODY:
        keys["address_byte"] = "7F (broadcast/config)"
    return keys | (told(message) if message is not None else {})


def _bare_data(data: bytes) -> Json:
    """Biometric data do not say their own code: their size does, and where two have one size, the second byte.

    It is the kind of biometrics in BIOMATCH, which is never 0 there, and the status in BIOREADR, 0 where it went well.
    """
    if len(data) == sum(bio.ReadBiometrics.SIZES):
        return _named(Command.BIOREAD, bio.ReadBiometrics.from_data(data), "command")
    if len(data) == sum(bio.BiometricsMatched.SIZES):
        return _named(Reply.BIOMATCHR, bio.BiometricsMatched.from_data(data), "reply")
    if len(data) > 1 and data[1] == 0:
        return _named(Reply.BIOREADR, bio.BiometricsRead.from_data(data), "reply")
    return _named(Command.BIOMATCH, bio.MatchBiometrics.from_data(data), "command")


def _named(code: Command | Reply, message: Message, kind: str) -> Json:
    return {kind: f"{code.name} ({code:02X})", **told(message)}
