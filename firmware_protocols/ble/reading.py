"""Little-endian fields, read once for both a program and a person: each becomes a value and a line of explanation."""

from collections.abc import Callable

from firmware_protocols.describing import Field, Json
from firmware_protocols.errors import RemoteProtocolError


class Reader:
    """Takes fields from the front. Raises `RemoteProtocolError` (truncated) where there is not enough."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self.values: Json = {}
        self.fields: list[Field] = []

    @property
    def left(self) -> int:
        """Bytes that nobody took."""
        return len(self._data) - self._at

    def take(self, name: str, size: int) -> bytes:
        """The next bytes, not yet a field. `name` is for the error."""
        if size > self.left:
            raise RemoteProtocolError("truncated", f"{name} takes {size} bytes; {self.left} are left")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(
        self,
        name: str,
        size: int,
        *,
        signed: bool = False,
        worth: Callable[[int], object] | None = None,
        note: str = "",
        personal: bool = False,
    ) -> int:
        """The next number; the field is `worth` of it, else the number. What is read comes back."""
        raw = int.from_bytes(self.take(name, size), "little", signed=signed)
        self.field(name, size, raw if worth is None else worth(raw), note=note, personal=personal)
        return raw

    def field(self, name: str, size: int, value: object, *, note: str = "", personal: bool = False) -> None:
        """The bytes just taken are this. A value of None is shown and not kept."""
        if value is not None:
            self.values[name] = value
        text = "not known" if value is None else str(value)
        self.fields.append(Field(self._at - size, size, name, text, note, personal=personal))

    def say(self, name: str, value: object) -> None:
        """What follows from a field that stands already."""
        self.values[name] = value

    def finish(self) -> None:
        """What is left belongs to a newer edition: it is kept, and not understood."""
        if self.left:
            size = self.left
            rest = self.take("rest", size)
            self.field("rest_hex", size, rest.hex(), note="not in the editions known here", personal=True)

    def wrong(self, error: RemoteProtocolError) -> list[Field]:
        """The fields so far, and what is left as the thing that is wrong."""
        start = sum(one.length for one in self.fields)
        rest = len(self._data) - start
        advice = "compare with the device's documentation; if only this device sends it, report its firmware"
        return [
            *self.fields,
            Field(start, rest, "value", "not decoded", str(error), advice, personal=True, wrong=True),
        ]
