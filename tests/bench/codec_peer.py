"""What the packages of others make of the same frames, in the environment in which they are installed.

    python codec_peer.py FAMILY SECONDS < stream      {"seconds": ..., "bytes": ..., "frames": ...}

Imports nothing of this project. Each decodes as its own client does: the frames of the stream are whole and in order.
"""

import importlib
import io
import json
import sys
import time
from collections.abc import Callable
from typing import Any

READ = 1024


def osdp(stream: bytes) -> int:
    """osdp: the reading half of its bus, and its reply."""
    bus_of = importlib.import_module("osdp._bus").Bus
    reply_of = importlib.import_module("osdp._reply").Reply
    bus = bus_of(io.BytesIO(stream), None)
    frames = 0
    while True:
        buffer = bytearray()
        if not bus.wait_for_start_of_message(buffer):
            return frames
        bus.wait_for_message_length(buffer)
        bus.wait_for_rest_of_message(buffer, bus.extract_message_length(buffer))
        frames += reply_of.parse(bytes(buffer), None, None, None).is_data_correct


def efaa_xor16(stream: bytes) -> int:
    """fm22x: its connection, in reads of 1024 bytes."""
    connection = importlib.import_module("fm22x").Connection()
    return sum(len(list(connection.receive(stream[at : at + READ]))) for at in range(0, len(stream), READ))


def zfm(stream: bytes) -> int:
    """pyfingerprint: its packet reader, byte by byte as it reads."""
    client: Any = object.__new__(importlib.import_module("pyfingerprint.pyfingerprint").PyFingerprint)
    line = io.BytesIO(stream)

    class Serial:
        def read(self) -> bytes:
            byte = line.read(1)
            if not byte:
                raise EOFError
            return byte

        def isOpen(self) -> bool:  # noqa: N802 - as pyserial calls it
            return False

    client._PyFingerprint__serial = Serial()
    frames = 0
    while True:
        try:
            client._PyFingerprint__readPacket()
        except EOFError:
            return frames
        frames += 1


def ble_adv(stream: bytes) -> int:
    """bleparser: reports of an adapter, each behind its length."""
    parser = importlib.import_module("bleparser").BleParser()
    frames = at = 0
    while at < len(stream):
        size = stream[at + 2] + 3
        frames += parser.parse_raw_data(stream[at : at + size])[0] is not None
        at += size
    return frames


PEERS: dict[str, Callable[[bytes], int]] = {
    "osdp": osdp,
    "efaa-xor16": efaa_xor16,
    "zfm": zfm,
    "ble-adv": ble_adv,
}


def main() -> None:
    """Decode for so long, say how much."""
    decode, seconds, stream = PEERS[sys.argv[1]], float(sys.argv[2]), sys.stdin.buffer.read()
    began, size, frames = time.process_time(), 0, 0
    while time.process_time() - began < seconds:
        frames += decode(stream)
        size += len(stream)
    print(json.dumps({"seconds": time.process_time() - began, "bytes": size, "frames": frames}))


if __name__ == "__main__":
    main()
