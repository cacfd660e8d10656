"""What a person fills in to add a device that no search finds: the settings of its kind as fields of a form.

A form names what there is to fill in and in which bounds; whether it fits is for the driver's own parser to say. A
test holds every form against that parser. Serial readers and modules are found by `drivers.probing` and need none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.errors import SettingsError
from drivers.osdp_settings import BAUDS, DEFAULT_POLL_MS
from drivers.registry import REGISTRY
from drivers.reported_badges import DEFAULT_HELD_MS, LONGEST_HELD_MS
from drivers.trackers import STANDARD, models_of

LONGEST = 200  # characters of one field
TRACKER = "tracker."


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One setting. A number has bounds; a choice names its values; all else is text."""

    key: str
    default: str | int | None = None  # what the driver takes where nothing is filled in; None: it must be
    minimum: int | None = None
    maximum: int | None = None
    allowed: tuple[str | int, ...] = ()
    optional: bool = False  # without a default: it may stay empty all the same
    example: str = ""

    @property
    def is_number(self) -> bool:
        """A whole number, be it a choice or not."""
        return isinstance(self.default, int)


_ALLOW = Field(key="allow", example="10.1.2.0/24")
_HELD = Field(key="held_ms", default=DEFAULT_HELD_MS, minimum=500, maximum=LONGEST_HELD_MS)
_READER = (
    Field(key="port", example="/dev/serial/by-id/…"),
    Field(key="baud", default=BAUDS[0], allowed=BAUDS),
    Field(key="address", default=0, minimum=0, maximum=0x7E),
    Field(key="channel", default="secure", allowed=("secure", "clear")),
    Field(key="key_file", optional=True, example="/etc/zhijiao/keys/….key"),
    Field(key="poll_interval_ms", default=DEFAULT_POLL_MS, minimum=50, maximum=200),
    _HELD,
)
_BEACON = (
    Field(key="rssi_min", default=-85, minimum=-110, maximum=-20),
    Field(key="left_after_s", default=120, minimum=30, maximum=3600),
    Field(key="calm_s", default=300, minimum=60, maximum=3600),
    Field(key="silence", default="empty", allowed=("empty", "deaf")),
)
_TERMINAL = (
    Field(key="serial", example="CEXA210560123"),
    Field(key="address", example="10.1.2.3"),
    Field(key="timezone", default="Asia/Shanghai"),
    Field(key="card_and_finger", default=0, minimum=0, maximum=255),
    Field(key="card_and_face", default=0, minimum=0, maximum=255),
)
_FORMS: Mapping[str, tuple[Field, ...]] = {
    "reader.osdp": _READER,
    "beacon.ble": _BEACON,
    "terminal.zk_adms": _TERMINAL,
}


def form_of(kind: str) -> tuple[Field, ...]:
    """The fields of a kind; none where it is found by a search, or is no kind."""
    if kind.startswith(TRACKER) and kind in REGISTRY:
        return _tracker(kind.removeprefix(TRACKER))
    return _FORMS.get(kind, ())


def kinds_with_a_form() -> tuple[str, ...]:
    """In the order of the registry."""
    return tuple(kind for kind in REGISTRY if kind in _FORMS or kind.startswith(TRACKER))


def settings_of(kind: str, filled: Mapping[str, str]) -> dict[str, str | int]:
    """The table of the configuration that somebody has filled in; what is empty is left to the driver.

    Raises `SettingsError` (wrong_type, unknown_setting), with the setting in quotes as every driver has it.
    """
    fields = {one.key: one for one in form_of(kind)}
    found: dict[str, str | int] = {}
    for key, text in filled.items():
        field, value = fields.get(key), text.strip()
        if field is None:
            raise SettingsError("unknown_setting", f"unknown setting '{key}'")
        if value and field.is_number:
            found[key] = _number(key, value)
        elif value:
            found[key] = value
    if found.get("channel") == "clear":
        found.pop("key_file", None)  # an OSDP reader in clear has none, whatever stands in the form still
    return found


def _number(key: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError("wrong_type", f"'{key}' must be a whole number") from None


def _tracker(family: str) -> tuple[Field, ...]:
    """A line that wearables call over the network."""
    models = tuple(sorted(models_of(family)))
    more = (Field(key="model", default=STANDARD, allowed=models),) if models else ()
    zone = Field(key="timezone", default="UTC")
    return (Field(key="listen", example="10.1.2.3:7611"), _ALLOW, zone, *more)
