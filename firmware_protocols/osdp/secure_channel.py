"""Frames sealed and opened on a secure channel, MAC after MAC.

A command's MAC is chained to that of the last reply, a reply's to that of the command it answers, so a frame that is
left out, changed or played again does not fit. The first 4 of its 16 bytes go over the line. A repeated command is
the same bytes again. A frame that does not fit changes nothing here: what to do about it is the conversation's affair.
"""

from dataclasses import replace
from hmac import compare_digest

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.osdp.frames import Frame
from firmware_protocols.osdp.secure_keys import Ciphers
from firmware_protocols.osdp.security_block import (
    MAC_COMMAND,
    MAC_REPLY,
    MAC_SIZE,
    SEALED_COMMAND,
    SEALED_REPLY,
    SecurityBlock,
)


class Channel:
    """One end of a secure channel, or somebody who listens and has the key."""

    def __init__(self, ciphers: Ciphers, first_mac: bytes) -> None:
        self._ciphers = ciphers
        self._reply_mac = first_mac
        self._command_mac = first_mac

    def seal_command(self, frame: Frame) -> Frame:
        """A command as it goes over the line."""
        sealed, self._command_mac = self._seal(frame, self._reply_mac)
        return sealed

    def open_command(self, frame: Frame) -> Frame:
        """A command in clear. Codes: direction, clear, mac, padding."""
        opened, self._command_mac = self._open(frame, self._reply_mac, reply=False)
        return opened

    def seal_reply(self, frame: Frame) -> Frame:
        """A reply as it goes over the line."""
        sealed, self._reply_mac = self._seal(frame, self._command_mac)
        return sealed

    def open_reply(self, frame: Frame) -> Frame:
        """A reply in clear. Codes: direction, clear, mac, padding."""
        opened, self._reply_mac = self._open(frame, self._command_mac, reply=True)
        return opened

    def _seal(self, frame: Frame, last: bytes) -> tuple[Frame, bytes]:
        if frame.security is not None:
            raise LocalProtocolError("security_block", "the frame is secured already")
        mac_only, with_data = (MAC_REPLY, SEALED_REPLY) if frame.reply else (MAC_COMMAND, SEALED_COMMAND)
        data = self._ciphers.seal(frame.data, last) if frame.data else b""
        block = SecurityBlock(with_data if frame.data else mac_only)
        sealed = replace(frame, data=data, security=block)
        mac = self._ciphers.mac(sealed.covered(), last)
        return replace(sealed, mac=mac[:MAC_SIZE]), mac

    def _open(self, frame: Frame, last: bytes, *, reply: bool) -> tuple[Frame, bytes]:
        block = frame.security
        if frame.reply is not reply:
            raise RemoteProtocolError("direction", "the frame goes the other way")
        if block is None or frame.mac is None:
            raise RemoteProtocolError("clear", "a frame in clear on a secure channel")
        if block.type not in ({MAC_REPLY, SEALED_REPLY} if reply else {MAC_COMMAND, SEALED_COMMAND}):
            raise RemoteProtocolError("direction", "a security block of the other direction")
        mac = self._ciphers.mac(frame.covered(), last)
        if not compare_digest(mac[:MAC_SIZE], frame.mac):
            raise RemoteProtocolError(
                "mac", "the MAC does not fit: another key, or a frame lost, changed or repeated"
            )
        data = self._ciphers.open(frame.data, last) if block.is_sealed else frame.data
        if data is None:
            raise RemoteProtocolError("padding", f"{len(frame.data)} sealed bytes open to nothing")
        return replace(frame, data=data, security=None, mac=None), mac
