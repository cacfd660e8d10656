"""Terminals that push over HTTP: vectors, any bytes, lines that are lost alone, bodies that are left alone."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from firmware_protocols.families import describer
from firmware_protocols.zk_adms import answers, bodies, records
from firmware_protocols.zk_adms.answers import Command
from firmware_protocols.zk_adms.records import BadLine, Punch
from firmware_protocols.zk_adms.requests import BIOMETRIC_TABLES, Wish, parse
from tests.firmware_protocols.vectors import ZK_ADMS, Vector

CANARY = b"ocoi8Canary8TemplateBytes8"
PINS = st.text("0123456789", min_size=1, max_size=9)
TIMES = st.integers(946_684_800, 4_070_908_799).map(
    lambda s: datetime.fromtimestamp(s, UTC).replace(tzinfo=None)
)
PUNCHES = st.tuples(PINS, TIMES, st.integers(0, 255), st.integers(0, 255), st.text("0123456789", max_size=6))


@pytest.mark.parametrize("told", [True, False], ids=["told", "recognised"])
@pytest.mark.parametrize("vector", ZK_ADMS, ids=repr)
def test_a_vector_decodes_to_what_it_says(vector: Vector, *, told: bool) -> None:
    decoded = describer("zk-adms").decode(vector.data, vector.direction if told else None)
    expected = {key: value for key, value in vector.decoded.items() if key != "http"}
    assert {key: decoded.get(key) for key in expected} == expected


@pytest.mark.parametrize("vector", [v for v in ZK_ADMS if v.direction == "device>server"], ids=repr)
def test_a_captured_request_gives_the_request_of_the_vector_too(vector: Vector) -> None:
    http = vector.decoded["http"]
    assert isinstance(http, dict)
    head = f"{http['method']} {http['path']} HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n".encode()
    decoded = describer("zk-adms").decode(head + vector.data, None)
    assert {key: decoded[key] for key in vector.decoded} == vector.decoded


@given(st.lists(PUNCHES, max_size=20))
def test_what_a_terminal_writes_is_read(punches: list[tuple[str, datetime, int, int, str]]) -> None:
    body = b"".join(records.to_line(*punch) for punch in punches)
    read = records.parse(body)
    assert all(isinstance(one, Punch) for one in read)
    assert [(p.pin, p.time, p.status, p.verify, p.work_code) for p in read if isinstance(p, Punch)] == punches


@given(
    st.lists(st.tuples(PUNCHES, st.binary(max_size=300).filter(lambda junk: b"\n" not in junk)), max_size=8)
)
def test_a_bad_line_takes_no_good_one_with_it(
    pairs: list[tuple[tuple[str, datetime, int, int, str], bytes]],
) -> None:
    body = b"".join(records.to_line(*punch) + b"\xff" + junk + b"\n" for punch, junk in pairs)
    read = records.parse(body)
    assert [one.pin for one in read if isinstance(one, Punch)] == [punch[0] for punch, _ in pairs]
    assert [one.number for one in read if isinstance(one, BadLine)] == [2 * n + 2 for n in range(len(pairs))]


@given(PUNCHES)
def test_a_record_cut_anywhere_is_never_read_as_another(punch: tuple[str, datetime, int, int, str]) -> None:
    whole = records.to_line(*punch)
    (meant,) = records.parse(whole)
    assert isinstance(meant, Punch)
    for end in range(len(whole)):
        for one in records.parse(whole[:end]):
            assert isinstance(one, BadLine) or one.raw == meant.raw


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"1\t2026-11-27 08:30:00\t0", "fields"),
        (b"1\t2026-11-27 08:30:00\t0\t1", "cut"),
        (b"1 1\t2026-11-27 08:30:00\t0\t1\n", "pin"),
        (b"\t2026-11-27 08:30:00\t0\t1\n", "pin"),
        (b"1\t2026-02-31 08:30:00\t0\t1\n", "time"),
        (b"1\t0000-00-00 00:00:00\t0\t1\n", "time"),
        (b"1\t2026-11-27 08:30:00\t\t1\n", "status"),
        (b"1\t2026-11-27 08:30:00\t0\t-1\n", "verify"),
        (b"PIN=1\tDateTime=2026-11-27 08:30:00\tVerified=1\tStatus=0\n", "pin"),
        (b"1\t2026-11-27 08:30:00\t0\t1\t" + b"0" * 300 + b"\n", "long"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(line: bytes, code: str) -> None:
    (found,) = records.parse(line)
    assert isinstance(found, BadLine)
    assert found.code == code


def test_too_much_is_refused_whole() -> None:
    for body in (b"1" * (records.LONGEST_BODY + 1), b"\n" * records.MOST_LINES):
        with pytest.raises(RemoteProtocolError) as caught:
            records.parse(body)
        assert caught.value.code == "too_long"


@pytest.mark.parametrize(
    ("method", "target", "wish"),
    [
        ("GET", "/iclock/cdata?SN=A1&options=all&pushver=2.4.1", Wish.HELLO),
        ("GET", "/iclock/cdata.aspx?SN=A1&options=all", Wish.HELLO),
        ("POST", "/iclock/cdata?SN=A1&table=ATTLOG&Stamp=9999", Wish.RECORDS),
        ("POST", "/iclock/cdata?SN=A1&table=attlog", Wish.RECORDS),
        ("POST", "/iclock/cdata?SN=A1&table=OPERLOG&OpStamp=1", Wish.PERSONAL),
        ("POST", "/iclock/cdata?SN=A1&table=USERINFO", Wish.PERSONAL),
        ("POST", "/iclock/cdata?SN=A1&table=options", Wish.FACTS),
        ("POST", "/iclock/cdata?SN=A1&table=rtlog", Wish.FOREIGN),
        ("POST", "/iclock/querydata?SN=A1&type=tabledata&tablename=transaction", Wish.FOREIGN),
        ("POST", "/iclock/querydata?SN=A1&type=tabledata&tablename=biophoto", Wish.BIOMETRIC),
        ("POST", "/iclock/cdata?SN=A1", Wish.PERSONAL),
        ("GET", "/iclock/getrequest?SN=A1&INFO=Ver%208.0,1,2", Wish.COMMANDS),
        ("POST", "/iclock/devicecmd?SN=A1", Wish.RESULTS),
        ("GET", "/iclock/ping?SN=A1", Wish.PING),
        ("POST", "/iclock/registry?SN=A1", Wish.REGISTRY),
        ("POST", "/iclock/push?SN=A1", Wish.SETTINGS),
        ("GET", "/iclock/rtdata?SN=A1&type=time", Wish.TIME),
        ("GET", "/iclock/whatever?SN=A1", Wish.OTHER),
    ],
)
def test_a_request_line_says_what_is_wished(method: str, target: str, wish: Wish) -> None:
    path, _, query = target.partition("?")
    request = parse(method, path, query.encode())
    assert (request.wish, request.serial) == (wish, "A1")


@pytest.mark.parametrize("table", sorted(BIOMETRIC_TABLES))
def test_a_biometric_body_is_not_to_be_read(table: str) -> None:
    request = parse("POST", "/iclock/cdata", f"SN=A1&table={table.title()}".encode())
    assert (request.wish, request.reads_body) == (Wish.BIOMETRIC, False)


@pytest.mark.parametrize(
    ("method", "path", "query", "code"),
    [
        ("GET", "/api/v1/status", b"SN=A1", "path"),
        ("PUT", "/iclock/cdata", b"SN=A1", "method"),
        ("GET", "/iclock/cdata", b"", "serial"),
        ("GET", "/iclock/cdata", b"SN=" + b"A" * 33, "serial"),
        ("GET", "/iclock/cdata", b"SN=A/1", "serial"),
        ("GET", "/iclock/cdata", b"SN=A1&sn=A2", "query"),
        ("GET", "/iclock/cdata", b"SN=A1&x=\xff", "query"),
        ("GET", "/iclock/cdata", b"SN=A1&" + b"&".join(b"a%d=1" % n for n in range(40)), "query"),
        ("GET", "/iclock/cdata", b"SN=A1&x=" + b"1" * 3000, "query"),
    ],
)
def test_a_request_that_is_none_is_refused(method: str, path: str, query: bytes, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse(method, path, query)
    assert caught.value.code == code


@given(st.sampled_from(["GET", "POST", ""]), st.text(max_size=20), st.binary(max_size=200))
@example("POST", "/iclock/cdata", b"SN=%ff&table=%00")
def test_any_request_line_is_read_or_refused(method: str, path: str, query: bytes) -> None:
    for place in (path, "/iclock/" + path):
        with contextlib.suppress(RemoteProtocolError):
            assert parse(method, place, query).serial


SOME = st.one_of(st.binary(max_size=200), st.sampled_from([v.data for v in ZK_ADMS]), st.just(b"DateTime=9,"))


@given(st.lists(SOME, max_size=3).map(b"\n".join), st.sampled_from([None, "device>server", "server>device"]))
def test_any_bytes_are_decoded_or_refused_and_explained_to_the_last(
    data: bytes, direction: str | None
) -> None:
    with contextlib.suppress(RemoteProtocolError):
        describer("zk-adms").decode(data, direction)
    at = 0
    for field in describer("zk-adms").explain(data, direction):
        assert (field.offset, field.length > 0) == (at, True)
        at += field.length
    assert at == len(data)


@pytest.mark.parametrize(
    "parser", [bodies.parse_results, bodies.parse_facts, answers.parse_commands, answers.parse_options]
)
def test_other_bodies_raise_nothing_else(parser: object) -> None:
    assert callable(parser)

    @given(st.binary(max_size=100) | st.just(b"x" * 70_000) | st.just(b"ID=1&Return=0&CMD=INFO\n" * 300))
    def check(data: bytes) -> None:
        with contextlib.suppress(ProtocolError):
            parser(data)

    check()


def test_results_come_in_batches_and_on_lines() -> None:
    batch = bodies.parse_results(b"ID=1&Return=0&CMD=DATA\nID=2&Return=-1002&CMD=CHECK\n")
    assert [(r.id, r.code, r.cmd) for r in batch] == [(1, 0, "DATA"), (2, -1002, "CHECK")]
    (one,) = bodies.parse_results(b"ID=32\r\nReturn=0\r\nCMD=GET OPTION\r\nContent=x\r\n")
    assert (one.id, one.code, one.cmd, one.content) == (32, 0, "GET OPTION", "x")


def test_of_what_a_terminal_says_of_itself_two_facts_are_kept() -> None:
    facts = bodies.parse_facts(
        b"DeviceType=att,~DeviceName=SpeedFace-V5L,FirmVer=ZAM180-1.1,IPAddress=10.0.0.2,x"
    )
    assert facts == {"model": "SpeedFace-V5L", "firmware": "ZAM180-1.1"}


def test_options_switch_everything_off_but_attendance() -> None:
    said = answers.parse_options(answers.options("A1", offset_min=480, delay_s=10, error_delay_s=30))
    assert (said["TransFlag"], said["TimeZone"], said["Realtime"]) == ("TransData AttLog", "8", "1")
    assert said["ATTLOGStamp"] == "None"
    assert answers.time_zone(330) == "330"


def test_commands_go_both_ways_and_none_runs_a_program() -> None:
    wanted = [Command(1, "INFO"), Command(2, "DATA DELETE USERINFO PIN=7")]
    assert answers.parse_commands(answers.commands(wanted)) == wanted
    assert answers.commands([]) == b"OK"
    for text in ("Shell reboot", "PutFile x", "CHECK\nC:9:Shell ls", "DATA UPDATE USERINFO PIN=1"):
        with pytest.raises(LocalProtocolError):
            answers.commands([Command(1, text)])


@given(TIMES)
def test_the_terminals_count_of_seconds_goes_both_ways(moment: datetime) -> None:
    assert answers.decode_time(answers.encode_time(moment)) == moment


def test_the_time_is_that_of_greenwich_with_the_zone() -> None:
    text = answers.time_of_day(1_795_000_000_000, 480)
    assert text.endswith(b",ServerTZ=+0800")
    assert describer("zk-adms").decode(text, "server>device") == {"time": "2026-11-18 11:06:40"}


@pytest.mark.parametrize("table", ["BIODATA", "OPERLOG", "USERINFO"])
def test_a_captured_template_is_neither_decoded_nor_explained(table: str) -> None:
    head = f"POST /iclock/cdata?SN=A1&table={table} HTTP/1.1\r\n\r\n".encode()
    data = (
        head + b"FP PIN=1\tFID=1\tSize=26\tTMP=" + CANARY + b"\nUSER PIN=1\tName=\xe6\xb5\x8b\xe8\xaf\x95\n"
    )
    assert CANARY.decode() not in repr(describer("zk-adms").decode(data, None))
    fields = describer("zk-adms").explain(data, None)
    assert CANARY.decode() not in repr(fields)
    assert fields[-1].opaque
    alone = describer("zk-adms").explain(data[len(head) :], "device>server")
    assert CANARY.decode() not in repr(alone)


def test_nothing_of_a_person_is_in_a_repr() -> None:
    for one in records.parse(b"4711\t2026-11-27 08:30:00\t0\t1\t42\njunk 4711\n"):
        assert "4711" not in repr(one)
        assert "08:30" not in repr(one)
        assert "08, 30" not in repr(one)
