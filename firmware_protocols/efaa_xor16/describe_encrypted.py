"""The outer frame of encryption mode explained; what is inside stays closed: no cipher lives in this package.

How the key comes about, for whoever opens it: 16 characters, picked by the 16 key indexes from the 32-character
hex text of the MD5 of the 4-byte seed. The seed goes over the line in clear, so this keeps out a curious eye and
nobody else: the cable stays inside the cabinet.
"""

from firmware_protocols.describing import Json
from firmware_protocols.efaa_xor16.envelope import SYNC
from firmware_protocols.efaa_xor16.explain import explain_encrypted as explain
from firmware_protocols.efaa_xor16.frames import EncryptedFrame
from firmware_protocols.efaa_xor16.recognise import check_direction

__all__ = ["decode", "explain"]


def decode(data: bytes, direction: str | None) -> Json:
    """The keys of exactly one outer frame. Bytes before its sync word are skipped, bytes after it are an error."""
    check_direction(direction)
    start = max(data.find(SYNC), 0)
    frame = EncryptedFrame.from_bytes(data[start:])
    keys: Json = {
        "name": "encrypted frame",
        "outer": "EFAA, 16-bit BE ciphertext length, ciphertext, XOR of the ciphertext only",
        "mode": "ECB, zero padding",
        "cipher_size": len(frame.cipher),
        "cipher": frame.cipher.hex(),
        "checksum": f"{data[-1]:02X}",
        "encrypted": True,
    }
    return {**keys, "skipped": start} if start else keys
