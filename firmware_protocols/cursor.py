"""Taking a body apart, byte by byte, big-endian. What is missing ends the reading with an error of its own."""

from firmware_protocols.errors import RemoteProtocolError


class Cursor:
    """A place in bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes behind the cursor."""
        return len(self._data) - self.at

    def take(self, size: int) -> bytes:
        """So many bytes. Code: body."""
        if self.left < size:
            raise RemoteProtocolError(
                "body", f"the body ends at byte {len(self._data)}; {size} more are wanted"
            )
        self.at += size
        return self._data[self.at - size : self.at]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left)

    def byte(self) -> int:
        """BYTE."""
        return self.take(1)[0]

    def word(self) -> int:
        """WORD."""
        return int.from_bytes(self.take(2), "big")

    def dword(self) -> int:
        """DWORD."""
        return int.from_bytes(self.take(4), "big")
