"""Requests of the CVR-100AU dialect: known by their check byte, and never taken for the standard protocol."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.checksums import xor8
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.idcard_sam.dialect import NAMES, DialectCommand, DialectRequest
from firmware_protocols.idcard_sam.envelope import DIALECT_COMMANDS
from firmware_protocols.idcard_sam.frames import Request, RequestDecoder
from tests.firmware_protocols.vectors import IDCARD, Vector

DIALECT = [vector for vector in IDCARD if not vector.standard]


def test_every_command_of_the_table_has_a_vector() -> None:
    assert {DialectRequest.from_bytes(vector.data).command for vector in DIALECT} == set(DialectCommand)


def test_both_tables_agree() -> None:
    assert {command.value: name for command, name in NAMES.items()} == DIALECT_COMMANDS


@pytest.mark.parametrize("vector", DIALECT, ids=repr)
def test_a_vector_encodes_to_the_bytes_it_came_from(vector: Vector) -> None:
    assert DialectRequest.from_bytes(vector.data).to_bytes() == vector.data


@pytest.mark.parametrize("vector", DIALECT, ids=repr)
def test_no_prefix_and_no_changed_bit_is_a_request(vector: Vector) -> None:
    for end in range(len(vector.data)):
        with pytest.raises(RemoteProtocolError):
            DialectRequest.from_bytes(vector.data[:end])
    for bit in range(8 * len(vector.data)):
        changed = bytearray(vector.data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RemoteProtocolError):
            DialectRequest.from_bytes(bytes(changed))


@given(st.sampled_from(DialectCommand), st.binary(max_size=13))
def test_a_request_survives_the_wire_and_is_noise_to_the_standard(
    command: DialectCommand, data: bytes
) -> None:
    frame = DialectRequest(command, data).to_bytes()
    if xor8(frame[5:]) == 0:  # fits both rules: nothing tells them apart
        assert Request.from_bytes(frame).to_bytes() == frame
        return
    assert DialectRequest.from_bytes(frame) == DialectRequest(command, data)
    [found] = RequestDecoder().feed(frame)
    assert isinstance(found, Discarded)
    assert (found.reason, found.data[:5]) == ("dialect", frame[:5])


def test_a_frame_of_the_standard_is_none_of_the_dialect() -> None:
    with pytest.raises(RemoteProtocolError, match="standard protocol") as caught:
        DialectRequest.from_bytes(Request(0x20, 0x01).to_bytes())
    assert caught.value.code == "standard"


@given(st.binary(max_size=30))
def test_any_bytes_are_a_request_or_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        DialectRequest.from_bytes(data)


def test_more_data_than_a_request_carries_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError):
        DialectRequest(DialectCommand.READ_CARD, bytes(14)).to_bytes()
