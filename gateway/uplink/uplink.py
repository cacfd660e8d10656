"""Connect, serve, come back: the gateway's side of the contract with the center.

A connection is used once. Attempts are spread by full jitter, so that 140 gateways do not return in
step. MQTT 5 first; 3.1.1 until restart after a refusal that names the version, or where the broker takes
3.1.1 and closes before and after on 5 (some brokers just close on what they do not know).
"""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gateway.clock import Clock, Stamp
from gateway.envelope import Draft
from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.evidence.keys import Role
from gateway.ingest.alarms import Alarms
from gateway.metrics import Metrics
from gateway.mqtt_bridge import FAILURE, ConnectFailed, Connection, Endpoint, connect
from gateway.store.store import Store
from gateway.uplink.announcer import Announcer
from gateway.uplink.backoff import Backoff
from gateway.uplink.center import Center
from gateway.uplink.command_message import FindByRole
from gateway.uplink.commands import Commands, Run
from gateway.uplink.documents import SEALS
from gateway.uplink.identity import IdentityWatch
from gateway.uplink.refused_pages import RefusedPages
from gateway.uplink.requests import Requests
from gateway.uplink.sender import Sender
from gateway.uplink.serving import ConnectionEnded, Rooms, Serving
from gateway.uplink.topics import Topics
from gateway.view import DeviceView

log = logging.getLogger(__name__)

DOUBLED_BACKOFF_S = 60.0  # at least, while another machine has our identity
EARLY_CLOSES = 2  # so many in a row before something else is tried
NOBODY_THERE = frozenset({"refused", "timeout", "dns", "unreachable", "server_unavailable"})
_SESSIONS = "uplink_sessions"  # note: our newest ones, to tell ours from another machine's after a restart


class Uplink:
    """The uplink of one gateway. `run` ends only by cancellation or by a bug."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        places: Sequence[tuple[str, int]] = (),
        auto_version: bool,
        ack_mode: str,
        topics: Topics,
        store: Store,
        sender: Sender,
        clock: Clock,
        signer: Signer,
        find_key: FindByRole,
        seals: bool,
        alarms: Alarms,
        metrics: Metrics,
        devices: Callable[[], Sequence[DeviceView]],
        on_settled: Callable[[Sequence[tuple[int, int]]], None],
        on_rejected: Callable[[int], None],
        opening: Callable[[Stamp, dict[str, Json]], Draft],
        orders: Mapping[str, Run],
    ) -> None:
        """`orders`: commands of the center that other rooms carry out, by name.

        `places`: host and port of each broker, in order of preference; none: that of `endpoint`.
        """
        self.session = ""
        self.state = "connecting"
        self.since_ms = clock.now().wall_ms
        self.code: str | None = None
        self.detail: str | None = None
        self.endpoint = endpoint
        self.ack_mode = ack_mode
        self._places = list(places)
        self._auto_version = auto_version
        self._topics = topics
        self._store = store
        self._clock = clock
        self._alarms = alarms
        self._metrics = metrics
        self._connection: Connection | None = None
        self._early_closes = 0  # before CONNACK
        self._closed_subscribing = 0
        self._said_goodbye = False
        self._supposed = (
            False  # 3.1.1 only because connections were closed; a balancer without a broker does that too
        )
        self._proving = False  # 3.1.1 was taken just now: one more close on 5 is proof
        self._session_used = False  # by a connection that was accepted
        ack_key = find_key(Role.ACK)
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
            on_rejected=on_rejected,
            opening=opening,
        )
        self.requests = Requests(topics=topics, clock=clock, metrics=metrics, ack_key=ack_key, signer=signer)
        commands = Commands(
            topics=topics,
            store=store,
            clock=clock,
            metrics=metrics,
            find_key=find_key,
            put_back=sender.put_back,
            orders=orders,
        )
        self._rooms = Rooms(
            topics=topics,
            sender=sender,
            center=self.center,
            commands=commands,
            requests=self.requests,
            refused_pages=RefusedPages(store, self.requests, self.center.note_refused),
            announcer=Announcer(
                topics=topics,
                store=store,
                clock=clock,
                signer=signer,
                devices=devices,
                capabilities=((SEALS,) if seals else ()) + commands.built,
                ack_mode=ack_mode,
                on_puback=lambda what, code: sender.refusals.note(what, code, time.monotonic()),
            ),
            identity=IdentityWatch(),
            alarms=alarms,
        )

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
        loaded = False
        backoff = Backoff(time.monotonic())
        while True:
            began_s, settled_before = time.monotonic(), self._rooms.sender.settled_total
            try:
                if not loaded:
                    await self._load()
                    loaded = True
                await self._once()
            except ConnectFailed as exc:
                self._note_offline(exc.code, str(exc))
                self._metrics.mqtt_connects.labels(result=exc.code).inc()
                self._learn_from(exc)
            except ConnectionEnded as exc:
                self._note_offline(exc.closed.code, exc.closed.text)
                if exc.closed.taken_over:
                    self._rooms.identity.taken_over(time.monotonic())
            except StoreRefused as exc:  # a disk that cannot be read or written is a state, not an end
                self._note_offline("stalled", str(exc))
            now_s = time.monotonic()
            settled = self._rooms.sender.settled_total > settled_before
            backoff.ended(now_s, lasted_s=now_s - began_s, settled=settled)
            await asyncio.sleep(await self._pause_s() or backoff.wait_s(now_s))

    async def move_to(self, endpoint: Endpoint) -> None:
        """Another broker, or the same in another way: leave the one, orderly, and connect anew."""
        self.endpoint = endpoint
        connection = self._connection
        if connection is None or connection.closed.done():
            return
        await self.say_goodbye()
        self._said_goodbye = False  # of that connection
        await connection.close()

    def reconnect(self, places: Sequence[tuple[str, int]]) -> None:
        """Connect anew, with the certificate that is on disk now, and know brokers by `places` from now on."""
        if (self.endpoint.host, self.endpoint.port) in self._places:  # else somebody chose another one
            self._go_to(places[0])
        self._places = list(places)
        if self._connection is not None:
            self._connection.give_up("renewed", "connecting anew with the renewed certificate")

    async def say_goodbye(self) -> None:
        """Let the last events out and say `offline`, where there is somebody to say it to. At most 3 s."""
        connection = self._connection
        if connection is None or connection.closed.done():
            return
        patience_s = time.monotonic() + 1.5
        # Looked at, not waited for: once in the life of a process, for a moment.
        while (  # noqa: ASYNC110
            self._store.waiting and time.monotonic() < patience_s and not connection.closed.done()
        ):
            await asyncio.sleep(0.05)
        try:
            saying = await self._rooms.announcer.say("offline")
        except StoreRefused:  # the will says `lost` then
            return
        if saying is not None:
            done, _ = await asyncio.wait({saying}, timeout=1.5)
            self._said_goodbye = bool(done) and not saying.cancelled() and saying.result() < FAILURE

    # -- one connection -------------------------------------------------------------------------------

    async def _load(self) -> None:
        known = await self._store.read(lambda box: box.noted(_SESSIONS))
        self._rooms.identity.ours(*(known.split(",") if known else ()))
        await self._rooms.commands.load()

    async def _once(self) -> None:
        await self._begin_session()
        self._metrics.set_mqtt_version(self.endpoint.version)
        will = await self._rooms.announcer.will(self.session, self.endpoint.version)
        own = self._topics.own if self._closed_subscribing < EARLY_CLOSES else ()
        connection = await connect(self.endpoint, self._topics.subscriptions, will, optional=own)
        if self._supposed:  # it takes 3.1.1: whether it still closes on 5 was not seen yet
            self._speak("5", "broker takes 3.1.1; seeing whether it takes MQTT 5 now")
            self._proving = True
            await connection.close()
            return
        self._proving = False
        self._connection = connection
        self._session_used = True
        try:
            self._note_online()
            serving = Serving(
                self._rooms, connection, session=self.session, wants_acks=self.ack_mode == "center"
            )
            await serving.run()
        except ExceptionGroup as group_error:
            ended, others = group_error.split((ConnectionEnded, StoreRefused))
            if ended is None or others is not None:
                raise  # a bug: let it rise
            raise ended.exceptions[0] from None  # the connection ended once: one reason is enough
        finally:
            self._connection = None
            self._metrics.mqtt_connected.set(0)
            # A DISCONNECT takes the will away: only to one who was told that we leave.
            await connection.close(orderly=self._said_goodbye)

    async def _begin_session(self) -> None:
        """A new session is on disk before anybody hears of it, where the disk takes it.

        Attempts that fail share one: a long outage must not push out those that we were online with.
        """
        if self.session and not self._session_used:
            return
        self._session_used = False
        self.session = str(uuid.uuid4())
        self._rooms.identity.ours(self.session)
        sessions = ",".join(self._rooms.identity.own_sessions)
        try:
            await self._store.run(lambda box: box.note(_SESSIONS, sessions))
        except (
            StoreRefused
        ) as exc:  # a full disk must be able to drain; after a crash we may suspect ourselves
            log.warning("session not remembered on disk", extra={"code": exc.code})

    def _note_online(self) -> None:
        self._early_closes = self._closed_subscribing = 0
        self.state, self.code, self.detail = "online", None, None
        self.since_ms = self._clock.now().wall_ms
        self._metrics.mqtt_connected.set(1)
        self._metrics.mqtt_connects.labels(result="ok").inc()
        log.info(
            "uplink connected",
            extra={"broker": f"{self.endpoint.host}:{self.endpoint.port}", "mqtt": self.endpoint.version},
        )

    # -- when it does not work ------------------------------------------------------------------------

    def _note_offline(self, code: str, text: str) -> None:
        if self.state != "offline" or self.code != code:
            log.warning("uplink offline", extra={"code": code, "cause": text})
            self.since_ms = self._clock.now().wall_ms
        self.state, self.code, self.detail = "offline", code, text

    def _go_to(self, place: tuple[str, int]) -> None:
        self.endpoint = replace(self.endpoint, host=place[0], port=place[1])

    def _try_next_place(self) -> None:
        """Nobody was there: the next broker, round and round."""
        here = (self.endpoint.host, self.endpoint.port)
        if len(self._places) > 1 and here in self._places:
            self._go_to(self._places[(self._places.index(here) + 1) % len(self._places)])

    def _learn_from(self, failure: ConnectFailed) -> None:
        if failure.code in NOBODY_THERE:
            self._try_next_place()
        if failure.closed_subscribing:  # it may be our own status that it does not let us read
            self._closed_subscribing += 1
        if not self._auto_version:
            return
        self._early_closes = self._early_closes + 1 if failure.closed_before_connack else 0
        if self.endpoint.version != "5":
            if self._supposed and self._early_closes >= EARLY_CLOSES:
                self._speak("5", "broker closes on 3.1.1 as well; trying MQTT 5 again")
        elif failure.other_version or (self._proving and failure.closed_before_connack):
            self._speak("3.1.1", "broker does not take MQTT 5; using 3.1.1 until restart")
        elif self._early_closes >= EARLY_CLOSES:
            self._speak("3.1.1", "broker closes on MQTT 5; trying 3.1.1")
            self._supposed = True

    def _speak(self, version: str, why: str) -> None:
        log.warning(why)
        self.endpoint = replace(self.endpoint, version=version)
        self._early_closes, self._supposed, self._proving = 0, False, False

    async def _pause_s(self) -> float | None:
        """How long to keep away from another machine with our identity; None where there is none."""
        if not self._rooms.identity.doubled(time.monotonic()):
            return None
        await self._alarms.raise_("duplicate_identity", "gateway", {})
        return DOUBLED_BACKOFF_S + random.uniform(0, DOUBLED_BACKOFF_S)  # noqa: S311 - jitter
