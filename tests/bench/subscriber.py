"""The far end in a process of its own: counts every message, and for our gateway acks like a center.

Each message is logged with the time it came (CLOCK_MONOTONIC, the same for all processes):

    u64 ns | u16 length of topic | u32 length of payload | topic | payload

With --ack-key it answers as the contract says: a signed `ack` 50 ms or 100 events after the first that
is not acked. It keeps nothing on disk and verifies nothing while it runs, as a center on another machine
takes no processor time from the gateway; every signature is verified after the clock has stopped.
"""

import argparse
import hashlib
import os
import re
import select
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.envelope import sequence
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.evidence.keys import load_signer
from tests.bench import wire

HEAD = struct.Struct("<QHI")
ACK_AFTER_S, ACK_AFTER_EVENTS = 0.05, 100
MOST_RANGES = 256
_PLACE = re.compile(rb'"sequence":"(\d{16})","source":"/cc/(\d{6})/([^/"]+)/e/([0-9a-f]{8})"')
_JWS = re.compile(rb'"jws":"[^"]*",')


class Epoch:
    """What came of one epoch: everything up to `upto`, and what lies beyond."""

    def __init__(self) -> None:
        self.upto = 0
        self.head = bytes(32)
        self._beyond: dict[int, bytes] = {}

    def add(self, seq: int, digest: bytes) -> None:
        """This sequence is here."""
        if seq > self.upto:
            self._beyond[seq] = digest
        while self.upto + 1 in self._beyond:
            self.upto += 1
            self.head = self._beyond.pop(self.upto)

    def ranges(self) -> list[Json]:
        """What lies beyond, as ranges."""
        spans: list[list[int]] = []
        for seq in sorted(self._beyond):
            if spans and spans[-1][1] == seq - 1:
                spans[-1][1] = seq
            else:
                spans.append([seq, seq])
        return [[sequence(first), sequence(last)] for first, last in spans[:MOST_RANGES]]


class AckingCenter:
    """Acks one gateway."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._epochs: dict[str, Epoch] = {}
        self._unacked = 0
        self._first_s = 0.0
        self._address: tuple[str, str] | None = None

    def take(self, payload: bytes, now_s: float) -> None:
        """An event came."""
        place = _PLACE.search(payload)
        if place is None:
            return
        seq, org, gateway, epoch = (part.decode() for part in place.groups())
        self._address = (org, gateway)
        signed = _JWS.sub(b"", payload, count=1)
        self._epochs.setdefault(epoch, Epoch()).add(int(seq), hashlib.sha256(signed).digest())
        if not self._unacked:
            self._first_s = now_s
        self._unacked += 1

    def wait_s(self, now_s: float) -> float | None:
        """How long until an ack is due; None while nobody waits for one."""
        if not self._unacked:
            return None
        return 0.0 if self._unacked >= ACK_AFTER_EVENTS else max(0.0, self._first_s + ACK_AFTER_S - now_s)

    def ack(self) -> tuple[str, bytes]:
        """Topic and payload."""
        if self._address is None:
            raise RuntimeError("an ack before any event")
        org, gateway = self._address
        self._unacked = 0
        epochs: list[Json] = [
            {
                "epoch": name,
                "upto": sequence(epoch.upto),
                "head": epoch.head.hex(),
                "sack": epoch.ranges(),
                "lost": [],
                "rejected_n": 0,
                "rejected": [],
                "blocked": None,
            }
            for name, epoch in list(self._epochs.items())[-8:]
        ]
        message: dict[str, Json] = {"v": 1, "gw": gateway, "epochs": epochs, "ts": "2026-01-01T00:00:00.000Z"}
        return f"cc/v1/{org}/{gateway}/ack", self._signer.sign_object(message)


def serve(port: int, topic: str, log: int, center: AckingCenter | None) -> None:
    """Count until killed."""
    line = socket.create_connection(("127.0.0.1", port))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.sendall(wire.connect("bench-subscriber") + wire.subscribe([topic]))
    decoder, packet_id = wire.Decoder(), 0
    while True:
        wait = None if center is None else center.wait_s(time.monotonic())
        if wait == 0.0 and center is not None:
            packet_id = packet_id % 65535 + 1
            line.sendall(wire.publish(*center.ack(), packet_id, retain=True))
            continue
        if not select.select([line], [], [], wait)[0]:
            continue
        data = line.recv(1 << 18)
        if not data:
            return
        now = time.monotonic_ns()
        rows, answers = [], []
        for received in decoder.feed(data):
            if received.kind == wire.SUBACK:
                print("subscribed", flush=True)
            elif received.kind == wire.PUBLISH:
                name, mid, payload = wire.read_publish(received)
                raw = name.encode()
                rows.append(HEAD.pack(now, len(raw), len(payload)) + raw + payload)
                if mid:
                    answers.append(wire.puback(mid))
                if center is not None:
                    center.take(payload, now / 1e9)
        os.write(log, b"".join(rows))
        if answers:
            line.sendall(b"".join(answers))


class LogReader:
    """Reads the log of a subscriber while it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0

    def new(self) -> Iterator[tuple[int, bytes]]:
        """(ns, payload) of what came since the last call."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        at = 0
        while len(data) - at >= HEAD.size:
            ns, topic_length, payload_length = HEAD.unpack_from(data, at)
            start = at + HEAD.size + topic_length
            if start + payload_length > len(data):
                break
            yield ns, data[start : start + payload_length]
            at = start + payload_length
        self._at += at


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--ack-key", type=Path)
    parser.add_argument("--ack-kid", default="")
    args = parser.parse_args()
    center = AckingCenter(load_signer(args.ack_key, args.ack_kid)) if args.ack_key else None
    log = os.open(args.out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    serve(args.port, args.topic, log, center)


if __name__ == "__main__":
    main()
