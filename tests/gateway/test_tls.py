"""TLS to a real broker on a machine whose clock is not set: what is believed, and what still is not."""

import datetime as dt
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.clock import CertificateTime
from gateway.mqtt_bridge import ConnectFailed, Endpoint, connect
from gateway.tls import client_context
from tests.broker import GATEWAY, HOST, Identity, Mosquitto, Pki

IN_2026 = CertificateTime(1_795_309_322_000, passed_only=True)
FAR = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
IN_2101 = CertificateTime(int(FAR.replace(year=2101).timestamp() * 1000), passed_only=True)
PAST = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
EARLIER = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)


@contextmanager
def broker_with(folder: Path, pki: Pki, server: Identity) -> Iterator[Mosquitto]:
    pki.server = server
    with Mosquitto(folder / "broker", tls=pki) as broker:
        yield broker


async def reach(
    broker: Mosquitto, pki: Pki, time: CertificateTime | None, *, ca: Path | None = None, host: str = HOST
) -> str:
    """`connected`, or code and text of the refusal."""
    client = pki.client()
    endpoint = Endpoint(
        host=host,
        port=broker.tls_port,
        client_id=GATEWAY,
        tls=True,
        ca_file=ca or pki.ca,
        cert_file=client.cert,
        key_file=client.key,
        certificate_time=lambda: time,
    )
    try:
        connection = await connect(endpoint, ("cc/v1/#",), None)
    except ConnectFailed as failed:
        return f"{failed.code}: {failed}"
    await connection.close()
    return "connected"


async def test_a_clock_before_the_certificate_connects_by_the_floor_and_not_without_it(
    tmp_path: Path, pki: Pki
) -> None:
    """2026 before a certificate of 2100 is what 1970 is before one of 2026."""
    with broker_with(
        tmp_path, pki, pki.dated_server(not_before=FAR, not_after=FAR.replace(year=2101))
    ) as broker:
        without = await reach(broker, pki, None)
        assert without.startswith("certificate: ")
        assert "not yet valid" in without
        assert await reach(broker, pki, IN_2026) == "connected"


async def test_a_time_that_is_known_judges_both_dates(tmp_path: Path, pki: Pki) -> None:
    known = CertificateTime(IN_2026.at_ms, passed_only=False)
    with broker_with(
        tmp_path, pki, pki.dated_server(not_before=FAR, not_after=FAR.replace(year=2101))
    ) as broker:
        refused = await reach(broker, pki, known)
    assert refused.startswith("certificate: ")
    assert "not yet valid: 2100-01-01, judged at 2026-11-22T01:02:02.000Z" in refused


async def test_an_ordinary_certificate_connects_either_way(tmp_path: Path, pki: Pki) -> None:
    with broker_with(tmp_path, pki, pki.server) as broker:
        for time in (None, IN_2026, CertificateTime(IN_2026.at_ms, passed_only=False)):
            assert await reach(broker, pki, time) == "connected"


EXPIRED: dict[str, tuple[Callable[[Pki], Identity], CertificateTime, str]] = {
    "by the floor": (lambda pki: pki.dated_server(EARLIER, PAST), IN_2026, "2026-06-01"),
    "which the machine's clock would take": (
        lambda pki: pki.dated_server(EARLIER, FAR),
        IN_2101,
        "2100-01-01",
    ),
    "its issuer, not itself": (lambda pki: pki.server_under_expired_authority(), IN_2026, "2001-01-01"),
}


@pytest.mark.parametrize("case", EXPIRED)
async def test_an_expired_certificate_is_refused_with_the_remedy(tmp_path: Path, pki: Pki, case: str) -> None:
    make, time, limit = EXPIRED[case]
    with broker_with(tmp_path, pki, make(pki)) as broker:
        refused = await reach(broker, pki, time)
        log = broker.log_text()
    assert refused.startswith("certificate: ")
    assert f"certificate has expired: {limit}, judged at 2" in refused
    assert "check [uplink] ca_file, the broker's name and this machine's clock" in refused
    assert GATEWAY not in log, "nothing was said to a broker that is not believed"


async def test_the_issuers_dates_are_checked_by_openssl_too(tmp_path: Path, pki: Pki) -> None:
    """The control of the case above: that chain is refused for its issuer, and for nothing else."""
    with broker_with(tmp_path, pki, pki.server_under_expired_authority()) as broker:
        assert "expired" in await reach(broker, pki, None)
        in_its_days = CertificateTime(
            int(dt.datetime(2000, 6, 1, tzinfo=dt.UTC).timestamp() * 1000), passed_only=True
        )
        assert await reach(broker, pki, in_its_days) == "connected"


async def test_a_foreign_authority_is_refused_whatever_the_time(tmp_path: Path, pki: Pki) -> None:
    with broker_with(tmp_path, pki, pki.server) as broker:
        refused = await reach(broker, pki, IN_2026, ca=pki.wrong_ca)
    assert refused.startswith("certificate: ")


async def test_a_wrong_name_is_refused_whatever_the_time(tmp_path: Path, pki: Pki) -> None:
    with broker_with(tmp_path, pki, pki.misnamed_server()) as broker:
        refused = await reach(broker, pki, IN_2026)
    assert refused.startswith("certificate: ")
    assert "127.0.0.1" in refused


def test_a_refused_socket_is_closed_and_sends_nothing(tmp_path: Path, pki: Pki) -> None:
    with broker_with(tmp_path, pki, pki.dated_server(EARLIER, PAST)) as broker:
        context = client_context(pki.ca, None, None, IN_2026)
        raw = socket.create_connection((HOST, broker.tls_port), 5)
        wrapped = context.wrap_socket(raw, server_hostname=HOST, do_handshake_on_connect=False)
        with pytest.raises(ssl.SSLCertVerificationError):
            wrapped.do_handshake()
        assert wrapped.fileno() == -1


def test_the_machines_clock_is_checked_by_openssl_alone(pki: Pki) -> None:
    context = client_context(pki.ca, None, None, None)
    assert not context.verify_flags & 0x200000
    floored = client_context(pki.ca, None, None, IN_2026)
    assert floored.check_hostname
    assert floored.verify_mode is ssl.CERT_REQUIRED
