"""Every text exists in both languages, and every code the gateway can say has one."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from drivers.idcard_events import REASONS
from drivers.registry import REGISTRY
from firmware_protocols.idcard_sam.status import STATUSES, Action
from firmware_protocols.zfm import confirm as zfm_confirm
from firmware_protocols.zfm.confirm import CONFIRMS
from firmware_protocols.zfm.exchanges import Kept
from gateway.checkin.facts import Reason
from gateway.clock import ClockQuality
from gateway.event_types import TYPES
from gateway.ingest.alarms import SEVERITY
from gateway.metrics import EPOCH_REASONS, STORE_STATES
from gateway.snapshot import _STANDING
from gateway.view import Level, Stage
from gateway.web import present
from gateway.web.messages import Catalogue, Lang, Speaker, load_catalogue

ROOT = Path(__file__).parents[2]
WEB = ROOT / "gateway" / "web"

# Calls whose first argument is a code that reaches the page, and the family its text stands in.
CODE_CALLS = {
    "LinkUnavailable": "device",
    "LinkLost": "device",
    "DeviceFault": "device",
    "DeviceMismatch": "device",
    "ConnectFailed": "uplink",
    "Closed": "uplink",
    "StoreRefused": "store",
}
CODE_CALLS_OF_FILE = {"snapshot.py": {"add": "health"}}  # too common a name to look for everywhere
CODE_KEYWORDS = {("CardRefused", "reason"): "reason", ("HealthItem", "code"): "health"}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def test_every_text_is_there_in_both_languages(catalogue: Catalogue) -> None:
    texts = dict(catalogue.items())
    assert len(texts) > 300
    assert [key for key, text in texts.items() if not (text.zh.strip() and text.en.strip())] == []


def test_a_chinese_text_is_chinese_and_an_english_one_is_not(catalogue: Catalogue) -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    for key, text in catalogue.items():
        if key != "demo.title":  # says it in both at once
            assert not chinese.search(text.en), f"{key}: Chinese in the English text"
        if len(text.zh) > 4 and not key.startswith(("unit", "kind")):
            assert chinese.search(text.zh), f"{key}: no Chinese in the Chinese text"


def test_both_languages_carry_the_same_values(catalogue: Catalogue) -> None:
    for key, text in catalogue.items():
        names = [set(re.findall(r"\{(\w+)\}", one)) for one in (text.zh, text.en)]
        assert names[0] == names[1], f"{key}: {names}"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_no_text_is_written_twice(lang: str) -> None:
    """Read as a catalogue, the second would silently do nothing."""
    written = re.findall(
        r"^msgid (.+)$", (WEB / f"locale/{lang}.po").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(written) == sorted(set(written))


def test_a_text_in_one_language_only_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for lang in Lang:
        text = 'msgid "level.ok"\nmsgstr "{}"\n'.format("正常" if lang is Lang.ZH else "")
        (tmp_path / f"{lang}.po").write_text(text, encoding="utf-8")
    monkeypatch.setattr("gateway.web.messages.LOCALE_FOLDER", tmp_path)
    load_catalogue.cache_clear()
    try:
        with pytest.raises(ValueError, match=r"level\.ok: in one language only"):
            load_catalogue()
    finally:
        load_catalogue.cache_clear()


def test_an_unknown_code_is_shown_as_the_code(catalogue: Catalogue) -> None:
    t = Speaker(catalogue, Lang.ZH)
    assert t("device.flux_capacitor") == "flux_capacitor"
    assert t("event.wormhole.opened") == "wormhole.opened"
    assert t.find("device.flux_capacitor.do") is None


# Errors of commands that a technician types: told as text in the terminal, never shown on the page.
OF_COMMANDS = frozenset({"backup.py", "new_file.py", "reading.py", "repair.py", "restore.py"})


def codes_in_the_source() -> Iterator[tuple[str, str]]:
    """(catalogue key, where) of every literal code that a call in the product gives."""
    for package in ("gateway", "drivers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name in OF_COMMANDS:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    calls = CODE_CALLS | CODE_CALLS_OF_FILE.get(path.name, {})
                    yield from ((key, f"{path.name}:{node.lineno}") for key in _keys_of(node, calls))


def _keys_of(call: ast.Call, calls: Mapping[str, str]) -> Iterator[str]:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            pass
        case _:
            return
    given = [(calls.get(name), value) for value in call.args[:1]]
    given += [(CODE_KEYWORDS.get((name, keyword.arg or "")), keyword.value) for keyword in call.keywords]
    for family, value in given:
        if family and isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield f"{family}.{value.value}"


def test_every_code_in_the_source_has_a_text(catalogue: Catalogue) -> None:
    found = list(codes_in_the_source())
    assert len(found) > 10, "the search itself found nothing: the calls it looks for were renamed"
    assert [f"{key} ({where})" for key, where in found if key not in catalogue] == []


STATE_TABLES = [
    *(f"level.{level}" for level in Level),
    *(f"stage.{stage}" for stage in Stage),
    *(f"event.{name}" for name in TYPES),
    *(f"health.{kind}" for kind in SEVERITY),
    *(f"health.{state}" for state in STORE_STATES[1:]),
    *(f"health.{code}" for code, _ in _STANDING.values()),
    *(f"health.device_{state}" for state in present.DEVICE_LEVELS if state != "online"),
    *(f"health.clock_{quality}" for quality in ClockQuality if quality is not ClockQuality.SYNCED),
    *(f"store.{state}" for state in STORE_STATES),
    *(f"reason.{reason}" for reason in (*REASONS.values(), *EPOCH_REASONS)),
    *(f"clock_quality.{quality}" for quality in ClockQuality),
    *(f"kind.{kind}" for kind in REGISTRY),
    *(f"device.{status.name}" for status in STATUSES.values() if status.action is Action.FAULT),
    *(
        f"device.{confirm.name}"
        for confirm in CONFIRMS.values()
        if confirm.action in {zfm_confirm.Action.FAULT, zfm_confirm.Action.ACCESS}
    ),
    *(f"reason.{kept}" for kept in Kept if kept is not Kept.STORED),
    *(f"reason.{reason}" for reason in ("nothing_presented", "unknown", "poor", "already_enrolled")),
    *(f"reason.{reason}" for reason in ("taken", "no_such_slot")),
    *(f"device_state.{state}" for state in present.DEVICE_LEVELS),
    *(f"devices.since.{state}" for state in present.DEVICE_LEVELS),
    *(f"uplink_state.{state}" for state in present.UPLINK_LEVELS),
    *(f"uplink_card.since.{state}" for state in present.UPLINK_LEVELS),
    *(f"ack_mode.{mode}" for mode in ("center", "broker")),
]


@pytest.mark.parametrize("key", STATE_TABLES)
def test_every_state_has_a_text(catalogue: Catalogue, key: str) -> None:
    assert key in catalogue


def test_every_state_of_a_part_has_a_level() -> None:
    assert set(present.BUFFER_LEVELS) == set(STORE_STATES)
    assert set(present.CLOCK_LEVELS) == {str(quality) for quality in ClockQuality}


def test_every_trouble_says_what_to_do(catalogue: Catalogue) -> None:
    families = ("health.", "device.", "uplink.")
    keys = {key for key, _ in catalogue.items() if key.startswith(families)}
    assert [key for key in keys if not key.endswith(".do") and f"{key}.do" not in keys] == []


def test_every_key_written_in_a_template_exists(catalogue: Catalogue) -> None:
    sources = [*(WEB / "templates").glob("*.html"), WEB / "present.py", WEB / "page.py", WEB / "wording.py"]
    keys = {
        key
        for path in sources
        for key in re.findall(r"\bt(?:\.other)?\(\"([a-z_.]+[a-z_])\"[,)]", path.read_text(encoding="utf-8"))
    }
    assert len(keys) > 40
    assert sorted(key for key in keys if key not in catalogue) == []


# What a fingerprint or face module answers (drivers/factors.py).
NOT_MATCHED = ("nothing_presented", "unknown", "poor", "liveness", "eyes_closed", "cancelled")
NOT_ENROLLED = ("already_enrolled", "full", "not_alike")


@pytest.mark.parametrize("reason", [*Reason, *NOT_MATCHED, *NOT_ENROLLED])
def test_every_reason_of_a_check_in_has_a_text(catalogue: Catalogue, reason: str) -> None:
    assert f"reason.{reason}" in catalogue
