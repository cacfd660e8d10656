"""Encryption mode of a face module at our end: the seed, and hearing the answer that begins it.

The key indexes are set in the module once, at the bench, and told by a file; nothing here sets or logs them.
Leaves out: how a message is sealed (firmware_protocols.efaa_xor16.encryption).
"""

import secrets
from collections.abc import Iterator

from drivers.aes import aes
from firmware_protocols.efaa_xor16.encryption import SEED_SIZE, Cover, OpeningDecoder, derive_key
from firmware_protocols.efaa_xor16.frames import Frame, ModuleDecoder
from firmware_protocols.framing import Discarded


def new_cover(key_indexes: bytes) -> tuple[bytes, Cover]:
    """A seed that was never used, and what seals and opens with it."""
    seed = secrets.token_bytes(SEED_SIZE)
    return seed, Cover(*aes(derive_key(seed, key_indexes)))


class FirstAnswerDecoder:
    """Hears the answer to INIT_ENCRYPTION, in clear or sealed: no source says which it is.

    What one of the two decoders calls noise may be the other's frame, so noise is not told.
    """

    def __init__(self, cover: Cover) -> None:
        self._decoders = (ModuleDecoder(), OpeningDecoder(cover))

    def feed(self, data: bytes) -> Iterator[Frame | Discarded]:
        """Take the next bytes, in any chunking; yield what became complete."""
        found = [item for decoder in self._decoders for item in decoder.feed(data)]
        return (item for item in found if isinstance(item, Frame))

    def flush(self) -> Iterator[Frame | Discarded]:
        """Give up on an unfinished frame (the line went quiet); yield what it held."""
        found = [item for decoder in self._decoders for item in decoder.flush()]
        return (item for item in found if isinstance(item, Frame))
