"""The measuring side measures right: its packets, its acks, its verdicts, and its device stays out of the product."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.registry import REGISTRY
from gateway.envelope import sequence
from gateway.evidence.jws import Signer
from gateway.uplink.acks import read_ack
from tests.bench import wire
from tests.bench.report import at_least, at_most, table
from tests.bench.stream_device import KIND
from tests.bench.subscriber import HEAD, AckingCenter, LogReader

KEY = Ed25519PrivateKey.generate()


def event(seq: int) -> bytes:
    return (
        b'{"data":{},"id":"x","jws":"e30..AA","monoms":"1","sequence":"%s",'
        b'"source":"/cc/370102/gw-370102-01/e/0a1b2c3d"}'
    ) % sequence(seq).encode()


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_packets_are_found_in_any_chunking(size: int) -> None:
    long = wire.publish("in/ev", b"x" * 300, 513)
    stream = wire.connect("me") + long + wire.puback(7)
    decoder, found = wire.Decoder(), []
    for at in range(0, len(stream), size):
        found += decoder.feed(stream[at : at + size])
    assert [one.kind for one in found] == [wire.CONNECT, wire.PUBLISH, wire.PUBACK]
    assert wire.read_publish(found[1]) == ("in/ev", 513, b"x" * 300)
    assert wire.packet_id(found[2]) == 7


def test_the_acking_center_never_acks_over_a_gap() -> None:
    center = AckingCenter(Signer("center#1", KEY))
    for seq in (1, 2, 4, 5):
        center.take(event(seq), 10.0)
    topic, payload = center.ack()
    (ack,) = read_ack(payload, "gw-370102-01", lambda _kid: KEY.public_key())
    assert topic == "cc/v1/370102/gw-370102-01/ack"
    assert (ack.upto, ack.sack) == (2, ((4, 5),))
    assert center.wait_s(10.0) is None


def test_an_ack_is_due_after_50_ms_or_100_events() -> None:
    center = AckingCenter(Signer("center#1", KEY))
    center.take(event(1), 10.0)
    assert center.wait_s(10.01) == pytest.approx(0.04)
    for seq in range(2, 101):
        center.take(event(seq), 10.0)
    assert center.wait_s(10.01) == 0.0


def test_a_log_is_read_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "log"
    whole = HEAD.pack(5, 1, 2) + b"t" + b"ab"
    path.write_bytes(whole + whole[:4])
    reader = LogReader(path)
    assert list(reader.new()) == [(5, b"ab")]
    path.write_bytes(whole + whole)
    assert list(reader.new()) == [(5, b"ab")]


def test_a_missed_goal_is_said() -> None:
    missed = at_least("rate", 10.0, 10.0, 2.5, unit="/s", peer_name="peer")
    met = at_most("time", 1.0, 10.0, 0.1, unit="ms", peer_name="peer")
    alone = at_most("time", 1.0, None, 0.1, unit="ms", peer_name="peer")
    assert (missed.ok, met.ok, alone.ok) == (False, True, None)
    text = table([missed, met, alone])
    assert "NO" in text
    assert "not run" in text


def test_the_streaming_device_is_not_in_the_product() -> None:
    assert KIND not in REGISTRY
    assert json.dumps(dict(REGISTRY)).find("tests.") == -1
