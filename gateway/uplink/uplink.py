"""Connect, serve, come back: the gateway's side of the contract with the center.

A connection is used once. Attempts are spread by full jitter, so that 140 gateways do not return in
step. MQTT 5 first; 3.1.1 until restart after a refusal that names the version, or after two
connections closed before they were accepted (some brokers just close on what they do not know).
"""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.clock import Clock, Stamp
from gateway.envelope import Draft
from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.evidence.jws import FindKey, Signer
from gateway.ingest.alarms import Alarms
from gateway.metrics import Metrics
from gateway.mqtt_bridge import Closed, ConnectFailed, Connection, Endpoint, connect
from gateway.store.store import Store
from gateway.uplink import documents
from gateway.uplink.ages import oldest_age_ms
from gateway.uplink.center import Center
from gateway.uplink.documents import Level
from gateway.uplink.sender import Sender
from gateway.uplink.topics import Topics
from gateway.view import DeviceView

log = logging.getLogger(__name__)

STATUS_EVERY_S = 60.0
ASK_ACK_AFTER_S = 10.0
MOST_BACKOFF_S = 60.0
TAKEOVER_BACKOFF_S = 60.0
TAKEOVER_WITHIN_S = 600.0
STABLE_S = 30.0  # a connection that lasted this long resets the backoff
WATCH_EVERY_S = 1.0
NO_PUBACK_S = 30.0  # publishes are out and none is answered, though pings may be
# Times the keepalive without a byte from the broker. A ping goes out after one, so its answer has 12 s of
# 30; paho by itself would wait for twice the keepalive.
SILENCE_FACTOR = 1.4


class Uplink:
    """The uplink of one gateway. `run` ends only by cancellation or by a bug."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        auto_version: bool,
        ack_mode: str,
        topics: Topics,
        store: Store,
        sender: Sender,
        clock: Clock,
        signer: Signer,
        ack_key: FindKey,
        alarms: Alarms,
        metrics: Metrics,
        devices: Callable[[], Sequence[DeviceView]],
        on_settled: Callable[[Sequence[tuple[int, int]]], None],
        opening: Callable[[Stamp, dict[str, Json]], Draft],
    ) -> None:
        self.session = str(uuid.uuid4())
        self.state = "connecting"
        self.since_ms = clock.now().wall_ms
        self.code: str | None = None
        self.detail: str | None = None
        self.center = Center(
            gateway=topics.gateway,
            kid=signer.kid,
            store=store,
            sender=sender,
            clock=clock,
            ack_key=ack_key,
            alarms=alarms,
            metrics=metrics,
            on_settled=on_settled,
            opening=opening,
        )
        self.endpoint = endpoint
        self.ack_mode = ack_mode
        self._auto_version = auto_version
        self._topics = topics
        self._store = store
        self._sender = sender
        self._clock = clock
        self._signer = signer
        self._alarms = alarms
        self._metrics = metrics
        self._devices = devices
        self._connection: Connection | None = None
        self._acked_once = False
        self._early_closes = 0
        self._takeovers: list[float] = []
        self._shown: dict[str, bytes] = {}  # device status as last published on this connection
        self._shown_quality: str | None = None

    @property
    def last_ack_ms(self) -> int | None:
        """When the last believed ack came, by the wall clock."""
        return self.center.last_ack_ms

    @property
    def blocked(self) -> bool:
        """Whether the center waits for our key."""
        return self.center.blocked

    @property
    def not_verified(self) -> bool:
        """Whether the last ack was not believed."""
        return self.center.not_verified

    async def run(self) -> None:
        """Be connected, for ever."""
        attempt = 0
        while True:
            began = time.monotonic()
            try:
                await self._once()
                closed = Closed("stopped", "stopped")
            except ConnectFailed as exc:
                self._note_offline(exc.code, str(exc))
                self._metrics.mqtt_connects.labels(result=exc.code).inc()
                self._consider_other_version(exc)
                closed = Closed(exc.code, str(exc))
            except _ConnectionEnded as exc:
                closed = exc.closed
                self._note_offline(closed.code, closed.text)
            except StoreRefused as exc:  # a disk that cannot be read or written is a state, not an end
                closed = Closed("stalled", str(exc))
                self._note_offline(closed.code, closed.text)
            attempt = 0 if time.monotonic() - began > STABLE_S else attempt + 1
            await asyncio.sleep(await self._backoff_s(attempt, closed))

    async def say_goodbye(self) -> None:
        """Let the last events out and say `offline`, where there is somebody to say it to. At most 3 s."""
        connection = self._connection
        if connection is None or connection.closed.done():
            return
        patience = time.monotonic() + 1.5
        # Looked at, not waited for: once in the life of a process, for a moment.
        while (  # noqa: ASYNC110
            self._store.waiting and time.monotonic() < patience and not connection.closed.done()
        ):
            await asyncio.sleep(0.05)
        saying = await self._publish_status("offline")
        await asyncio.wait({saying}, timeout=1.5)

    # -- one connection -------------------------------------------------------------------------------

    async def _once(self) -> None:
        self.session = str(uuid.uuid4())
        self._metrics.set_mqtt_version(self.endpoint.version)
        connection = await connect(self.endpoint, self._topics.subscriptions, await self._will())
        self._connection = connection
        try:
            await self._greet(connection)
            async with asyncio.TaskGroup() as group:
                for name, serving in (
                    ("send", self._sender.run(connection)),
                    ("receive", self._receive(connection)),
                    ("status", self._keep_status(connection)),
                    ("ask-ack", self._ask_for_ack(connection)),
                    ("watch", self._watch(connection)),
                ):
                    group.create_task(serving, name=f"uplink-{name}")
        except ExceptionGroup as group_error:
            ended, others = group_error.split((_ConnectionEnded, StoreRefused))
            if ended is None or others is not None:
                raise  # a bug: let it rise
            raise ended.exceptions[0] from None  # the connection ended once: one reason is enough
        finally:
            self._connection = None
            self._metrics.mqtt_connected.set(0)
            await connection.close()

    async def _greet(self, connection: Connection) -> None:
        self._early_closes = 0
        self.state, self.code, self.detail = "online", None, None
        self.since_ms = self._clock.now().wall_ms
        self._metrics.mqtt_connected.set(1)
        self._metrics.mqtt_connects.labels(result="ok").inc()
        log.info(
            "uplink connected",
            extra={"broker": f"{self.endpoint.host}:{self.endpoint.port}", "mqtt": self.endpoint.version},
        )
        self._acked_once = False
        self._shown.clear()
        lineage = await self._store.lineage()
        document = documents.info(
            self._topics.gateway,
            self._topics.org,
            self.session,
            self._signer,
            lineage,
            self._devices(),
            self._clock.now(),
        )
        connection.publish(self._topics.info, document, retain=True)
        await self._publish_status("online")

    async def _receive(self, connection: Connection) -> None:
        while True:
            message = await connection.incoming.get()
            if message.topic == self._topics.ack:
                if await self.center.take_ack(message.payload) is not None:
                    self._acked_once = True
            else:
                log.warning(
                    "not acted upon: commands are not built yet", extra={"length": len(message.payload)}
                )
            message.done()

    async def _keep_status(self, connection: Connection) -> None:
        began = time.monotonic()
        next_s = began + STATUS_EVERY_S
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            if time.monotonic() - began > TAKEOVER_WITHIN_S:
                await self._alarms.clear("duplicate_identity", "gateway")
            for device in self._devices():
                self._show_device(connection, device)
            quality = self._clock.now().quality.value
            if time.monotonic() >= next_s or quality != self._shown_quality:
                await self._publish_status("online")
                next_s = time.monotonic() + STATUS_EVERY_S

    def _show_device(self, connection: Connection, device: DeviceView) -> None:
        document = documents.device_status(device)
        if self._shown.get(device.id) != document:
            self._shown[device.id] = document
            connection.publish(self._topics.device_status(device.id), document, retain=True)

    async def _ask_for_ack(self, connection: Connection) -> None:
        """A broker may have forgotten the retained ack: ask the center for it."""
        if self.ack_mode != "center":
            return
        await asyncio.sleep(ASK_ACK_AFTER_S)
        while not self._acked_once:
            connection.publish(self._topics.request("ack"), b'{"v":1}')
            await asyncio.sleep(STATUS_EVERY_S)

    async def _watch(self, connection: Connection) -> None:
        while not connection.closed.done():
            await asyncio.wait({connection.closed}, timeout=WATCH_EVERY_S)
            if connection.closed.done():
                break
            if not connection.alive:
                connection.give_up("thread_ended", "the connection's thread ended")
            elif connection.unacked_s(time.monotonic()) >= NO_PUBACK_S:
                connection.give_up("no_puback", f"no publish was answered for {NO_PUBACK_S:.0f} s")
            elif connection.silent_s() >= SILENCE_FACTOR * self.endpoint.keepalive_s:
                connection.give_up("keepalive", "the broker answers nothing, pings included")
        raise _ConnectionEnded(connection.closed.result())

    # -- documents ------------------------------------------------------------------------------------

    async def _level(self) -> Level:
        tail = self._store.tail
        now = self._clock.now()
        lowest, levels, oldest = await self._store.run(
            lambda box: (box.lowest_waiting_from(tail.first_n), box.levels(), oldest_age_ms(box, now))
        )
        acked = tail.seq if lowest is None else min(tail.seq, lowest - tail.first_n)
        return Level(
            epoch=tail.epoch,
            last_seq=tail.seq,
            acked=acked,
            backlog=levels.waiting,
            oldest_unacked_s=oldest // 1000,
        )

    async def _status(self, state: str) -> bytes:
        return documents.status(
            state,
            self.session,
            self._clock.now(),
            await self._level(),
            ack_mode=self.ack_mode,
            mqtt=self.endpoint.version,
        )

    async def _will(self) -> tuple[str, bytes]:
        return self._topics.status, await self._status("lost")

    async def _publish_status(self, state: str) -> "asyncio.Future[int]":
        document = await self._status(state)
        self._shown_quality = self._clock.now().quality.value
        connection = self._connection
        if connection is None:
            cancelled: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            cancelled.cancel()
            return cancelled
        return connection.publish(self._topics.status, document, retain=True)

    # -- when it does not work ------------------------------------------------------------------------

    def _note_offline(self, code: str, text: str) -> None:
        if self.state != "offline" or self.code != code:
            log.warning("uplink offline", extra={"code": code, "cause": text})
            self.since_ms = self._clock.now().wall_ms
        self.state, self.code, self.detail = "offline", code, text

    def _consider_other_version(self, failure: ConnectFailed) -> None:
        if not self._auto_version or self.endpoint.version != "5":
            return
        self._early_closes = self._early_closes + 1 if failure.closed_before_connack else 0
        if failure.other_version or self._early_closes >= 2:
            log.warning("broker does not take MQTT 5; using 3.1.1 until restart")
            self.endpoint = replace(self.endpoint, version="3.1.1")

    async def _backoff_s(self, attempt: int, closed: Closed) -> float:
        now = time.monotonic()
        if closed.taken_over:
            self._takeovers = [*(at for at in self._takeovers if now - at < TAKEOVER_WITHIN_S), now]
            if len(self._takeovers) >= 2:
                await self._alarms.raise_("duplicate_identity", "gateway", {})
                return TAKEOVER_BACKOFF_S + random.uniform(0, TAKEOVER_BACKOFF_S)  # noqa: S311 - jitter
        return random.uniform(0, min(MOST_BACKOFF_S, 2.0 ** min(attempt, 10) / 2))  # noqa: S311 - jitter


class _ConnectionEnded(Exception):  # noqa: N818 - carries a reason out of the task group
    def __init__(self, closed: Closed) -> None:
        super().__init__(closed.text)
        self.closed = closed
