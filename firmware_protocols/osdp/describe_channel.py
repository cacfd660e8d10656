"""Frames of a secure channel: what they show without a key, and what they say to whoever has one.

`decode` takes one frame that has a security block. No cipher lives in this package: who has one, and was told the key,
opens a channel with `derived` and a whole dump with describe_session.py. Derived keys are never to be logged.
"""

from firmware_protocols.describing import Json
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.osdp.describe import frame_keys
from firmware_protocols.osdp.explain import explain
from firmware_protocols.osdp.frames import Frame
from firmware_protocols.osdp.recognise import check_direction, check_way
from firmware_protocols.osdp.secure_channel import Channel
from firmware_protocols.osdp.secure_keys import Aes, Ciphers, SessionKeys
from firmware_protocols.osdp.telling import told_safely

__all__ = ["decode", "derived", "explain", "opened"]


def decode(data: bytes, direction: str | None) -> Json:
    """The keys of exactly one secured frame. Codes: those of a frame, and clear."""
    check_direction(direction)
    frame = Frame.from_bytes(data)
    check_way(frame, direction)
    if frame.security is None:
        raise RemoteProtocolError("clear", "a frame without security block: that is family osdp")
    return frame_keys(frame)


def derived(scbk: bytes, rnd_a: bytes, rnd_b: bytes, aes: Aes) -> Json:
    """Everything that a key and two random numbers make. Codes: key, random."""
    keys = SessionKeys.derive(scbk, rnd_a, aes)
    ciphers = Ciphers.of(keys, aes)
    server = ciphers.server_cryptogram(rnd_a, rnd_b)
    return {
        "scbk": scbk.hex(),
        "rnd_a_cp": rnd_a.hex(),
        "rnd_b_pd": rnd_b.hex(),
        "s_enc": keys.s_enc.hex(),
        "s_mac1": keys.s_mac1.hex(),
        "s_mac2": keys.s_mac2.hex(),
        "cp_cryptogram": server.hex(),
        "pd_cryptogram": ciphers.client_cryptogram(rnd_a, rnd_b).hex(),
        "r_mac_i": ciphers.first_mac(server).hex(),
    }


def opened(frame: Frame, channel: Channel) -> Json:
    """The keys of a frame on a channel, and what is inside. Codes: those of `Channel`, data_length."""
    clear = channel.open_reply(frame) if frame.reply else channel.open_command(frame)
    return frame_keys(frame) | told_safely(clear)
