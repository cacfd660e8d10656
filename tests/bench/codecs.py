"""How many bytes of its own frames each codec decodes in a second, beside its line and beside a package of others.

Frames are those of the vectors, one behind the other, in reads of 1024 bytes, on one core, by processor time. A case
`frames` stops there, `reports` goes on to what a tracker reported. What comes without a stream (advertisements, rings,
uploads of a terminal) is decoded to its keys, one by one.
"""

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from firmware_protocols.families import describer
from firmware_protocols.framing import Discarded
from tests.bench import environments
from tests.bench.plan import Plan
from tests.bench.report import Row, at_least
from tests.firmware_protocols.stream_decoders import CASES, StreamCase, sound
from tests.fuzz.families import frames_of

LINE_BYTES_S = 11_520  # 115200 baud, 8N1
GOAL = 20  # lines that one core must keep up with
READ, STREAM = 1024, 64 * 1024
IBEACON = bytes.fromhex("02011a1aff4c0002156f72672e6578616d706c652e6265616300010002c5")
SHARE = 0.1  # of the plan's seconds, for each codec and round

# The package that is maintained and decodes the family; 2026-11. None: not on PyPI.
PEERS: Mapping[str, tuple[str, ...]] = {
    "osdp": ("osdp==1.6",),
    "efaa-xor16": ("fm22x==0.0.1",),
    "zfm": ("pyfingerprint==1.5",),
    "ble-adv": ("bleparser==3.7.3",),
}
BESIDE = {"osdp": "osdp-reply", "efaa-xor16": "efaa-xor16-module", "zfm": "zfm-reply", "ble-adv": "ble-adv"}
ENVIRONMENT = "codecs-1"  # another name when a version above changes
DESCRIBED = ("ble-adv", "colmi", "zk-adms")

Decode = Callable[[bytes], int]


def codecs(plan: Plan) -> list[Row]:
    """Bytes of its own frames that each codec decodes in a second; the line is one of 115200 baud."""
    seconds = plan.seconds * SHARE
    without = environments.install(
        environments.cached(ENVIRONMENT), *(one for some in PEERS.values() for one in some)
    )
    if without is not None:
        plan.say(f"  packages of others do not run: {without}")
    rows: list[Row] = []
    for name, (stream, decode) in _ours().items():
        peer = next((family for family, ours in BESIDE.items() if ours == name), None)
        ours, theirs = [], []
        for _ in range(plan.rounds):
            ours.append(_rate(decode, stream, seconds))
            if peer is not None and without is None:
                theirs.append(peer_rate(peer, stream, seconds))
        rate = statistics.median(ours) / 1000
        line = at_least(f"decode {name}", rate, LINE_BYTES_S / 1000, GOAL, unit="kB/s", peer_name="line")
        rows.append(line)
        if peer is not None:
            other = statistics.median(theirs) / 1000 if theirs else None
            name_of = PEERS[peer][0].partition("==")[0]
            rows.append(at_least(f"decode {name}", rate, other, 1, unit="kB/s", peer_name=name_of))
        plan.say(f"  {name}: {rate:,.0f} kB/s, {rate * 1000 / LINE_BYTES_S:,.0f} lines")
    return rows


def _rate(decode: Decode, stream: bytes, seconds: float) -> float:
    """Bytes in a second of processor time."""
    size, began = 0, time.process_time()
    while time.process_time() - began < seconds:
        decode(stream)
        size += len(stream)
    return size / (time.process_time() - began)


def _ours() -> Mapping[str, tuple[bytes, Decode]]:
    """Each codec with a stream of what it takes."""
    found: dict[str, tuple[bytes, Decode]] = {}
    for case in CASES:
        frames = [one for one in sound(case) if understood(case.family, one)]
        found[str(case)] = _repeated(frames), _decoding(case)
    for family in DESCRIBED:
        frames = _described(family)
        found[family] = _repeated(frames), _describing(family, frames)
    return found


def understood(family: str, frame: bytes) -> bool:
    """Whether the package of others knows the message too: fm22x neither images nor uploads of them."""
    return family != "efaa-xor16" or (frame[2] != 2 and frame[5:6] != b"\x17")


def _repeated(frames: Sequence[bytes]) -> bytes:
    once = b"".join(frames)
    return once * max(1, STREAM // len(once))


def _decoding(case: StreamCase) -> Decode:
    def decode(stream: bytes) -> int:
        decoder, frames = case.make(), 0
        for at in range(0, len(stream), READ):
            frames += sum(not isinstance(one, Discarded) for one in decoder.feed(stream[at : at + READ]))
        return frames

    return decode


def _described(family: str) -> list[bytes]:
    """Of advertisements: a beacon that both know, as an adapter reports it, which is how others take it."""
    return [reported(IBEACON)] if family == "ble-adv" else frames_of(family)[:3]


def reported(advertisement: bytes) -> bytes:
    """LE advertising report: event code, length, one report of an address of six bytes, a strength."""
    body = b"\x02\x01\x03\x00" + bytes(range(6)) + bytes([len(advertisement)]) + advertisement + b"\xc8"
    return b"\x04\x3e" + bytes([len(body)]) + body


def _describing(family: str, frames: Sequence[bytes]) -> Decode:
    decode_one = describer(family).decode
    head, tail = (14, 1) if family == "ble-adv" else (0, 0)  # of an adapter's report, the advertisement alone

    def decode(stream: bytes) -> int:
        count = len(stream) // sum(map(len, frames))
        for _ in range(count):
            for frame in frames:
                decode_one(frame[head : len(frame) - tail], None)
        return count * len(frames)

    return decode


def peer_rate(family: str, stream: bytes, seconds: float) -> float:
    """Of the package of others, in its own process."""
    program = Path(__file__).with_name("codec_peer.py")
    python = environments.cached(ENVIRONMENT) / "bin" / "python"
    told = subprocess.run(
        [python, program, family, str(seconds)], input=stream, capture_output=True, check=False, timeout=120
    )
    if told.returncode:
        raise RuntimeError(told.stderr.decode().strip().splitlines()[-1])
    found = json.loads(told.stdout)
    if not found["frames"]:
        raise RuntimeError(f"the package for {family} found no frame in the stream")
    return float(found["bytes"] / found["seconds"])
