"""Which finger a fingerprint feature on a card belongs to.

A card holds none, one or two features of 512 bytes. They are meant for matching in certified
components and are opaque here: only the finger position (byte 5) is looked at.
Finger codes as in GA 490, from one public source whose labels are partly wrong: unverified.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from firmware_protocols.errors import RemoteProtocolError

FEATURE_SIZE = 512
POSITION_AT = 5

FINGERS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        0x0B: ("right thumb", "右手拇指"),
        0x0C: ("right index finger", "右手食指"),
        0x0D: ("right middle finger", "右手中指"),
        0x0E: ("right ring finger", "右手环指"),
        0x0F: ("right little finger", "右手小指"),
        0x10: ("left thumb", "左手拇指"),
        0x11: ("left index finger", "左手食指"),
        0x12: ("left middle finger", "左手中指"),
        0x13: ("left ring finger", "左手环指"),
        0x14: ("left little finger", "左手小指"),
        0x61: ("right hand, finger unknown", "右手不确定指位"),
        0x62: ("left hand, finger unknown", "左手不确定指位"),
        0x63: ("other, finger unknown", "其他不确定指位"),
    }
)


@dataclass(frozen=True, slots=True)
class Finger:
    """The finger that a feature says it was taken from."""

    position: int

    @property
    def label(self) -> str:
        """English name; unknown codes say so."""
        return FINGERS.get(self.position, (f"unknown position {self.position:02X}", ""))[0]

    @property
    def label_zh(self) -> str:
        """Chinese name; unknown codes say so."""
        return FINGERS.get(self.position, ("", "未知指位"))[1]


def fingers(fingerprint: bytes) -> tuple[Finger, ...]:
    """The finger of each feature, in order."""
    if len(fingerprint) % FEATURE_SIZE:
        raise RemoteProtocolError(
            "fingerprint_length", f"{len(fingerprint)} fingerprint bytes, no multiple of {FEATURE_SIZE}"
        )
    return tuple(Finger(fingerprint[at + POSITION_AT]) for at in range(0, len(fingerprint), FEATURE_SIZE))
