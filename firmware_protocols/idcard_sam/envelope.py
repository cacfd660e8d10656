"""The bytes around every message of the reader, both directions.

    [AA AA AA 96 69] [length 2, big-endian] [body] [check 1]

    length counts body and check; check is the exclusive-or of length and body,
    so the exclusive-or from the length to the check, both included, is 0.

Leaves out: what the body means (frames.py), and finding frames in a stream (frames.py).
Source: README.md beside the package, section idcard-sam.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from firmware_protocols.checksums import sum8, xor8
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError

PREAMBLE = bytes.fromhex("AAAAAA9669")
HEADER_SIZE = len(PREAMBLE) + 2  # bytes before the body

# A dialect with the same preamble and length and other commands. Its replies are not known.
DIALECT = "CVR-100AU"
DIALECT_RULE = "two's complement of the byte sum, not XOR"
DIALECT_COMMANDS: Mapping[bytes, str] = MappingProxyType(
    {
        bytes.fromhex("0001"): "initialise",
        bytes.fromhex("0081"): "find card",
        bytes.fromhex("0082"): "select card",
        bytes.fromhex("0083"): "read card",
    }
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Length values that are possible in one direction. Anything else is noise, not a frame to wait for."""

    minimum: int
    maximum: int

    def allow(self, length: int) -> bool:
        """Whether a frame of this direction can carry `length`."""
        return self.minimum <= length <= self.maximum


# Requests: CMD PARA CHK at least. The longest known request has length value 4 (61 FF bb); the cap
# leaves room for vendor commands with a few parameter bytes and keeps a false length from costing time.
REQUEST_BOUNDS = Bounds(minimum=3, maximum=16)

# Replies: SW1 SW2 SW3 CHK at least; text, photo and two fingerprint features at most (frame of 2321 bytes).
REPLY_BOUNDS = Bounds(minimum=4, maximum=0x090A)


def seal(body: bytes, bounds: Bounds) -> bytes:
    """The whole frame around `body`."""
    length = len(body) + 1
    if not bounds.allow(length):
        raise LocalProtocolError(
            "length",
            f"a body of {len(body)} bytes gives length value {length}; "
            f"this direction carries {bounds.minimum} to {bounds.maximum}",
        )
    counted = length.to_bytes(2, "big") + body
    return PREAMBLE + counted + bytes([xor8(counted)])


def unseal(frame: bytes, bounds: Bounds) -> bytes:
    """The body of exactly one frame. Codes: preamble, truncated, length, trailing, dialect, checksum."""
    if not frame.startswith(PREAMBLE):
        if PREAMBLE.startswith(frame):
            raise RemoteProtocolError("truncated", f"{len(frame)} bytes: the frame ends inside its preamble")
        raise RemoteProtocolError("preamble", "the frame does not begin with AA AA AA 96 69")
    if len(frame) < HEADER_SIZE:
        raise RemoteProtocolError("truncated", f"{len(frame)} bytes: the frame ends inside its length field")
    length = int.from_bytes(frame[len(PREAMBLE) : HEADER_SIZE], "big")
    present = len(frame) - HEADER_SIZE
    if not bounds.allow(length):
        raise RemoteProtocolError(
            "length",
            f"length value {length}; this direction carries {bounds.minimum} to {bounds.maximum}",
        )
    if present != length:
        raise _size_error(frame, length, bounds)
    counted = frame[len(PREAMBLE) :]
    if xor8(counted) != 0:
        if is_dialect(counted):
            raise RemoteProtocolError(
                "dialect",
                f"the check byte follows the {DIALECT} dialect ({DIALECT_RULE}); "
                "set the reader to the standard protocol or use one that speaks it",
            )
        raise RemoteProtocolError("checksum", f"wrong check byte over {length} counted bytes")
    return frame[HEADER_SIZE:-1]


def is_dialect(counted: bytes) -> bool:
    """Whether the bytes from length to check are a request of the dialect."""
    return counted[2:4] in DIALECT_COMMANDS and sum8(counted) == 0 and xor8(counted) != 0


def _size_error(frame: bytes, length: int, bounds: Bounds) -> RemoteProtocolError:
    """Tell a wrong length field from missing or surplus bytes, by where the check byte fits."""
    present = len(frame) - HEADER_SIZE
    fits_as_it_is = {xor8(frame[5:HEADER_SIZE]), xor8(present.to_bytes(2, "big"))}
    if present < length:
        if bounds.allow(present) and xor8(frame[HEADER_SIZE:]) in fits_as_it_is:
            return RemoteProtocolError(
                "length",
                f"length value {length}, but the frame is complete with {present}: wrong length field",
            )
        return RemoteProtocolError(
            "truncated", f"length value {length}, but only {present} bytes follow: the frame is cut off"
        )
    if xor8(frame[5 : HEADER_SIZE + length]) == 0:
        return RemoteProtocolError("trailing", f"{present - length} surplus bytes after the frame")
    return RemoteProtocolError("length", f"length value {length}, but {present} bytes follow")
