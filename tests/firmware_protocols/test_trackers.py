"""Every tracker family against the published frames, and against anything at all."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.trackers import FAMILIES as LINES
from drivers.trackers import conversation_type
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.families import FAMILIES, describer
from firmware_protocols.framing import Discarded
from firmware_protocols.h02.conversation import command as h02_command
from firmware_protocols.jt808.frames import unescaped as unescaped_jt808
from firmware_protocols.minifinder2.commands import firmware_update
from firmware_protocols.tracking import Conversation, Heard, Order, Sign
from firmware_protocols.watch.conversation import content_of
from firmware_protocols.watch.frames import MAX_CONTENT, Frame, escaped, unescaped
from firmware_protocols.xexun2.frames import Frame as XexunFrame
from firmware_protocols.xexun2.reports import COMMAND
from tests.firmware_protocols.stream_decoders import TRACKER_FILES
from tests.firmware_protocols.streams import split
from tests.firmware_protocols.tracker_vectors import KEYS, TrackerVector, load, same, section

NOW = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)
ENDLESS = {"pt60", "trv"}  # published without their end, and decoded so
UNSOUND = {"jt808-0x0900-2013-7284abbe"}  # its length is wrong too
ALL = [one for family, files in TRACKER_FILES.items() for one in load(family, *files)]
# Frames with a wrong check are decoded for a technician, and never answered.
ANSWERED = [
    one
    for one in ALL
    if "server_reply_hex" in one.entry
    and one.entry.get("frame", {}).get("checksum_ok", True)
    and repr(one) not in UNSOUND
]
STREAMS = [
    pytest.param(family, one, id=one["id"])
    for family, files in TRACKER_FILES.items()
    for file in files
    for one in section("streams", file)
    if family != "jt808"  # of which the frames are no messages: test_jt808
]


def decode(vector: TrackerVector) -> dict[str, Any]:
    return describer(vector.family).decode(vector.data, vector.entry["direction"])


def heard(conversation: Conversation, chunks: Sequence[bytes]) -> list[Heard | Discarded]:
    found: list[Heard | Discarded] = []
    for chunk in chunks:
        found += conversation.feed(chunk, NOW)
    return [*found, *conversation.flush()]


@pytest.mark.parametrize("vector", ALL, ids=repr)
def test_a_vector_decodes_to_what_it_says(vector: TrackerVector) -> None:
    told = decode(vector)
    wrong = {
        key: (vector.expected[key], told.get(key, "missing"))
        for key in KEYS
        if key in vector.expected and not same(vector.expected[key], told.get(key, "missing"))
    }
    raw = vector.expected.get("raw", {})
    wrong |= {f"raw.{key}": value for key, value in raw.items() if not same(value, told["raw"].get(key))}
    frame = vector.entry.get("frame", {})
    wrong |= {f"frame.{key}": value for key, value in frame.items() if told["frame"].get(key, "-") != value}
    assert wrong == {} or (vector.family, repr(vector)) in KNOWN_GAPS


# Extended vectors that are framed and checked, and not read.
KNOWN_GAPS = {
    ("gt06", "gt06-0x11-7878-e0f98eba"),  # cut: half of its status stands where the serial number belongs
    ("gt06", "gt06-0x8C-7979-ad717b3a"),  # of cars; in which unit the mileage is, nobody says
    ("jt808", "jt808-0x0900-2013-7284abbe"),  # of one model, and its length is wrong
}


def test_no_gap_is_known_of_a_core_vector_or_of_none() -> None:
    assert {(one.family, repr(one)) for one in ALL if not one.core} >= KNOWN_GAPS


@pytest.mark.parametrize("vector", ALL, ids=repr)
def test_an_explanation_covers_every_byte(vector: TrackerVector) -> None:
    fields = describer(vector.family).explain(vector.data, vector.entry["direction"])
    assert sum(one.length for one in fields) == len(vector.data)
    assert [one.offset for one in fields] == [
        sum(two.length for two in fields[:at]) for at in range(len(fields))
    ]
    for one in fields:
        assert one.personal or str(vector.expected.get("lat", "no place")) not in one.value


@pytest.mark.parametrize("vector", ANSWERED, ids=repr)
def test_the_answer_is_that_of_the_reference(vector: TrackerVector) -> None:
    found = heard(conversation_type(vector.family)(), [vector.data])
    answers = [one.answer for one in found if isinstance(one, Heard) and one.answer]
    if vector.family == "jt808":  # the reference was recorded before its escapes
        answers = [one[:1] + unescaped_jt808(one[1:-1]) + one[-1:] for one in answers]
    assert [one.hex() for one in answers] == vector.entry["server_reply_hex"]


def worth(found: Sequence[Heard | Discarded]) -> list[tuple[object, ...]]:
    """What counts of it: noise may be cut into other pieces."""
    return [(one.reports, one.answer) for one in found if isinstance(one, Heard)]


@pytest.mark.parametrize("family", TRACKER_FILES)
@given(st.data())
def test_any_cut_of_the_same_bytes_is_the_same(family: str, data: st.DataObject) -> None:
    good = [one.data for one in ALL if one.family == family and one.core]
    cut = st.tuples(st.sampled_from(good), st.integers(1, 40)).map(lambda one: one[0][: one[1]])
    pieces = st.lists(st.sampled_from(good) | cut | st.binary(max_size=12), min_size=1, max_size=5)
    stream = b"".join(data.draw(pieces))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    make: Callable[[], Conversation] = conversation_type(family)
    assert worth(heard(make(), split(stream, cuts))) == worth(heard(make(), [stream]))


@pytest.mark.parametrize("vector", [one for one in ALL if one.core], ids=repr)
def test_a_frame_is_heard_between_noise_and_byte_by_byte(vector: TrackerVector) -> None:
    stream = b"\x00\xffhum\r\n" + vector.data + b"\x00\xff" + vector.data
    for chunks in ([stream], [bytes([one]) for one in stream]):
        assert len(worth(heard(conversation_type(vector.family)(), chunks))) == 2


@pytest.mark.parametrize("vector", [one for one in ALL if one.core], ids=repr)
def test_every_prefix_is_refused_or_waits(vector: TrackerVector) -> None:
    # A binary frame of H02 does not say how long it is: from 32 bytes on it is one.
    h02_digits = vector.family == "h02" and vector.data[:1] == b"$"
    whole = min(32, len(vector.data)) if h02_digits else len(vector.data)
    for size in range(whole):
        conversation = conversation_type(vector.family)()
        assert worth(list(conversation.feed(vector.data[:size], NOW))) == []
        if vector.family not in ENDLESS:
            with pytest.raises(RemoteProtocolError):
                describer(vector.family).decode(vector.data[:size], "up")


@pytest.mark.parametrize("family", TRACKER_FILES)
def test_mutants_are_decoded_or_refused_and_nothing_else(family: str) -> None:
    rng = random.Random(27_11)
    mine = [one for one in ALL if one.family == family]
    for number in range(1500):
        mutant = bytearray(mine[number % len(mine)].data)
        for _ in range(rng.randint(1, 4)):
            mutant[rng.randrange(len(mutant))] = rng.randrange(256)
        heard(conversation_type(family)(), [bytes(mutant)])
        try:
            describer(family).decode(bytes(mutant), None)
        except RemoteProtocolError:
            continue


@pytest.mark.parametrize(
    ("family", "stream"),
    [
        ("gt06", b"\x78\x78\xff" + b"x" * 3000 + b"\r\n"),
        ("h02", b"*HQ,4700222306,V1,\xff\xfe#"),
        ("r16h", b"@GPSD,352000000000017,R,\xff\xfe$"),
    ],
)
def test_a_frame_that_nobody_would_send_is_no_fault_of_ours(family: str, stream: bytes) -> None:
    heard(conversation_type(family)(), [stream])
    assert sum(one.length for one in describer(family).explain(stream, None)) == len(stream)


@pytest.mark.parametrize("family", TRACKER_FILES)
@given(st.data())
def test_any_bytes_are_heard_or_noise(family: str, draws: st.DataObject) -> None:
    """Among them frames of which some bytes are others: they get further than noise does."""
    data = draws.draw(st.binary(max_size=300))
    if draws.draw(st.booleans()):
        good = bytearray(draws.draw(st.sampled_from([one.data for one in ALL if one.family == family])))
        for at, byte in draws.draw(
            st.lists(st.tuples(st.integers(0, len(good) - 1), st.integers(0, 255)), max_size=4)
        ):
            good[at] = byte
        data = bytes(good) + data
    heard(conversation_type(family)(), [data])
    fields = describer(family).explain(data, None)
    assert sum(one.length for one in fields) == len(data)


@pytest.mark.parametrize("family", LINES)
@pytest.mark.parametrize("order", Order)
def test_an_order_is_built_or_refused_with_a_reason(family: str, order: Order) -> None:
    conversation = conversation_type(family)()
    with pytest.raises(LocalProtocolError) as unknown:
        conversation.order(order, None, NOW)
    assert unknown.value.code in {"not_known", "unsupported"}
    heard(conversation, [next(one.data for one in ALL if one.family == family and one.core)])
    values: dict[Order, int | str] = {Order.INTERVAL: 60, Order.TEXT: "请尽快报到"}
    value = values.get(order)
    try:
        assert conversation.order(order, value, NOW)
    except LocalProtocolError as exc:
        assert exc.code == "unsupported"  # noqa: PT017 - either is fine


def test_every_line_is_a_family_that_can_be_decoded() -> None:
    assert set(LINES) <= set(FAMILIES)
    assert set(TRACKER_FILES) <= set(FAMILIES)


# -- the streams and encodings of the publishers --------------------------------------------------------


@pytest.mark.parametrize(("family", "stream"), STREAMS)
def test_a_stream_gives_its_frames_in_any_cut(family: str, stream: dict[str, Any]) -> None:
    data = bytes.fromhex(stream["stream_hex"])
    frames = [bytes.fromhex(frame) for frame in stream["frames_hex"]]
    alone = [one for frame in frames for one in worth(heard(conversation_type(family)(), [frame]))]
    for step in (1, 3, 7, len(data)):
        conversation = conversation_type(family)()
        found: list[Heard | Discarded] = []
        for at in range(0, len(data), step):
            found += conversation.feed(data[at : at + step], NOW)
        if family == "gt06":  # a frame whose length is none ends when the line is quiet; two have a stale CRC
            found += conversation.flush()
            assert len(found) == len(stream["frames_hex"])
            continue
        assert worth(found) == alone
        assert not [one for one in found if isinstance(one, Discarded)]


def test_the_encodings_of_the_publishers_h02() -> None:
    arm, stop = section("encode", "h02.json")
    at = datetime(2026, 1, 1, 1, 2, 3, tzinfo=UTC)
    for one, word, args in ((arm, "SCF", ("0", "0")), (stop, "S20", ("1", "1"))):
        assert h02_command("HQ", one["params"]["device_id"], word, at, *args).to_bytes().hex() == one["hex"]


def test_the_encodings_of_the_publishers_watch() -> None:
    message, voice = section("encode", "watch.json")
    params = message["params"]
    content = content_of(Order.TEXT, params["text"])
    assert Frame(params["manufacturer"], params["device_id"], content).to_bytes().hex() == message["hex"]
    params = voice["params"]
    sound = b"TK," + escaped(bytes.fromhex(params["payload_hex"]))
    assert Frame(params["manufacturer"], params["device_id"], sound).to_bytes().hex() == voice["hex"]


def test_the_encodings_of_the_publishers_minifinder2() -> None:
    (update,) = section("encode", "minifinder2-own.json")
    assert firmware_update(update["params"]["url"]).to_bytes().hex() == update["hex"]


def test_the_encodings_of_the_publishers_xexun2() -> None:
    (off,) = section("encode", "xexun2.json")
    identity = bytes.fromhex(off["params"]["imei"] + "0")
    assert XexunFrame(COMMAND, 1, identity, off["params"]["text"].encode()).to_bytes().hex() == off["hex"]
    talk = conversation_type("xexun2")()
    list(talk.feed(XexunFrame(0x0014, 9, identity).to_bytes(), NOW))
    assert talk.order(Order.POWER_OFF, None, NOW).hex() == off["hex"]


@given(st.binary(max_size=200))
def test_binary_content_of_a_watch_survives_its_escapes(content: bytes) -> None:
    assert unescaped(escaped(content)) == content
    assert not set(escaped(content)) & set(b"[],*")


@pytest.mark.parametrize("length", [0x18, 0x9F, 0x400])
def test_a_cut_frame_of_a_watch_takes_none_of_the_next_with_it(length: int) -> None:
    """They are heard as soon as the length that it claimed has come, without a silence."""
    cut, link = b"[3G*4700222306*%04X*UD,271126,040000,A,36.6" % length, b"[3G*4700222306*0002*LK]"
    found = list(conversation_type("watch")().feed(cut + 300 * link, NOW))
    assert len(worth(found)) == 300


def test_a_network_name_cannot_cut_a_frame_of_a_watch() -> None:
    """Whoever wears it could name a hotspot so; the length is true, and so believed."""
    args = (
        b"UD,271126,040000,A,36.66,N,117.02,E,0,0,0,9,100,80,0,0,00000000,0,0,1,[3G*4700222306*0002*LK],a,-1"
    )
    frame = b"[3G*4700222306*%04X*%s]" % (len(args), args)
    for chunks in ([frame], [bytes([one]) for one in frame]):
        (told,) = worth(heard(conversation_type("watch")(), chunks))
        assert told[1] == b""


@pytest.mark.parametrize(
    ("word", "bit", "sign"),
    [
        ("UD", 1, Sign.FENCE_EXIT),
        ("UD", 2, Sign.FENCE_ENTER),
        ("AL", 1, Sign.FENCE_EXIT),
        ("AL", 20, Sign.STRAP_OPEN),
    ],
)
def test_every_bit_of_a_watch_is_its_own_alarm(word: str, bit: int, sign: Sign) -> None:
    args = f"{word},271126,040000,V,,N,,E,0,0,0,0,100,80,0,0,{1 << bit:08X}".encode()
    told = describer("watch").decode(b"[3G*4700222306*%04X*%s]" % (len(args), args), None)
    assert told["alarms"] == [sign]


@pytest.mark.parametrize(("word", "name"), [("btemp2,1,36.6", "temperature"), ("OXYGEN,0,98", "oxygen")])
def test_a_value_of_the_body_leaves_the_kind_of_message_alone(word: str, name: str) -> None:
    told: Any = describer("watch").decode(f"[3G*4700222306*{len(word):04X}*{word}]".encode(), None)
    assert told["raw"]["kind"] == word.split(",")[0]
    assert name in told["raw"]


@pytest.mark.parametrize("place", ["V,,N,,E", "V,0,N,0,E", "A,9999.9,N,36000.0,E"])
def test_sos_without_a_position_is_not_lost_h02(place: str) -> None:
    line = f"*HQ,4700222306,V1,040000,{place},0,0,271126,FFFFFFFD#"
    (told,) = heard(conversation_type("h02")(), [line.encode()])
    assert isinstance(told, Heard)
    (report,) = told.reports
    assert report.moments == {Sign.SOS}
    assert (report.fix.time if report.fix else report.device_time) == datetime(2026, 11, 27, 4, tzinfo=UTC)


def test_a_watch_cannot_fill_the_memory() -> None:
    conversation = conversation_type("watch")()
    conversation_any: Any = conversation
    for _ in range(40):
        list(conversation.feed(b"[3G*4700222306*7FFF*" + b"x" * 8192, NOW))
        assert len(conversation_any._decoder._buffer) <= MAX_CONTENT + 8192 + 100
