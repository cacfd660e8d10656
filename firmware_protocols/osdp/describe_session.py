"""A dump of the bus, frame after frame; with the key, followed through its handshake and opened."""

from firmware_protocols.describing import Json
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.osdp.codes import Command, Reply
from firmware_protocols.osdp.commands import Challenge
from firmware_protocols.osdp.decoder import AnyDecoder
from firmware_protocols.osdp.describe import frame_keys
from firmware_protocols.osdp.describe_channel import opened
from firmware_protocols.osdp.explain import explain
from firmware_protocols.osdp.frames import Frame
from firmware_protocols.osdp.handshake import PanelHandshake
from firmware_protocols.osdp.recognise import FROM_READER, TO_READER, check_direction
from firmware_protocols.osdp.secure_channel import Channel
from firmware_protocols.osdp.secure_keys import Aes

__all__ = ["decode", "decode_opened", "explain"]


def decode(data: bytes, direction: str | None) -> Json:
    """The frames of a dump under `steps`. Codes: those of a frame, for the first bytes that are none."""
    check_direction(direction)
    return {"steps": [_step(frame) | frame_keys(frame) for frame in _frames(data)]}


def decode_opened(data: bytes, *, scbk: bytes, aes: Aes) -> Json:
    """As `decode`, with what is inside; every proof and MAC on the way is checked.

    Codes: those of a frame, of `PanelHandshake` and of `Channel`.
    """
    listener = Listener(scbk, aes)
    return {"steps": [_step(frame) | listener.hear(frame) for frame in _frames(data)]}


def _step(frame: Frame) -> Json:
    return {"dir": FROM_READER if frame.reply else TO_READER, "hex": frame.to_bytes().hex()}


def _frames(data: bytes) -> list[Frame]:
    decoder = AnyDecoder()
    frames: list[Frame] = []
    for found in [*decoder.feed(data), *decoder.flush()]:
        if isinstance(found, Discarded):
            raise RemoteProtocolError(
                found.reason, f"{found.length} bytes after {len(frames)} frames are none"
            )
        frames.append(found)
    if not frames:
        raise RemoteProtocolError("truncated", "no frame")
    return frames


class Listener:
    """Somebody on the bus who has the key."""

    def __init__(self, scbk: bytes, aes: Aes) -> None:
        self._scbk = scbk
        self._aes = aes
        self._handshake: PanelHandshake | None = None
        self._channel: Channel | None = None

    def hear(self, frame: Frame) -> Json:
        """What the next frame says."""
        if frame.security is not None and frame.security.has_mac:
            if self._channel is None:
                raise RemoteProtocolError("clear", "a MAC before there was a handshake")
            return opened(frame, self._channel)
        keys = frame_keys(frame)
        if frame.security is not None:
            self._follow(frame)
        return keys

    def _follow(self, frame: Frame) -> None:
        match frame.reply, frame.code:
            case False, Command.CHLNG:
                self._channel = None
                self._handshake = PanelHandshake(self._scbk, Challenge.from_data(frame.data).rnd_a, self._aes)
            case True, Reply.CCRYPT if self._handshake:
                self._handshake.prove(frame)
            case True, Reply.RMAC_I if self._handshake:
                self._channel = self._handshake.finish(frame)
