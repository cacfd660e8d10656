"""The locator finds every key where it stands, whatever else stands around it."""

import random
import tomllib
from pathlib import Path

import pytest

from gateway.config.locator import KeyPath, Lines, locate

# Values that look like something else to a careless reader.
VALUES = [
    "1",
    "true",
    '"plain"',
    '"with # no comment"',
    '"quote \\" and [bracket"',
    "'literal \\'",
    '"""one\n[not.a.table]\nkey = 1\n"""',
    '"""ends with quotes"""""',
    "'''also\n# no comment ]\nx = 2'''",
    "[1, 2, 3]",
    '[\n  "a", # comment ] here\n  "]",\n  [1,\n 2],\n]',
    "{ a = 1, b = [2, '}'] }",
    '""',
    "''",
    "2026-11-22T01:02:02Z",
]
KEYS = ["port", "baud", '"quoted key"', "'single'", "under_score-1", "dotted.inner", ' spaced . "x.y" ', "42"]


def unquoted(key: str) -> KeyPath:
    value: object = tomllib.loads(f"{key} = 1")
    path: KeyPath = ()
    while isinstance(value, dict):
        ((name, value),) = value.items()
        path += (name,)
    return path


def document(random_: random.Random) -> tuple[str, dict[KeyPath, int]]:
    """A random TOML text, and on which line each of its keys stands."""
    lines: list[str] = []
    expected: dict[KeyPath, int] = {}
    devices = 0

    def add(text: str) -> int:
        lines.extend(text.split("\n"))
        return len(lines) - text.count("\n")

    for number in range(random_.randrange(1, 7)):
        if random_.random() < 0.5:
            table: KeyPath = ("device", devices)
            devices += 1
            expected[table] = add(random_.choice(["[[device]]", "  [[ device ]] # x", "[['device']]"]))
        else:
            table = (f"t{number}",)
            expected[table] = add(random_.choice([f"[t{number}]", f'[ "t{number}" ]', f"[t{number}] # [no]"]))
        for key in random_.sample(KEYS, random_.randrange(len(KEYS))):
            for _ in range(random_.randrange(3)):
                add(random_.choice(["", "# comment = 1", "   ", "# [device]"]))
            at = add(
                f"{random_.choice(['', '  '])}{key}={random_.choice(VALUES)}{random_.choice(['', ' # c'])}"
            )
            expected[table + unquoted(key)] = at
        if table[0] == "device" and random_.random() < 0.3:
            expected[(*table, "sub")] = add("[device.sub]")
            expected[(*table, "sub", "deep")] = add("deep = 1")
    return "\n".join(lines) + random_.choice(["", "\n"]), expected


@pytest.mark.parametrize("seed", range(60))
def test_every_key_of_a_random_document_is_found(seed: int) -> None:
    text, expected = document(random.Random(seed))
    tomllib.loads(text)  # the generator writes TOML
    for ending in ("\n", "\r\n"):
        found = Lines(text.replace("\n", ending))
        assert {path: found.find(path) for path in expected} == expected


def test_a_missing_key_is_pointed_to_its_table() -> None:
    lines = Lines('x = 1\n[uplink]\nbroker = "a"\n')
    assert lines.find(("uplink", "nothing")) == 2
    assert lines.find(("nowhere",)) is None


def test_a_key_in_an_inline_table_is_pointed_to_its_beginning() -> None:
    assert Lines('\nuplink = { broker = "a" }\n').find(("uplink", "broker")) == 2


def test_a_devices_key_is_located_in_its_own_table(tmp_path: Path) -> None:
    path = tmp_path / "zhijiao.toml"
    path.write_text(
        '[[device]]\nport = 1\n[log]\nport = 2\n[[device]]\nid = "b"\nport = 3\n', encoding="utf-8-sig"
    )
    assert [locate(path, index, "port") for index in (0, 1)] == [2, 7]
    assert locate(path, 1, "missing") == 5
