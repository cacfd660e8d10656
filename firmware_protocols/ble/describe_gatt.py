"""Values of characteristics by name and key. Which characteristic it is, the bytes do not tell: `uuid` does."""

from dataclasses import dataclass

from firmware_protocols.ble.characteristics import CHARACTERISTICS, read_value, short_uuid
from firmware_protocols.describing import Field, Json
from firmware_protocols.errors import LocalProtocolError


@dataclass(frozen=True, slots=True)
class GattDescriber:
    """Of one characteristic; None: nobody said which."""

    uuid: str | None

    def of_uuid(self, uuid: str) -> "GattDescriber":
        """Of this one. Code: uuid."""
        return GattDescriber(short_uuid(uuid))

    def decode(self, data: bytes, direction: str | None) -> Json:
        """The keys of one value. `direction` says nothing."""
        del direction
        uuid = self._told()
        read, error = read_value(uuid, data)
        if error is not None:
            raise error
        return {"uuid": uuid, "name": CHARACTERISTICS[uuid][0], **read.values}

    def explain(self, data: bytes, direction: str | None) -> list[Field]:
        """Every byte of one value."""
        del direction
        read, error = read_value(self._told(), data)
        return read.fields if error is None else read.wrong(error)

    def _told(self) -> str:
        if self.uuid is None:
            raise LocalProtocolError("uuid", "say which characteristic: 'uuid' in the line, or --uuid 2A67")
        return self.uuid


UNTOLD = GattDescriber(None)
