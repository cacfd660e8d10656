"""Where events come from: a serial device on a pty, an MQTT client, an MQTT broker.

All send the same lines. `sent` holds when each was begun, `confirmed` which of them somebody answered
for (PUBACK; nobody answers on a serial line).
"""

import array
import fcntl
import os
import pty
import secrets
import select
import socket
import termios
import threading
import time
import tty
from contextlib import suppress
from pathlib import Path

from tests.bench import wire
from tests.broker import HOST

SIZE = 300  # bytes of one line
PAUSE_S = 0.02
WINDOW = 50  # messages an MQTT source has out


class Source:
    """Sends lines, paced or flat out."""

    def __init__(self) -> None:
        self.run = secrets.token_hex(4)
        self.count = 0
        self.sent: dict[int, int] = {}  # number -> monotonic ns
        self.confirmed: set[int] = set()
        self.lines: dict[int, bytes] = {}
        self.closed = False
        self._began_ms = time.time_ns() // 1_000_000

    def send(
        self, *, count: int | None = None, seconds: float | None = None, rate: float | None = None
    ) -> range:
        """Send so many, or for so long; which numbers those were."""
        began, first = time.monotonic(), self.count
        while count is None or self.count - first < count:
            if rate is not None:
                pause = began + (self.count - first) / rate - time.monotonic()
                if pause > 0:
                    time.sleep(pause)
            if seconds is not None and time.monotonic() - began >= seconds:
                break
            if not self._hand(self._line(self.count), began, seconds):
                break
            self.count += 1
        return range(first, self.count)

    def _line(self, number: int) -> bytes:
        """JSON with a unique id, and a `ts` of its own: time-series gateways merge what shares a millisecond."""
        now = self.sent[number] = time.monotonic_ns()
        head = (
            f'{{"id":"{self.run}-{number:08d}","seq":{number},"t":{now},"ts":{self._began_ms + number},'
            '"type":"checkin","dev":"idr-01","p":"'
        )
        line = self.lines[number] = (head + "x" * (SIZE - len(head) - 2) + '"}').encode()
        return line

    def _hand(self, line: bytes, began: float, seconds: float | None) -> bool:
        raise NotImplementedError

    def ready(self, pid: int) -> bool:
        """Whether the gateway with this process takes lines."""
        raise NotImplementedError

    def forget_unread(self) -> int:
        """The gateway is dead: take back what it had not read; how many lines that were."""
        return 0

    def close(self) -> None:
        """End."""
        self.closed = True


class SerialSource(Source):
    """A device on a pty, behind a name that stays."""

    def __init__(self, link: Path) -> None:
        super().__init__()
        self.link = link
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        tty.setraw(self._master)
        os.set_blocking(self._master, False)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self._slave))

    def _hand(self, line: bytes, began: float, seconds: float | None) -> bool:
        # Not begun before the gateway reads: the time of a line is when its first byte can leave.
        patience = time.monotonic() + 60 if seconds is None else max(began + seconds, time.monotonic())
        data = memoryview(line + b"\n")
        while data:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                if time.monotonic() > patience + (0 if len(data) > len(line) else 60):
                    return False
                select.select([], [self._master], [], PAUSE_S)
        return True

    def unread(self) -> int:
        """Bytes that nobody has read."""
        waiting = array.array("i", [0])
        fcntl.ioctl(self._slave, termios.FIONREAD, waiting)
        return waiting[0]

    def forget_unread(self) -> int:
        """What waits is dropped, as pyserial drops it on opening."""
        lines = -(-self.unread() // (SIZE + 1))
        termios.tcflush(self._slave, termios.TCIFLUSH)
        return lines

    def ready(self, pid: int) -> bool:
        """Whether the process has the port open."""
        ours = os.ttyname(self._slave)
        with suppress(OSError):
            return any(str(entry.readlink()) == ours for entry in Path(f"/proc/{pid}/fd").iterdir())
        return False

    def close(self) -> None:
        super().close()
        os.close(self._master)
        os.close(self._slave)


class _MqttSource(Source):
    """A window of QoS 1 messages; a line is confirmed by its PUBACK."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Condition()
        self._line_out: socket.socket | None = None
        self._out: dict[int, int] = {}  # packet id -> number
        self._packet_id = 0

    def ready(self, pid: int) -> bool:
        """Whether somebody takes messages."""
        return self._line_out is not None

    def _hand(self, line: bytes, began: float, seconds: float | None) -> bool:
        patience = time.monotonic() + 60 if seconds is None else max(began + seconds, time.monotonic())
        with self._turn:
            while self._line_out is None or len(self._out) >= WINDOW:
                if self.closed or time.monotonic() > patience:
                    return False
                self._turn.wait(PAUSE_S)
            self._packet_id = self._packet_id % 65535 + 1
            self._out[self._packet_id] = self.count
            out, message = self._line_out, wire.publish("in/ev", line, self._packet_id)
        with suppress(OSError):  # its reader sees the same and forgets what was out
            out.sendall(message)
        return True

    def _serve(self, line: socket.socket) -> None:
        decoder = wire.Decoder()
        try:
            while data := line.recv(65536):
                answers = b""
                with self._turn:
                    for received in decoder.feed(data):
                        answers += self._take(line, received)
                    self._turn.notify_all()
                line.sendall(answers)
        except OSError:
            pass
        with self._turn:
            if self._line_out is line:
                self._line_out = None
                self._out.clear()
        line.close()

    def _take(self, line: socket.socket, received: wire.Packet) -> bytes:
        if received.kind == wire.PUBACK:
            number = self._out.pop(wire.packet_id(received), None)
            if number is not None:
                self.confirmed.add(number)
        elif received.kind == wire.CONNACK:
            self._line_out = line
        elif received.kind == wire.CONNECT:
            return wire.packet(wire.CONNACK, 0, b"\0\0")
        elif received.kind == wire.SUBSCRIBE:
            self._line_out = line
            return wire.packet(wire.SUBACK, 0, received.body[:2] + b"\1")
        elif received.kind == wire.PINGREQ:
            return wire.packet(wire.PINGRESP, 0, b"")
        return b""


class MqttClientSource(_MqttSource):
    """Publishes to a broker that is part of the gateway under test; connects again for ever."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        threading.Thread(target=self._connect, daemon=True).start()

    def _connect(self) -> None:
        while not self.closed:
            try:
                line = socket.create_connection((HOST, self._port))
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                line.sendall(wire.connect("bench-source"))
            except OSError:
                time.sleep(PAUSE_S)
                continue
            self._serve(line)


class MqttBrokerSource(_MqttSource):
    """Is the broker that the gateway under test subscribes to."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._server = socket.create_server((HOST, port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self.closed:
            try:
                line, _ = self._server.accept()
            except OSError:
                return
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def close(self) -> None:
        super().close()
        self._server.close()
