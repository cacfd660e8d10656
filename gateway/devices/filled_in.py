"""What a technician has filled in for a device that no search finds: judged by its driver, field by field.

An OSDP reader without a key of its own is given one on the way, as `zhijiao devices key` does: the key lies beside
the store, because the service may write nowhere else.
"""

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from drivers.errors import DriverError, SettingsError
from drivers.forms import Field, form_of, settings_of
from drivers.links.serial_port import SerialSettings
from drivers.links.shared_line import place_on
from drivers.osdp_keys import give_key
from drivers.osdp_settings import BAUDS
from firmware_protocols.osdp.secure_keys import DEFAULT_KEY
from gateway.config import DeviceConfig
from gateway.devices.osdp_key import made_key, read_key
from gateway.errors import ContractError, GatewayError

log = logging.getLogger(__name__)

KEY_FOLDER: Final = "keys"  # in the state folder
_OSDP = "reader.osdp"
_QUOTED = re.compile(r"'([^']+)'")


class FieldRefused(ContractError):  # noqa: N818 - named for the condition
    """One field does not fit. Codes: those of `SettingsError`, in_use, serial_taken, address_taken, other_speed."""

    def __init__(self, code: str, field: str, text: str) -> None:
        super().__init__(code, text)
        self.field = field


def fields_of(kind: str) -> tuple[Field, ...]:
    """The form of a kind. Raises `ContractError` (no_form)."""
    fields = form_of(kind)
    if not fields:
        raise ContractError(
            "no_form", "a device of this kind is found by the search, or there is no such kind"
        )
    return fields


def settings_from(kind: str, filled: Mapping[str, str]) -> dict[str, object]:
    """The device's table. Raises `ContractError`, also as `FieldRefused`."""
    fields = fields_of(kind)
    try:
        found: dict[str, object] = dict(settings_of(kind, filled))
    except SettingsError as exc:
        raise refused(exc, fields) from exc
    for one in fields:
        if one.default is None and not one.optional and one.key not in found:
            raise FieldRefused("missing_setting", one.key, f"'{one.key}' is missing")
    return found


def refused(error: Exception, fields: tuple[Field, ...]) -> Exception:
    """What a driver says against a setting, at the field that it names; any other error as it is."""
    said = error.__cause__ if isinstance(error.__cause__, SettingsError) else error
    if not isinstance(said, SettingsError):
        return error
    keys = {one.key for one in fields}
    field = next((word for word in _QUOTED.findall(str(said)) if word in keys), None)
    return error if field is None else FieldRefused(said.code, field, str(said))


def check_line(settings: Mapping[str, object], others: Sequence[DeviceConfig]) -> None:
    """Several OSDP readers may have one port, at one speed and each at an address of its own. Raises `FieldRefused`."""
    for one in others:
        if one.kind != _OSDP:
            raise FieldRefused("in_use", "port", "another device has this 'port'")
        if one.settings.get("address", 0) == settings.get("address", 0):
            raise FieldRefused("address_taken", "address", "another reader of this line has this 'address'")
        if one.settings.get("baud", BAUDS[0]) != settings.get("baud", BAUDS[0]):
            raise FieldRefused("other_speed", "baud", "the readers of a line have one 'baud'")


def needs_key(kind: str, settings: Mapping[str, object]) -> bool:
    """A reader that is to be served securely, and has the factory's key still."""
    secure = settings.get("channel", "secure") == "secure"
    return kind == _OSDP and secure and "key_file" not in settings


async def with_key(device: str, settings: Mapping[str, object], state: Path) -> dict[str, object]:
    """The settings with the file of the key that the reader was given.

    Raises `ContractError`: key_not_given, key_not_kept. A key that was made stays, for the next attempt.
    """
    path = state / KEY_FOLDER / f"{device}.key"
    try:
        new = await asyncio.to_thread(_kept_key, path)
    except (GatewayError, OSError) as exc:
        log.warning("key of a reader not kept", extra={"device": device, "cause": type(exc).__name__})
        raise ContractError("key_not_kept", "the key cannot be kept beside the store") from exc
    baud, address = settings.get("baud", BAUDS[0]), settings.get("address", 0)
    place = place_on(
        device,
        str(settings.get("port", "")),
        address if isinstance(address, int) else 0,
        SerialSettings(baud=baud if isinstance(baud, int) else BAUDS[0]),
    )
    try:
        await give_key(
            place,
            place.address,
            turn=place,
            present=DEFAULT_KEY,
            new=new,
            step=lambda _what: None,
        )
    except DriverError as exc:
        log.warning("reader not given its key", extra={"device": device, "code": exc.code, "cause": str(exc)})
        raise ContractError("key_not_given", str(exc)) from exc
    return {**settings, "key_file": str(path)}


def _kept_key(path: Path) -> bytes:
    if path.exists():
        return read_key(path)  # of an attempt that did not come to its end
    path.parent.mkdir(mode=0o700, exist_ok=True)
    return made_key(path)
