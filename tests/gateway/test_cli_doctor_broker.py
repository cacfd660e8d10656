"""`zhijiao doctor --broker` against brokers of known manners: what it says of each, and that it leaves no trace."""

import os
from pathlib import Path

import pytest

from gateway.cli.answer import Line, Mark
from gateway.cli.doctor_broker import judge_broker
from gateway.config import load_without_files
from gateway.live import endpoint_of
from gateway.store.lock import holding
from tests.broker import Mosquitto
from tests.brokers.engines import ENGINES
from tests.deploy.mqtt_peer import V311, Peer, Session
from tests.gateway.technicians_box import Box, box

ROOT = "cc/v1/370102/gw-370102-01"
STATUS = b'{"v":1,"state":"offline"}'
LONG = os.environ.get("DRILLS") == "long"
GATEWAY_ACL = (
    f"topic write {ROOT}/status\ntopic read {ROOT}/ack\ntopic read {ROOT}/cmd/#\ntopic read {ROOT}/res/#\n"
)


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    return box(tmp_path)


def tried(desk: Box, port: int, version: str = "auto") -> dict[str, Line]:
    uplink = f'[uplink]\nbroker = "mqtt://127.0.0.1:{port}"\nmqtt_version = "{version}"\n'
    desk.config.write_text(desk.config.read_text() + uplink)
    config = load_without_files(desk.config)
    return {
        line.name.partition(": ")[2]: line for line in judge_broker(config, endpoint_of(config, lambda: None))
    }


def keep_status(port: int) -> None:
    with Peer(Session(port, client_id="before", version=V311)) as peer:
        peer.publish(f"{ROOT}/status", STATUS, retain=True)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_broker_that_does_everything(desk: Box, mosquitto: Mosquitto, version: str) -> None:
    keep_status(mosquitto.port)
    told = tried(desk, mosquitto.port, version)
    for name in ("reading", "retained", "QoS 1", "will"):
        assert told[name].mark is Mark.OK, told[name]
    assert "drops it without a word" in told["refusals"].value, "there is no access list"
    assert "ends the first" in told["two of a name"].value
    with Peer(Session(mosquitto.port, client_id="after")) as peer:
        peer.subscribe(f"{ROOT}/#")
        assert [one.payload for one in peer.until(f"{ROOT}/status")] == [STATUS], "as it was"


def test_what_an_access_list_refuses_and_limits_are_told(desk: Box, tmp_path: Path) -> None:
    acl, small = (
        GATEWAY_ACL.replace(f"topic read {ROOT}/ack\n", ""),
        "max_packet_size 20000\nmax_inflight_messages 5",
    )
    with Mosquitto(tmp_path / "strict", acl=acl + f"topic read {ROOT}/status\n", extra=small) as broker:
        keep_status(broker.port)
        told = tried(desk, broker.port)
    assert (told["packet size"].mark, "20000" in told["packet size"].value) == (Mark.ATTENTION, True)
    assert (told["in flight"].mark, "5 publishes" in told["in flight"].value) == (Mark.NOTE, True)
    assert told["refusals"].mark is Mark.OK


def test_a_broker_that_has_never_heard_of_the_gateway_gets_nothing_from_it(
    desk: Box, mosquitto: Mosquitto
) -> None:
    told = tried(desk, mosquitto.port)
    assert (told["retained"].mark, "QoS 1" in told) == (Mark.ATTENTION, False)
    with Peer(Session(mosquitto.port, client_id="after")) as peer:
        peer.subscribe(f"{ROOT}/#")
        peer.publish(f"{ROOT}/end", b"")
        assert [one.topic for one in peer.until(f"{ROOT}/end")] == [f"{ROOT}/end"]


def test_commands_that_wait_for_the_gateway_stay_there(desk: Box, mosquitto: Mosquitto) -> None:
    keep_status(mosquitto.port)
    tried(desk, mosquitto.port)
    with Peer(Session(mosquitto.port, client_id="center")) as peer:
        peer.publish(f"{ROOT}/cmd/ping", b"{}")
    config = load_without_files(desk.config)
    assert list(judge_broker(config, endpoint_of(config, lambda: None)))
    with Peer(Session(mosquitto.port, client_id="gw-370102-01", persistent=True, version=V311)) as peer:
        assert peer.until(f"{ROOT}/cmd/ping")[-1].payload == b"{}"


def test_a_gateway_that_runs_is_left_alone(desk: Box, mosquitto: Mosquitto) -> None:
    desk.config.write_text(
        f'{desk.config.read_text()}[uplink]\nbroker = "mqtt://127.0.0.1:{mosquitto.port}"\n'
    )
    with holding(desk.store):
        told = desk.run("doctor", "--broker", "--json").json["lines"]
    line = next(one for one in told if one["name"] == "broker: behaviour")
    assert (line["state"], "stop it first" in line["todo"]) == ("note", True)
    assert "gw-370102-01" not in mosquitto.log_text()


@pytest.mark.skipif(not LONG, reason="not run: starts large brokers; DRILLS=long")
@pytest.mark.parametrize("name", ["nats", "rabbitmq"])
def test_other_brokers(desk: Box, name: str) -> None:
    with ENGINES[name]() as broker:
        keep_status(broker.ports[0])
        told = tried(desk, broker.ports[0])
    for line in told.values():
        print(line.mark, line.name, line.value, line.todo)
    assert told["version"].value.startswith("MQTT 3.1.1")
    assert {told[word].mark for word in ("reading", "retained")} == {Mark.OK}
