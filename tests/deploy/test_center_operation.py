"""The delivered broker over time: revocation, restart, long absences, large messages, and a clean log."""

import dataclasses
import datetime as dt
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from tests.broker import Pki
from tests.deploy.center import CENTER, NEIGHBOUR, OURS, CenterBroker, root_of
from tests.deploy.mqtt_peer import V5, V311, Peer, RefusedError, eventually

EVENT, ACK = f"{root_of(OURS)}/evt/checkin", f"{root_of(OURS)}/ack"
WITH_CRL = (("\n#crlfile ", "\ncrlfile "),)
OK, NOT_AUTHORIZED = 0x00, 0x87
MAX_PAYLOAD = 65536


def center_with_crl(tmp_path: Path, pki: Pki, crl: Path) -> CenterBroker:
    center = CenterBroker(tmp_path / "center", pki, WITH_CRL)
    (center.site / "crl.pem").write_bytes(crl.read_bytes())
    return center


def test_a_revoked_certificate_is_refused_and_its_replacement_is_not(tmp_path: Path, pki: Pki) -> None:
    stolen, replacement = pki.client(OURS), pki.client(OURS)
    center = center_with_crl(tmp_path, pki, pki.revoke(stolen))
    with center.broker:
        session = center.session(OURS)
        with pytest.raises(RefusedError), Peer(dataclasses.replace(session, identity=stolen)):
            pass
        with Peer(dataclasses.replace(session, identity=replacement)) as gateway:
            gateway.publish(EVENT)


def test_a_list_out_of_date_locks_everybody_out(tmp_path: Path, pki: Pki) -> None:
    """Why center.conf says to renew it well before its time."""
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    center = center_with_crl(tmp_path, pki, pki.revoke(next_update=yesterday))
    with center.broker, pytest.raises(RefusedError), Peer(center.session(OURS)):
        pass


def test_a_new_list_counts_from_the_reload_but_spares_open_connections(tmp_path: Path, pki: Pki) -> None:
    """Why center.conf says to take the gateway out of the access list as well."""
    stolen = pki.client(OURS)
    center = center_with_crl(tmp_path, pki, pki.revoke())
    session = dataclasses.replace(center.session(OURS), identity=stolen)
    with center.broker:
        with Peer(session) as thief:
            (center.site / "crl.pem").write_bytes(pki.revoke(stolen).read_bytes())
            center.write_acl(OURS)
            center.broker.reload()
            with Peer(center.session(NEIGHBOUR)) as gone:
                neighbour = f"{root_of(NEIGHBOUR)}/evt/checkin"
                eventually(lambda: gone.publish(neighbour) == NOT_AUTHORIZED, "the reload")
            assert thief.publish(EVENT) != NOT_AUTHORIZED
        with pytest.raises(RefusedError), Peer(session):
            pass


def test_what_waits_survives_an_orderly_restart(tmp_path: Path, pki: Pki) -> None:
    center = CenterBroker(tmp_path / "center", pki)
    receiver = dataclasses.replace(center.session(CENTER, version=V311), persistent=True)
    with center.broker:
        with Peer(receiver) as peer:
            peer.subscribe("cc/v1/+/+/evt/#")
            peer.publish(ACK, b"cursor", retain=True)
        with Peer(center.session(OURS)) as gateway:
            assert gateway.publish(EVENT, b"while the receiver is away") == 0
        center.broker.restart()
        with Peer(receiver) as peer:
            assert peer.until(EVENT)[-1].payload == b"while the receiver is away"
        with Peer(center.session(OURS)) as gateway:
            gateway.subscribe(ACK)
            assert gateway.until(ACK)[-1].payload == b"cursor"


def test_a_receiver_that_is_away_misses_nothing_of_a_busy_hour(tmp_path: Path, pki: Pki) -> None:
    """mosquitto's default keeps 1000, see test_queue_limits_are_large_or_mosquittos_own."""
    center = CenterBroker(tmp_path / "center", pki)
    receiver = dataclasses.replace(center.session(CENTER, version=V311), persistent=True)
    with center.broker:
        with Peer(receiver) as peer:
            peer.subscribe("cc/v1/+/+/evt/#")
        with Peer(center.session(OURS)) as gateway:
            for number in range(2500):
                gateway.publish(EVENT, str(number).encode())
            gateway.publish(f"{root_of(OURS)}/evt/system")
        with Peer(receiver) as peer:
            arrived = [message.payload for message in peer.until(f"{root_of(OURS)}/evt/system")]
    assert arrived[:-1] == [str(number).encode() for number in range(2500)]


@pytest.mark.parametrize("version", [V5, V311], ids=["5", "3.1.1"])
def test_the_largest_event_passes_and_what_is_beyond_all_bounds_ends_the_connection(
    tmp_path: Path, pki: Pki, version: MQTTProtocolVersion
) -> None:
    center = CenterBroker(tmp_path / "center", pki)
    with center.broker, Peer(center.session(CENTER)) as receiver:
        receiver.subscribe("cc/#")
        with Peer(center.session(OURS, version=version)) as gateway:
            assert gateway.publish(EVENT, b"x" * MAX_PAYLOAD) == OK
            assert len(receiver.until(EVENT)[-1].payload) == MAX_PAYLOAD
            # No answer that MQTT does not have (0x95 would end the network thread of paho).
            assert gateway.publish(EVENT, b"x" * (MAX_PAYLOAD + 1)) == OK
            gateway.send(EVENT, b"x" * 2 * MAX_PAYLOAD)
            gateway.drop_reason()


def test_a_renewed_broker_certificate_counts_from_the_reload(tmp_path: Path, pki: Pki) -> None:
    center = CenterBroker(tmp_path / "center", pki)
    with center.broker:
        renewed = pki.new_server()
        for source, name in ((renewed.cert, "server.crt"), (renewed.key, "server.key")):
            (center.site / name).write_bytes(source.read_bytes())
        assert center.presented_certificate() == pki.server.der()
        center.broker.reload()
        eventually(lambda: center.presented_certificate() == renewed.der(), "the new certificate")


def test_the_log_names_connections_and_no_payload(tmp_path: Path, pki: Pki) -> None:
    center = CenterBroker(tmp_path / "center", pki)
    with center.broker:
        with Peer(center.session(CENTER)) as receiver, Peer(center.session(OURS)) as gateway:
            receiver.subscribe("cc/#")
            gateway.publish(EVENT, b"canary-of-a-person")
            gateway.publish(f"{root_of(NEIGHBOUR)}/evt/checkin", b"canary-of-a-person")
            receiver.until(EVENT)
        with pytest.raises(RefusedError), Peer(dataclasses.replace(center.session(OURS), identity=None)):
            pass
        eventually(lambda: f"Client {OURS} disconnected" in center.log_text(), "the log")
    assert f"as {OURS} (p5" in center.log_text()
    assert "canary" not in center.log_text() + center.broker.log_text()
