"""Every form against the parser of its driver: defaults, bounds, what must be filled in; nothing is missing."""

import ast
import inspect
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest

from drivers.errors import SettingsError
from drivers.forms import Field, form_of, kinds_with_a_form, settings_of
from drivers.registry import REGISTRY, build

KINDS = kinds_with_a_form()


@pytest.fixture
def sound(tmp_path: Path) -> Mapping[str, str]:
    """What fits each field that has no default."""
    key = tmp_path / "key"
    key.write_text("0f" * 16)
    return {
        "listen": "127.0.0.1:7611",
        "allow": "10.1.2.0/24, 10.1.3.0/24",
        "port": "/dev/serial/by-id/usb-1",
        "key_file": str(key),
        "serial": "CEXA210560123",
        "address": "10.1.2.3",
    }


def filled(kind: str, sound: Mapping[str, str], **changes: str) -> dict[str, str]:
    required = {one.key: sound[one.key] for one in form_of(kind) if one.default is None}
    return {**required, **changes}


def made(kind: str, values: Mapping[str, str]) -> Any:
    return build(kind, "new-1", settings_of(kind, values), cast("Any", None))


def test_what_no_search_finds_has_a_form() -> None:
    assert set(KINDS) == {
        kind for kind in REGISTRY if kind.partition(".")[0] in {"tracker", "beacon", "reader", "terminal"}
    }
    assert form_of("idcard.sam") == form_of("tracker.nonsense") == form_of("") == ()


@pytest.mark.parametrize("kind", KINDS)
def test_a_form_is_what_the_driver_takes(kind: str, sound: Mapping[str, str]) -> None:
    made(kind, filled(kind, sound))
    whole = {one.key: str(one.default) for one in form_of(kind) if one.default is not None}
    assert made(kind, filled(kind, sound, **whole))._settings == made(kind, filled(kind, sound))._settings, (
        "what stands in the form is what an empty one means"
    )


@pytest.mark.parametrize(("kind", "field"), [(kind, one) for kind in KINDS for one in form_of(kind)], ids=str)
def test_the_bounds_are_those_of_the_driver(kind: str, field: Field, sound: Mapping[str, str]) -> None:
    def refusal(text: str) -> str | None:
        try:
            made(kind, filled(kind, sound, **{field.key: text}))
        except SettingsError as exc:  # it names its field, or nobody knows where to say it
            return exc.code if f"'{field.key}'" in str(exc) else str(exc)
        return None

    for one in field.allowed:
        assert refusal(str(one)) is None
    if field.allowed:
        assert refusal("31" if field.is_number else "nonsense") == "out_of_range"
    elif field.minimum is not None and field.maximum is not None:
        assert refusal(str(field.minimum - 1)) == refusal(str(field.maximum + 1)) == "out_of_range"
        assert refusal(str(field.minimum)) is None
        if field.key != "card_and_finger":  # 255 is free, what means one factor is not
            assert refusal(str(field.maximum)) is None
        assert refusal("many") == "wrong_type"


def keys_read_by(kind: str) -> set[str]:
    """Every setting that the parser of a kind asks for, read from its source."""
    module = {"reader.osdp": "drivers.osdp_settings"}.get(kind, REGISTRY[kind].partition(":")[0])
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(import_module(module))))
        if isinstance(node, ast.Call)
    ]
    asked = {"text", "number", "choice", "word", "secret_bytes"}
    return {
        first.value
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in asked and call.args
        for first in call.args[:1]
        if isinstance(first, ast.Constant) and isinstance(first.value, str)
    }


@pytest.mark.parametrize("kind", ["reader.osdp", "beacon.ble", "terminal.zk_adms", "tracker.jt808"])
def test_no_setting_of_the_driver_is_missing_in_the_form(kind: str) -> None:
    others = {"port", "baud"} if kind.startswith("tracker.") else set()  # of a dock
    known = {"card_and_finger", "card_and_face"} if kind.startswith("terminal.") else set()  # asked in a loop
    assert {one.key for one in form_of(kind)} == (keys_read_by(kind) - others) | known


def test_what_is_filled_in_is_typed_and_an_empty_field_is_the_drivers() -> None:
    assert settings_of("reader.osdp", {"port": " /dev/a ", "baud": "19200", "address": "", "channel": "clear"}) == {
        "port": "/dev/a", "baud": 19200, "channel": "clear",
    }  # fmt: skip
    with pytest.raises(SettingsError, match="'port_'"):
        settings_of("reader.osdp", {"port_": "x"})
