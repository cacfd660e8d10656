"""The broker fixture does what other tests build on: it comes back, forgets, freezes and refuses."""

import os
import signal
from pathlib import Path
from typing import Literal

import pytest

from tests.broker import BrokerError, Mosquitto, Pki, find_mosquitto, free_port, wait_port
from tests.deploy.mqtt_peer import V311, Peer, RefusedError, Session

KEPT, LOST = "kept/by/disk", "lost/with/memory"


def test_restart_keeps_port_and_retained_messages(mosquitto: Mosquitto) -> None:
    port = mosquitto.port
    with Peer(Session(port)) as peer:
        peer.publish(KEPT, b"1", retain=True)
    mosquitto.restart()
    assert mosquitto.port == port
    with Peer(Session(port)) as peer:
        peer.subscribe("#")
        assert [m.payload for m in peer.until(KEPT)] == [b"1"]


def test_kill_loses_what_was_only_in_memory(mosquitto: Mosquitto) -> None:
    with Peer(Session(mosquitto.port)) as peer:
        peer.publish(LOST, retain=True)
    mosquitto.kill()
    assert not mosquitto.running
    mosquitto.start()
    with Peer(Session(mosquitto.port)) as peer:
        peer.subscribe("#")
        peer.publish(KEPT)
        assert [m.topic for m in peer.until(KEPT)] == [KEPT]


def test_without_persistence_an_orderly_restart_forgets_too(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker", persistence=False) as broker:
        with Peer(Session(broker.port)) as peer:
            peer.publish(LOST, retain=True)
        broker.restart()
        with Peer(Session(broker.port)) as peer:
            peer.subscribe("#")
            peer.publish(KEPT)
            assert [m.topic for m in peer.until(KEPT)] == [KEPT]


def test_paused_broker_is_frozen_and_can_be_stopped(mosquitto: Mosquitto) -> None:
    mosquitto.pause()
    _, status = os.waitpid(mosquitto.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert os.WSTOPSIG(status) == signal.SIGSTOP
    mosquitto.resume()
    with Peer(Session(mosquitto.port)) as peer:
        assert peer.publish(KEPT) in {0x00, 0x10}
    mosquitto.pause()
    mosquitto.stop()
    assert not mosquitto.running


@pytest.mark.parametrize(("queue", "kept"), [("large", 1300), ("default", 1000)])
def test_queue_limits_are_large_or_mosquittos_own(
    tmp_path: Path, queue: Literal["large", "default"], kept: int
) -> None:
    with Mosquitto(tmp_path / "broker", queue=queue) as broker:
        absent = Session(broker.port, client_id="absent", version=V311, persistent=True)
        with Peer(absent) as peer:
            peer.subscribe("n/+", "end")
        with Peer(Session(broker.port)) as sender:
            assert {sender.publish(f"n/{number}") for number in range(1300)} == {0}  # all PUBACKed
        with Peer(absent) as peer:
            arrived = peer.until(f"n/{kept - 1}")
            peer.publish("end")
            assert [m.topic for m in peer.until("end")] == ["end"]
    assert len(arrived) == kept


def test_tls_binds_the_certificate_name_as_client_id(tmp_path: Path, pki: Pki) -> None:
    with Mosquitto(tmp_path / "broker", tls=pki) as broker:
        gateway = Session(broker.tls_port, ca=pki.ca, identity=pki.client("gw-370102-07"), client_id="other")
        with Peer(gateway) as peer, Peer(Session(broker.port)) as anonymous:
            assert peer.publish("a") == anonymous.publish("a") == 0x10  # accepted, nobody listens
        assert "as gw-370102-07 (p5, c1, k60, u'gw-370102-07')" in broker.log_text()


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")  # paho 2.2, failed handshake
def test_tls_refuses_strangers(tmp_path: Path, pki: Pki) -> None:
    with Mosquitto(tmp_path / "broker", tls=pki) as broker:
        for identity in (None, pki.wrong_client(), pki.expired_client()):
            with pytest.raises(RefusedError), Peer(Session(broker.tls_port, ca=pki.ca, identity=identity)):
                pass
        with (
            pytest.raises(RefusedError, match="certificate verify failed"),
            Peer(Session(broker.tls_port, ca=pki.wrong_ca, identity=pki.client())),
        ):
            pass


def test_acl_text_is_obeyed(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker", acl="topic write open/#\n")
    with broker, Peer(Session(broker.port)) as peer:
        assert peer.publish("open/a") == 0x10
        assert peer.publish("shut/a") == 0x87


def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker", extra="no_such_option true")
    with pytest.raises(BrokerError, match="no_such_option"):
        broker.start()
    assert not broker.running


def test_free_ports_are_outside_what_the_kernel_hands_out() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    assert all(free_port() < lowest for _ in range(50))
    with pytest.raises(TimeoutError):
        wait_port(free_port(), timeout_s=0)


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_without_mosquitto_tests_skip_but_fail_on_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr("shutil.which", lambda *_args, **_kw: None)
    with pytest.raises(outcome, match=r"apt-get install .* mosquitto"):
        find_mosquitto()
