"""The one byte form of a contract message: RFC 8785 (JCS), on the subset the contract allows.

The contract allows objects with ASCII member names, arrays, well-formed Unicode strings, booleans,
null, and integers within ±(2^53-1). On that subset JCS is what the standard library's C encoder
writes with sorted keys and no spaces: code-unit order of ASCII names is their sort order, and both
escape only the quotation mark, the backslash and control characters, in the same spelling. The test
holds this against an independent RFC 8785 implementation. Floats are outside the subset: their
shortest form is where implementations differ, and evidence must not hang on that.
"""

import json
import re
from collections.abc import Mapping
from typing import Never, TypeAlias

from gateway.errors import ContractError

Json: TypeAlias = bool | int | str | list["Json"] | dict[str, "Json"] | None

MAX_SAFE_INTEGER = 2**53 - 1  # RFC 7493: what every JSON reader keeps exact
MAX_DEPTH = 32  # levels; far above any message of the contract, far below the parser's recursion limit
MAX_BYTES = 64 * 1024  # contract, 1: largest payload

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def encode(value: Mapping[str, Json]) -> bytes:
    """The canonical bytes of `value`; raises `ContractError` (code `not_representable`) naming the place."""
    check(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def decode(data: bytes, *, limit: int = MAX_BYTES) -> dict[str, Json]:
    """Parse bytes that must be canonical; raises `ContractError` (too_large, not_json, not_jcs)."""
    value = parse(data, limit=limit)
    if encode(value) != data:
        raise ContractError(
            "not_jcs", "message differs from its RFC 8785 form: reordered, spaced or re-escaped"
        )
    return value


def parse(data: bytes, *, limit: int = MAX_BYTES) -> dict[str, Json]:
    """Parse one JSON object of the allowed subset, canonical or not; raises `ContractError`."""
    if len(data) > limit:
        raise ContractError("too_large", f"message of {len(data)} bytes; at most {limit} are allowed")
    try:
        value = json.loads(
            data, object_pairs_hook=_unique_members, parse_float=_no_float, parse_constant=_no_float
        )
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


def _unique_members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ContractError("not_jcs", "message repeats a member name")
    return members


def _no_float(_literal: str) -> Never:
    raise ContractError("not_representable", "message holds a number that is not an integer")
