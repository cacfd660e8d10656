"""The commands that only one of the two vendor families has, or has in its own way, and the colours of their lights.

Which code each has stands in commands.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from firmware_protocols.zfm.messages import Command


@dataclass(frozen=True, slots=True)
class GetImageEx(Command):
    """As GenImg, and refuse a poor picture with 07."""

    NAME, LABEL_ZH = "GetImageEx", "获取图像(扩展)"


@dataclass(frozen=True, slots=True)
class Cancel(Command):
    """End AutoEnroll or AutoIdentify."""

    NAME, LABEL_ZH = "Cancel", "取消"


@dataclass(frozen=True, slots=True)
class GrowAutoEnroll(Command):
    """Enrol with progress reports; the slot has one byte. Same length as that of the other family."""

    NAME, LABEL_ZH, LAYOUT = "AutoEnroll (R503)", "自动注册", "BBBBB"
    id: int
    allow_overwrite: int
    allow_duplicate: int
    report_steps: int
    finger_lift: int


@dataclass(frozen=True, slots=True)
class GrowAutoIdentify(Command):
    """Identify with progress reports. Same length as that of the other family."""

    NAME, LABEL_ZH, LAYOUT = "AutoIdentify (R503)", "自动验证", "BBBBB"
    security_level: int
    start: int
    count: int
    report_steps: int
    errors: int


@dataclass(frozen=True, slots=True)
class AuraLedConfig(Command):
    """The ring of light: see AURA_CONTROLS and AURA_COLORS."""

    NAME, LABEL_ZH, LAYOUT = "AuraLedConfig (R503)", "光环灯控制", "BBBB"
    control: int
    speed: int
    color: int
    cycles: int


@dataclass(frozen=True, slots=True)
class CheckSensor(Command):
    """Test the sensor."""

    NAME, LABEL_ZH = "CheckSensor", "校验传感器"


@dataclass(frozen=True, slots=True)
class GetAlgVer(Command):
    """Version of the algorithm."""

    NAME, LABEL_ZH = "GetAlgVer", "读算法版本"


@dataclass(frozen=True, slots=True)
class GetFwVer(Command):
    """Version of the firmware."""

    NAME, LABEL_ZH = "GetFwVer", "读固件版本"


@dataclass(frozen=True, slots=True)
class ReadProdInfo(Command):
    """Model, serial number, sizes."""

    NAME, LABEL_ZH = "ReadProdInfo (R503)", "读产品信息"


@dataclass(frozen=True, slots=True)
class SoftReset(Command):
    """Start anew; a bare 55 follows."""

    NAME, LABEL_ZH = "SoftReset", "软复位"


@dataclass(frozen=True, slots=True)
class GrowHandShake(Command):
    """Is anybody there?"""

    NAME, LABEL_ZH = "HandShake (R503)", "握手"


@dataclass(frozen=True, slots=True)
class GetEnrollImage(Command):
    """As GenImg, when a finger is enrolled."""

    NAME, LABEL_ZH = "GetEnrollImage", "注册用获取图像"


@dataclass(frozen=True, slots=True)
class SynochipAutoEnroll(Command):
    """Enrol with progress reports; the slot has two bytes. Same length as that of the other family."""

    NAME, LABEL_ZH, LAYOUT = "AutoEnroll (2-byte-id family)", "自动注册", "HBH"
    id: int
    presses: int
    flags: int


@dataclass(frozen=True, slots=True)
class SynochipAutoIdentify(Command):
    """Identify with progress reports; id FFFF looks through all. Same length as that of the other family."""

    NAME, LABEL_ZH, LAYOUT = "AutoIdentify (2-byte-id family)", "自动验证", "BHH"
    score_level: int
    id: int
    flags: int


@dataclass(frozen=True, slots=True)
class Sleep(Command):
    """Sleep until a finger comes; only then the touch line rises again."""

    NAME, LABEL_ZH = "Sleep (FPM383 / 2-byte-id family)", "休眠"


@dataclass(frozen=True, slots=True)
class ReadUuid(Command):
    """The chip's own number. The parameter is 0."""

    NAME, LABEL_ZH, LAYOUT = "ReadUUID", "读芯片唯一序列号", "B"
    parameter: int = 0


@dataclass(frozen=True, slots=True)
class SynochipHandShake(Command):
    """Is anybody there?"""

    NAME, LABEL_ZH = "HandShake (2-byte-id family)", "握手"


@dataclass(frozen=True, slots=True)
class LedControl(Command):
    """The light: see AURA_CONTROLS for modes and LED_COLORS."""

    NAME, LABEL_ZH, LAYOUT = "LED control (2-byte-id family)", "LED控制", "BBBB"
    mode: int
    color_start: int
    color_end: int
    cycles: int


AURA_CONTROLS: Mapping[int, str] = MappingProxyType(
    {1: "breathing", 2: "flashing", 3: "on", 4: "off", 5: "fade in", 6: "fade out"}
)
AURA_COLORS: Mapping[int, str] = MappingProxyType(
    {1: "red", 2: "blue", 3: "purple", 4: "green", 5: "yellow", 6: "cyan", 7: "white"}
)
LED_COLORS: Mapping[int, str] = MappingProxyType({1: "blue", 2: "green", 4: "red"})  # bits, may be added
