"""The page as HTML: complete without scripts, safe with hostile text, legible, with nothing from elsewhere."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.view import HealthItem, Level, Snapshot, Stage
from gateway.web.assets import load_assets
from gateway.web.messages import Lang, load_catalogue
from gateway.web.page import REGIONS, PageRenderer
from tests.ui import scripted

WEB = Path(__file__).parents[2] / "gateway" / "web"
CSS = (WEB / "static" / "page.css").read_text(encoding="utf-8")
HOSTILE = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>{{ 7*7 }}\u202e"
STATES: list[Callable[[], Snapshot]] = [
    scripted.healthy,
    scripted.attention,
    scripted.troubled,
    scripted.empty,
]


@pytest.fixture(scope="module")
def renderer() -> PageRenderer:
    return PageRenderer(load_catalogue(), load_assets(), ZoneInfo("Asia/Shanghai"))


class Outline(HTMLParser):
    """Elements, attributes and visible text of a document; complains about unbalanced tags."""

    VOID = frozenset({"meta", "link", "img", "br", "path", "circle", "rect"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in {"meta", "link", "img"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.mark.parametrize(("make", "lang"), list(product(STATES, Lang)))
def test_the_page_is_whole_without_scripts(
    renderer: PageRenderer, make: Callable[[], Snapshot], lang: Lang
) -> None:
    snapshot = make()
    page = Outline(renderer.page(snapshot, lang))
    say = load_catalogue().say
    for fact in (
        snapshot.gateway,
        snapshot.org,
        snapshot.version,
        say(lang, f"level.{snapshot.level}"),
        snapshot.uplink.broker,
        snapshot.buffer.epoch,
        "14:03:22",
        "2026-11-22",
        *(device.port for device in snapshot.devices),
        *(say(lang, f"event.{event.type}") for event in snapshot.events),
        *(say(lang, f"health.{item.code}") for item in snapshot.health),
    ):
        assert fact in page.words
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert set(REGIONS) <= set(ids)
    assert ("html", {"lang": lang.tag}) in page.elements


def test_an_english_page_has_no_chinese_but_second_lines_and_the_switch(renderer: PageRenderer) -> None:
    html = renderer.page(replace(scripted.troubled(), events=()), Lang.EN)
    allowed = {"智矫网关", "中文"}
    assert set(re.findall(r"[\u4e00-\u9fff]+", html)) == allowed


@pytest.mark.parametrize("lang", list(Lang))
def test_hostile_text_stays_text(renderer: PageRenderer, lang: Lang) -> None:
    good = scripted.troubled()
    hostile = replace(
        good,
        org=HOSTILE,
        gateway=HOSTILE,
        version=HOSTILE,
        devices=tuple(
            replace(
                one,
                id=HOSTILE,
                kind=HOSTILE,
                state=HOSTILE,
                port=HOSTILE,
                model=HOSTILE,
                firmware=HOSTILE,
                serial=HOSTILE,
                code=HOSTILE,
                detail=HOSTILE,
            )
            for one in good.devices[:1]
        ),
        events=tuple(
            replace(one, epoch=HOSTILE, type=HOSTILE, device=HOSTILE, detail=HOSTILE)
            for one in good.events[:1]
        ),
        buffer=replace(good.buffer, epoch=HOSTILE, state=HOSTILE),
        uplink=replace(
            good.uplink,
            state=HOSTILE,
            broker=HOSTILE,
            mqtt=HOSTILE,
            ack_mode=HOSTILE,
            code=HOSTILE,
            detail=HOSTILE,
        ),
        clock=replace(good.clock, quality=HOSTILE),
        health=(HealthItem(code=HOSTILE, level=Level.FAULT, subject=HOSTILE, detail=HOSTILE),),
    )
    page = Outline(renderer.page(hostile, lang))
    plain = Outline(renderer.page(good, lang))
    allowed = {(tag, name) for tag, attrs in plain.elements for name in attrs}
    assert {(tag, name) for tag, attrs in page.elements for name in attrs} <= allowed
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in plain.elements}
    assert page.words.count("{{ 7*7 }}") > 20  # shown everywhere, evaluated nowhere
    Outline("".join(renderer.regions(hostile, lang).values()))


def test_unknown_codes_and_impossible_numbers_are_shown_not_fatal(renderer: PageRenderer) -> None:
    good = scripted.healthy()
    strange = replace(
        good,
        devices=(
            scripted.reader(
                state="melted", kind="abacus.wood", code=None, detail="it dripped", since_ms=2**62
            ),
        ),
        events=(scripted.event(1, "abacus.moved", detail="too_fast"), scripted.event(2, ago_ms=-(2**61))),
        buffer=replace(good.buffer, backlog=-1, state="store_haunted", bytes_used=-1),
        uplink=replace(good.uplink, state="asleep", window=0, in_flight=9, code="yawn", last_ack_ms=-(2**62)),
        clock=replace(good.clock, now_ms=2**62, quality="sundial"),
        health=(HealthItem(code="haunted", level=Level.ATTENTION, subject="nobody", detail="call a priest"),),
    )
    words = Outline(renderer.page(strange, Lang.ZH)).words
    for shown in (
        "melted",
        "abacus.wood",
        "it dripped",
        "abacus.moved",
        "too_fast",
        "store_haunted",
        "asleep",
        "yawn",
        "sundial",
        "haunted",
        "nobody",
        "call a priest",
        "—",
    ):
        assert shown in words


def test_the_worst_reason_comes_first_and_the_cause_of_the_part_gives_the_remedy(
    renderer: PageRenderer,
) -> None:
    words = Outline(renderer.regions(scripted.troubled(), Lang.EN)["overall"]).words
    order = [
        words.rindex(what) for what in ("Device fault", "Device offline", "Connection to the center is down")
    ]
    assert order == sorted(order)
    assert "The device was unplugged To do: Plug the USB cable back in" in words
    assert "The broker cannot be reached To do: Check cable, network and firewall." in words


def test_a_device_never_looks_better_than_the_line_on_top_says(renderer: PageRenderer) -> None:
    fine = scripted.healthy()
    item = HealthItem(code="device_fault", level=Level.FAULT, subject="idcard-1")
    devices = renderer.regions(replace(fine, health=(item,)), Lang.ZH)["devices"]
    assert devices.count("is-fault") == 1
    assert devices.count("is-ok") == 1


@pytest.mark.parametrize(
    ("code", "region"),
    [
        ("clock_holdover", "clock"),
        ("clock_unsynced", "clock"),
        ("uplink_stalled", "uplink"),
        ("center_blocked", "uplink"),
        ("store_damaged", "buffer"),
    ],
)
def test_a_part_never_looks_better_than_the_line_on_top_says(
    renderer: PageRenderer, code: str, region: str
) -> None:
    fine = scripted.healthy()
    assert 'class="pill is-ok"' in renderer.regions(fine, Lang.ZH)[region]
    troubled = replace(
        fine, health=(HealthItem(code=code, level=Level.FAULT, detail="9f3c2a71 went <away>"),)
    )
    regions = renderer.regions(troubled, Lang.ZH)
    assert 'class="pill is-fault"' in regions[region]
    assert "9f3c2a71 went &lt;away&gt;" in regions["overall"]


@pytest.mark.parametrize(
    ("stage", "ack_mode", "words", "marks"),
    [
        (Stage.COMMITTED, "center", "已存盘 已发送 中心已确认", ["now", "open", "open"]),
        (Stage.SENT, "center", "已存盘 已发送 中心已确认", ["done", "now", "open"]),
        (Stage.SETTLED, "center", "已存盘 已发送 中心已确认", ["done", "done", "now"]),
        (Stage.REJECTED, "center", "已存盘 已发送 中心拒收", ["done", "done", "bad"]),
        (Stage.SETTLED, "broker", "已存盘 已发送 服务器已收", ["done", "done", "now"]),
        (Stage.SENT, "something_new", "已存盘 已发送 服务器已收", ["done", "now", "open"]),
    ],
)
def test_an_event_shows_how_far_it_has_come_and_claims_no_more(
    renderer: PageRenderer, stage: Stage, ack_mode: str, words: str, marks: list[str]
) -> None:
    good = scripted.healthy()
    one = replace(
        good, events=(scripted.event(7, stage=stage),), uplink=replace(good.uplink, ack_mode=ack_mode)
    )
    html = renderer.regions(one, Lang.ZH)["events"]
    assert words in Outline(html).words
    assert re.findall(r'class="step is-(\w+)"', html) == marks


def test_the_demo_band_stands_only_in_the_demo(renderer: PageRenderer) -> None:
    real = scripted.healthy()
    assert renderer.regions(real, Lang.ZH)["demo"].strip() == ""
    band = renderer.regions(replace(real, demo=True), Lang.ZH)["demo"]
    assert "演示" in band
    assert "DEMO" in band


def test_empty_states_say_what_to_do(renderer: PageRenderer) -> None:
    words = Outline(renderer.page(scripted.empty(), Lang.ZH)).words
    assert "还没有配置设备" in words
    assert "[[device]]" in words
    assert "还没有事件" in words
    assert "尚未就绪" in words


# --- The palette and the files --------------------------------------------------------------------------------


def palette() -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", CSS))


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_formula_is_the_one_of_the_standard() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21.0)
    assert contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.01)


GROUNDS = ("ground", "surface", "sunken", "ok-ground", "attention-ground", "fault-ground", "unknown-ground")
TEXT_PAIRS = [
    *product(("text", "text-soft"), GROUNDS),
    *((state, f"{state}-ground") for state in ("ok", "attention", "fault", "unknown")),
    *product(("ok", "attention", "fault", "unknown", "accent"), ("surface",)),
    ("attention", "fault-ground"),  # a lesser reason below a fault
    ("unknown", "fault-ground"),
    ("unknown", "attention-ground"),
    ("accent", "accent-soft"),
    ("text", "accent-soft"),
    ("text-soft", "accent-soft"),
    ("on-accent", "accent"),
    ("demo", "demo-ground"),
    ("surface", "fault"),  # white on the banner
]


@pytest.mark.parametrize(("text", "ground"), TEXT_PAIRS)
def test_text_has_aa_contrast(text: str, ground: str) -> None:
    colours = palette()
    assert contrast(colours[text], colours[ground]) >= 4.5


def test_every_colour_of_the_style_sheet_is_in_the_palette() -> None:
    rules = CSS.partition("}")[2]
    assert set(re.findall(r"#[0-9a-f]{3,8}\b", rules)) <= {"#fff"}
    used = set(re.findall(r"var\(--([a-z0-9-]+)", CSS))
    declared = set(re.findall(r"--([a-z0-9-]+):", CSS))
    assert used <= declared


def test_nothing_is_newer_than_chromium_90() -> None:
    too_new = [
        r":has\(",
        r"@container",
        r"@layer",
        r"color-mix\(",
        r"\bdvh\b",
        r"\bsvh\b",
        r"accent-color",
        r"@property",
        r"^\s*&",
        r"@starting-style",
        r"text-wrap",
        r"inset-inline",
        r":where\(.*:has",
        r"scrollbar-gutter",
    ]
    for pattern in too_new:
        assert not re.search(pattern, CSS, re.MULTILINE), pattern
    for script in (WEB / "static").glob("*.js"):
        source = script.read_text(encoding="utf-8")
        for pattern in (
            r"\.at\(",
            r"structuredClone",
            r"Object\.hasOwn",
            r"replaceAll\(.*?=>",
            r"\?\?=",
            r"await import",
        ):
            assert not re.search(pattern, source), f"{script.name}: {pattern}"


# In a template url("...") is the call that makes an address of our own; in a style sheet it would load something.
ELSEWHERE = re.compile(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*|@import[^;]*|[:\s]url\([^)]*\)")


def references() -> Iterator[tuple[str, str]]:
    for path in (*WEB.glob("static/*"), *WEB.glob("templates/*")):
        for found in ELSEWHERE.findall(path.read_text(encoding="utf-8")):
            yield path.name, found


def test_nothing_is_loaded_from_elsewhere() -> None:
    names = {"http://www.w3.org/2000/svg"}  # a name, never fetched
    assert [(name, found) for name, found in references() if found not in names] == []


def test_no_script_or_style_stands_in_the_page(renderer: PageRenderer) -> None:
    for snapshot in (make() for make in STATES):
        page = Outline(renderer.page(snapshot, Lang.ZH))
        assert [attrs for tag, attrs in page.elements if tag == "script" and "src" not in attrs] == []
        assert [tag for tag, _ in page.elements if tag == "style"] == []
        assert [
            name for _, attrs in page.elements for name in attrs if name == "style" or name.startswith("on")
        ] == []


def test_the_version_of_the_files_covers_templates_and_texts() -> None:
    assets = load_assets()
    assert {"page.css", "page.js", "morph.js", "mark.svg", "door.css", "kiosk.css", "kiosk.js"} <= set(
        assets.files
    )
    assert re.fullmatch(r"[0-9a-f]{12}", assets.version)
    with pytest.raises(KeyError):
        assets.url("page.php")
