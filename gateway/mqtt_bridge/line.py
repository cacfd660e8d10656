"""The line under paho: a socket that never blocks, reads in large pieces and sends once a turn.

paho takes a packet apart with three reads and sends each packet alone. Here its reads are served from what
one `fill` has brought, and what it sends is gathered until `flush`: a burst of events is one system call.
"""

import contextlib
import socket
import ssl
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

READ_SIZE = 64 * 1024
READ_MOST = 4 * READ_SIZE  # one turn; the rest waits for the next, so that nobody else starves

# What a socket says that has nothing to give, or can take nothing, right now.
_WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

# struct tcp_info of Linux: 8 bytes, then 32-bit words; the tenth is tcpi_last_data_recv in ms.
_TCP_INFO = struct.Struct("8x12I")
_LAST_DATA_RECEIVED = 11


class Line:
    """A connected socket, plain or TLS, as paho uses one."""

    def __init__(self, raw: "SocketLike") -> None:
        """Raises `TypeError` for a transport that is none of ours."""
        if not isinstance(raw, socket.socket):
            raise TypeError(f"{type(raw).__name__} is not a socket")
        self._raw = raw
        # No waiting for more to send: after a PUBACK of ours, an event would wait 40 ms for the broker's ack.
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.live = False  # somebody drives it; before that nothing goes out, at its end neither
        self._in = b""
        self._at = 0  # up to where `_in` was taken
        self._out = bytearray()
        self._ended = False  # the other side sends no more
        self._error: OSError | None = None

    # -- what paho calls ------------------------------------------------------------------------------

    def recv(self, size: int) -> bytes:
        """From what was read; raises `BlockingIOError` when nothing is left, `OSError` when the line broke."""
        if self._at == len(self._in):
            if self._error is not None:
                raise self._error
            if self._ended:
                return b""
            raise BlockingIOError
        taken = self._in[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def send(self, data: bytes | bytearray) -> int:
        """Take it along with the next `flush`."""
        self._out += data
        return len(data)

    def close(self) -> None:
        """Send what can be sent at once (a DISCONNECT), and close."""
        if self.live:
            self.flush()
        self._raw.close()

    def fileno(self) -> int:
        """Descriptor, -1 when closed."""
        return self._raw.fileno()

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - as paho calls it
        """As a socket's."""
        self._raw.setblocking(flag)

    # -- what the connection calls --------------------------------------------------------------------

    def fill(self) -> bool:
        """Read what is there; whether there may be more. How the line ended is told by `recv`, in its turn."""
        pieces = [self._in[self._at :]]
        size = 0
        try:
            while size < READ_MOST:
                piece = self._raw.recv(READ_SIZE)
                if not piece:
                    self._ended = True
                    break
                pieces.append(piece)
                size += len(piece)
                if len(piece) < READ_SIZE and not isinstance(self._raw, ssl.SSLSocket):
                    break  # all there was; TLS hands over records, and holds back what no poll shows
        except _WOULD_BLOCK:
            pass
        except OSError as exc:
            self._error = exc
        self._in, self._at = b"".join(pieces), 0
        return size >= READ_MOST

    @property
    def readable(self) -> bool:
        """Whether `recv` has something to say."""
        return self._at < len(self._in) or self._ended or self._error is not None

    @property
    def error(self) -> OSError | None:
        """How it broke; None while it has not, or where the other side just closed."""
        return self._error

    def flush(self) -> bool:
        """Send what was gathered, as far as the line takes it; whether all of it went."""
        try:
            while self._out:
                sent = self._raw.send(self._out)
                del self._out[:sent]
        except _WOULD_BLOCK:
            return False
        except OSError as exc:
            self._error = self._error or exc
            self._out.clear()
        return True

    def cut(self) -> None:
        """End it without a word, below TLS; `recv` then says so."""
        with contextlib.suppress(OSError):  # closed already
            socket.socket.shutdown(self._raw, socket.SHUT_RDWR)
        self._in, self._at = b"", 0
        self._out.clear()
        self._ended = True

    def silent_s(self) -> float:
        """How long the kernel has received nothing; 0 where it does not tell."""
        try:
            state = self._raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        except OSError:  # closed: the end of the connection will tell
            return 0.0
        return float(_TCP_INFO.unpack(state)[_LAST_DATA_RECEIVED]) / 1000
