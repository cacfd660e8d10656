"""Commands, replies, confirm codes and progress of fingerprint modules, against documentation and vectors."""

import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.families import describer
from firmware_protocols.zfm import commands as c
from firmware_protocols.zfm import replies as r
from firmware_protocols.zfm import vendor_commands as v
from firmware_protocols.zfm.commands import COMMANDS, command_packet, parse_command
from firmware_protocols.zfm.confirm import ADVICE, CONFIRMS, Action, confirm_of
from firmware_protocols.zfm.family import Family
from firmware_protocols.zfm.messages import Command
from firmware_protocols.zfm.packet import Packet, Pid
from firmware_protocols.zfm.progress import enrol_step, is_synochip_progress
from firmware_protocols.zfm.replies import Reply, parse_reply, reply_packet
from tests.firmware_protocols.vectors import ZFM, readme_table
from tests.firmware_protocols.zfm_strategies import commands

GROW, SYNOCHIP = Family.GROW, Family.SYNOCHIP
INFO = r.ProductInfo(
    b"R503".ljust(16, b"\0"), b"0001", b"TEST0007", b"\x01\x02", b"GR192RGB", 192, 192, 1536, 200
)
ANSWERS: list[tuple[Command, Reply]] = [
    (c.GenImg(), r.Done()),
    (c.Match(), r.Score(275)),
    (c.Search(1, 0, 100), r.Found(7, 80)),
    (c.HiSpeedSearch(1, 0, 100), r.Found(7, 80)),
    (c.Search(1, 0, 100), r.Refused(0x09)),
    (c.Match(), r.Refused(0x08)),
    (c.ReadSysPara(), r.SystemParameters(12, 0x2EC8, 100, 3, 0xFFFFFFFF, 2, 6)),
    (c.GetRandomCode(), r.Random(0xDEADBEEF)),
    (c.ReadNotepad(3), r.Notepad(bytes(range(32)))),
    (c.TemplateNum(), r.Count(3)),
    (c.ReadIndexTable(0), r.IndexTable.of({0, 9, 255})),
    (v.GetAlgVer(), r.Version(b"1.2".ljust(32, b"\0"))),
    (v.GetFwVer(), r.Version(b"1.2".ljust(32, b"\0"))),
    (v.ReadProdInfo(), INFO),
    (v.ReadUuid(), r.ChipId(bytes(range(32)))),
    (c.GetEcho(), r.Echo()),
    (v.GrowAutoEnroll(1, 0, 0, 1, 1), r.EnrolProgress(0, 1, 1)),
    (v.SynochipAutoEnroll(1, 2, 0x4B), r.EnrolProgress(0x26, 4, 0xF0)),
    (v.GrowAutoIdentify(3, 0, 200, 1, 1), r.IdentifyProgress(0, 3, 7, 80)),
    (v.SynochipAutoIdentify(3, 0xFFFF, 0), r.IdentifyProgress(9, 5, 0, 0)),
]


@given(commands)
def test_every_command_survives_the_wire_in_its_family(pair: tuple[Family, Command]) -> None:
    family, command = pair
    packet = Packet.from_bytes(command_packet(family, command, 7).to_bytes())
    assert (packet.pid, packet.address) == (Pid.COMMAND, 7)
    assert parse_command(family, packet) == command


@pytest.mark.parametrize(("command", "reply"), ANSWERS, ids=str)
def test_every_reply_survives_the_wire(command: Command, reply: Reply) -> None:
    packet = Packet.from_bytes(reply_packet(command, reply).to_bytes())
    assert parse_reply(command, packet) == reply


def test_every_command_has_an_example_of_its_answer_where_it_has_data() -> None:
    shown = {type(command) for command, _ in ANSWERS}
    assert shown >= {*r.ANSWERS, *r.ENROLS, *r.IDENTIFIES, c.GetEcho}


@pytest.mark.parametrize("code", range(256))
@pytest.mark.parametrize("command", [c.GenImg(), c.Search(1, 0, 9), c.ReadSysPara(), c.GetEcho()], ids=str)
def test_every_confirm_code_is_success_or_a_refusal(command: Command, code: int) -> None:
    reply = parse_reply(command, Packet(Pid.ACKNOWLEDGE, bytes([code]) + bytes(_size(command, code))))
    successes = {0x00, 0x55} if isinstance(command, c.GetEcho) else {0x00}
    assert isinstance(reply, r.Refused) == (code not in successes)
    if isinstance(reply, r.Refused):
        assert parse_reply(command, reply_packet(command, reply)) == reply


def _size(command: Command, code: int) -> int:
    kind = r.ANSWERS.get(type(command))
    return kind.size() if kind and code == 0 else 0


def test_confirm_codes_are_those_of_the_documentation() -> None:
    documented = [tuple(row.values()) for row in readme_table("zfm confirm codes [C]")]
    assert documented == [
        (f"{code:02X}", confirm.name, confirm.meaning, str(confirm.action))
        for code, confirm in sorted(CONFIRMS.items())
    ]
    assert set(ADVICE) == set(Action)
    assert all(confirm_of(family, code).advice for family in Family for code in range(256))


def test_code_22_depends_on_the_family() -> None:
    assert (confirm_of(GROW, 0x22).name, confirm_of(SYNOCHIP, 0x22).name) == (
        "template_empty",
        "slot_not_empty",
    )
    assert confirm_of(GROW, 0x77).name == "unknown"


@pytest.mark.parametrize(
    ("heading", "table"),
    [
        ("zfm commands of both families", c.COMMON),
        ("zfm commands of grow", c.GROW_ONLY),
        ("zfm commands of synochip", c.SYNOCHIP_ONLY),
    ],
)
def test_commands_are_those_of_the_documentation(heading: str, table: dict[int, type[Command]]) -> None:
    documented = [(row["Code"], row["Name"], row["Parameters"]) for row in readme_table(heading)]
    assert documented == [
        (f"{code:02X}", kind.NAME, ", ".join(f"{name} {size}" for name, size in kind.sizes()) or "–")
        for code, kind in table.items()
    ]


def test_the_same_bytes_mean_another_slot_to_the_other_family() -> None:
    [vector] = [vector for vector in ZFM if vector.id == "pub-zfm-10"]
    packet = Packet.from_bytes(vector.data)
    assert parse_command(SYNOCHIP, packet) == v.SynochipAutoEnroll(1, 2, 0x4B)
    assert parse_command(GROW, packet) == v.GrowAutoEnroll(0, 1, 2, 0, 0x4B)


def test_a_command_of_the_other_family_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        command_packet(GROW, v.Sleep())
    assert caught.value.code == "family"
    with pytest.raises(LocalProtocolError):
        reply_packet(c.GenImg(), r.Score(1))


@pytest.mark.parametrize(
    ("family", "payload", "code"),
    [
        (GROW, "33", "unknown_command"),
        (SYNOCHIP, "30", "unknown_command"),
        (GROW, "77", "unknown_command"),
        (GROW, "0201ff", "message_length"),
        (GROW, "35", "message_length"),
        (SYNOCHIP, "3503800200", "message_length"),
    ],
)
def test_a_command_that_a_module_does_not_know_is_refused(family: Family, payload: str, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_command(family, Packet(Pid.COMMAND, bytes.fromhex(payload)))
    assert caught.value.code == code


def test_a_chip_number_is_asked_with_and_without_a_parameter() -> None:
    for payload in (b"\x34", b"\x34\0"):
        assert parse_command(SYNOCHIP, Packet(Pid.COMMAND, payload)) == v.ReadUuid()


def test_a_packet_of_the_wrong_way_is_refused() -> None:
    for work in (
        lambda: parse_command(GROW, Packet(Pid.ACKNOWLEDGE, b"\x01")),
        lambda: parse_reply(c.GenImg(), Packet(Pid.DATA, b"\0")),
        lambda: parse_reply(c.ReadSysPara(), Packet(Pid.ACKNOWLEDGE, bytes(9))),
    ):
        with pytest.raises(RemoteProtocolError):
            work()


def test_values_that_do_not_fit_are_our_fault() -> None:
    for command in (c.Search(256, 0, 0), c.Store(1, 65536), c.WriteNotepad(0, bytes(33)), c.Img2Tz(-1)):
        with pytest.raises(LocalProtocolError) as caught:
            command_packet(GROW, command)
        assert caught.value.code == "range"


@given(st.frozensets(st.integers(0, 1023)))
def test_an_index_table_tells_which_slots_are_taken(slots: frozenset[int]) -> None:
    told: set[int] = set()
    for page in range(4):
        told |= r.IndexTable.of(slots, page).slots(page)
    assert told == slots


def test_index_table_counts_bits_from_the_lowest() -> None:
    assert r.IndexTable(b"\x01\x80" + bytes(30)).slots() == {0, 15}


def test_product_information_is_read_with_reserved_bytes_and_without() -> None:
    packed = INFO.pack()
    assert len(packed) == r.PROD_INFO_SIZE
    assert r.parse_prod_info(packed) == r.parse_prod_info(packed + b"\0\0\0\0") == INFO
    with pytest.raises(RemoteProtocolError):
        r.parse_prod_info(packed + b"\0")


def test_system_parameters_tell_speed_and_sizes() -> None:
    [vector] = [vector for vector in ZFM if vector.id == "pub-zfm-02"]
    told = parse_reply(c.ReadSysPara(), Packet.from_bytes(vector.data))
    assert isinstance(told, r.SystemParameters)
    assert (told.baud, told.packet_size, told.status_bits) == (
        57600,
        128,
        ("password verified", "image valid"),
    )


def test_steps_of_auto_enrol() -> None:
    assert [enrol_step(SYNOCHIP, step) for step in (1, 2, 3, 4, 5, 6)] == [
        "image taken",
        "features made",
        "finger lifted",
        "features merged",
        "duplicate check",
        "template stored",
    ]
    assert enrol_step(GROW, 0x0C) == enrol_step(GROW, 0x12) == "features of press 6 made"
    assert enrol_step(GROW, 0x0D) == "duplicate check"
    assert enrol_step(SYNOCHIP, 0x33) == "step 33"
    assert is_synochip_progress(4, 0xF0)
    assert not is_synochip_progress(4, 1)


def decoded(family: str, frame: str) -> dict[str, object]:
    return describer(family).decode(bytes.fromhex(frame), None)


def test_a_dump_without_a_family_is_read_as_what_it_can_be() -> None:
    grow = command_packet(GROW, v.GrowAutoEnroll(5, 0, 0, 1, 1)).to_bytes().hex()
    assert decoded("zfm", grow)["family"] == "grow"  # no press at all is no question of synochip
    assert decoded("zfm-synochip", grow)["id"] == 0x0500
    both = command_packet(GROW, v.GrowAutoEnroll(0, 1, 1, 1, 1)).to_bytes().hex()
    told = decoded("zfm", both)
    assert (told["family"], told["id"], told["presses"]) == ("synochip", 1, 1)
    assert told["also"] == {
        "family": "grow", "name": "AutoEnroll (R503)", "id": 0, "allow_overwrite": 1, "allow_duplicate": 1,
        "report_steps": 1, "finger_lift": 1,
    }  # fmt: skip
    assert decoded("zfm-grow", both)["id"] == 0


@pytest.mark.parametrize(
    ("payload", "keys"),
    [
        ("0004f0", {"step": 4, "press": 0xF0}),
        ("000000", {"step": 0, "press": 0}),
        ("000003", {"count": 3, "score": 3}),
        ("000113", {"score": 275}),
        ("080000", {"score": 0}),
        ("0900000000", {"page_id": 0, "score": 0}),
        ("000500070050", {"step": 5, "id": 7, "score": 80}),
        ("55", {"confirm_meaning": "module is there"}),
        ("00" + "0180" + "00" * 30, {"slots": [0, 15], "template_count": 2}),
        ("00" + INFO.pack().hex(), {"module_type": "R503", "serial": "TEST0007", "hw_version": "1.2", "width": 192}),
        ("00010203", {"params": "010203"}),
    ],
)  # fmt: skip
def test_a_reply_in_a_dump_is_told_by_its_size(payload: str, keys: dict[str, object]) -> None:
    frame = Packet(Pid.ACKNOWLEDGE, bytes.fromhex(payload)).to_bytes()
    told = decoded("zfm", frame.hex())
    assert {key: told.get(key) for key in keys} == keys


def test_the_slot_of_a_report_is_told_to_grow() -> None:
    frame = Packet(Pid.ACKNOWLEDGE, bytes.fromhex("000f07")).to_bytes().hex()
    assert decoded("zfm-grow", frame)["confirm"] == "00"
    refused = Packet(Pid.ACKNOWLEDGE, bytes.fromhex("270d07")).to_bytes().hex()
    assert (decoded("zfm-grow", refused)["step"], decoded("zfm-grow", refused)["id"]) == (13, 7)


def test_a_template_a_password_and_a_notepad_are_not_shown() -> None:
    secret = b"SECRETSECRETSECRETSECRETSECRETSE"
    for packet in (
        Packet(Pid.DATA, secret),
        Packet(Pid.LAST_DATA, secret),
        command_packet(GROW, c.WriteNotepad(1, secret)),
    ):
        assert "secret" not in repr(decoded("zfm", packet.to_bytes().hex())).lower()
        assert secret.hex() not in repr(decoded("zfm", packet.to_bytes().hex()))
        hidden = [f for f in describer("zfm").explain(packet.to_bytes(), None) if f.personal]
        assert [field.length for field in hidden] == [len(secret)]
        assert all("SECRET" not in f.value for f in hidden if f.opaque)
    [field] = [
        f
        for f in describer("zfm").explain(command_packet(GROW, c.VfyPwd(0x12345678)).to_bytes(), None)
        if f.personal
    ]
    assert field.name == "password"
    assert "SECRET" not in repr(r.Notepad(secret)) + repr(c.WriteNotepad(1, secret))
    assert "305419896" not in repr(c.VfyPwd(0x12345678))


def test_a_direction_is_checked() -> None:
    frame = command_packet(GROW, c.GenImg()).to_bytes()
    for work in (describer("zfm").decode, describer("zfm").explain):
        with pytest.raises(LocalProtocolError, match="host>module and module>host") as caught:
            work(frame, "sideways")
        assert caught.value.code == "direction"
    with pytest.raises(RemoteProtocolError) as wrong:
        describer("zfm").decode(frame, "module>host")
    assert wrong.value.code == "pid"
    assert any(field.wrong for field in describer("zfm").explain(frame, "module>host"))


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=20) | st.sampled_from([v.data for v in ZFM]), max_size=5).map(b"".join),
    st.sampled_from(["host>module", "module>host", None]),
    st.sampled_from(["zfm", "zfm-grow", "zfm-synochip"]),
)
def test_any_bytes_are_explained_to_the_last(data: bytes, direction: str | None, family: str) -> None:
    ends = [0]
    for field in describer(family).explain(data, direction):
        assert field.offset == ends[-1]
        ends.append(field.offset + field.length)
    assert ends[-1] == len(data)


@settings(deadline=None)
@given(
    st.sampled_from(["zfm", "zfm-grow", "zfm-synochip"]),
    st.sampled_from(Pid),
    st.binary(min_size=1, max_size=60),
)
def test_any_payload_is_decoded_and_explained_or_refused(family: str, pid: Pid, payload: bytes) -> None:
    frame = Packet(pid, payload).to_bytes()
    with suppress(RemoteProtocolError):
        describer(family).decode(frame, None)
    assert sum(field.length for field in describer(family).explain(frame, None)) == len(frame)


def test_mutants_are_decoded_or_refused_and_nothing_else() -> None:
    rng = random.Random(0x55)
    refused = 0
    for number in range(2000):
        vector = ZFM[number % len(ZFM)]
        mutant = bytearray(vector.data)
        for _ in range(rng.randint(1, 3)):
            mutant[rng.randrange(len(mutant))] ^= 1 << rng.randrange(8)
        try:
            describer("zfm").decode(bytes(mutant), rng.choice([vector.direction, None]))
        except RemoteProtocolError:
            refused += 1
    assert 1000 < refused < 2000


def test_every_table_is_a_table_of_its_family() -> None:
    assert not set(c.COMMON) & (set(c.GROW_ONLY) | set(c.SYNOCHIP_ONLY))
    assert {code for code in c.GROW_ONLY if code in c.SYNOCHIP_ONLY} == {0x31, 0x32, 0x35, 0x3C}
    assert all(len(COMMANDS[family]) == len(set(COMMANDS[family].values())) for family in Family)


def explained(payload: str, family: str = "zfm", pid: Pid = Pid.ACKNOWLEDGE) -> dict[str, str]:
    fields = describer(family).explain(Packet(pid, bytes.fromhex(payload)).to_bytes(), None)
    return {field.name: field.value for field in fields[4:-1]}


@pytest.mark.parametrize(
    ("payload", "family", "told"),
    [
        ("000101", "zfm", {"confirm code": "ok", "step": "1", "press": "1"}),
        ("270d07", "zfm-grow", {"confirm code": "already enrolled", "step": "13", "slot": "7"}),
        ("000500070050", "zfm", {"confirm code": "ok", "step": "5", "slot": "7", "score": "80"}),
        ("0000070050", "zfm", {"confirm code": "ok", "page id": "7", "score": "80"}),
        ("000003", "zfm", {"confirm code": "ok", "count": "3"}),
        ("0900000000", "zfm", {"confirm code": "not found in the library", "data": "0"}),
        ("22", "zfm-grow", {"confirm code": "template empty"}),
        ("22", "zfm", {"confirm code": "slot not empty"}),
        ("00010203", "zfm", {"confirm code": "ok", "data": "01 02 03"}),
        ("00" + "03" + "00" * 31, "zfm", {"confirm code": "ok", "slots taken": "0, 1"}),
        ("55", "zfm", {"confirm code": "module is there"}),
    ],
)
def test_a_reply_is_explained_in_words(payload: str, family: str, told: dict[str, str]) -> None:
    assert explained(payload, family) == told


def test_product_information_is_explained_with_its_reserved_bytes() -> None:
    told = explained("00" + INFO.pack().hex() + "00000000")
    assert (told["module type"], told["hw version"], told["capacity"]) == ("R503", "1.2", "200")
    assert "reserved" in told


@pytest.mark.parametrize(
    ("payload", "family", "told"),
    [
        ("3503800200", "zfm", {"command": "AuraLedConfig (R503)", "control": "on", "color": "blue"}),
        ("3c02020402", "zfm", {"mode": "flashing", "color start": "green", "color end": "red"}),
        ("77", "zfm", {"command": "unknown command"}),
        ("770102", "zfm", {"command": "unknown command", "parameters": "01 02"}),
        ("34", "zfm-synochip", {"command": "ReadUUID"}),
    ],
)
def test_a_command_is_explained_in_words(payload: str, family: str, told: dict[str, str]) -> None:
    found = explained(payload, family, Pid.COMMAND)
    assert {name: found.get(name) for name in told} == told


def test_a_command_of_a_wrong_length_is_explained_as_wrong() -> None:
    for payload in ("0201ff", "0e"):
        fields = describer("zfm").explain(Packet(Pid.COMMAND, bytes.fromhex(payload)).to_bytes(), None)
        assert [field.name for field in fields if field.wrong] == ["command"]


def test_a_command_that_both_families_have_asks_for_the_family() -> None:
    frame = command_packet(SYNOCHIP, v.SynochipAutoEnroll(1, 2, 0x4B)).to_bytes()
    [field] = [field for field in describer("zfm").explain(frame, None) if field.name == "command"]
    assert "grow" in field.advice
    [field] = [field for field in describer("zfm-grow").explain(frame, None) if field.name == "command"]
    assert (field.value, field.advice) == ("AutoEnroll (R503)", "")


def test_a_cut_packet_is_explained_up_to_the_next_one() -> None:
    whole = Packet(Pid.ACKNOWLEDGE, b"\0").to_bytes()
    fields = describer("zfm").explain(whole[:9] + whole, None)
    assert [field.name for field in fields][:3] == ["header", "packet", "header"]
    assert [field.wrong for field in fields].count(True) == 1
