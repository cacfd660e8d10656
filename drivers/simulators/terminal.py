"""A simulated attendance terminal (ADMS) that pushes over real HTTP, with what goes wrong with real ones.

It keeps its records until they are taken, sends them again otherwise, and all of them when it starts anew.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.zk_adms import answers, records

LONGEST_ANSWER = 64 << 10
TIMEOUT_S = 10.0
DELETE = "DATA DELETE USERINFO PIN="
TEMPLATE = b"BIODATA PIN=1\tNo=0\tIndex=0\tValid=1\tType=9\tTmp="  # what follows is noise, of nobody


@dataclass(frozen=True, slots=True)
class Told:
    """What the server said."""

    status: int
    headers: dict[str, str]
    text: bytes

    @property
    def taken(self) -> bool:
        """Terminals believe nothing but a 200 that begins with OK."""
        return self.status == 200 and self.text.startswith(answers.OK)


@dataclass(slots=True, kw_only=True)
class TerminalFaults:
    """Shares from 0 to 1 of what goes wrong."""

    repeat: float = 0.0  # an upload that was taken is sent once more
    cut: float = 0.0  # the line breaks in the middle of a body
    own_count: bool = False  # sends nothing again that was taken, whatever the server asks for
    stale_stamp: bool = False  # its count of what it has sent stands still
    templates: bool = False  # sends templates, photos and users whatever it was told
    in_2000: bool = False  # its clock was never set
    disobeys: int | None = None  # answers every order with this, and does nothing
    deaf: bool = False  # fetches orders and never answers


@dataclass(slots=True)
class SimulatedTerminal:
    """One terminal."""

    host: str
    port: int
    serial: str = "TEST001"
    offset_min: int = 480
    faults: TerminalFaults = field(default_factory=TerminalFaults)
    seed: int = 1
    memory: list[bytes] = field(default_factory=list)  # all records ever made
    taken: int = 0  # so many of them are
    options: dict[str, str] = field(default_factory=dict)
    refusals: list[int] = field(default_factory=list)  # statuses of answers that were no OK
    batch: int = 50
    pace_s: float = 0.0  # between two uploads
    forgotten: list[str] = field(default_factory=list)  # PINs that were deleted
    _dice: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Draw the same dice for the same seed."""
        self._dice = random.Random(self.seed)  # noqa: S311 - a simulation

    def now(self) -> datetime:
        """Local time by its clock."""
        if self.faults.in_2000:
            return datetime(2000, 1, 1)  # noqa: DTZ001 - terminals know no zone
        return datetime.now(UTC).replace(tzinfo=None, microsecond=0) + timedelta(minutes=self.offset_min)

    def punch(self, pin: str, verify: int = 1, status: int = 0, *, at: datetime | None = None) -> None:
        """Somebody is recognised, unless he was deleted."""
        if pin in self.forgotten:
            return
        self.memory.append(records.to_line(pin, at or self.now(), status, verify))

    # -- its conversation -----------------------------------------------------------------------------

    async def serve(self, *, pause_s: float = 1.0, error_pause_s: float = 2.0) -> None:
        """For ever: say hello, send what is not taken, ask for orders; after a failed line from the beginning."""
        greeted = False
        while True:
            try:
                greeted = greeted or await self.hello()
                done = greeted and await self.upload()
                if self.faults.templates:
                    await self.send_template()
                await self.ask()
            except (OSError, TimeoutError):
                greeted = done = False
            await asyncio.sleep(pause_s if done else error_pause_s)

    async def hello(self) -> bool:
        """Ask how to behave; a server that wants everything gets everything."""
        told = await self.send("GET", f"cdata?SN={self.serial}&options=all&language=83&pushver=2.4.1")
        try:
            self.options = dict(answers.parse_options(told.text))
        except RemoteProtocolError:
            return False
        if self.options.get("ATTLOGStamp") in ("None", "0") and not self.faults.own_count:
            self.taken = 0
        return True

    async def upload(self) -> bool:
        """Send what is not taken; whether all of it is now."""
        while self.taken < len(self.memory):
            part = self.memory[self.taken : self.taken + self.batch]
            if self._dice.random() < self.faults.cut:
                await self.send_cut(b"".join(part))
                return False
            told = await self.send_records(b"".join(part))
            if not told.taken:
                return False
            self.taken += len(part)
            await asyncio.sleep(self.pace_s)
            if self._dice.random() < self.faults.repeat:
                await self.send_records(b"".join(part))
        return True

    async def send_records(self, body: bytes) -> Told:
        """One upload of attendance records."""
        stamp = 9999 if self.faults.stale_stamp else self.taken
        return await self.send("POST", f"cdata?SN={self.serial}&table=ATTLOG&Stamp={stamp}", body)

    async def send_template(self, table: str = "BIODATA", content: bytes = b"") -> Told:
        """What nobody asked for."""
        body = TEMPLATE + (content or self._dice.randbytes(200).hex().encode()) + b"\n"
        return await self.send("POST", f"cdata?SN={self.serial}&table={table}&Stamp=1", body)

    async def ask(self) -> Told:
        """Are there orders? They are done and answered."""
        told = await self.send("GET", f"getrequest?SN={self.serial}")
        orders = [] if told.text == answers.OK else answers.parse_commands(told.text)
        if orders and not self.faults.deaf:
            results = "".join(f"ID={one.id}&Return={self._obey(one.text)}&CMD=DATA\n" for one in orders)
            await self.send("POST", f"devicecmd?SN={self.serial}", results.encode())
        return told

    def _obey(self, order: str) -> int:
        if self.faults.disobeys is not None:
            return self.faults.disobeys
        if not order.startswith(DELETE):
            return -1
        self.forgotten.append(order.removeprefix(DELETE))
        return 0

    async def send(self, method: str, target: str, body: bytes = b"") -> Told:
        """One request and its answer. Raises `OSError`, `TimeoutError`."""
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(self.host, self.port)
            try:
                writer.write(self._head(method, target, len(body)) + body)
                await writer.drain()
                told = _told(await _all(reader))
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
        if not told.taken and target.startswith("cdata") and method == "POST":
            self.refusals.append(told.status)
        return told

    async def send_cut(self, body: bytes) -> None:
        """An upload whose line breaks half way."""
        target = f"cdata?SN={self.serial}&table=ATTLOG&Stamp={self.taken}"
        _, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(self._head("POST", target, len(body)) + body[: len(body) // 2])
        with suppress(OSError):
            await writer.drain()
        writer.transport.abort()

    def _head(self, method: str, target: str, length: int) -> bytes:
        return (
            f"{method} /iclock/{target} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"User-Agent: iClock Proxy/1.09\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        ).encode()


async def _all(reader: asyncio.StreamReader) -> bytes:
    answer = b""
    while len(answer) < LONGEST_ANSWER and (piece := await reader.read(LONGEST_ANSWER)):
        answer += piece
    return answer


def _told(answer: bytes) -> Told:
    head, _, text = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    status = first.split(" ")[1] if first.count(" ") else ""
    if not status.isdigit():
        raise ConnectionError("the server closed the line without an answer")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return Told(int(status), headers, text)


async def run_terminal(
    terminal: SimulatedTerminal, *, interval_s: float, tell: Callable[[str], None]
) -> None:
    """People come to the terminal; PINs 1 to 9. For ever."""
    serving = asyncio.create_task(terminal.serve())
    dice = random.Random(terminal.seed)  # noqa: S311 - a simulation
    try:
        while True:
            await asyncio.sleep(interval_s)
            terminal.punch(str(dice.randint(1, 9)), verify=dice.choice((1, 4, 10, 15)))
            tell(f"punch {len(terminal.memory)}, taken {terminal.taken}")
    finally:
        serving.cancel()
        await asyncio.wait([serving])
