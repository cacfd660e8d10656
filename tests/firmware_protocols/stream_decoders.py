"""Every decoder that finds frames in a stream: how it is made, its published frames, its longest frame.

One table for what is asked of all of them: fuzzing (`tests/fuzz`), floods (`test_floods.py`), throughput
(`tests/bench/codecs.py`). A `Conversation` of a tracker stands in it beside the decoder of its frames.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from functools import cache, partial
from typing import Protocol, cast

from drivers.trackers import FAMILIES, conversation_type
from firmware_protocols.efaa_sum32 import frames as sum32
from firmware_protocols.efaa_xor16 import frames as xor16
from firmware_protocols.efaa_xor16.encryption import OpeningDecoder
from firmware_protocols.efaa_xor16.envelope import MAX_DATA
from firmware_protocols.framing import Discarded
from firmware_protocols.gt06 import frames as gt06
from firmware_protocols.h02 import frames as h02
from firmware_protocols.idcard_sam import frames as idcard
from firmware_protocols.idcard_sam.envelope import HEADER_SIZE, REPLY_BOUNDS, REQUEST_BOUNDS
from firmware_protocols.jt808 import frames as jt808
from firmware_protocols.jt808.conversation import MOST_MESSAGES, MOST_PACKAGES
from firmware_protocols.laipac import frames as laipac
from firmware_protocols.minifinder2 import frames as minifinder2
from firmware_protocols.osdp import decoder as osdp
from firmware_protocols.osdp.frames import MAX_FRAME
from firmware_protocols.pt60 import frames as pt60
from firmware_protocols.r16h import frames as r16h
from firmware_protocols.topin import frames as topin
from firmware_protocols.topin import sizes as topin_sizes
from firmware_protocols.trv import frames as trv
from firmware_protocols.watch import frames as watch
from firmware_protocols.wiegand.lines import ETX, STX, Line, LineDecoder, Marks
from firmware_protocols.wristband_yx import frames as wristband_yx
from firmware_protocols.xexun2 import frames as xexun2
from firmware_protocols.zfm import packet as zfm
from tests.firmware_protocols import tracker_vectors, vectors
from tests.firmware_protocols.test_efaa_encryption import cover

NOW = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)


class Framed(Protocol):
    """Any frame."""

    def to_bytes(self) -> bytes: ...


class StreamDecoder(Protocol):
    """`FrameDecoder` of any frame, or a conversation behind `Hearing`."""

    def feed(self, data: bytes) -> Iterable[object]: ...

    def flush(self) -> Iterable[object]: ...


class Kept(Enum):
    """What of the bytes fed can be found again in what a decoder gives."""

    BYTES = "bytes"  # all of them, in order
    LENGTH = "length"  # their number: a frame is written anew in another spelling
    NOTHING = "nothing"  # flags that two frames share, frames opened or turned into reports


@dataclass(frozen=True, slots=True)
class StreamCase:
    family: str  # as in firmware_protocols/families.py
    name: str
    make: Callable[[], StreamDecoder]
    vectors: Sequence[bytes] = field(repr=False)
    longest: int  # bytes that it may hold
    beginnings: Sequence[str] = field(repr=False)  # hex: how frames begin, with the largest claims
    kept: Kept = Kept.BYTES
    encode: Callable[[Framed], bytes] = lambda frame: frame.to_bytes()

    def __str__(self) -> str:  # pytest shows this
        return f"{self.family}-{self.name}"

    def bytes_of(self, found: object) -> bytes:
        """Frame or noise, as it came in."""
        return found.data if isinstance(found, Discarded) else self.encode(cast("Framed", found))

    def alone(self, data: bytes) -> list[object]:
        """What a decoder that heard nothing before says of `data` and a silence."""
        decoder = self.make()
        return [*decoder.feed(data), *decoder.flush()]


class Hearing:
    """A conversation at one moment."""

    def __init__(self, family: str) -> None:
        self.conversation = conversation_type(family)()

    def feed(self, data: bytes) -> Iterable[object]:
        return self.conversation.feed(data, NOW)

    def flush(self) -> Iterable[object]:
        return self.conversation.flush()


def sound(case: StreamCase) -> list[bytes]:
    """The vectors that the decoder takes for one frame of its direction."""
    found = {data: case.alone(data) for data in dict.fromkeys(case.vectors)}
    return [data for data, told in found.items() if len(told) == 1 and not isinstance(told[0], Discarded)]


def _identity(found: Iterable[vectors.Vector]) -> list[bytes]:
    return [one.data for one in found]


def _osdp_frames() -> list[bytes]:
    """The frames of the table and of the recorded session, sealed ones among them."""
    sessions = [one.decoded["steps"] for one in vectors.OSDP_SESSIONS]
    steps = [step for steps in sessions if isinstance(steps, list) for step in steps]
    return _identity(vectors.OSDP_FRAMES) + [bytes.fromhex(str(step["hex"])) for step in steps]


def _sealed() -> list[bytes]:
    whole = [xor16.Frame.from_bytes(one.data) for one in vectors.EFAA_FRAMES]
    return [cover().seal(one).to_bytes() for one in whole]


TRACKER_FILES = {
    "gt06": ["gt06.json"],
    "h02": ["h02.json"],
    "jt808": ["jt808.json"],
    "laipac": ["laipac.json", "laipac-own.json"],
    "minifinder2": ["minifinder2.json", "minifinder2-own.json"],
    "pt60": ["pt60.json", "pt60-own.json"],
    "r16h": ["r16h-own.json"],
    "topin": ["topin.json"],
    "trv": ["trv.json", "trv-own.json"],
    "watch": ["watch.json"],
    "wristband-yx": ["wristband-yx.json"],
    "xexun2": ["xexun2.json", "xexun2-own.json"],
}


@cache
def tracker_frames(family: str) -> list[bytes]:
    return [one.data for one in tracker_vectors.load(family, *TRACKER_FILES[family])]


# How each tracker's frames begin, with the largest length that it can claim.
TRACKER_BEGINNINGS = {
    "gt06": ["7979ffff", "79790ffa", "7878ff", "78", "78780a0d0a"],
    "h02": [b"*HQ,".hex(), "2a", "24", "2401" * 3, "24e4a4ad24"],
    "jt808": ["7e", "7e020003ff", "7e7d017d01"],
    "laipac": ["24", b"$AVRMC,".hex(), b"$AVRMC*".hex(), b"$AVRMC,*0".hex()],
    "minifinder2": ["ab", "ab10ffff", "ab10ff0f", "ab10ff0f0000010001"],
    "pt60": ["40", b"@G#@,".hex(), b"@B#@|".hex(), b"@B#@|@".hex(), b"@G#@,@E#@".hex()],
    "r16h": ["40", b"@AAAA,".hex(), b"BT$@".hex()],
    "topin": ["78", "7878ff", "7878ff69", "787864690d", "7878ff10", "7878ff690d0a"],
    "trv": [b"TRV".hex(), b"I".hex(), b"TRVAP01".hex(), b"IWAP02,".hex(), b"IWAP00x".hex()],
    "wristband-yx": ["00", "0001020fff", "0001020fff5958", "000102ffff5958"],
    "xexun2": ["faaf", "fa", "faaf00", "faaf" + "00" * 12 + "03ff" + "00" * 2, "faaf" + "fbbf01" * 400],
    "watch": [
        "5b",
        b"[3G*4700222306*7FFF*".hex(),
        b"[3G*4700222306*0000*".hex(),
        b"[3G*1*0000*[[[[[[[[".hex(),
    ],
}
_TRACKERS: dict[str, tuple[Callable[[], StreamDecoder], int, Kept]] = {
    "gt06": (gt06.Decoder, gt06.MOST, Kept.BYTES),
    "h02": (h02.Decoder, h02.LONGEST, Kept.BYTES),
    "jt808": (jt808.Decoder, jt808.LONGEST, Kept.NOTHING),
    "laipac": (laipac.Decoder, laipac.LONGEST, Kept.BYTES),
    "minifinder2": (minifinder2.Decoder, minifinder2.HEAD + minifinder2.MOST_BODY, Kept.BYTES),
    "pt60": (pt60.Decoder, pt60.LONGEST, Kept.BYTES),
    "r16h": (r16h.Decoder, r16h.LONGEST, Kept.BYTES),
    "topin": (topin.Decoder, topin_sizes.MOST, Kept.BYTES),
    "trv": (trv.Decoder, trv.LONGEST, Kept.BYTES),
    "wristband-yx": (wristband_yx.Decoder, wristband_yx.MOST, Kept.BYTES),
    "xexun2": (xexun2.Decoder, xexun2.LONGEST, Kept.NOTHING),
    "watch": (watch.Decoder, watch.MAX_HEADER + watch.MAX_CONTENT, Kept.LENGTH),
}
_PACKAGES = (MOST_MESSAGES + 1) * MOST_PACKAGES * jt808.MAX_BODY
_SAM, _SAM_FRAMES = "aaaaaa9669", _identity(vectors.IDCARD)
_XOR16, _SUM32 = _identity(vectors.EFAA), _identity(vectors.EFAA_SUM)
_OSDP, _ZFM = _osdp_frames(), _identity(vectors.ZFM)
_OSDP_BEGINNINGS = [
    "53",
    "ff53",
    "5300a00504",
    "ff5300a00504",
    "5380a0050c0218",
    "ffff5300a0050f53850900044106c197",
]
_ZFM_BEGINNINGS = ["ef01", "ef0155ef01", "ef01ffffffff070102", "ef01ffffffff010102", "efef", "55"]

MARKS = {
    "crlf": Marks(b"", b"\r\n", 16),
    "stx": Marks(STX, ETX, 16),
    "words": Marks(b"ID:", b";;", 64),
}


def _line_case(name: str, marks: Marks) -> StreamCase:
    frames = [marks.start + text + marks.end for text in (b"0012345678", b"2A3B4C5", b"0" * 16)]
    begins = [one.hex() for one in (marks.start, marks.start + b"7" * marks.longest, marks.end[:1]) if one]
    longest = len(marks.start) + marks.longest + len(marks.end)
    return StreamCase(
        "wiegand", name, partial(LineDecoder, marks), frames, longest, begins,
        encode=lambda line: marks.to_bytes(cast("Line", line)),
    )  # fmt: skip


CASES: Sequence[StreamCase] = (
    StreamCase(
        "idcard-sam", "reply", idcard.ReplyDecoder, _SAM_FRAMES, HEADER_SIZE + REPLY_BOUNDS.maximum,
        [_SAM, "aa", _SAM + "ffff", f"{_SAM}{REPLY_BOUNDS.maximum:04x}"],
    ),
    StreamCase(
        "idcard-sam", "request", idcard.RequestDecoder, _SAM_FRAMES, HEADER_SIZE + REQUEST_BOUNDS.maximum,
        [_SAM, "aa", f"{_SAM}{REQUEST_BOUNDS.maximum:04x}"],
    ),
    StreamCase(
        "efaa-xor16", "module", xor16.ModuleDecoder, _XOR16, 6 + MAX_DATA,
        ["efaa", "ef", "efaa001000", "efaa02ffff"],
    ),
    StreamCase(
        "efaa-xor16", "host", xor16.HostDecoder, _XOR16, 6 + MAX_DATA, ["efaa", "efaaef", "efaa121000"]
    ),
    StreamCase(
        "efaa-xor16-aes", "sealed", xor16.EncryptedDecoder, _sealed(), 5 + xor16.MAX_CIPHER,
        ["efaa", f"efaa{xor16.MAX_CIPHER:04x}", "efaa0005ff"],
    ),
    StreamCase(
        "efaa-xor16-aes", "opened", lambda: OpeningDecoder(cover()), _sealed(), 5 + xor16.MAX_CIPHER,
        ["efaa", f"efaa{xor16.MAX_CIPHER:04x}", "efaa0005ff"], Kept.NOTHING,
    ),
    StreamCase(
        "efaa-sum32", "module", sum32.ModuleDecoder, _SUM32, 8 + sum32.MAX_DATA,
        ["efaa", "efaa00ffffffff", f"efaa00{sum32.MAX_DATA:08x}"],
    ),
    StreamCase(
        "efaa-sum32", "host", sum32.HostDecoder, _SUM32, 8 + sum32.MAX_DATA,
        ["efaa", f"efaa12{sum32.MAX_DATA:08x}"],
    ),
    StreamCase("osdp", "bus", osdp.AnyDecoder, _OSDP, 1 + MAX_FRAME, _OSDP_BEGINNINGS),
    StreamCase("osdp", "reply", osdp.ReplyDecoder, _OSDP, 1 + MAX_FRAME, _OSDP_BEGINNINGS),
    StreamCase("osdp", "command", osdp.CommandDecoder, _OSDP, 1 + MAX_FRAME, _OSDP_BEGINNINGS),
    StreamCase("zfm", "reply", zfm.ReplyDecoder, _ZFM, 9 + zfm.MAX_LENGTH, _ZFM_BEGINNINGS),
    StreamCase("zfm", "command", zfm.CommandDecoder, _ZFM, 9 + zfm.MAX_LENGTH, _ZFM_BEGINNINGS),
    *(_line_case(name, marks) for name, marks in MARKS.items()),
    *(
        StreamCase(family, "frames", make, tracker_frames(family), longest, TRACKER_BEGINNINGS[family], kept)
        for family, (make, longest, kept) in _TRACKERS.items()
    ),
    *(
        StreamCase(
            family, "reports", partial(Hearing, family), tracker_frames(family),
            _TRACKERS[family][1] + (_PACKAGES if family == "jt808" else 0),
            TRACKER_BEGINNINGS[family], Kept.NOTHING,
        )
        for family in FAMILIES
    ),
)  # fmt: skip


def of_family(family: str) -> list[StreamCase]:
    return [case for case in CASES if case.family == family]
