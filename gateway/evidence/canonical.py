"""The one byte form of a contract message: RFC 8785 (JCS), on the subset the contract allows.

The contract allows objects with ASCII member names, arrays, well-formed Unicode strings, booleans,
null, and integers within ±(2^53-1). On that subset JCS is what the standard library's C encoder
writes with sorted keys and no spaces: code-unit order of ASCII names is their sort order, and both
escape only the quotation mark, the backslash and control characters, in the same spelling. The test
holds this against an independent RFC 8785 implementation. Floats are outside the subset: their
shortest form is where implementations differ, and evidence must not hang on that.

Every event passes here several times, so the common case is decided without a step per value: see
`_is_plain`. Whatever it does not recognise goes to `check`, which alone says what is allowed and
names the place.
"""

import json
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from json.encoder import encode_basestring
from typing import Never, TypeAlias

from gateway.errors import ContractError

Json: TypeAlias = bool | int | str | list["Json"] | dict[str, "Json"] | None

MAX_SAFE_INTEGER = 2**53 - 1  # RFC 7493: what every JSON reader keeps exact
MAX_DEPTH = 32  # levels; far above any message of the contract, far below the parser's recursion limit
MAX_BYTES = 64 * 1024  # contract, 1: largest payload

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def encode(value: Mapping[str, Json]) -> bytes:
    """The canonical bytes of `value`; raises `ContractError` (code `not_representable`) naming the place."""
    if not _is_plain(value, MAX_DEPTH):
        check(value)
    try:
        return _WRITER.encode(value).encode()
    except UnicodeEncodeError:
        check(value)  # a lone surrogate has no UTF-8 form: names the place
        raise


def text(value: str) -> str:
    """One text as `encode` writes it. A lone surrogate shows when it becomes bytes (`UnicodeEncodeError`)."""
    return encode_basestring(value)


def decode(data: bytes, *, limit: int = MAX_BYTES) -> dict[str, Json]:
    """Parse bytes that must be canonical; raises `ContractError` (too_large, not_json, not_jcs)."""
    if len(data) <= limit:
        # What reads back to the same bytes is canonical: a repeated name, say, would read back shorter.
        # Anything else is read once more, slowly, to say what is wrong.
        with suppress(ValueError, RecursionError, ContractError):
            value = _READER.decode(data.decode())
            if type(value) is dict and encode(value) == data:
                return value
    value = parse(data, limit=limit)
    if encode(value) != data:
        raise ContractError(
            "not_jcs", "message differs from its RFC 8785 form: reordered, spaced or re-escaped"
        )
    return value


def without_text(wire: bytes, name: str, text: str) -> bytes:
    """The canonical bytes of the object in `wire`, which is canonical, without its member `name`: `text`.

    Cut out instead of written anew, where those bytes stand in the message once: then they are the
    member's own, since a canonical message holds its members in this very spelling.
    """
    member = encode({name: text})[1:-1]
    if wire.count(member) != 1:  # the same name and text stand deeper in the message as well
        value = decode(wire)
        del value[name]
        return encode(value)
    before, _, after = wire.partition(member)
    if after.startswith(b","):
        return before + after[1:]
    return before.removesuffix(b",") + after


def parse(data: bytes, *, limit: int = MAX_BYTES) -> dict[str, Json]:
    """Parse one JSON object of the allowed subset, canonical or not; raises `ContractError`."""
    if len(data) > limit:
        raise ContractError("too_large", f"message of {len(data)} bytes; at most {limit} are allowed")
    try:
        value = _CAREFUL_READER.decode(data.decode())
    except UnicodeDecodeError as exc:
        raise ContractError("not_json", f"message is not UTF-8 at byte {exc.start}") from exc
    except json.JSONDecodeError as exc:
        raise ContractError("not_json", f"message is not JSON at character {exc.pos}") from exc
    except RecursionError as exc:
        raise ContractError("not_representable", "message is nested too deeply") from exc
    except ValueError as exc:  # an integer of more digits than the interpreter converts
        raise ContractError("not_representable", "message holds a number out of range") from exc
    if not isinstance(value, dict):
        raise ContractError("not_json", "message is not a JSON object")
    check(value)
    return value


def check(value: object, path: str = "$", depth: int = 0) -> None:
    """Raise `ContractError` (code `not_representable`) where `value` leaves the allowed subset.

    The path names members, never their values: a value may identify a person.
    """
    if depth > MAX_DEPTH:
        raise ContractError("not_representable", f"{path}: nested deeper than {MAX_DEPTH} levels")
    match value:
        case None | bool():
            return
        case str():
            if _LONE_SURROGATE.search(value):
                raise ContractError("not_representable", f"{path}: text with a lone surrogate")
        case int():
            if abs(value) > MAX_SAFE_INTEGER:
                raise ContractError("not_representable", f"{path}: integer beyond ±(2^53-1)")
        case Mapping():
            for name, member in value.items():
                if not (isinstance(name, str) and name.isascii()):
                    raise ContractError("not_representable", f"{path}: member name is not ASCII text")
                check(member, f"{path}.{name}", depth + 1)
        case list() | tuple():
            for index, item in enumerate(value):
                check(item, f"{path}[{index}]", depth + 1)
        case _:
            raise ContractError("not_representable", f"{path}: {type(value).__name__} is not allowed")


def _is_plain(value: object, levels: int) -> bool:
    """Whether this is an object of the subset made of plain types, surrogates aside; False means: ask `check`.

    Works a container at a time, in C: joining the names finds one that is not text, and the set of the
    members' types finds everything that needs a closer look.
    """
    if type(value) is not dict:
        return False
    try:
        ascii_names = "".join(value).isascii()
    except TypeError:
        return False
    return ascii_names and _are_plain(value.values(), levels)


def _are_plain(members: Collection[object], levels: int) -> bool:
    kinds = set(map(type, members))
    if levels == 0:
        return not kinds
    if kinds <= _LEAVES:
        return True
    if not kinds <= _PLAIN:
        return False
    for member in members:
        kind = type(member)
        if kind is int:
            if not -MAX_SAFE_INTEGER <= member <= MAX_SAFE_INTEGER:  # type: ignore[operator]  # it is an int
                return False
        elif kind is dict:
            if not _is_plain(member, levels - 1):
                return False
        elif kind is list and not _are_plain(member, levels - 1):  # type: ignore[arg-type]  # it is a list
            return False
    return True


def _unique_members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ContractError("not_jcs", "message repeats a member name")
    return members


def _no_float(_literal: str) -> Never:
    raise ContractError("not_representable", "message holds a number that is not an integer")


_LEAVES = frozenset({str, bool, type(None)})  # surrogates show when the text becomes bytes
_PLAIN = _LEAVES | {int, dict, list}
# No check for circles: nothing reaches the writer that is nested deeper than MAX_DEPTH.
_WRITER = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":"))
_READER = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float)
_CAREFUL_READER = json.JSONDecoder(
    object_pairs_hook=_unique_members, parse_float=_no_float, parse_constant=_no_float
)
