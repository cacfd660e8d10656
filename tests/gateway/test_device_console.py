"""What a technician changes on the page: written, recorded, then in force; or refused, and nothing has changed."""

import asyncio
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.links.looking_on import passed
from drivers.links.shared_line import looked_at
from drivers.probing import Answer, Finding, Question
from drivers.simulators.cards import cards
from firmware_protocols.families import describer
from firmware_protocols.idcard_sam.frames import Reply
from firmware_protocols.osdp.frames import Frame
from firmware_protocols.osdp.replies import Keys
from firmware_protocols.wiegand.card import Card
from gateway.checkin.session import Stage
from gateway.config import DeviceConfig
from gateway.config.added import CHANGED_DEVICES, entries_of
from gateway.devices.console import Console
from gateway.devices.live_test import MOST_ENTRIES, LiveTest, _explained, family_of
from gateway.devices.search import SearchView
from gateway.errors import ContractError, GatewayError, StoreTrouble
from gateway.web.assets import load_assets
from gateway.web.devices import DevicesRenderer
from gateway.web.messages import Lang, Speaker, load_catalogue
from tests.gateway.console_bench import FOUND, READER, UNSURE, ConsoleBench
from tests.ui.scripted import healthy

BY = "tech-1"


@pytest.fixture
def bench(tmp_path: Path) -> ConsoleBench:
    return ConsoleBench(tmp_path)


def written(bench: ConsoleBench) -> list[dict[str, Any]]:
    return tomllib.loads(bench.file.read_text())["device"] if bench.file.exists() else []


async def test_what_was_found_is_served_at_its_kiosk(bench: ConsoleBench) -> None:
    async with asyncio.TaskGroup() as group:
        bench.running.start(group)
        bench.find("/dev/b", FOUND)
        assert bench.console.suggested_id(FOUND) == "idcard-2"
        await bench.console.add(BY, device="idcard-2", port="/dev/b", kiosk="kiosk-1")
        await asyncio.sleep(0)
        assert [one.running for one in bench.built] == [1, 1, 1]
        assert list(bench.places.at("kiosk-1")) == ["idcard-1", "idcard-2"]
        assert written(bench) == [
            {"id": "idcard-2", "kind": "idcard.sam", "kiosk": "kiosk-1", "port": "/dev/b", "baud": 115200}
        ]
        (fact,) = bench.records.facts
        assert (fact["type"], fact["what"], fact["name"]) == (
            "audit.config_changed",
            "device_added",
            "idcard-2",
        )
        assert (fact["by"], fact["via"], fact["kiosk"], fact["kind"]) == (BY, "page", "kiosk-1", "idcard.sam")
        assert bench.console.searched().findings == [], "it is no longer free"
        await bench.running.stop()


async def test_one_is_replaced_under_its_name_and_the_old_one_ends(bench: ConsoleBench) -> None:
    async with asyncio.TaskGroup() as group:
        bench.running.start(group)
        await asyncio.sleep(0)
        bench.find("/dev/b", FOUND)
        await bench.console.replace(BY, device="idcard-1", port="/dev/b")
        await asyncio.sleep(0)
        assert [one.running for one in bench.built] == [0, 1, 1], "the reader ended, the terminal did not"
        (device,) = [one for one in bench.running.all_configured() if one.id == "idcard-1"]
        assert device.settings["port"] == "/dev/b"
        assert bench.console.kiosk_of("idcard-1") == "kiosk-1"
        await bench.running.stop()


async def test_one_is_moved_and_taken_away(bench: ConsoleBench) -> None:
    await bench.console.move(BY, device="idcard-1", kiosk="kiosk-2")
    assert bench.console.kiosk_of("idcard-1") == "kiosk-2"
    await bench.console.move(BY, device="idcard-1", kiosk=None)
    assert bench.console.kiosk_of("idcard-1") is None
    await bench.console.remove(BY, device="idcard-1")
    assert [view.id for view in bench.console.views()] == ["terminal-1"]
    assert bench.alarms.cleared == [("device_fault", "idcard-1")]
    assert written(bench) == [{"id": "idcard-1", "removed": True}]
    assert [one["what"] for one in bench.records.facts] == ["device_moved", "device_moved", "device_removed"]


Act = Callable[[Console], Awaitable[None]]


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda c: c.add(BY, device="idcard-2", port="/dev/x", kiosk=None), "not_found"),
        (lambda c: c.add(BY, device="idcard-2", port="/dev/u", kiosk=None), "not_found"),
        (lambda c: c.add(BY, device="idcard-1", port="/dev/b", kiosk=None), "name_taken"),
        (lambda c: c.add(BY, device="kiosk-1", port="/dev/b", kiosk=None), "name_taken"),
        (lambda c: c.add(BY, device="gateway", port="/dev/b", kiosk=None), "bad_name"),
        (lambda c: c.add(BY, device="Reader 2", port="/dev/b", kiosk=None), "bad_name"),
        (lambda c: c.add(BY, device="idcard-2", port="/dev/b", kiosk="kiosk-9"), "unknown_kiosk"),
        (lambda c: c.add(BY, device="idcard-2", port="/dev/bad", kiosk=None), "out_of_range"),
        (lambda c: c.move(BY, device="idcard-9", kiosk=None), "unknown_device"),
        (lambda c: c.replace(BY, device="idcard-1", port="/dev/f"), "other_kind"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_has_changed(
    bench: ConsoleBench, act: Act, code: str
) -> None:
    bench.find("/dev/b", FOUND)
    bench.find("/dev/u", UNSURE)
    bench.find("/dev/f", Answer(Question("finger.zfm", {"family": "grow"}), sure=True))
    bench.find("/dev/bad", Answer(Question("idcard.sam", {"baud": 1}), sure=True))
    with pytest.raises(GatewayError) as told:
        await act(bench.console)
    assert told.value.code == code
    assert written(bench) == []
    assert bench.records.facts == []
    assert [view.id for view in bench.console.views()] == ["idcard-1", "terminal-1"]


async def test_nobody_at_a_kiosk_is_interrupted(bench: ConsoleBench) -> None:
    kiosk = bench.kiosks.all[0]
    kiosk._session.stage = Stage.PROVING
    with pytest.raises(ContractError, match="somebody is at 'kiosk-1'"):
        await bench.console.move(BY, device="idcard-1", kiosk=None)
    kiosk._session.stage = Stage.SHOWN
    async with bench.modules.hands["idcard-1"]:
        with pytest.raises(ContractError, match="being done at 'idcard-1'"):
            await bench.console.remove(BY, device="idcard-1")
    assert kiosk.card("hash", "event")
    with pytest.raises(ContractError, match="somebody is at 'kiosk-1'"):
        await bench.console.remove(BY, device="idcard-1")  # somebody whose card is not looked at yet
    kiosk._inputs.get_nowait()
    await bench.console.remove(BY, device="idcard-1")


async def test_a_card_that_is_laid_during_a_change_begins_its_check_in_after_it(bench: ConsoleBench) -> None:
    kiosk = bench.kiosks.all[0]
    changing = asyncio.create_task(bench.console.move(BY, device="idcard-1", kiosk="kiosk-2"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert kiosk._taker is not None
    assert kiosk.card("hash", "event")
    assert kiosk._inputs.empty()
    await changing
    assert kiosk._inputs.qsize() == 1


async def test_a_change_that_is_not_on_disk_did_not_happen(bench: ConsoleBench) -> None:
    await bench.console.move(BY, device="idcard-1", kiosk=None)
    bench.records.full = True
    with pytest.raises(StoreTrouble):
        await bench.console.move(BY, device="idcard-1", kiosk="kiosk-2")
    assert bench.console.kiosk_of("idcard-1") is None
    assert "kiosk" not in written(bench)[0]


async def test_the_store_remembers_it_where_the_file_cannot_be_written(bench: ConsoleBench) -> None:
    bench.file.mkdir()
    await bench.console.move(BY, device="idcard-1", kiosk="kiosk-2")
    assert bench.console.kiosk_of("idcard-1") == "kiosk-2"
    text = bench.records.notes[CHANGED_DEVICES]
    assert text is not None
    (entry,) = entries_of(bench.file, text)
    assert (entry.id, entry.kiosk) == ("idcard-1", "kiosk-2")


def added(device: str, port: str) -> Act:
    return lambda console: console.add(BY, device=device, port=port, kiosk=None)


def replaced(console: Console) -> Awaitable[None]:
    return console.replace(BY, device="idcard-1", port="/dev/b")


def removed(console: Console) -> Awaitable[None]:
    return console.remove(BY, device="idcard-1")


def moved(console: Console) -> Awaitable[None]:
    return console.move(BY, device="idcard-1", kiosk="kiosk-2")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (removed, removed),
        (removed, moved),
        (replaced, moved),
        (added("a", "/dev/b"), added("a", "/dev/c")),
        (added("a", "/dev/b"), added("b", "/dev/b")),
        (added("a", "/dev/b"), replaced),
    ],
)
async def test_two_requests_at_once_are_one_after_the_other(
    bench: ConsoleBench, first: Act, second: Act
) -> None:
    bench.find("/dev/b", FOUND)
    bench.find("/dev/c", FOUND)
    ended = await asyncio.gather(first(bench.console), second(bench.console), return_exceptions=True)
    assert all(one is None or isinstance(one, ContractError) for one in ended), ended
    running = {one.id: one.settings.get("port") for one in bench.running.all_configured()}
    assert len([port for port in running.values() if port]) == len(
        {port for port in running.values() if port}
    )
    kept = {one["id"]: one for one in written(bench)}
    for name, one in kept.items():
        if one.get("removed"):
            assert name not in running
            assert bench.console.kiosk_of(name) is None
        else:
            assert running[name] == one["port"]
            assert bench.console.kiosk_of(name) == one.get("kiosk")


async def test_whoever_asked_may_be_gone_the_change_is_made_to_its_end(bench: ConsoleBench) -> None:
    asking = asyncio.create_task(bench.console.move(BY, device="idcard-1", kiosk="kiosk-2"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    await bench.console.close()
    assert bench.console.kiosk_of("idcard-1") == "kiosk-2"
    assert written(bench)[0]["kiosk"] == "kiosk-2"
    with pytest.raises(ContractError, match="stops"):
        await bench.console.move(BY, device="idcard-1", kiosk=None)


async def test_what_a_search_found_is_void_once_another_begins(bench: ConsoleBench) -> None:
    bench.find("/dev/b", FOUND)
    bench.console.look("/dev/none")
    with pytest.raises(ContractError, match="search again"):
        await bench.console.add(BY, device="idcard-2", port="/dev/b", kiosk=None)
    await bench.console.close()


LINE = [
    Answer(Question("reader.osdp", {"baud": 9600, "address": 2}), sure=True),
    Answer(Question("reader.osdp", {"baud": 9600, "address": 5, "channel": "clear"}), sure=True),
]


async def test_a_reader_of_a_line_is_not_added_by_its_port(bench: ConsoleBench) -> None:
    """The port would not say which of them was meant."""
    bench.console.search.view = SearchView(
        began_ms=1, findings=[Finding("/dev/line", LINE), Finding("/dev/b", [FOUND])]
    )
    with pytest.raises(ContractError, match="search again"):
        await bench.console.add(BY, device="door-5", port="/dev/line", kiosk=None)
    page = DevicesRenderer(load_catalogue(), load_assets(), ZoneInfo("Asia/Shanghai"))
    shown = page.regions(bench.console, healthy(), Lang.ZH)["console-found"]
    assert shown.count("<form") == 1, "for the one that stands alone"
    assert shown.count(Speaker(load_catalogue(), Lang.ZH)("console.of_a_line")) == 2


# -- the live test ----------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.devices.live_test.TOGETHER_S", 0.02)


async def test_it_tells_what_passes_and_nothing_of_the_person(quick: None) -> None:
    test = LiveTest(lambda: 1000, lambda _device: 0, lambda: None)
    assert test.begin(READER)
    await asyncio.sleep(0)
    card = next(cards(1))
    wire = Reply(0, 0, 0x90, card.record).to_bytes()
    passed("/dev/a", bytes.fromhex("AAAAAA9669000420010025"), sent=True)
    passed("/dev/a", wire[:100], sent=False)
    passed("/dev/a", wire[100:], sent=False)
    passed("/dev/other", wire, sent=False)
    await asyncio.sleep(0.1)
    view = test.view("idcard-1")
    assert view is not None
    assert (view.running, view.received) == (True, len(wire))
    received = view.passed[0]
    assert (received.sent, received.size, received.wrong) == (False, len(wire), False)
    assert received.hidden >= 5
    test.end()
    await asyncio.sleep(0.05)
    passed("/dev/a", wire, sent=False)
    view = test.view("idcard-1")
    assert view is not None
    assert (view.running, view.received) == (False, len(wire)), "nobody looks on any more"
    text = card.record[4:260].decode("utf-16-le")
    for secret in (text[:15].strip(), text[61:79], text[26:61].strip()):
        assert secret not in repr(view)


@pytest.mark.parametrize("cut", [8, 20, 60, 150, 300, 900])
async def test_a_cut_reply_shows_nothing_of_the_person_either(quick: None, cut: int) -> None:
    test = LiveTest(lambda: 1000, lambda _device: 0, lambda: None)
    test.begin(READER)
    await asyncio.sleep(0)
    card = next(cards(2))
    wire = Reply(0, 0, 0x90, card.record).to_bytes()
    for half in (wire[:cut], wire[cut:]):
        passed("/dev/a", half, sent=False)
        await asyncio.sleep(0.06)
    view = test.view("idcard-1")
    assert view is not None
    shown = repr(view.passed).lower()
    text = card.record[4:260].decode("utf-16-le")
    for secret in (text[:15].strip(), text[61:79], text[26:61].strip()):
        assert secret.lower() not in shown
        assert secret.encode("utf-16-le").hex() not in shown.replace(" ", "")
        assert secret.encode("utf-16-le").hex()[:12] not in shown.replace(" ", "")
    test.end()


async def test_what_is_said_over_and_over_is_counted(quick: None) -> None:
    test = LiveTest(lambda: 1000, lambda _device: 0, lambda: None)
    test.begin(READER)
    await asyncio.sleep(0)
    question, answer = (
        bytes.fromhex("AAAAAA96690003200122"),
        Reply(0, 0, 0x80).to_bytes(),
    )
    for _ in range(2 * MOST_ENTRIES):
        passed("/dev/a", question, sent=True)
        passed("/dev/a", answer, sent=False)
    await asyncio.sleep(0.1)
    view = test.view("idcard-1")
    assert view is not None
    assert [(one.sent, one.times) for one in view.passed] == [
        (False, 2 * MOST_ENTRIES),
        (True, 2 * MOST_ENTRIES),
    ]
    test.end()


async def test_a_key_that_is_pressed_is_seen_and_not_which(quick: None) -> None:
    test = LiveTest(lambda: 1000, lambda _device: 0, lambda: None)
    settings = {"port": "/dev/bus", "address": 5, "channel": "clear"}
    test.begin(DeviceConfig(id="door-5", kind="reader.osdp", settings=settings))
    await asyncio.sleep(0)
    pressed = Keys(0, b"1870\r")
    wire = Frame(5, 1, pressed.code, pressed.to_data(), reply=True).to_bytes()
    passed(looked_at("/dev/bus", 5), wire, sent=False)
    passed(looked_at("/dev/bus", 6), wire, sent=False)  # another reader of the line
    await asyncio.sleep(0.1)
    view = test.view("door-5")
    assert view is not None
    (entry,) = view.passed
    assert (view.received, entry.wrong) == (len(wire), False)
    assert "KEYPAD" in {value for _, value, _ in entry.said}
    assert "1870" not in repr(view)
    assert b"1870".hex() not in repr(view)
    test.end()


async def test_a_line_of_a_converter_is_understood_or_said_to_be_wrong(quick: None) -> None:
    test = LiveTest(lambda: 1000, lambda _device: 0, lambda: None)
    settings = {"port": "/dev/c", "line": "stx"}
    test.begin(DeviceConfig(id="badge-1", kind="badge.line", settings=settings))
    await asyncio.sleep(0)
    bits = Card(0x0A1B2C).to_bits()
    for content in (bits, bits[:-1] + str(1 - int(bits[-1]))):
        passed("/dev/c", b"\x02" + content.encode() + b"\x03", sent=False)
        await asyncio.sleep(0.06)
    view = test.view("badge-1")
    assert view is not None
    wrong, right = view.passed
    assert (right.wrong, right.hidden, wrong.wrong) == (False, 1, True)
    assert "26 bits" in repr(right.said)
    assert "parity" in repr(wrong.said)
    assert bits[1:-1] not in repr(view)
    test.end()


def test_each_kind_has_its_family() -> None:
    assert family_of(READER) == "idcard-sam"
    assert (
        family_of(DeviceConfig(id="f", kind="finger.zfm", settings={"family": "synochip"})) == "zfm-synochip"
    )
    assert family_of(DeviceConfig(id="t", kind="tracker.gt06")) == "gt06"
    assert family_of(DeviceConfig(id="t", kind="terminal.zk_adms")) is None


async def test_a_test_that_begins_anew_is_one_of_its_own(quick: None) -> None:
    test = LiveTest(lambda: 1000, lambda _device: 0, lambda: None)
    other = DeviceConfig(id="finger-1", kind="finger.zfm", settings={"port": "/dev/f", "family": "grow"})
    test.begin(READER)
    await asyncio.sleep(0)
    passed("/dev/a", bytes.fromhex("AAAAAA96690003200122"), sent=True)
    test.begin(other)
    await asyncio.sleep(0.06)
    first, second = test.view("idcard-1"), test.view("finger-1")
    assert first is not None
    assert second is not None
    assert (first.running, len(first.passed)) == (False, 1)
    assert (second.running, len(second.passed)) == (True, 0), "nothing of the other is in it"
    test.begin(other)
    await asyncio.sleep(0.06)
    second = test.view("finger-1")
    assert second is not None
    assert second.running
    test.forget("finger-1")
    assert test.view("finger-1") is None
    await asyncio.sleep(0.06)
    assert test.view("finger-1") is None


@pytest.mark.parametrize(
    ("family", "wire"),
    [
        ("zfm-grow", "EF01FFFFFFFF0100080401000000A300B1EF01FFFFFFFF07000700004D006300BE"),
        ("efaa-xor16", "EFAA00000E12004D0061006E006E00610000001212"),
    ],
)
def test_the_number_of_a_person_in_a_module_is_hidden(family: str, wire: str) -> None:
    found = _explained(0, False, bytes.fromhex(wire), describer(family))  # noqa: FBT003
    assert "77" not in repr(found.said)
    assert "99" not in repr(found.said)
