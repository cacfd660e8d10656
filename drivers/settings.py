"""A device's table of the configuration, read once into typed values.

    read = SettingsReader("door-1", settings)
    port = read.text("port")
    baud = read.number("baud", default=115200, allowed=(9600, 115200))
    read.finish()           # a setting that nobody asked for is an error, with the nearest known one

Errors say which device, which setting, what is wrong and what is possible.
"""

from collections.abc import Callable, Collection
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from drivers.driver import Settings
from drivers.errors import SettingsError

SecretT = TypeVar("SecretT")


def nearest(name: str, known: Collection[str]) -> str:
    """`, did you mean 'baud'` for 'buad', or nothing where nothing is near."""
    found = get_close_matches(name, known, n=1)
    return f", did you mean '{found[0]}'" if found else ""


def time_zone(device_id: str, name: str) -> ZoneInfo:
    """The zone of a device's clock; raises `SettingsError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingsError(
            "out_of_range", f"device '{device_id}': 'timezone' is no time zone that this machine knows"
        ) from None


class SettingsReader:
    """Takes settings one by one and remembers which exist."""

    def __init__(self, device_id: str, settings: Settings) -> None:
        self._device_id = device_id
        self._settings = settings
        self._known: list[str] = []

    def text(self, key: str, *, default: str | None = None) -> str:
        """A text; must be there where there is no default."""
        value = self._take(key)
        if value is None and default is not None:
            return default
        if value is None:
            like = get_close_matches(key, self._settings, n=1)
            hint = f"; correct '{like[0]}' to '{key}'" if like else ""
            raise self._error("missing_setting", f"'{key}' is missing{hint}")
        if not isinstance(value, str) or not value.strip():
            raise self._error("wrong_type", f"'{key}' must be a text that is not empty, not {value!r}")
        return value

    def number(self, key: str, *, default: int, minimum: int, maximum: int) -> int:
        """A whole number between two limits."""
        value = self._integer(key, default)
        if not minimum <= value <= maximum:
            raise self._error("out_of_range", f"'{key}' must be {minimum} to {maximum}, not {value}")
        return value

    def choice(self, key: str, *, default: int, allowed: Collection[int]) -> int:
        """One of a few whole numbers."""
        value = self._integer(key, default)
        if value not in allowed:
            some = ", ".join(str(number) for number in sorted(allowed))
            raise self._error("out_of_range", f"'{key}' must be one of {some}, not {value}")
        return value

    def word(self, key: str, *, allowed: Collection[str], default: str | None = None) -> str:
        """One of a few words; must be there where there is no default."""
        if default is not None and self._settings.get(key) is None:
            self._known.append(key)
            return default
        value = self.text(key)
        if value not in allowed:
            known = ", ".join(sorted(allowed))
            raise self._error(
                "out_of_range", f"'{key}' must be one of {known}, not '{value}'{nearest(value, allowed)}"
            )
        return value

    def secret_number(self, key: str, *, maximum: int) -> int | None:
        """A number in hex digits from the file that `key` names; None where there is no such setting."""
        if self._settings.get(key) is None:
            self._known.append(key)
            return None
        number, path = self._hex(key, lambda text: int(text.strip(), 16))
        if not 0 <= number <= maximum:
            raise self._error("out_of_range", f"'{key}': the number in {path} is larger than {maximum:X} hex")
        return number

    def secret_bytes(self, key: str, *, size: int) -> bytes:
        """Exactly `size` bytes in hex digits from the file that `key` names; it must be there."""
        secret, path = self._hex(key, bytes.fromhex)
        if len(secret) != size:
            raise self._error("out_of_range", f"'{key}': {path} must hold {2 * size} hex digits")
        return secret

    def _hex(self, key: str, read: Callable[[str], SecretT]) -> tuple[SecretT, Path]:
        """What `read` makes of the file that `key` names, and which that is; what it holds is in no error."""
        path = Path(self.text(key))
        try:
            return read(path.read_text("ascii")), path
        except OSError as exc:
            raise self._error("unreadable", f"'{key}': {path} cannot be read ({exc.strerror})") from exc
        except ValueError:
            raise self._error(
                "wrong_type", f"'{key}': {path} must hold hex digits and nothing else"
            ) from None

    def finish(self) -> None:
        """Refuse what was not taken."""
        for key in self._settings:
            if key not in self._known:
                known = ", ".join(sorted(self._known))
                raise self._error(
                    "unknown_setting", f"unknown setting '{key}'{nearest(key, self._known)}; known: {known}"
                )

    def _take(self, key: str) -> object:
        self._known.append(key)
        return self._settings.get(key)

    def _integer(self, key: str, default: int) -> int:
        value = self._take(key)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._error("wrong_type", f"'{key}' must be a whole number, not {value!r}")
        return value

    def _error(self, code: str, text: str) -> SettingsError:
        return SettingsError(code, f"device '{self._device_id}': {text}")
