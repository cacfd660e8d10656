"""The delivered broker lets every gateway do its own part of the contract, and nobody anything else.

mosquitto answers "granted" to a subscription that it will never serve, and a 3.1.1 client gets a good
PUBACK for what is thrown away. So each denial is shown by what arrives: the forbidden message is sent
first, an allowed one second, and only the second comes.
"""

import contextlib
import dataclasses
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from tests.broker import Pki
from tests.deploy.center import (
    CENTER,
    MONITOR,
    NEIGHBOUR,
    OTHER_ORG,
    OURS,
    UNLISTED,
    CenterBroker,
    root_of,
)
from tests.deploy.mqtt_peer import V5, V311, Peer, RefusedError, eventually

OK, NOBODY_LISTENS, NOT_AUTHORIZED = 0x00, 0x10, 0x87
CLASSES = ("checkin", "identity", "tracker", "presence", "alarm", "device", "audit", "clock", "system")
UP = ["info", "status", "dev/idcard-1/status", "rsp/ping", "req/ack", *(f"evt/{name}" for name in CLASSES)]
DOWN = ["ack", "cmd/ping", "cmd/roster-sync", "res/time"]
RETAINED = {"info", "status", "dev/idcard-1/status"}
VERSIONS = pytest.mark.parametrize("version", [V5, V311], ids=["5", "3.1.1"])


@pytest.fixture
def center(tmp_path: Path, pki: Pki) -> Iterator[CenterBroker]:
    center = CenterBroker(tmp_path / "center", pki)
    with center.broker:
        yield center


@VERSIONS
def test_a_gateway_publishes_all_its_topics_and_the_center_gets_them(
    center: CenterBroker, version: MQTTProtocolVersion
) -> None:
    with Peer(center.session(CENTER)) as receiver, Peer(center.session(OURS, version=version)) as gateway:
        receiver.subscribe("cc/v1/+/+/#")
        for name in UP:
            topic = f"{root_of(OURS)}/{name}"
            assert gateway.publish(topic, name.encode(), retain=name in RETAINED) == OK
            assert [(m.topic, m.payload) for m in receiver.until(topic)] == [(topic, name.encode())]


@VERSIONS
def test_a_gateway_hears_its_own_ack_commands_and_answers(
    center: CenterBroker, version: MQTTProtocolVersion
) -> None:
    with Peer(center.session(CENTER)) as sender, Peer(center.session(OURS, version=version)) as gateway:
        gateway.subscribe(f"{root_of(OURS)}/ack", f"{root_of(OURS)}/cmd/#", f"{root_of(OURS)}/res/#")
        for name in DOWN:
            topic = f"{root_of(OURS)}/{name}"
            assert sender.publish(topic, retain=name == "ack") == OK
            assert [m.topic for m in gateway.until(topic)] == [topic]


def test_status_info_and_ack_are_kept_for_whoever_comes_later(center: CenterBroker) -> None:
    with Peer(center.session(OURS)) as gateway:
        for name in RETAINED:
            gateway.publish(f"{root_of(OURS)}/{name}", retain=True)
    with Peer(center.session(CENTER)) as receiver:
        receiver.publish(f"{root_of(OURS)}/ack", b"cursor", retain=True)
        receiver.subscribe("cc/#")
        receiver.publish("cc/end")
        kept = {m.topic for m in receiver.until("cc/end") if m.retain}
        assert kept == {f"{root_of(OURS)}/{name}" for name in {*RETAINED, "ack"}}
    with Peer(center.session(OURS)) as gateway:
        gateway.subscribe(f"{root_of(OURS)}/ack")
        assert gateway.until(f"{root_of(OURS)}/ack")[0].retain


def test_the_will_of_a_gateway_that_vanishes_is_delivered(center: CenterBroker) -> None:
    status = f"{root_of(OURS)}/status"
    with Peer(center.session(CENTER)) as receiver:
        receiver.subscribe("cc/v1/+/+/status")
        with Peer(center.session(OURS, will=(status, b"lost"))) as gateway:
            gateway.publish(status, b"online", retain=True)
            gateway.vanish()
            eventually(lambda: receiver.until(status)[-1].payload == b"lost", "the will")


FOREIGN = [
    f"{root_of(NEIGHBOUR)}/evt/checkin",  # another gateway
    f"{root_of(NEIGHBOUR)}/status",
    f"{root_of(OTHER_ORG)}/evt/alarm",  # another organisation
    f"cc/v1/370103/{OURS}/evt/checkin",  # our name under another organisation
    f"{root_of(OURS)}/ack",  # our own branch, but the center's word
    f"{root_of(OURS)}/cmd/wipe",
    f"{root_of(OURS)}/dev/idcard-1/other",
    "cc/v1/center/status",
    "$SYS/broker/version",
]


@pytest.mark.parametrize("topic", FOREIGN)
@VERSIONS
def test_a_foreign_topic_is_refused_and_not_delivered(
    center: CenterBroker, version: MQTTProtocolVersion, topic: str
) -> None:
    marker = f"{root_of(OURS)}/evt/system"
    with Peer(center.session(CENTER)) as receiver, Peer(center.session(OURS, version=version)) as gateway:
        receiver.subscribe("cc/#")
        # 3.1.1 has no word for a refusal: the PUBACK looks like success.
        assert gateway.publish(topic, b"forged") == (NOT_AUTHORIZED if version == V5 else OK)
        gateway.publish(marker)
        assert [m.topic for m in receiver.until(marker)] == [marker]


@VERSIONS
def test_a_foreign_will_is_not_delivered(center: CenterBroker, version: MQTTProtocolVersion) -> None:
    """mosquitto accepts the connection and drops the will when its hour comes."""
    forged, marker = f"{root_of(NEIGHBOUR)}/status", f"{root_of(NEIGHBOUR)}/cmd/ping"
    with Peer(center.session(CENTER)) as receiver:
        receiver.subscribe("cc/#")
        with Peer(center.session(OURS, version=version, will=(forged, b"lost"))) as gateway:
            gateway.vanish()
            gone = f"Client {OURS} closed its connection"
            eventually(lambda: gone in center.log_text(), "the end of the connection in the log")
        receiver.publish(marker)
        assert [m.topic for m in receiver.until(marker)] == [marker]


@pytest.mark.parametrize(
    "wish",
    [
        f"{root_of(NEIGHBOUR)}/cmd/#",
        f"{root_of(NEIGHBOUR)}/ack",
        "cc/v1/+/+/cmd/#",
        "cc/#",
        "#",
        "+/+/+/+/ack",
    ],
)
@VERSIONS
def test_a_gateway_hears_nothing_of_another(
    center: CenterBroker, version: MQTTProtocolVersion, wish: str
) -> None:
    own, marker = f"{root_of(OURS)}/res/time", f"{root_of(OURS)}/cmd/ping"
    with Peer(center.session(CENTER)) as sender, Peer(center.session(OURS, version=version)) as gateway:
        sender.publish(f"{root_of(NEIGHBOUR)}/ack", b"retained", retain=True)
        gateway.subscribe(wish, own, marker)
        for topic in (f"{root_of(NEIGHBOUR)}/cmd/ping", f"{root_of(NEIGHBOUR)}/ack", own, marker):
            sender.publish(topic)
        heard = {m.topic for m in gateway.until(marker)}
        assert heard == {own, marker}


def test_gateways_do_not_hear_each_others_events(center: CenterBroker) -> None:
    marker = f"{root_of(OURS)}/cmd/ping"
    with (
        Peer(center.session(CENTER)) as receiver,
        Peer(center.session(NEIGHBOUR)) as neighbour,
        Peer(center.session(OURS)) as gateway,
    ):
        gateway.subscribe("cc/v1/+/+/evt/#", "cc/v1/+/+/status", "$SYS/#", marker)
        receiver.subscribe(f"{root_of(NEIGHBOUR)}/#")
        neighbour.publish(f"{root_of(NEIGHBOUR)}/evt/checkin", b"restricted")
        receiver.until(f"{root_of(NEIGHBOUR)}/evt/checkin")
        receiver.publish(marker)
        assert [m.topic for m in gateway.until(marker)] == [marker]


def test_a_gateway_that_is_not_in_the_list_can_do_nothing(center: CenterBroker) -> None:
    with Peer(center.session(UNLISTED)) as gateway:
        assert gateway.publish(f"{root_of(UNLISTED)}/evt/checkin") == NOT_AUTHORIZED


def test_the_monitor_sees_figures_and_no_message(center: CenterBroker) -> None:
    version = "$SYS/broker/version"
    with Peer(center.session(CENTER)) as sender, Peer(center.session(MONITOR)) as monitor:
        monitor.subscribe("cc/#")
        sender.publish(f"{root_of(OURS)}/cmd/ping", retain=True)
        monitor.subscribe(version)
        assert [m.topic for m in monitor.until(version)] == [version]
        assert monitor.publish("cc/v1/x") == NOT_AUTHORIZED


def test_a_client_id_is_forced_to_the_certificate_name(center: CenterBroker) -> None:
    """With a valid certificate of its own, nobody takes over another gateway's session."""
    probe = f"{root_of(OURS)}/req/time"
    with Peer(center.session(OURS)) as victim:
        with Peer(center.session(NEIGHBOUR, client_id=OURS)) as thief:
            assert thief.publish(f"{root_of(OURS)}/evt/checkin") == NOT_AUTHORIZED
            assert thief.publish(f"{root_of(NEIGHBOUR)}/evt/checkin") == NOBODY_LISTENS
            assert victim.publish(probe) == NOBODY_LISTENS, "the victim was thrown off"
        # The control: the same certificate name does take over, whatever client id it presents.
        with Peer(center.session(OURS, client_id="anything")):
            victim.drop_reason()


@pytest.mark.parametrize("username", [None, CENTER, NEIGHBOUR])
def test_a_user_name_in_the_packet_changes_nothing(center: CenterBroker, username: str | None) -> None:
    session = dataclasses.replace(center.session(OURS), username=username)
    with Peer(session) as gateway:
        assert gateway.publish(f"{root_of(OURS)}/evt/checkin") == NOBODY_LISTENS
        assert gateway.publish(f"{root_of(NEIGHBOUR)}/evt/checkin") == NOT_AUTHORIZED


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")  # paho 2.2, failed handshake
@pytest.mark.parametrize("who", ["nobody", "wrong CA", "expired", "no TLS"])
@VERSIONS
def test_strangers_are_refused(center: CenterBroker, version: MQTTProtocolVersion, who: str) -> None:
    good, pki = center.session(OURS, version=version), center.pki
    identity = {"wrong CA": pki.wrong_client(OURS), "expired": pki.expired_client(OURS)}.get(who)
    stranger = dataclasses.replace(good, identity=identity, ca=None if who == "no TLS" else pki.ca)
    with pytest.raises(RefusedError), Peer(stranger):
        pass
    with Peer(good) as gateway:  # the control
        gateway.publish(f"{root_of(OURS)}/evt/checkin")


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")  # paho 2.2, failed handshake
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_tls_before_1_2_is_refused(tmp_path: Path, pki: Pki) -> None:
    """The second and third broker are controls: with OpenSSL's own floor taken away, the setting decides."""
    lenient = ("\nciphers ECDHE+AESGCM:ECDHE+CHACHA20\n", "\nciphers DEFAULT:@SECLEVEL=0\n")
    old = ("\ntls_version tlsv1.2\n", "\ntls_version tlsv1.1\n")
    for folder, changes, accepted in (
        ("a", (), False),
        ("b", (lenient,), False),
        ("c", (lenient, old), True),
    ):
        center = CenterBroker(tmp_path / folder, pki, changes)
        session = dataclasses.replace(center.session(OURS), tls_only=ssl.TLSVersion.TLSv1_1)
        expectation = contextlib.nullcontext() if accepted else pytest.raises(RefusedError)
        with center.broker, expectation, Peer(session):
            pass


@pytest.mark.parametrize("tls", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_current_versions_of_tls_work(center: CenterBroker, tls: ssl.TLSVersion) -> None:
    session = dataclasses.replace(center.session(OURS), tls_only=tls)
    with Peer(session) as gateway:
        assert gateway.publish(f"{root_of(OURS)}/evt/checkin") == NOBODY_LISTENS


def test_a_gateway_taken_out_of_the_list_loses_its_open_connection_rights(center: CenterBroker) -> None:
    topic = f"{root_of(OURS)}/evt/checkin"
    with Peer(center.session(OURS)) as gateway:
        assert gateway.publish(topic) == NOBODY_LISTENS
        center.write_acl(NEIGHBOUR)
        center.broker.reload()
        eventually(lambda: gateway.publish(topic) == NOT_AUTHORIZED, "the reload of the access list")
