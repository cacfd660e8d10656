"""The secure channel of OSDP: keys, proofs and MACs as others made them, and what breaks them.

The cipher is the library's that the drivers use; the keys, the session and the two frames are from others.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.families import describer
from firmware_protocols.osdp.codes import Command, Reply
from firmware_protocols.osdp.commands import SetKey
from firmware_protocols.osdp.describe_channel import derived, opened
from firmware_protocols.osdp.describe_session import decode_opened
from firmware_protocols.osdp.frames import Check, Frame
from firmware_protocols.osdp.handshake import PanelHandshake, ReaderHandshake, Step
from firmware_protocols.osdp.secure_channel import Channel
from firmware_protocols.osdp.secure_keys import DEFAULT_KEY, Blocks, Ciphers, SessionKeys
from firmware_protocols.osdp.security_block import SecurityBlock
from tests.firmware_protocols.vectors import OSDP, OSDP_CHANNEL, OSDP_SESSIONS, Vector

SCBK = bytes(range(0x10, 0x20))
UID = bytes(8)
SEALED = [vector for vector in OSDP if "plaintext" in vector.decoded]


def aes(key: bytes) -> tuple[Blocks, Blocks]:
    cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - single blocks; the chaining is the protocol's
    return cipher.encryptor().update, cipher.decryptor().update


def framed(step: Step, *, reply: bool, sequence: int = 0) -> Frame:
    return Frame(5, sequence, step.message.code, step.message.to_data(), reply=reply, security=step.block)


def shaken(
    scbk: bytes = SCBK, rnd_a: bytes = b"panel-01", rnd_b: bytes = b"reader-1"
) -> tuple[Channel, Channel]:
    """Both ends of a channel."""
    panel, reader = PanelHandshake(scbk, rnd_a, aes), ReaderHandshake(scbk, rnd_b, UID, aes)
    told = framed(reader.answer(framed(panel.challenge(), reply=False)), reply=True)
    begun, far = reader.accept(framed(panel.prove(told), reply=False))
    return panel.finish(framed(begun, reply=True)), far


def steps(vector: Vector) -> Iterator[dict[str, str]]:
    found = vector.decoded["steps"]
    assert isinstance(found, list)
    yield from found


def dump(vector: Vector) -> bytes:
    return b"".join(bytes.fromhex(step["hex"]) for step in steps(vector))


def zeros() -> Channel:
    """A channel as the tests of OSDP.Net have it: all keys and the last MAC are zero."""
    nothing = bytes(16)
    return Channel(Ciphers.of(SessionKeys(nothing, nothing, nothing), aes), nothing)


@pytest.mark.parametrize("vector", OSDP_CHANNEL, ids=repr)
def test_keys_and_proofs_are_those_of_the_standards_example(vector: Vector) -> None:
    given = {name: bytes.fromhex(str(vector.decoded[name])) for name in ("scbk", "rnd_a_cp", "rnd_b_pd")}
    assert derived(given["scbk"], given["rnd_a_cp"], given["rnd_b_pd"], aes) == vector.decoded


@pytest.mark.parametrize("vector", SEALED, ids=repr)
def test_a_secured_frame_of_others_opens_and_is_sealed_to_the_same_bytes(vector: Vector) -> None:
    frame = Frame.from_bytes(vector.data)
    keys = opened(frame, zeros())
    expected = {key: value for key, value in vector.decoded.items() if key != "test_state"}
    assert {key: keys.get(key, "missing") for key in expected} == expected
    plain = bytes.fromhex(str(vector.decoded["plaintext"]))
    assert zeros().seal_command(Frame(0, 2, frame.code, plain, mark=True)).to_bytes() == vector.data


@pytest.mark.parametrize("vector", OSDP_SESSIONS, ids=repr)
def test_a_session_of_others_is_followed_from_the_handshake_on(vector: Vector) -> None:
    told = decode_opened(dump(vector), scbk=bytes.fromhex(str(vector.decoded["scbk"])), aes=aes)["steps"]
    assert isinstance(told, list)
    assert [{"dir": one["dir"], "hex": one["hex"]} for one in told] == list(steps(vector))
    assert [one["name"] for one in told] == [
        "ID", "PDID", "CAP", "PDCAP", "CHLNG", "CCRYPT", "SCRYPT", "RMAC_I", *["POLL", "ACK"] * 2,
    ]  # fmt: skip


@pytest.mark.parametrize("vector", OSDP_SESSIONS, ids=repr)
def test_without_the_key_a_session_still_shows_its_frames(vector: Vector) -> None:
    family = describer("osdp-session")
    told = family.decode(dump(vector), vector.direction)["steps"]
    assert isinstance(told, list)
    assert [{"dir": one["dir"], "hex": one["hex"]} for one in told] == list(steps(vector))
    assert not any(field.wrong for field in family.explain(dump(vector), None))
    with pytest.raises(RemoteProtocolError) as caught:
        family.decode(dump(vector)[:-1], None)
    assert caught.value.code == "truncated"


@pytest.mark.parametrize("vector", OSDP_SESSIONS, ids=repr)
def test_another_key_does_not_follow_a_session(vector: Vector) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_opened(dump(vector), scbk=bytes(16), aes=aes)
    assert caught.value.code == "cryptogram"


@pytest.mark.parametrize("vector", OSDP_SESSIONS, ids=repr)
def test_recorded_replies_do_not_bring_a_channel_up(vector: Vector) -> None:
    recorded = [Frame.from_bytes(bytes.fromhex(step["hex"])) for step in steps(vector)]
    [told] = [frame for frame in recorded if frame.reply and frame.code == Reply.CCRYPT]
    key = bytes.fromhex(str(vector.decoded["scbk"]))
    with pytest.raises(RemoteProtocolError) as caught:
        PanelHandshake(key, b"never-b4", aes).prove(told)
    assert caught.value.code == "cryptogram"


def test_a_frame_in_clear_is_not_of_a_channel() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        describer("osdp-sc").decode(Frame(0, 0, 0x60).to_bytes(), None)
    assert caught.value.code == "clear"
    secured = zeros().seal_command(Frame(0, 1, 0x60)).to_bytes()
    assert describer("osdp-sc").decode(secured, "cp>pd")["scb"] == "0215"


@given(
    st.lists(st.tuples(st.binary(max_size=50), st.binary(max_size=50), st.sampled_from(Check)), max_size=6)
)
def test_what_one_end_seals_the_other_opens(said: list[tuple[bytes, bytes, Check]]) -> None:
    panel, reader = shaken()
    for number, (asked, answered, check) in enumerate(said):
        command = Frame(5, 1 + number % 3, 0x80, asked, check=check)
        reply = Frame(5, 1 + number % 3, 0x90, answered, reply=True, check=check)
        sealed = panel.seal_command(command)
        assert Frame.from_bytes(sealed.to_bytes()) == sealed
        assert reader.open_command(sealed) == command
        assert panel.open_reply(reader.seal_reply(reply)) == reply


@given(st.integers(0, 1000), st.binary(min_size=1, max_size=40))
def test_a_changed_bit_under_a_right_check_is_noticed(bit: int, data: bytes) -> None:
    panel, reader = shaken()
    body = bytearray(panel.seal_command(Frame(5, 1, 0x80, data)).body())
    body[bit // 8 % len(body)] ^= 1 << bit % 8
    try:
        forged = Frame.from_bytes(bytes(body) + Check.CRC16.of(bytes(body)))
    except RemoteProtocolError:
        return
    with pytest.raises(RemoteProtocolError):
        reader.open_command(forged)


def test_a_reply_that_is_played_again_does_not_fit() -> None:
    panel, reader = shaken()
    reader.open_command(panel.seal_command(Frame(5, 1, Command.POLL)))
    card = reader.seal_reply(Frame(5, 1, Reply.RAW, b"\0\0\x08\0\xaa", reply=True))
    panel.open_reply(card)
    panel.seal_command(Frame(5, 2, Command.POLL))
    for again in (card, replace(card, sequence=2)):
        with pytest.raises(RemoteProtocolError) as caught:
            panel.open_reply(again)
        assert caught.value.code == "mac"


def test_a_command_is_repeated_with_the_same_bytes_and_a_refused_reply_changes_nothing() -> None:
    panel, reader = shaken()
    first = panel.seal_command(Frame(5, 1, Command.POLL))
    assert panel.seal_command(Frame(5, 1, Command.POLL)) == first
    reader.open_command(first)
    good = reader.seal_reply(Frame(5, 1, Reply.ACK, reply=True))
    with pytest.raises(RemoteProtocolError):
        panel.open_reply(replace(good, mac=bytes(4)))
    assert panel.open_reply(good).code == Reply.ACK


def test_what_is_in_clear_or_of_the_other_direction_is_refused() -> None:
    panel, reader = shaken()
    with pytest.raises(RemoteProtocolError) as caught:
        panel.open_reply(Frame(5, 1, Reply.ACK, reply=True))
    assert caught.value.code == "clear"
    for wrong in (
        Frame(5, 1, 0x60, reply=True, security=SecurityBlock(0x15), mac=bytes(4)),
        Frame(5, 1, 0x60),
    ):
        with pytest.raises(RemoteProtocolError) as caught:
            panel.open_reply(wrong)
        assert caught.value.code == "direction"
    with pytest.raises(LocalProtocolError):
        reader.seal_reply(Frame(5, 1, 0x40, reply=True, security=SecurityBlock(0x16), mac=bytes(4)))


def test_the_keys_hang_on_the_panels_random_number() -> None:
    one, same, other = (
        SessionKeys.derive(SCBK, rnd_a, aes) for rnd_a in (b"panel-01", b"panel-0X", b"Panel-01")
    )
    assert one == same  # only its first six bytes are taken
    assert one != other


def test_a_reader_without_the_key_and_a_panel_without_the_key_are_refused() -> None:
    panel, reader = PanelHandshake(SCBK, b"panel-01", aes), ReaderHandshake(bytes(16), b"reader-1", UID, aes)
    with pytest.raises(RemoteProtocolError) as caught:
        panel.prove(framed(reader.answer(framed(panel.challenge(), reply=False)), reply=True))
    assert caught.value.code == "cryptogram"
    forged = framed(Step(SecurityBlock(0x13, 1), panel.challenge().message), reply=False)
    with pytest.raises(RemoteProtocolError) as caught:
        reader.accept(replace(forged, code=Command.SCRYPT, data=bytes(16)))
    assert caught.value.code == "cryptogram"


def test_the_default_key_is_not_mixed_up_with_a_readers_own() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        ReaderHandshake(SCBK, b"reader-1", UID, aes).answer(
            framed(PanelHandshake(DEFAULT_KEY, b"panel-01", aes).challenge(), reply=False)
        )
    assert caught.value.code == "key"
    shaken(DEFAULT_KEY)


@pytest.mark.parametrize(
    "frame",
    [
        Frame(5, 0, Reply.CCRYPT, bytes(32), reply=True),
        Frame(5, 0, Reply.CCRYPT, bytes(31), reply=True, security=SecurityBlock(0x12, 1)),
        Frame(5, 0, Reply.CCRYPT, bytes(32), reply=True, security=SecurityBlock(0x12, 0)),
        Frame(5, 0, Reply.NAK, b"\6", reply=True),
        Frame(5, 0, Reply.RMAC_I, bytes(16), reply=True, security=SecurityBlock(0x14, 1)),
    ],
)
def test_whatever_answers_a_challenge_is_a_proof_or_refused(frame: Frame) -> None:
    with pytest.raises(RemoteProtocolError):
        PanelHandshake(SCBK, b"panel-01", aes).prove(frame)


@pytest.mark.parametrize("value", [0, 0xFF])
def test_a_handshake_that_the_reader_calls_failed_has_failed(value: int) -> None:
    panel, reader = PanelHandshake(SCBK, b"panel-01", aes), ReaderHandshake(SCBK, b"reader-1", UID, aes)
    told = framed(reader.answer(framed(panel.challenge(), reply=False)), reply=True)
    begun, _ = reader.accept(framed(panel.prove(told), reply=False))
    with pytest.raises(RemoteProtocolError):
        panel.finish(replace(framed(begun, reply=True), security=SecurityBlock(0x14, value)))


@pytest.mark.parametrize(("scbk", "rnd_a"), [(bytes(15), bytes(8)), (bytes(16), bytes(7))])
def test_keys_and_random_numbers_have_their_size(scbk: bytes, rnd_a: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        SessionKeys.derive(scbk, rnd_a, aes)


def test_a_key_that_is_set_is_shown_nowhere_even_to_who_can_open_it() -> None:
    panel, reader = shaken()
    message = SetKey(b"\xaa\xbb" * 8)
    keys = opened(panel.seal_command(Frame(5, 1, message.code, message.to_data())), reader)
    assert "aabb" not in repr(keys)
    assert keys["key_length"] == 16


@given(
    st.lists(st.binary(max_size=20) | st.sampled_from([v.data for v in OSDP]), max_size=4).map(b"".join),
    st.sampled_from(["osdp-sc", "osdp-session"]),
)
def test_any_bytes_are_decoded_or_refused(data: bytes, family: str) -> None:
    fields = describer(family).explain(data, None)
    assert sum(field.length for field in fields) == len(data)
    try:
        describer(family).decode(data, None)
    except RemoteProtocolError:
        return
