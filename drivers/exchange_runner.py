"""Plays one exchange at a time over a link: sends what it asks, feeds it what the device answers.

Obeys:
  * half-duplex: a reply belongs to the request before it. What lies on the line before a request is sent
    is stale; it is dropped and reported as noise, whole frames with the reason "unsolicited";
  * after a timeout or a reply that does not fit, the right one may still come. It would look like the answer
    to the next request, so the line must first be quiet for `QUIET_S`; a line that never gets quiet is asked
    anyway after `QUIET_LIMIT_S`;
  * an exchange that is cancelled leaves a question unanswered: before the next one is sent its answer is waited
    for, as long as it would have been, and dropped;
  * a timeout is thrown into the exchange, which decides whether to ask again;
  * a device that talks before it answers (`More`) has the time of the question for all of it together;
  * where several share a line, each question waits for its turn and keeps it until it is answered or given up;
  * every wait has an end, and memory is the decoder's one frame plus the link's buffer.

Leaves out: what requests and replies mean, opening and closing the link, what to do about errors.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from drivers.links.link import Link
from firmware_protocols.errors import RemoteProtocolError, ReplyTimeout
from firmware_protocols.exchange import Ask, Exchange, More, Pause
from firmware_protocols.framing import Discarded, FrameDecoder

QUIET_S = 0.05  # 48 byte times at 9600 baud: longer than any gap a USB adapter makes inside a frame
QUIET_LIMIT_S = 1.0


class Encodable(Protocol):
    """A request or a reply."""

    def to_bytes(self) -> bytes:
        """The frame on the wire."""
        ...


class Turn(Protocol):
    """Whose turn it is on a line that several share."""

    async def acquire(self) -> object:
        """Wait for it."""
        ...

    def release(self) -> None:
        """Give it up."""
        ...


RequestT = TypeVar("RequestT", bound=Encodable)
ReplyT = TypeVar("ReplyT", bound=Encodable)
ResultT = TypeVar("ResultT")


class Garbage:
    """What came instead of a reply: how much, and its hash; never the bytes, which may be a person's."""

    def __init__(self) -> None:
        self.length = 0
        self._hash = hashlib.sha256()

    def add(self, found: Discarded) -> None:
        """Count one piece of noise."""
        self.length += found.length
        self._hash.update(found.data)

    @property
    def sha256(self) -> str:
        """Hash of all pieces in their order, hex."""
        return self._hash.hexdigest()


class ExchangeRunner(Generic[RequestT, ReplyT]):
    """One conversation at a time over one open link.

    `asked` is the last request that was sent, `garbage` what came since then and was no frame: together
    they tell where an exchange broke off, and whether the device was silent or not understood.
    """

    def __init__(
        self,
        link: Link,
        decoder: FrameDecoder[ReplyT],
        *,
        noise: Callable[[Discarded], None],
        gap_s: float | None = None,
        encode: Callable[[RequestT], bytes] | None = None,
        turn: Turn | None = None,
    ) -> None:
        """`gap_s`: a frame whose bytes pause for so long is given up, for devices that talk on their own:
        what they say next would be swallowed as the rest of it. `encode`: where a request is sealed on its way.
        `turn`: where others ask on the same line."""
        self._encode = encode or (lambda request: request.to_bytes())
        self._turn = turn
        self._has_turn = False
        self._link = link
        self._gap_s = gap_s
        self._due = self._granted_s = 0.0  # until when the last question may be answered
        self._decoder = decoder
        self._noise = noise
        self._replies: deque[ReplyT] = deque()
        self._doubtful = False
        self._owed_until: float | None = None  # a cancelled question may be answered until then
        self._running = False
        self.unsolicited = 0  # frames that nobody had asked for
        self.asked: RequestT | None = None
        self.garbage = Garbage()

    async def run(self, exchange: Exchange[RequestT, ReplyT, ResultT]) -> ResultT:
        """Play `exchange` to its end and return its result; raises what it raises, and `LinkLost`."""
        if self._running:
            raise RuntimeError(f"{self._link.name}: two exchanges at once")
        self._running = True
        try:
            return await self._play(exchange)
        finally:
            exchange.close()
            self._end_turn()
            self._running = False

    def distrust(self) -> None:
        """What was asked before may still be answered: the next question waits until the line is quiet."""
        self._doubtful = True

    async def _play(self, exchange: Exchange[RequestT, ReplyT, ResultT]) -> ResultT:
        try:
            step = next(exchange)
            while True:
                await self._mind_turn(step)
                try:
                    answer = await self._perform(step)
                except ReplyTimeout as timeout:
                    step = exchange.throw(timeout)
                else:
                    step = exchange.send(answer)
        except StopIteration as end:
            result: ResultT = end.value
            return result
        except RemoteProtocolError:
            self._doubtful = True
            raise

    async def _mind_turn(self, step: Ask[RequestT] | Pause | More) -> None:
        if self._turn is None or isinstance(step, More):
            return
        self._end_turn()
        if isinstance(step, Ask):
            await self._turn.acquire()
            self._has_turn = True

    def _end_turn(self) -> None:
        if self._turn is not None and self._has_turn:
            self._has_turn = False
            self._turn.release()

    async def _perform(self, step: Ask[RequestT] | Pause | More) -> ReplyT | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        loop = asyncio.get_running_loop()
        if isinstance(step, Ask):
            if step.urgent:
                self._owed_until, self._doubtful = None, False
            await self._drop_stale()
            self.asked, self.garbage = step.request, Garbage()
            self._due, self._granted_s = loop.time() + step.timeout_s, step.timeout_s
        elif loop.time() >= self._due:  # it talks without a pause and does not answer
            raise self._no_reply()
        try:
            if isinstance(step, Ask):
                await self._link.send(self._encode(step.request))
                self._due = loop.time() + step.timeout_s
            async with asyncio.timeout_at(self._due):
                return await self._reply()
        except asyncio.CancelledError:
            self._owed_until = self._due
            raise
        except TimeoutError:
            # `from None`: the deadline is the cause, and it is in the text.
            raise self._no_reply() from None

    def _no_reply(self) -> ReplyTimeout:
        self._doubtful = True
        self._give_up()
        return ReplyTimeout(f"{self._link.name}: no reply within {self._granted_s:g} s")

    async def _reply(self) -> ReplyT:
        while not self._replies:
            if not await self._received_within(self._gap_s):
                for found in self._decoder.flush():
                    self._sort(found)
        return self._replies.popleft()

    async def _drop_stale(self) -> None:
        """Empty the line. After a timeout, until it has been quiet; at most for `QUIET_LIMIT_S`."""
        if self._owed_until is not None:
            await self._await_owed(self._owed_until)
            self._owed_until = None
        quiet_s = QUIET_S if self._doubtful else 0.0
        try:
            async with asyncio.timeout(QUIET_LIMIT_S):
                while await self._received_within(quiet_s):
                    pass
        except TimeoutError:
            pass  # a babbling device: its noise is counted, and the question is asked all the same
        self._doubtful = False
        self._give_up()

    async def _await_owed(self, until: float) -> None:
        """Let the answer to a cancelled question pass."""
        try:
            async with asyncio.timeout_at(until):
                await self._reply()
        except TimeoutError:
            self._doubtful = True

    async def _received_within(self, seconds: float | None) -> bool:
        try:
            async with asyncio.timeout(seconds):
                self._take(await self._link.receive())
        except TimeoutError:
            return False
        return True

    def _take(self, data: bytes) -> None:
        for found in self._decoder.feed(data):
            self._sort(found)

    def _give_up(self) -> None:
        """Nobody waits for what is on the line now: finish the decoder's half frame, drop whole ones."""
        for found in self._decoder.flush():
            self._sort(found)
        self.unsolicited += len(self._replies)
        while self._replies:
            self._noise(Discarded("unsolicited", len(self._replies.popleft().to_bytes())))

    def _sort(self, found: ReplyT | Discarded) -> None:
        if isinstance(found, Discarded):
            self.garbage.add(found)
            self._noise(found)
        else:
            self._replies.append(found)
