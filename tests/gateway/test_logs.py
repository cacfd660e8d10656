"""Log lines: their form for machines, people and the journal, and what must never stand in them."""

import io
import json
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.errors import LinkLost
from firmware_protocols.errors import ReplyTimeout
from gateway.errors import ConfigError, StoreRefused
from gateway.logs import MASK, configure, redact

# Numbers of nobody: births in the 1800s, check digits not computed.
RESIDENT = "11010118900307001X"
DIGITS = "110101189003070011"
FOREIGNER = "XYZ110101890307"
NUMBERS = [RESIDENT, RESIDENT.lower(), DIGITS, "810000189003070011", "930000189003070011", FOREIGNER]

log = logging.getLogger("gateway.test")


@pytest.fixture(autouse=True)
def untouched_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test sets up is gone after it."""
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    known = {name: (item.level, item.disabled) for name, item in _loggers().items()}
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, item in _loggers().items():
        item.setLevel(known.get(name, (logging.NOTSET, False))[0])
        item.disabled = known.get(name, (logging.NOTSET, False))[1]


def _loggers() -> dict[str, logging.Logger]:
    return {
        name: item
        for name, item in logging.root.manager.loggerDict.items()
        if isinstance(item, logging.Logger)
    }


@pytest.fixture
def lines() -> io.StringIO:
    stream = io.StringIO()
    configure("debug", "json", stream=stream)
    return stream


def only(stream: io.StringIO) -> dict[str, object]:
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def raised(error: BaseException) -> BaseException:
    """`error` with the traceback that raising gives it."""

    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        fail()
    return caught.value


# --- form -----------------------------------------------------------------------------------------


def test_a_record_is_one_json_object_with_its_fields(lines: io.StringIO) -> None:
    log.warning(
        "device %s", "lost", extra={"device": "idcard-1", "cause": "LinkLost", "after_s": 1.5, "tries": 3}
    )
    line = only(lines)
    assert str(line.pop("ts")).endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "gateway.test",
        "msg": "device lost",
        "device": "idcard-1",
        "cause": "LinkLost",
        "after_s": 1.5,
        "tries": 3,
    }


def test_fields_keep_their_structure_and_never_hide_ours(lines: io.StringIO) -> None:
    fields = {
        "level": "x",
        "ranges": [(1, 2)],
        "nested": {"a": None, "b": [True]},
        "path": Path("/dev/ttyUSB0"),
    }
    log.info("已提交", extra=fields)
    line = only(lines)
    assert (line["level"], line["level_"]) == ("info", "x")
    assert (line["ranges"], line["nested"]) == ([[1, 2]], {"a": None, "b": [True]})
    assert (line["path"], line["msg"]) == ("/dev/ttyUSB0", "已提交")


def test_numbers_that_json_lacks_do_not_break_the_line(lines: io.StringIO) -> None:
    log.info("x", extra={"ratio": float("nan"), "most": float("inf")})
    assert only(lines)["ratio"] == "nan"


def test_levels_below_the_configured_one_are_left_out() -> None:
    stream = io.StringIO()
    configure("warning", "json", stream=stream)
    log.info("quiet")
    log.warning("loud")
    assert only(stream)["msg"] == "loud"


def test_setting_up_twice_writes_each_line_once() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure("info", "json", stream=first)
    configure("info", "json", stream=second)
    log.info("once")
    assert (first.getvalue(), only(second)["msg"]) == ("", "once")


def test_people_get_text_with_fields_behind_it() -> None:
    stream = io.StringIO()
    configure("info", "text", stream=stream)
    log.warning("device lost", extra={"device": "idcard-1", "tries": 3})
    time, rest = stream.getvalue().split(" ", 1)
    assert time.endswith("Z")
    assert rest == "WARNING gateway.test: device lost  device=idcard-1  tries=3\n"


def test_auto_is_text_with_colour_on_a_terminal_and_json_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = os.openpty()
    with os.fdopen(far, "w") as terminal:
        configure("info", "auto", stream=terminal)
        log.error("bad")
        assert os.read(near, 4096).startswith(b"\x1b[31m")
        monkeypatch.setenv("NO_COLOR", "1")
        configure("info", "auto", stream=terminal)
        log.error("bad")
        assert b"\x1b" not in os.read(near, 4096)
    os.close(near)
    stream = io.StringIO()
    configure("info", "auto", stream=stream)
    log.error("bad")
    assert only(stream)["level"] == "error"


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (logging.CRITICAL, 2)],
)
@pytest.mark.parametrize("form", ["json", "text", "auto"])
def test_the_journal_gets_priorities_and_no_time_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, level: int, priority: int
) -> None:
    path = tmp_path / "journal"
    with path.open("w", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        configure("debug", form, stream=stream)
        log.log(level, "first\nsecond")
    written = path.read_text(encoding="utf-8").splitlines()
    assert written
    assert all(line.startswith(f"<{priority}>") for line in written), "each line has a priority of its own"
    assert not any("T" in line and "Z" in line for line in written)


def test_a_stream_that_is_not_the_journal_keeps_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    with (tmp_path / "file").open("w", encoding="utf-8") as stream:
        configure("info", "json", stream=stream)
        log.info("x")
    assert (tmp_path / "file").read_text(encoding="utf-8").startswith('{"ts":')


def test_what_a_device_says_cannot_forge_a_line_or_command_the_terminal() -> None:
    stream = io.StringIO()
    configure("info", "text", stream=stream)
    log.info("model %s", "R1\n2026-01-01T00:00:00.000Z ERROR gateway: forged\x1b[2J\x9b2J\r")
    first, second = stream.getvalue().rstrip("\n").split("\n")
    assert second.startswith("    "), "a second line is recognisable as such"
    assert "\x1b" not in second
    assert "\x9b" not in second
    assert "\r" not in first + second


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("bad_value", "zhijiao.toml:3: [uplink] broker: must be mqtts://"),
        StoreRefused("store_full", "no space left; free some"),
        LinkLost("unplugged", "/dev/ttyUSB0: gone; check the cable"),
        ReplyTimeout("no answer; check cable and power"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_expected_error_takes_one_line_with_code_and_text(lines: io.StringIO, error: ConfigError) -> None:
    log.error("failed", exc_info=raised(error))
    line = only(lines)
    assert (line["error_code"], line["error"]) == (error.code, str(error))
    assert "traceback" not in line


def test_a_group_of_expected_errors_has_no_traceback_either(lines: io.StringIO) -> None:
    group = ExceptionGroup(
        "tasks", [LinkLost("unplugged", "a"), ExceptionGroup("x", [StoreRefused("store_io", "b")])]
    )
    log.error("failed", exc_info=raised(group))
    line = only(lines)
    assert (line["error_code"], line["error"]) == ("unplugged,store_io", "a; b")
    assert "traceback" not in line


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_bug_shows_its_traceback(form: str) -> None:
    stream = io.StringIO()
    configure("info", form, stream=stream)
    group = ExceptionGroup("tasks", [LinkLost("unplugged", "a"), ZeroDivisionError("bug")])
    log.critical("crashed", exc_info=raised(group))
    assert "Traceback" in stream.getvalue()
    assert "ZeroDivisionError: bug" in stream.getvalue()


# --- what must never be written -------------------------------------------------------------------


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("form", ["json", "text"])
def test_no_card_number_gets_through_by_any_way(form: str, number: str) -> None:
    stream = io.StringIO()
    configure("debug", form, stream=stream)
    log.info("number %s", number)
    log.info(f"身份证{number}号码ID{number}", extra={"field": number, "list": [number], number: 1})  # noqa: G004
    log.info("x", extra={"deep": {"a": {"b": (number,), number: number}}, "path": Path("/tmp") / number})
    log.info("x", extra={"bytes": number.encode(), "error": ValueError(number)})
    log.info("%s" * 3, number, number, number)
    log.info("%8180s%s", "", number)
    log.error("x", exc_info=raised(ZeroDivisionError(number)))
    log.error("x", exc_info=raised(StoreRefused("x", number)))
    if number.isdigit():
        log.info("%d", int(number), extra={"n": int(number)})
    written = stream.getvalue()
    assert len(written.splitlines()) >= 8
    assert number[:-1] not in written
    assert number[3:12] not in written, "nor a part of it"
    assert MASK in written


@pytest.mark.parametrize("number", [RESIDENT, DIGITS])
def test_a_number_inside_a_frame_is_recognised(number: str) -> None:
    wide = number.encode("utf-16-le")
    for shown in (
        number.encode().hex(),
        number.encode().hex(" "),
        wide.hex(),
        wide.hex(" "),
        wide.hex(":").upper(),
    ):
        safe = redact(f"frame aaaaaa96 {shown}")
        assert safe.rstrip(" :0") == f"frame aaaaaa96 {MASK}"
    assert number[:6] not in redact(repr(wide)).replace("\\x00", "")
    assert number[:6] not in redact(wide.decode("latin-1")).replace("\0", "")


@pytest.mark.parametrize(
    "text",
    [
        "f" + "1" * 63,
        "9" * 31 + "a" + "8" * 32,
        "87389cf03c0f4376b8caa195260ea502",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "01a200c6-4000-7000-8000-000000000001",
        "2026-11-22T01:02:02.004Z",
        "sequence 0000000000000001 of 1795309322004 ms",
        "imei 860000000000001",
        "SEQ0000000000000001",
        "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0",
    ],
)
def test_what_is_needed_to_find_a_fault_stays(text: str) -> None:
    assert redact(text) == text


def test_bytes_are_told_by_their_length_only(lines: io.StringIO) -> None:
    log.debug("frame", extra={"raw": b"\xaa\xaa\xaa\x96\x69canary", "parts": [bytearray(b"canary")]})
    assert only(lines)["raw"] == "<11 bytes>"
    assert "canary" not in lines.getvalue()


def test_a_line_that_cannot_be_written_shows_nothing_of_itself(capfd: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    handler = configure("info", "json", stream=stream)
    log.info("%d", "canary")
    log.info("after")
    first, second = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert first["msg"] == "a log line could not be written"
    assert (first["made_by"], first["level"]) == ("gateway.test", "warning")
    assert second["msg"] == "after"
    assert handler.dropped == 1
    assert "canary" not in stream.getvalue() + "".join(capfd.readouterr())


def test_a_closed_stream_does_not_stop_the_gateway(tmp_path: Path) -> None:
    stream = (tmp_path / "gone").open("w")
    handler = configure("info", "json", stream=stream)
    stream.close()
    log.info("x")
    assert handler.dropped == 1


# --- libraries ------------------------------------------------------------------------------------


def test_libraries_that_tell_too_much_are_kept_quiet_also_at_debug(lines: io.StringIO) -> None:
    logging.getLogger("peewee").debug("('INSERT ...', ['canary'])")
    logging.getLogger("paho.mqtt.client").info("Sending PUBLISH")
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("uvicorn.access").error("GET /")
    assert lines.getvalue() == ""
    logging.getLogger("uvicorn.error").error("address already in use")
    assert only(lines)["logger"] == "uvicorn.error"


def test_warnings_of_the_language_become_lines(lines: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old call", stacklevel=1)
    assert "old call" in str(only(lines)["msg"])
