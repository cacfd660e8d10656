"""The outer frame of encryption mode explained; what is inside stays closed without seed, key indexes and a cipher.

No cipher lives in this package. Whoever has one, and was told the other two, opens a frame with `decode_opened`.
"""

from collections.abc import Callable

from firmware_protocols.describing import Json
from firmware_protocols.efaa_xor16 import describe
from firmware_protocols.efaa_xor16.encryption import Blocks, Cover, derive_key, hash_text
from firmware_protocols.efaa_xor16.envelope import SYNC
from firmware_protocols.efaa_xor16.explain import explain_encrypted as explain
from firmware_protocols.efaa_xor16.frames import EncryptedFrame
from firmware_protocols.efaa_xor16.recognise import check_direction

__all__ = ["decode", "decode_opened", "explain"]


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


def decode_opened(
    data: bytes,
    direction: str | None,
    *,
    seed: bytes,
    indexes: bytes,
    aes: Callable[[bytes], tuple[Blocks, Blocks]],
) -> Json:
    """The keys of the outer frame, and of the message inside under `message`.

    `aes` makes from a key the functions that encrypt and decrypt whole blocks. The key is part of what comes back,
    for a person who holds it against another tool's: this is never to be logged.
    """
    keys = decode(data, direction)
    key = derive_key(seed, indexes)
    message = Cover(*aes(key)).open(EncryptedFrame.from_bytes(data[max(data.find(SYNC), 0) :]))
    plain = message.to_bytes()
    return {
        **keys,
        "seed": seed.hex(),
        "key_sequence": indexes.hex(),
        "md5_hex_of_seed": hash_text(seed),
        "aes128_key_ascii": key.decode("ascii"),
        "plaintext_inner": plain[len(SYNC) : -1].hex(),
        "message": describe.decode(plain, direction),
    }
