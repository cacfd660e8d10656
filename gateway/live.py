"""Settings that change while the gateway runs: how a configuration becomes the one in force."""

from collections.abc import Callable

from gateway import logs
from gateway.clock import Timekeeper
from gateway.config import Config
from gateway.config.enrolled import EnrolledFacts
from gateway.mqtt_bridge import Endpoint
from gateway.store.store import Store
from gateway.tls import TellTime
from gateway.uplink.requests import RequestFailed
from gateway.uplink.sender import Sender
from gateway.uplink.uplink import Uplink


class Live:
    """What of a running gateway follows its configuration."""

    def __init__(
        self, *, store: Store, sender: Sender, time: Timekeeper, uplink: Callable[[], Uplink]
    ) -> None:
        self._store = store
        self._sender = sender
        self._time = time
        self._uplink = uplink

    async def apply(self, config: Config) -> None:
        """Make it the one in force, as far as it can be without a restart."""
        self._sender.cap_drain(config.uplink.drain_cap_per_s)
        self._store.retain(days=config.store.retention_days, fix_days=config.store.retention_fix_days)
        logs.set_level(config.log.level)
        wanted, now = endpoint_of(config, self._time.certificate_time), self._uplink().endpoint
        if _where(wanted) != _where(now):
            await self._uplink().move_to(wanted)

    async def center_answers(self) -> bool:
        """Whether the center is there: by a signed answer where it acks, else by being connected."""
        uplink = self._uplink()
        if uplink.ack_mode == "broker":
            return uplink.state == "online"
        try:
            await uplink.requests.ask_time()
        except RequestFailed:
            return False
        return True


def places_of(config: Config, facts: EnrolledFacts | None) -> list[tuple[str, int]]:
    """Where brokers are: those of the enrolment, unless the configuration names another one."""
    named = config.uplink.broker
    if facts is None or named not in facts.brokers:
        return [(named.host, named.port)]
    return [(broker.host, broker.port) for broker in facts.brokers]


def endpoint_of(config: Config, certificate_time: TellTime) -> Endpoint:
    """Where and as whom to connect; reads the password file."""
    uplink = config.uplink
    password = None if uplink.password_file is None else uplink.password_file.read_text().rstrip("\r\n")
    return Endpoint(
        host=uplink.broker.host,
        port=uplink.broker.port,
        client_id=config.gateway.id,
        version="5" if uplink.mqtt_version == "auto" else uplink.mqtt_version,
        keepalive_s=uplink.keepalive_s,
        tls=uplink.broker.tls,
        ca_file=uplink.ca_file,
        cert_file=uplink.cert_file,
        key_file=uplink.key_file,
        username=uplink.username,
        password=password,
        certificate_time=certificate_time,
    )


def _where(endpoint: Endpoint) -> tuple[str, int, bool, int]:
    """What of a connection may change; the version is found out by trying."""
    return endpoint.host, endpoint.port, endpoint.tls, endpoint.keepalive_s
