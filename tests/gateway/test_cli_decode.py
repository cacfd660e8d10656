"""`zhijiao decode`: for a person and for a program."""

import argparse
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.idcard_sam.messages import CardRecord, CardSelected, to_reply
from firmware_protocols.idcard_sam.text_block import ResidentText
from gateway.cli import decode
from tests.firmware_protocols.vectors import EFAA, GB11643, IDCARD, Vector

NO_CARD = "aaaaaa9669000400008084"
RECORD = next(vector for vector in IDCARD if vector.id == "pub-idcard-sam-13").data
FINGERPRINT = next(vector for vector in IDCARD if vector.id == "own-idcard-sam-02").data
PERSONAL = [
    "测试甲",
    "测试路1号",
    "370102188001010016",
    "18800101",
    "济南市",
    "20200102",
    "4B 6D",
    "4b6d",
    "33 00 37",
]


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    decode.add_parser(parser.add_subparsers())
    return parser.parse_args(["decode", *arguments])


def run(*arguments: str) -> int:
    args = parsed(*arguments)
    exit_code: int = args.run(args)
    return exit_code


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))


def answer(line: bytes | str | dict[str, object], family: str = "idcard-sam") -> dict[str, object]:
    raw = (
        json.dumps(line).encode()
        if isinstance(line, dict)
        else line.encode()
        if isinstance(line, str)
        else line
    )
    [found] = decode.answers(io.BytesIO(raw), family, None)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def code(found: dict[str, object]) -> object:
    assert found["ok"] is False
    error = found["error"]
    assert isinstance(error, dict)
    assert found["decoded"] == {"error": error["code"]}
    assert error["msg"]
    return error["code"]


@pytest.mark.parametrize("vectors", [IDCARD, GB11643, EFAA], ids=["idcard-sam", "gb11643", "efaa-xor16"])
def test_a_stream_of_vectors_gives_one_answer_each(
    vectors: list[Vector], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [{"id": v.id, "hex": v.data.hex(), "direction": v.direction} for v in vectors if v.data]
    feed(monkeypatch, "".join(json.dumps(line) + "\n" for line in lines).encode())
    assert run(vectors[0].family, "--jsonl") == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for found, vector in zip(answers, (v for v in vectors if v.data), strict=True):
        assert (found["id"], found["ok"]) == (vector.id, vector.valid)
        assert {key: found["decoded"].get(key) for key in vector.expected()} == vector.expected()
        assert (found["error"] is None) == vector.valid


def test_the_direction_of_a_line_wins_over_the_option() -> None:
    line = json.dumps({"id": 1, "hex": NO_CARD, "direction": "reader>host"}).encode()
    [found] = decode.answers(io.BytesIO(line), "idcard-sam", "host>reader")
    assert isinstance(found["decoded"], dict)
    assert found["decoded"]["sw3"] == "80"
    line = json.dumps({"id": 1, "hex": NO_CARD}).encode()
    [found] = decode.answers(io.BytesIO(line), "idcard-sam", "host>reader")
    assert isinstance(found["decoded"], dict)
    assert found["decoded"]["cmd"] == "00"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", "json"),
        ("\n", "json"),
        ("not json", "json"),
        ("{", "json"),
        ("[]", "json"),
        ("null", "json"),
        ('"text"', "json"),
        ('{"id":NaN}', "json"),
        ("[" * 100_000, "json"),
        ('{"id":' + "9" * 5000 + "}", "json"),
        (b'{"id":"\xff"}', "json"),
        (json.dumps({"id": 1, "hex": NO_CARD}).encode("utf-16"), "json"),
        ({"id": 1}, "hex"),
        ({"id": 1, "hex": None}, "hex"),
        ({"id": 1, "hex": 12}, "hex"),
        ({"id": 1, "hex": ""}, "hex"),
        ({"id": 1, "hex": "abc"}, "hex"),
        ({"id": 1, "hex": "zz"}, "hex"),
        ({"id": 1, "hex": "ａａ"}, "hex"),
        ({"id": 1, "hex": NO_CARD, "direction": "up"}, "direction"),
        ({"id": 1, "hex": NO_CARD, "direction": 1}, "direction"),
        ({"id": {}, "hex": NO_CARD}, "id"),
        ({"id": 1.5, "hex": NO_CARD}, "id"),
        ({"id": 1, "hex": "aa" * (1 << 20)}, "too_long"),
        ({"id": 1, "hex": NO_CARD + "00"}, "trailing"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_line_that_cannot_be_decoded_says_why(line: bytes | str | dict[str, object], expected: str) -> None:
    if line == "":
        assert list(decode.answers(io.BytesIO(b""), "idcard-sam", None)) == []
        return
    assert code(answer(line)) == expected


def test_an_unknown_family_is_an_answer_for_every_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(monkeypatch, f'{{"id":"a","hex":"{NO_CARD}"}}\n{{"id":"b"}}\n'.encode())
    assert run("idcardsam", "--jsonl") == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(found["id"], code(found)) for found in answers] == [("a", "family"), ("b", "hex")]


def test_bad_lines_never_stop_the_stream_and_ids_come_back() -> None:
    good = b'{"id":"good","hex":"' + NO_CARD.encode() + b'"}'
    lines = [
        b"junk",
        good,
        b"",
        b"[" * 5000,
        b"x" * (decode.MAX_INPUT * 2 + 5),
        good,
        b'{"id":7}',
        b"\xff\xfe",
        good,
    ]
    found = list(decode.answers(io.BytesIO(b"\n".join(lines)), "idcard-sam", None))
    assert [item["id"] for item in found] == [None, "good", None, None, None, "good", 7, None, "good"]
    assert [item["ok"] for item in found] == [False, True, False, False, False, True, False, False, True]
    assert code(found[4]) == "too_long"


@given(st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")), max_size=6))
def test_any_input_gives_one_answer_a_line(lines: list[bytes]) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    assert len(list(decode.answers(io.BytesIO(stream), "idcard-sam", None))) == len(lines)


@pytest.mark.parametrize(
    "text", ["aabb", "AA BB", "aa:bb", "0xaa 0xbb", "0xAA,0XBB", "aa-bb", "a a b b", " AA\r\n\tBB\n"]
)
def test_hex_is_taken_as_people_write_it(text: str) -> None:
    assert decode.parse_hex(text) == b"\xaa\xbb"


def test_a_frame_is_explained_field_by_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("idcard-sam", "AAAAAA9669", "0004", "00", "00", "80", "84") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["offset", "bytes", "field", "value", "meaning"]
    assert "80              SW3 status  no card found   寻找证卡失败" in lines[4]
    assert lines[-1] == "-> SW3 status: idle: lay a card on the reader"


def test_what_is_wrong_is_marked_and_ends_with_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("idcard-sam", NO_CARD[:-2] + "85") == decode.EXIT_DATA == 65
    marked = [line for line in capsys.readouterr().out.splitlines() if line.startswith("!")]
    assert len(marked) == 1
    assert "wrong, 84 would fit" in marked[0]


@pytest.mark.parametrize("damage", [0, 1, 700, 1294])
def test_personal_data_is_hidden_unless_asked_for(damage: int, capsys: pytest.CaptureFixture[str]) -> None:
    data = RECORD[:damage] if damage > 1 else bytes([RECORD[0] ^ damage]) + RECORD[1:]
    run("idcard-sam", data.hex())
    hidden = capsys.readouterr()
    assert not any(part in hidden.out + hidden.err for part in PERSONAL)
    assert "--reveal" in hidden.out
    run("idcard-sam", data.hex(), "--reveal")
    shown = capsys.readouterr().out
    assert "--reveal" not in shown
    assert damage or all(part in shown for part in PERSONAL[:5])


@pytest.mark.parametrize("direction", ["host>reader", "reader>host"])
def test_a_wrong_direction_reveals_nothing(direction: str, capsys: pytest.CaptureFixture[str]) -> None:
    selected = to_reply(CardSelected(b"\xc0\xff\xee" * 2 + b"\0\0")).to_bytes()
    for data in (RECORD, selected):
        run("idcard-sam", data.hex(), "--direction", direction)
        shown = capsys.readouterr().out
        assert not any(part in shown for part in (*PERSONAL, "C0 FF EE", "c0 ff ee"))


def test_biometrics_are_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("idcard-sam", FINGERPRINT.hex(), "--reveal") == 0
    shown = capsys.readouterr().out
    assert "right thumb" in shown
    features, photo = FINGERPRINT[-1025:-1], FINGERPRINT[-2049:-1025]
    for secret in (features[:12], features[512:524], photo[10:22]):
        assert secret.hex(" ").upper() not in shown


@pytest.mark.parametrize("reveal", [[], ["--reveal"]])
def test_a_number_is_explained_and_hidden(reveal: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("gb11643", b"440524188001010014".hex(), *reveal) == 0
    assert ("1880-01-01" in capsys.readouterr().out) == bool(reveal)
    assert run("gb11643", b"440524188001010015".hex(), *reveal) == decode.EXIT_DATA
    assert ("34 34 30 35" in capsys.readouterr().out) == bool(reveal)


def test_what_comes_off_a_wire_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    frame = to_reply(CardRecord(ResidentText(name="\x1b[2J\u202e"), b"")).to_bytes()
    assert run("idcard-sam", frame.hex(), "--reveal") == 0
    shown = capsys.readouterr().out
    assert "\\x1b[2J\\u202e" in shown
    assert "\x1b" not in shown


def test_standard_input_is_taken_as_one_dump(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(monkeypatch, b"aaaaaa9669\n00040000\n8084 aaaaaa9669000320\n0122\n")
    assert run("idcard-sam") == 0
    out = capsys.readouterr().out
    assert "find card" in out
    assert "no card found" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["idcard-sam", "aaa"], "odd number"),
        (["idcard-sam", "zz"], "no hex digit"),
        (["idcard-sam", " "], "no hex digits given"),
        (["idcard", NO_CARD], "did you mean idcard-sam"),
        (["idcard-sam", NO_CARD, "--direction", "up"], "host>reader"),
        (["idcard-sam", NO_CARD, "--jsonl"], "leave HEX out"),
    ],
)
def test_wrong_usage_says_what_to_do(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == decode.EXIT_USAGE == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""


def test_help_names_families_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "idcard-sam" in text
    assert decode.EXIT_CODES in text


def test_the_command_runs_on_its_own_and_answers_while_input_is_open() -> None:
    command = [sys.executable, "-m", "gateway.cli.decode", "idcard-sam", "--jsonl"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"id":1,"hex":"' + NO_CARD.encode() + b'"}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["decoded"]["sw3"] == "80"
        process.stdin.close()
        assert process.wait(30) == 0
