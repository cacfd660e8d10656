"""How a typed message is laid out: its fields in their order, packed by one `struct` format.

Commands and replies are frozen dataclasses; `LAYOUT` is their format without the byte order, which is big.
"""

import re
import struct
from dataclasses import dataclass, fields
from typing import ClassVar, Self

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError


@dataclass(frozen=True, slots=True)
class Message:
    """Fields to bytes and back."""

    LAYOUT: ClassVar[str] = ""

    @classmethod
    def sizes(cls) -> tuple[tuple[str, int], ...]:
        """Name and bytes of each field, in their order."""
        formats = re.findall(r"\d*[A-Za-z]", cls.LAYOUT)
        names = [one.name for one in fields(cls)]
        return tuple((name, struct.calcsize(">" + form)) for name, form in zip(names, formats, strict=True))

    @classmethod
    def size(cls) -> int:
        """Bytes of the fields."""
        return struct.calcsize(">" + cls.LAYOUT)

    def pack(self) -> bytes:
        """The fields in bytes. Code: range."""
        values = [getattr(self, one.name) for one in fields(self)]
        for value, (name, size) in zip(values, self.sizes(), strict=True):
            if isinstance(value, bytes) and len(value) > size:
                raise LocalProtocolError("range", f"{name}: {len(value)} bytes; {size} fit")
        try:
            return struct.pack(">" + self.LAYOUT, *values)
        except struct.error as exc:
            raise LocalProtocolError(
                "range", f"{type(self).__name__}: a field does not fit its bytes"
            ) from exc

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """The message in `data`. Code: message_length."""
        if len(data) != cls.size():
            raise RemoteProtocolError(
                "message_length", f"{cls.__name__}: {len(data)} bytes of data; {cls.size()} expected"
            )
        return cls(*struct.unpack(">" + cls.LAYOUT, data))


@dataclass(frozen=True, slots=True)
class Command(Message):
    """What a host can ask. `NAME` is the word of the makers' manuals."""

    NAME: ClassVar[str] = ""
    LABEL_ZH: ClassVar[str] = ""
