"""The socket under paho: nothing lost in any cutting, one send for many packets, an end that is told in its turn."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mqtt_bridge.line import READ_MOST, Line

MUCH = 8 * 1024 * 1024  # more than both socket buffers take


@contextmanager
def pair() -> Iterator[tuple[Line, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    near.settimeout(0)
    line = Line(near)
    try:
        yield line, far
    finally:
        line.close()
        far.close()


@pytest.fixture
def ends() -> Iterator[tuple[Line, socket.socket]]:
    with pair() as both:
        yield both


def taken(line: Line, sizes: list[int]) -> bytes:
    """What paho gets that asks for these many bytes in turn, and then byte by byte."""
    found = b""
    for size in [*sizes, *[1] * 10_000]:
        try:
            found += line.recv(size)
        except BlockingIOError:
            break
    return found


@given(pieces=st.lists(st.binary(min_size=1, max_size=200), max_size=8), sizes=st.lists(st.integers(1, 90)))
def test_reads_of_any_size_give_the_bytes_in_order(pieces: list[bytes], sizes: list[int]) -> None:
    with pair() as (line, far):
        found = b""
        for at, piece in enumerate(pieces):
            far.sendall(piece)
            while len(found) < sum(map(len, pieces[: at + 1])):
                line.fill()
                found += taken(line, sizes[at::3])
        assert found == b"".join(pieces)
        assert not line.readable


def test_nothing_there_would_block(ends: tuple[Line, socket.socket]) -> None:
    line, _ = ends
    assert not line.fill()
    assert not line.readable
    with pytest.raises(BlockingIOError):
        line.recv(1)


def test_packets_of_one_turn_are_one_send(ends: tuple[Line, socket.socket]) -> None:
    line, far = ends
    for packet in (b"one", b"two", b"three"):
        assert line.send(packet) == len(packet)
    far.settimeout(0)
    with pytest.raises(BlockingIOError):
        far.recv(100)
    far.settimeout(5)
    assert line.flush()
    assert far.recv(100) == b"onetwothree"


def test_what_the_line_does_not_take_is_kept_in_order(ends: tuple[Line, socket.socket]) -> None:
    line, far = ends
    payload = bytes(range(256)) * (MUCH // 256)
    line.send(payload)
    assert not line.flush(), "more than the line takes"
    got = bytearray()
    while len(got) < MUCH:
        got += far.recv(1 << 20)
        line.flush()
    assert bytes(got) == payload


def test_one_fill_is_bounded_and_says_that_there_is_more(ends: tuple[Line, socket.socket]) -> None:
    line, far = ends
    far.settimeout(0)
    sent = 0
    try:
        while sent < MUCH:
            sent += far.send(bytes(1 << 16))
    except BlockingIOError:
        pass
    got, full = 0, 0
    while got < sent:
        full += line.fill()
        part = len(taken_all(line))
        assert part <= READ_MOST + (1 << 16)
        got += part
    assert got == sent
    assert full, "it never said that there is more"


def wait(line: Line) -> None:
    while not line.readable:
        line.fill()


def taken_all(line: Line) -> bytes:
    try:
        return line.recv(MUCH)
    except BlockingIOError:
        return b""


def test_the_end_comes_after_what_was_sent_before_it(ends: tuple[Line, socket.socket]) -> None:
    line, far = ends
    far.sendall(b"last words")
    far.close()
    wait(line)
    assert line.recv(100) == b"last words"
    wait(line)
    assert line.recv(1) == b"", "the end"
    assert line.readable, "still to be told"


def test_a_reset_is_an_error_of_reading(ends: tuple[Line, socket.socket]) -> None:
    line, far = ends
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    far.close()
    line.send(b"x" * 100)
    for _ in range(50):
        line.flush()
        line.fill()
        if line.readable:
            break
    with pytest.raises(OSError, match=r"reset|pipe"):
        line.recv(1)


def test_a_line_that_was_cut_says_so_and_forgets_the_rest(ends: tuple[Line, socket.socket]) -> None:
    line, far = ends
    far.sendall(b"unread")
    line.send(b"unsent")
    line.cut()
    assert line.recv(1) == b""
    line.close()
    assert far.recv(100) == b"", "nothing was sent behind the cut"
    assert line.fileno() == -1


def test_a_last_word_goes_out_before_the_line_is_closed(ends: tuple[Line, socket.socket]) -> None:
    line, far = ends
    line.live = True
    line.send(b"DISCONNECT")
    line.close()
    assert far.recv(100) == b"DISCONNECT"


def test_a_line_that_nobody_drives_says_nothing_at_its_end(ends: tuple[Line, socket.socket]) -> None:
    line, far = ends
    line.send(b"CONNECT, with the name of one that is connected by now")
    line.close()
    assert far.recv(100) == b""
