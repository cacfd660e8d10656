"""What `zhijiao setup` and `zhijiao network` leave for the running gateway: one small file each, taken once.

The folder belongs to the service alone, and who may write there may write the store as well: nothing is sealed.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from gateway.errors import ContractError
from gateway.store.inbox import Inbox

TAKEN: Final = "setup_taken"  # state: what became of the newest ones, by id
MAX_BYTES = 4096
_SUFFIX = ".setup"


class What(StrEnum):
    """What is asked for."""

    NAME = "name"
    SET = "network_set"
    KEEP = "network_keep"
    UNDO = "network_undo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One of them. `values` by name, as they were typed."""

    id: str  # UUIDv7
    what: What
    by: str
    uid: int
    values: Mapping[str, str]

    def as_bytes(self) -> bytes:
        """As it lies in the folder."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Inverse; raises `ContractError` (setup_form)."""
        try:
            members = json.loads(raw[:MAX_BYTES])
            values = {str(key): str(value) for key, value in dict(members["values"]).items()}
            return cls(
                id=str(members["id"]),
                what=What(members["what"]),
                by=str(members["by"]),
                uid=int(members["uid"]),
                values=values,
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
            raise ContractError("setup_form", "this is no request; give the command again") from exc


def inbox(folder: Path) -> Inbox:
    """Where they wait."""
    return Inbox(folder, _SUFFIX)
