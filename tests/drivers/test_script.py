"""A script is read whole, or refused with its line, what is wrong, and the nearest word."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.simulators.faults import Fault, FaultKind, FaultPlan
from drivers.simulators.fingerprint import SimulatedModule
from drivers.simulators.idcard import SimulatedReader
from drivers.simulators.osdp import SimulatedOsdpReader
from drivers.simulators.pty_host import PtyHost
from drivers.simulators.script import MOST_BYTES, Words, parse_script, read_script
from drivers.simulators.stage import SETTLE_S, Stage, fault_word, play
from drivers.simulators.stage_kiosk import kiosk_stage
from drivers.simulators.stage_people import finger_stage, idcard_stage, osdp_stage
from drivers.simulators.stage_tracker import tracker_stage
from drivers.simulators.step import ScriptError, Step
from drivers.simulators.tracker import Part, SimulatedTracker
from firmware_protocols.tracking import Sign
from tests.drivers.bench import in_skipped_time
from tests.drivers.memory_port import MemoryPort

PIECES = ["{", "}", "[", "]", ":", ",", '"card"', '"repeat"', '"steps"', '"after_s"', '"for_s"', "1", "0.5",
          "-1", '"x"', "null", "true", "\n", "#", " "]  # fmt: skip


class Played:
    """Words that remember when they happened."""

    def __init__(self) -> None:
        self.happened: list[tuple[float, str]] = []
        self.words: Words = {"card": self._word("card", most=9), "battery": self._word("battery", most=100)}

    def _word(self, name: str, most: int):  # type: ignore[no-untyped-def] # its type is that of the table
        def read(step: Step):  # type: ignore[no-untyped-def] # the same
            value = step.whole(name, least=1, most=most)
            for_s = step.number("for_s", least=0, most=10, default=0) if name == "card" else 0.0

            async def happen() -> None:
                self.happened.append((asyncio.get_running_loop().time(), f"{name} {value}"))
                await asyncio.sleep(for_s)

            return happen

        return read

    def parse(self, text: str) -> None:
        parse_script(text, "walk.jsonl", "reader", self.words)


@in_skipped_time
async def test_steps_happen_in_their_order_and_at_their_time() -> None:
    played, told = Played(), list[str]()
    text = """# a comment

{"card": 1, "for_s": 2}
{"after_s": 3, "repeat": 2, "steps": [{"after_s": 1, "card": 2}, {"after_s": 1.5}]}
  {"battery": 12}
"""
    await parse_script(text, "walk.jsonl", "reader", played.words).play(told.append)
    assert [what for _, what in played.happened] == ["card 1", "card 2", "card 2", "battery 12"]
    assert [at for at, _ in played.happened] == pytest.approx([0, 6, 8.5, 10])
    assert told == ["line 3: card 1", "line 4.1: card 2", "line 4.1: card 2", "line 5: battery 12"]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", "empty", "no step"),
        ("# nothing\n\n", "empty", "no step"),
        ('{"card": 1}\n{"card" 1}', "not_json", "line 2: no JSON: Expecting ':' delimiter, character 9"),
        ('{"card": 1} {"card": 2}', "not_json", "line 1"),
        ("[1]", "not_a_step", "line 1: a step is an object"),
        ("{}", "not_a_step", "a step is an object"),
        ("[" * 100_000, "not_json", "brackets"),
        ('{"crad": 1}', "unknown_word", "'crad' is nothing that can happen to reader, did you mean 'card'"),
        ('{"after": 1}', "unknown_word", "did you mean 'after_s'; known: after_s, battery, card, repeat"),
        ('{"card": 1, "battery": 2}', "two_words", "'card' and 'battery' are two steps"),
        ('{"card": 1, "card": 2}', "two_words", "'card' stands there twice"),
        ('{"card": 1, "for": 2}', "unknown_option", "'card' has no option 'for', did you mean 'for_s'"),
        ('{"battery": 1, "for_s": 2}', "unknown_option", "'battery' has no option 'for_s'"),
        ('{"card": "anna"}', "wrong_type", "'card' must be a whole number, not 'anna'"),
        ('{"card": true}', "wrong_type", "'card' must be a whole number"),
        ('{"card": null}', "missing_option", "'card' is missing"),
        ('{"card": 10}', "out_of_range", "'card' must be 1 to 9, not 10"),
        ('{"card": 1, "for_s": "2s"}', "wrong_type", "'for_s' must be a number, not '2s'"),
        ('{"card": 1, "after_s": -1}', "out_of_range", "'after_s' must be 0 to 86400, not -1"),
        ('{"after_s": NaN}', "not_json", "NaN is no number"),
        ('{"after_s": 1e999}', "out_of_range", "not inf"),
        ('{"card": ' + "9" * 5000 + "}", "not_json", "a number of too many digits"),
        ('{"card": ' + "9" * 4000 + "}", "out_of_range", "'card' must be 1 to 9"),
        ('{"\\u001b[2J": 1}', "unknown_word", r"'\x1b[2J' is nothing"),
        ('{"' + "x" * 100_000 + '": 1}', "unknown_word", "xxx... is nothing"),
        ('{"repeat": 2}', "missing_option", "'steps' is missing"),
        ('{"repeat": 2, "steps": []}', "wrong_type", "'steps' must be a list of steps"),
        ('{"repeat": 0, "steps": [{"card": 1}]}', "out_of_range", "'repeat' must be 1 to"),
        ('{"repeat": 2, "steps": [{"card": 1}, {"crad": 1}]}', "unknown_word", "line 1, step 2: 'crad'"),
        ('{"repeat": 2, "steps": [{"card": 1}], "times": 2}', "unknown_option", "'repeat' has no option"),
        ('{"repeat":1,"steps":[' * 5 + '{"card":1}' + "]}" * 5, "too_long", "4 repeats in each other"),
    ],
)
def test_a_script_with_a_fault_is_refused_before_anything_happens(text: str, code: str, said: str) -> None:
    played = Played()
    with pytest.raises(ScriptError) as told:
        played.parse(text)
    assert (told.value.code, played.happened) == (code, [])
    assert str(told.value).startswith("walk.jsonl")
    assert said in str(told.value)
    assert len(str(told.value)) < 300


@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_any_text_is_a_script_or_is_refused(text: str) -> None:
    try:
        Played().parse(text)
    except ScriptError as exc:
        assert str(exc).startswith("walk.jsonl")  # noqa: PT017 - either is fine


def test_a_file_of_another_editor_is_read(tmp_path: Path) -> None:
    path = tmp_path / "walk.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"card": 1}\r\n\r\n# done\r\n{"after_s": 1}\r\n')
    assert len(read_script(path, "reader", Played().words).steps) == 2


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    cases = {"absent": None, "long": b"#" * (MOST_BYTES + 1), "latin": b'{"card": 1}\n# \xe9\n'}
    codes = []
    for name, data in cases.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(ScriptError) as told:
            read_script(tmp_path / name, "reader", Played().words)
        codes.append(told.value.code)
        assert str(tmp_path / name) in str(told.value)
    assert codes == ["unreadable", "too_long", "not_json"]
    assert "line 2" in str(told.value)


# -- the words of stages ------------------------------------------------------------------------------


def a_tracker(family: str, port: PtyHost) -> tuple[SimulatedTracker, Stage]:
    tracker = SimulatedTracker(family)
    return tracker, tracker_stage(f"tracker.{family}", tracker, port)


@pytest.mark.parametrize(
    ("family", "text", "code", "said"),
    [
        ("h02", '{"strap": "off"}', "unknown_word", "'strap' is nothing that can happen to tracker.h02"),
        ("h02", '{"alarm": "fall"}', "out_of_range", "'alarm' must be one of"),
        ("gt06", '{"alarm": "sso"}', "out_of_range", "did you mean 'sos'"),
        ("gt06", '{"strap": "of"}', "out_of_range", "did you mean 'off'"),
        ("gt06", '{"fault": "cat"}', "out_of_range", "did you mean 'cut'"),
        ("gt06", '{"fault": "cut", "on": "recrod"}', "out_of_range", "did you mean 'record'"),
        ("gt06", '{"fix": 36.65}', "wrong_type", "like [36.65, 117.12]"),
        ("gt06", '{"fix": [36.65]}', "wrong_type", "like [36.65, 117.12]"),
        ("gt06", '{"fix": [91, 117]}', "out_of_range", "'latitude' must be -90 to 90"),
        ("gt06", '{"fix": [36, "x"]}', "wrong_type", "'longitude' must be a number"),
        ("gt06", '{"fix": [36, 117], "valid": 1}', "wrong_type", "'valid' must be true or false"),
        ("gt06", '{"battery": 101}', "out_of_range", "'battery' must be 0 to 100"),
        ("gt06", '{"unplug_s": "5s"}', "wrong_type", "'unplug_s' must be a number"),
    ],
)
async def test_a_tracker_says_what_is_wrong(
    family: str, text: str, code: str, said: str, port: PtyHost
) -> None:
    _, stage = a_tracker(family, port)
    with pytest.raises(ScriptError) as told:
        parse_script(text, "walk.jsonl", stage.kind, stage.words)
    assert told.value.code == code
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ('{"keys": 1870}', "wrong_type", "'keys' must be a text, not 1870"),
        ('{"keys": "18a"}', "out_of_range", "'keys' must be 1 to 64 of the letters 0123456789*#"),
        ('{"keys": ""}', "out_of_range", "'keys' must be 1 to 64"),
        ('{"case": 1}', "wrong_type", "'case' must be a word, not 1"),
        ('{"card": 10000}', "out_of_range", "'card' must be 1 to 9999"),
    ],
)
async def test_a_keypad_says_what_is_wrong(text: str, code: str, said: str, port: PtyHost) -> None:
    stage = osdp_stage(SimulatedOsdpReader(), port)
    with pytest.raises(ScriptError) as told:
        parse_script(text, "walk.jsonl", stage.kind, stage.words)
    assert told.value.code == code
    assert said in str(told.value)


async def test_what_happens_to_a_tracker_is_in_its_memory(port: PtyHost) -> None:
    tracker, stage = a_tracker("gt06", port)
    text = """{"fix": [36.5, 117], "speed_kmh": 4, "course": 90, "valid": false}
{"alarm": "sos"}
{"strap": "off"}
{"strap": "on"}
{"battery": 12}
{"fault": "cut", "times": 2}
{"fault": "mute", "on": "any"}
"""
    await parse_script(text, "walk.jsonl", stage.kind, stage.words).play(lambda _line: None)
    first, sos, off, on, battery = tracker.kept
    assert first.fix is not None
    assert (first.fix.lat, first.fix.speed_kmh, first.fix.course, first.fix.valid) == (36.5, 4, 90, False)
    assert [set(one.signs) for one in (sos, off, on)] == [{Sign.SOS}, {Sign.STRAP_OPEN}, set()]
    assert (battery.fix, battery.battery_pct) == (None, 12)
    struck = [tracker.faults.next(part) for part in (Part.HELLO, Part.RECORD, Part.RECORD, Part.RECORD)]
    assert struck == [FaultKind.MUTE, FaultKind.CUT, FaultKind.CUT, None]


async def test_a_kiosk_asks_which_of_its_devices(port: PtyHost) -> None:
    reader, module = SimulatedReader(), SimulatedModule()
    stage = kiosk_stage(
        {
            "card": idcard_stage(reader, port, 1, lambda _line: None),
            "finger": finger_stage(module, port, 1),
        }
    )
    with pytest.raises(ScriptError) as told:
        parse_script('{"fault": "cut"}', "walk.jsonl", stage.kind, stage.words)
    assert (told.value.code, "'at' is missing" in str(told.value)) == ("missing_option", True)
    script = parse_script('{"fault": "cut", "at": "finger"}', "walk.jsonl", stage.kind, stage.words)
    await script.play(lambda _line: None)
    assert (module.faults.next(None), reader.faults.next(None)) == (FaultKind.CUT, None)


async def test_a_fault_waits_for_its_question() -> None:
    plan = FaultPlan()
    words = fault_word(plan, [FaultKind.CUT], {"read": 7})
    await parse_script('{"fault": "cut", "on": "read"}', "walk.jsonl", "reader", words).play(print)
    assert (plan.next(6), plan.next(7)) == (None, FaultKind.CUT)
    plan.add(Fault(FaultKind.CUT))
    assert plan.next(1) is FaultKind.CUT


@in_skipped_time
async def test_a_cable_stays_pulled_as_long_as_the_script_says_and_a_fault_is_mended() -> None:
    port, module = MemoryPort(), SimulatedModule()
    stage = finger_stage(module, port, 1)
    await port.near.open()
    script = parse_script('{"after_s": 1, "unplug_s": 10}\n{"after_s": 5}', "x", stage.kind, stage.words)
    playing = asyncio.create_task(play(stage, script, lambda _line: None))
    seen = []
    for _ in range(15):
        await asyncio.sleep(1)
        seen.append(port.plugged)
        if len(seen) == 12:
            port.unplug()  # as a fault does it
    assert seen[1:10] == [False] * 9
    assert seen[10:] == [True, True, False, False, True], "mended after three seconds"
    await playing


@in_skipped_time
async def test_records_that_nobody_takes_are_told_at_the_end() -> None:
    told = list[str]()

    async def serve() -> None:
        await asyncio.Event().wait()

    stage = Stage("tracker", {}, serve, kept=lambda: 3)
    began = asyncio.get_running_loop().time()
    script = parse_script('{"after_s": 1}', "walk.jsonl", "tracker", {})
    assert await play(stage, script, told.append) == 3
    assert asyncio.get_running_loop().time() - began == pytest.approx(1 + SETTLE_S)
    assert told == ["3 records were not taken"]


@in_skipped_time
async def test_a_device_that_breaks_ends_the_script() -> None:
    async def serve() -> None:
        raise OSError("no port")

    stage = Stage("tracker", {}, serve)
    with pytest.raises(OSError, match="no port"):
        await play(stage, parse_script('{"after_s": 1000}', "walk.jsonl", "tracker", {}), print)
