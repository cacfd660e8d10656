"""AES for the codecs, which have no cipher of their own: single blocks; how they are chained is a protocol's affair."""

from collections.abc import Callable
from typing import TypeAlias

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

Blocks: TypeAlias = Callable[[bytes], bytes]


def aes(key: bytes) -> tuple[Blocks, Blocks]:
    """The functions that encrypt and decrypt whole blocks."""
    cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - the makers' choice, not ours
    return cipher.encryptor().update, cipher.decryptor().update
