"""How one key of the configuration is read and explained."""

from dataclasses import dataclass
from enum import Enum, auto

from gateway.config.values import Kind


class FileRole(Enum):
    """What a named file is, hence who may read or write it."""

    SECRET = auto()  # a private key or password: nobody but its owner may read it
    TRUSTED = auto()  # decides whom the gateway believes: nobody but its owner may write it
    PUBLIC = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """How one key is read and explained."""

    kind: Kind[object]
    what: str  # one or two sentences
    when: str  # when to change it
    unit: str = ""
    default: str = ""  # in words, where the default is not a plain value
    example: str = ""  # TOML, for a key that has no default value
    file: FileRole | None = None
