"""Documentation and example of the configuration say what the code does."""

import re
import tomllib
from pathlib import Path

import pytest

from gateway.config import describe, load_without_files
from gateway.config.model import LISTS, TABLES, Config, defaults_of, head_of, keys_of
from gateway.config.reference import example, markdown

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/configuration.md"
EXAMPLE = ROOT / "deploy/zhijiao.example.toml"


def in_use(text: str) -> str:
    """The example with every commented key switched on."""
    return re.sub(r"^#(?=[a-z_]+ = |\[\[)", "", text, flags=re.MULTILINE)


def test_the_page_is_written_from_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(), (
        "run: python -m gateway.config markdown > docs/configuration.md"
    )


def test_the_example_is_written_from_the_code() -> None:
    command = "run: python -m gateway.config example > deploy/zhijiao.example.toml"
    assert EXAMPLE.read_text(encoding="utf-8") == example(), command


def test_the_example_loads_and_equals_the_defaults() -> None:
    config = load_without_files(EXAMPLE)
    assert (config.uplink, config.store, config.checkin, config.api, config.log) == tuple(
        TABLES[name]() for name in ("uplink", "store", "checkin", "api", "log")
    )
    assert [device.kind for device in config.devices] == ["idcard.sam"]


def test_the_example_loads_with_every_key_switched_on(tmp_path: Path) -> None:
    text = in_use(EXAMPLE.read_text(encoding="utf-8"))
    # Client certificates need TLS; the example shows the default broker beside them.
    text = text.replace("mqtt://127.0.0.1:1883", "mqtts://127.0.0.1:8883")
    path = tmp_path / "zhijiao.toml"
    path.write_text(text, encoding="utf-8")
    load_without_files(path)
    data = tomllib.loads(text)
    for name, table in TABLES.items():
        given = data[name][0] if name in LISTS else data[name]
        extra = {"port"} if name == "device" else set()
        assert given.keys() - extra == keys_of(table).keys()


def test_every_key_stands_in_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for key in describe():
        section = page.split(f"## `{head_of(key.table)}`\n", 1)[1].split("\n## ")[0]
        assert f"| `{key.name}` |" in section


@pytest.mark.parametrize("key", describe(), ids=lambda key: f"{key.table}.{key.name}")
def test_every_key_is_explained(key: object) -> None:
    for field in ("values", "what", "when", "example"):
        assert getattr(key, field)
    for field in ("what", "when"):
        assert getattr(key, field).endswith(".")


def test_defaults_are_values_that_the_reader_would_accept() -> None:
    for table in TABLES.values():
        for name, default in defaults_of(table).items():
            if default is not None:
                given: object = default if isinstance(default, bool | int) else str(default)
                given = list(default) if isinstance(default, tuple) else given
                assert keys_of(table)[name].kind.parse(given) == default


def test_every_table_of_the_model_is_read() -> None:
    fields = Config.__dataclass_fields__.keys() - {"path", "written"}  # of no file
    assert {
        name.removesuffix("s") if name.removesuffix("s") in LISTS else name for name in fields
    } == TABLES.keys()
