"""When the gateway says what of itself: `info`, `status` and each device's status, all retained.

`status` on connect, every 60 s, and when epoch, clock quality or ack mode change; `info` on connect,
when an epoch opens, and, while the center does not know our key, again after 60 s … 15 min.
"""

import asyncio
from collections.abc import Callable, Sequence

from gateway.clock import Clock
from gateway.evidence.jws import Signer
from gateway.mqtt_bridge import Connection
from gateway.store.store import Store
from gateway.uplink import documents
from gateway.uplink.ages import oldest_age_ms
from gateway.uplink.documents import Level
from gateway.uplink.topics import Topics
from gateway.view import DeviceView

STATUS_EVERY_S = 60.0
FIRST_AGAIN_S, MOST_AGAIN_S = 60.0, 900.0


class Announcer:
    """Speaks for the gateway on the connection it was given."""

    def __init__(
        self,
        *,
        topics: Topics,
        store: Store,
        clock: Clock,
        signer: Signer,
        devices: Callable[[], Sequence[DeviceView]],
        capabilities: Sequence[str],
        ack_mode: str,
        on_puback: Callable[[str, int], object],
    ) -> None:
        self.session = ""
        self._mqtt = ""
        self._topics = topics
        self._store = store
        self._clock = clock
        self._signer = signer
        self._devices = devices
        self._capabilities = capabilities
        self._ack_mode = ack_mode
        self._on_puback = on_puback
        self._connection: Connection | None = None
        self._shown_devices: dict[str, bytes] = {}
        self._shown: tuple[str, str, str] | None = None  # epoch, clock quality, ack mode
        self._next_status_s = 0.0
        self._next_info_s: float | None = None
        self._again_s = FIRST_AGAIN_S

    async def will(self, session: str, mqtt: str) -> tuple[str, bytes]:
        """What the broker is to say when we vanish; begins the session."""
        self.session, self._mqtt = session, mqtt
        return self._topics.status, await self._status("lost")

    async def greet(self, connection: Connection, now_s: float) -> None:
        """The first words on a connection."""
        self._connection = connection
        self._shown_devices.clear()
        await self._say_info()
        await self._say_online(now_s)

    async def look(self, now_s: float, *, blocked: bool) -> None:
        """Say what has changed or is due. `blocked`: the center does not know our key."""
        for device in self._devices():
            self._show_device(device)
        before, current = self._shown, self._current()
        if before is not None and before[0] != current[0]:
            await self._say_info()
        if before != current or now_s >= self._next_status_s:
            await self._say_online(now_s)
        await self._mind_key(now_s, blocked=blocked)

    async def say(self, state: str) -> "asyncio.Future[int] | None":
        """Publish `status`; None where there is no connection."""
        return self._publish("status", self._topics.status, await self._status(state))

    async def _say_online(self, now_s: float) -> None:
        self._shown = self._current()
        self._next_status_s = now_s + STATUS_EVERY_S
        await self.say("online")

    async def _mind_key(self, now_s: float, *, blocked: bool) -> None:
        if not blocked:
            self._next_info_s, self._again_s = None, FIRST_AGAIN_S
        elif self._next_info_s is None:
            self._next_info_s = now_s + self._again_s
            await self._say_info()
        elif now_s >= self._next_info_s:
            self._again_s = min(MOST_AGAIN_S, self._again_s * 2)
            self._next_info_s = now_s + self._again_s
            await self._say_info()

    def _current(self) -> tuple[str, str, str]:
        return self._store.tail.epoch, self._clock.now().quality.value, self._ack_mode

    def _show_device(self, device: DeviceView) -> None:
        document = documents.device_status(device)
        if self._shown_devices.get(device.id) != document:
            self._shown_devices[device.id] = document
            self._publish("device-status", self._topics.device_status(device.id), document)

    async def _say_info(self) -> None:
        lineage = await self._store.lineage()
        document = documents.info(
            self._topics.gateway,
            self._topics.org,
            self.session,
            self._signer,
            lineage,
            self._devices(),
            self._capabilities,
            self._clock.now(),
        )
        self._publish("info", self._topics.info, document)

    def _publish(self, what: str, topic: str, document: bytes) -> "asyncio.Future[int] | None":
        if self._connection is None or self._connection.closed.done():
            return None

        def answered(done: "asyncio.Future[int]") -> None:
            if not done.cancelled():
                self._on_puback(what, done.result())

        taking = self._connection.publish(topic, document, retain=True)
        taking.add_done_callback(answered)
        return taking

    async def _status(self, state: str) -> bytes:
        now, tail = self._clock.now(), self._store.tail
        lowest, waiting, oldest_ms = await self._store.read(
            lambda box: (
                box.lowest_waiting_from(tail.first_n),
                box.levels().waiting,
                oldest_age_ms(box, now),
            )
        )
        level = Level(
            epoch=tail.epoch,
            last_seq=tail.seq,
            acked=tail.seq if lowest is None else min(tail.seq, lowest - tail.first_n),
            backlog=waiting,
            oldest_unacked_s=oldest_ms // 1000,
        )
        return documents.status(state, self.session, now, level, ack_mode=self._ack_mode, mqtt=self._mqtt)
