"""What a value may look like, said once: `fault` judges by it and `schema` publishes it (JSON Schema 2020-12).

    Object(required={"epoch": EPOCH, "reason": Text()}, optional={"note": Text()})

Faults name the place and the rule, never the value: it may speak of a person. A member that nobody named is
no fault, it is news (`is_new`): whoever wrote it is newer than we are. Patterns are kept to what Python and
ECMA-262 read alike. What a schema cannot say is a rule of its own (`also`), and its description says it.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from gateway.evidence.canonical import MAX_SAFE_INTEGER, Json

MAX_TEXT = 256  # characters of a text that says nothing else
MAX_CODE = 64  # characters
MAX_ITEMS = 65_536  # of a list that says nothing else; 64 KiB of message end it before

Rule = Callable[[str], str | None]  # what is wrong with a text of the right form; None when nothing is


class Shape(ABC):
    """One form of a JSON value."""

    @abstractmethod
    def fault(self, value: Json, path: str) -> str | None:
        """What is wrong with it, beginning with `path`; None when nothing is."""

    @abstractmethod
    def schema(self) -> dict[str, Json]:
        """The same as JSON Schema."""

    def is_new(self, value: Json) -> bool:  # noqa: ARG002  # most shapes know all there is
        """Whether a value without fault holds something that this version does not know."""
        return False


@dataclass(frozen=True)
class Text(Shape):
    """Text; with `form`, all of it matches that pattern. `wanted` finishes the sentence "is not …"."""

    form: str | None = None
    wanted: str = ""
    least: int = 1
    most: int = MAX_TEXT
    also: Rule | None = None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.form or "", re.ASCII)

    def fault(self, value: Json, path: str) -> str | None:
        """As of every shape."""
        good = isinstance(value, str) and self.least <= len(value) <= self.most
        if not good or not isinstance(value, str) or (self.form and not self._pattern.fullmatch(value)):
            return f"{path} is not {self.wanted or f'text of at most {self.most} characters'}"
        wrong = None if self.also is None else self.also(value)
        return None if wrong is None else f"{path} {wrong}"

    def schema(self) -> dict[str, Json]:
        """As of every shape."""
        said: dict[str, Json] = {"type": "string", "maxLength": self.most}
        if self.form:
            said["pattern"] = f"^(?:{self.form})$"
        else:
            said["minLength"] = self.least
        return said | ({"description": self.wanted} if self.wanted else {})


@dataclass(frozen=True)
class Exactly(Shape):
    """One text or number, and no other."""

    value: str | int

    def fault(self, value: Json, path: str) -> str | None:
        """As of every shape."""
        same = value == self.value and type(value) is type(self.value)
        return None if same else f'{path} is not "{self.value}"'

    def schema(self) -> dict[str, Json]:
        """As of every shape."""
        return {"const": self.value}


@dataclass(frozen=True)
class OneOf(Shape):
    """One of these words, for ever: a new one is a new major."""

    words: tuple[str, ...]

    def fault(self, value: Json, path: str) -> str | None:
        """As of every shape."""
        good = isinstance(value, str) and value in self.words
        return None if good else f"{path} is none of {', '.join(self.words)}"

    def schema(self) -> dict[str, Json]:
        """As of every shape."""
        return {"enum": list(self.words)}


class Code(Text):
    """A word of a list that grows: whoever reads it must tolerate one that is not in it yet."""

    def __init__(self, *usual: str) -> None:
        super().__init__("[A-Za-z0-9_.:-]+", "a code: letters, digits, _ . : -", most=MAX_CODE)
        object.__setattr__(self, "usual", usual)

    usual: tuple[str, ...]

    def schema(self) -> dict[str, Json]:
        """As of every shape."""
        said = super().schema()
        return said | {"description": "others may come", "examples": list(self.usual)} if self.usual else said


class Known(Code):
    """A code of which the center must know what it says: another one makes the event not understood."""

    def is_new(self, value: Json) -> bool:
        """As of every shape."""
        return value not in self.usual


@dataclass(frozen=True)
class Whole(Shape):
    """A whole number, both bounds included."""

    least: int = -MAX_SAFE_INTEGER
    most: int = MAX_SAFE_INTEGER

    def fault(self, value: Json, path: str) -> str | None:
        """As of every shape."""
        good = isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= self.most
        return None if good else f"{path} is not a whole number from {self.least} to {self.most}"

    def schema(self) -> dict[str, Json]:
        """As of every shape."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Bool(Shape):
    """True or false."""

    def fault(self, value: Json, path: str) -> str | None:
        """As of every shape."""
        return None if isinstance(value, bool) else f"{path} is neither true nor false"

    def schema(self) -> dict[str, Json]:
        """As of every shape."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class Anything(Shape):
    """Whatever it is."""

    def fault(self, value: Json, path: str) -> str | None:  # noqa: ARG002  # there is none
        """As of every shape."""
        return None

    def schema(self) -> dict[str, Json]:
        """As of every shape."""
        return {}


@dataclass(frozen=True)
class Null(Shape):
    """Nothing."""

    def fault(self, value: Json, path: str) -> str | None:
        """As of every shape."""
        return None if value is None else f"{path} is not null"

    def schema(self) -> dict[str, Json]:
        """As of every shape."""
        return {"type": "null"}


@dataclass(frozen=True)
class Or(Shape):
    """The first that fits; the fault is that of the last one, so the one with most to say stands there."""

    shapes: tuple[Shape, ...]

    def fault(self, value: Json, path: str) -> str | None:
        """As of every shape."""
        fault = None
        for shape in self.shapes:
            fault = shape.fault(value, path)
            if fault is None:
                return None
        return fault

    def is_new(self, value: Json) -> bool:
        """As of every shape."""
        return next((one.is_new(value) for one in self.shapes if one.fault(value, "") is None), False)

    def schema(self) -> dict[str, Json]:
        """As of every shape."""
        return {"anyOf": [shape.schema() for shape in self.shapes]}


def nullable(shape: Shape) -> Shape:
    """That, or null."""
    return Or((Null(), shape))


@dataclass(frozen=True)
class ListOf(Shape):
    """A list of such values."""

    item: Shape
    most: int = MAX_ITEMS
    least: int = 0

    def fault(self, value: Json, path: str) -> str | None:
        """As of every shape."""
        if not isinstance(value, list) or not self.least <= len(value) <= self.most:
            return f"{path} is not a list of {self.least} to {self.most}"
        faults = (self.item.fault(one, f"{path}[{index}]") for index, one in enumerate(value))
        return next((fault for fault in faults if fault is not None), None)

    def is_new(self, value: Json) -> bool:
        """As of every shape."""
        return isinstance(value, list) and any(map(self.item.is_new, value))

    def schema(self) -> dict[str, Json]:
        """As of every shape."""
        return {
            "type": "array",
            "items": self.item.schema(),
            "minItems": self.least,
            "maxItems": self.most,
        }


@dataclass(frozen=True)
class MapOf(Shape):
    """An object whose names are codes and whose values are alike."""

    value: Shape

    def fault(self, value: Json, path: str) -> str | None:
        """As of every shape."""
        if not isinstance(value, dict):
            return f"{path} is not an object"
        faults = (self.value.fault(member, f"{path}.{name[:MAX_CODE]}") for name, member in value.items())
        return next((fault for fault in faults if fault is not None), None)

    def is_new(self, value: Json) -> bool:
        """As of every shape."""
        return isinstance(value, dict) and any(map(self.value.is_new, value.values()))

    def schema(self) -> dict[str, Json]:
        """As of every shape."""
        return {"type": "object", "additionalProperties": self.value.schema()}


@dataclass(frozen=True)
class Object(Shape):
    """Members by name. `note` says what the members cannot.

    `required`: without it nothing can be made of the rest. `always`: every gateway of today sends it; one that
    is missing is no reason to refuse a fact.
    """

    required: Mapping[str, Shape] = field(default_factory=dict)
    always: Mapping[str, Shape] = field(default_factory=dict)
    optional: Mapping[str, Shape] = field(default_factory=dict)
    note: str = ""

    @cached_property
    def members(self) -> dict[str, Shape]:
        """All of them."""
        return {**self.required, **self.always, **self.optional}

    def fault(self, value: Json, path: str) -> str | None:
        """As of every shape."""
        if not isinstance(value, dict):
            return f"{path or 'message'} is not an object"
        for name, shape in self.members.items():
            if name in value:
                fault = shape.fault(value[name], name)
                if fault is not None:
                    return f"{path}.{fault}" if path else fault
            elif name in self.required:
                return f"{path}.{name} is missing" if path else f"{name} is missing"
        return None

    def is_new(self, value: Json) -> bool:
        """As of every shape."""
        if not isinstance(value, dict):
            return False
        members = self.members
        return any(name not in members or members[name].is_new(one) for name, one in value.items())

    def missing(self, value: Json) -> list[str]:
        """What a gateway of today would have sent."""
        return [
            name
            for name in (*self.required, *self.always)
            if not isinstance(value, dict) or name not in value
        ]

    def schema(self) -> dict[str, Json]:
        """As of every shape."""
        said: dict[str, Json] = {
            "type": "object",
            "properties": {name: shape.schema() for name, shape in self.members.items()},
            "required": list(self.required),
        }
        if self.always:
            said["x-always"] = [*self.required, *self.always]
        return said | ({"description": self.note} if self.note else {})


def more(base: Object, required: Mapping[str, Shape]) -> Object:
    """Those members, and these are required too."""
    return Object({**base.required, **required}, base.always, base.optional, base.note)
