"""NetworkManager over D-Bus, as far as a box with a cable needs it. The gateway's only file that imports dbus-fast.

Each piece of work has a connection to the bus of its own: the daemon may restart in between, and often nobody asks
for days. What is tried is in memory alone (`put`), so a power cut in the middle brings the old settings back; a
checkpoint of the daemon's own brings them back where this process dies.
Source: the D-Bus reference of NetworkManager 1.42, Debian 12.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from dbus_fast import AuthError, BusType, InvalidAddressError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.unpack import unpack_variants

from gateway.network.interface import Interface, NetworkTrouble
from gateway.network.ipv4 import AUTO, Ipv4, of_profile, to_wire

NAME = "org.freedesktop.NetworkManager"
ROOT = "/org/freedesktop/NetworkManager"
CALL_S = 10.0
WIRED = frozenset({1, 20})  # NM_DEVICE_TYPE_ETHERNET; VETH is how a container has it
CONFLICT_MS = 1000  # how long it is asked whether somebody has the address already

TRIES, AGAIN_S = 5, 0.1  # while an interface comes up, what was named a moment ago may be gone

_TO_DISK, _IN_MEMORY = 0x1, 0x2  # of Update2
_NOBODY = frozenset(
    {"org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner"}
)
_GONE = ("UnknownMethod", "UnknownObject", "UnknownInterface")
_FORBIDDEN = ("PermissionDenied", "AccessDenied", "NotAuthorized")


class NetworkManager:
    """The daemon of this machine."""

    def __init__(self, bus_address: str | None = None) -> None:
        """`bus_address`: else the system's bus."""
        self._address = bus_address

    async def interfaces(self) -> Sequence[Interface]:
        """The wired ones, by name. Raises `NetworkTrouble`."""
        for attempt in range(TRIES):
            try:
                return await self._interfaces()
            except NetworkTrouble as exc:
                if exc.code != "network_busy" or attempt == TRIES - 1:
                    raise
            await asyncio.sleep(AGAIN_S)
        raise NetworkTrouble("network_busy", "the interfaces change all the time")

    async def _interfaces(self) -> Sequence[Interface]:
        async with self._bus() as bus:
            paths = await bus.get(ROOT, NAME, "Devices")
            found = [await self._interface(bus, path) for path in paths]
        return sorted((one for one in found if one is not None), key=lambda one: one.name)

    async def interface(self, name: str) -> Interface | None:
        """One of them. Raises `NetworkTrouble`."""
        return next((one for one in await self.interfaces() if one.name == name), None)

    async def put(self, one: Interface, wanted: Ipv4, *, durable: bool) -> None:
        """Use these settings from now on; not durable: until the machine starts again. Raises `NetworkTrouble`."""
        async with self._bus() as bus:
            settings = await self._settings(bus, _profile_of(one))
            settings["ipv4"] = _section(settings.get("ipv4", {}), wanted)
            flags = _TO_DISK if durable else _IN_MEMORY
            await bus.call(
                one.profile or "",
                f"{NAME}.Settings.Connection",
                "Update2",
                "a{sa{sv}}ua{sv}",
                settings,
                flags,
                {},
            )
            await bus.call(ROOT, NAME, "ActivateConnection", "ooo", one.profile, one.path, "/")

    async def save(self, one: Interface) -> None:
        """What is in memory is on disk from now on. Raises `NetworkTrouble`."""
        async with self._bus() as bus:
            await bus.call(_profile_of(one), f"{NAME}.Settings.Connection", "Save")

    async def checkpoint(self, one: Interface, timeout_s: int) -> str:
        """The daemon goes back to how the interface is now, unless it is told otherwise in time."""
        async with self._bus() as bus:
            return str(await bus.call(ROOT, NAME, "CheckpointCreate", "aouu", [one.path], timeout_s, 0))

    async def holds(self, checkpoint: str) -> bool:
        """Whether the daemon still waits. Raises `NetworkTrouble`."""
        async with self._bus() as bus:
            return checkpoint in await bus.get(ROOT, NAME, "Checkpoints")

    async def keep(self, checkpoint: str) -> None:
        """It does not go back any more."""
        async with self._bus() as bus:
            await bus.call(ROOT, NAME, "CheckpointDestroy", "o", checkpoint)

    async def roll_back(self, checkpoint: str) -> None:
        """It goes back now."""
        async with self._bus() as bus:
            await bus.call(ROOT, NAME, "CheckpointRollback", "o", checkpoint)

    @asynccontextmanager
    async def _bus(self) -> AsyncIterator["_Calls"]:
        try:
            async with asyncio.timeout(CALL_S):
                bus = await MessageBus(bus_address=self._address, bus_type=BusType.SYSTEM).connect()
        except (OSError, EOFError, AuthError, InvalidAddressError, TimeoutError) as exc:
            raise NetworkTrouble("no_network_manager", f"the system's D-Bus does not answer ({exc})") from exc
        try:
            yield _Calls(bus)
        finally:
            bus.disconnect()

    async def _interface(self, bus: "_Calls", path: str) -> Interface | None:
        device = await bus.all(path, f"{NAME}.Device")
        if device["DeviceType"] not in WIRED or not device["Managed"]:
            return None
        profile = await self._profile(bus, device)
        settings = {} if profile is None else unpack_variants(await self._settings(bus, profile))
        addresses: tuple[IPv4Interface, ...] = ()
        gateway = None
        if device["Ip4Config"] != "/":
            now = await bus.all(device["Ip4Config"], f"{NAME}.IP4Config")
            addresses = tuple(
                IPv4Interface(f"{each['address']}/{each['prefix']}") for each in now["AddressData"]
            )
            gateway = IPv4Address(now["Gateway"]) if now["Gateway"] else None
        return Interface(
            name=device["Interface"],
            path=path,
            state=device["State"],
            plugged=bool(await bus.get(path, f"{NAME}.Device.Wired", "Carrier"))
            if device["DeviceType"] == 1
            else device["State"] > 20,  # NM_DEVICE_STATE_UNAVAILABLE: no carrier
            profile=profile,
            uuid=settings.get("connection", {}).get("uuid"),
            configured=None if profile is None else of_profile(settings.get("ipv4", {})),
            addresses=addresses,
            gateway=gateway,
            secured="802-1x" in settings,
        )

    async def _profile(self, bus: "_Calls", device: Mapping[str, Any]) -> str | None:
        if device["ActiveConnection"] != "/":
            active = await bus.all(device["ActiveConnection"], f"{NAME}.Connection.Active")
            return str(active["Connection"])
        return next(iter(device["AvailableConnections"]), None)

    async def _settings(self, bus: "_Calls", profile: str) -> dict[str, Any]:
        found: dict[str, Any] = await bus.call(profile, f"{NAME}.Settings.Connection", "GetSettings")
        return found


class _Calls:
    """One connection to the bus."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus

    async def call(self, path: str, interface: str, member: str, signature: str = "", *body: Any) -> Any:
        message = Message(
            destination=NAME,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        try:
            async with asyncio.timeout(CALL_S):
                reply = await self._bus.call(message)
        except (OSError, EOFError, TimeoutError) as exc:
            raise NetworkTrouble("no_network_manager", f"NetworkManager does not answer {member}") from exc
        if reply is None:
            raise NetworkTrouble("no_network_manager", f"NetworkManager did not answer {member}")
        if reply.message_type is MessageType.ERROR:
            raise _trouble(str(reply.error_name), str(reply.body[0] if reply.body else ""), member)
        return reply.body[0] if reply.body else None

    async def all(self, path: str, interface: str) -> dict[str, Any]:
        found: dict[str, Any] = unpack_variants(
            await self.call(path, "org.freedesktop.DBus.Properties", "GetAll", "s", interface)
        )
        return found

    async def get(self, path: str, interface: str, name: str) -> Any:
        return (await self.call(path, "org.freedesktop.DBus.Properties", "Get", "ss", interface, name)).value


def _trouble(name: str, said: str, member: str) -> NetworkTrouble:
    if name in _NOBODY:
        return NetworkTrouble("no_network_manager", "NetworkManager does not run on this machine")
    if name.endswith(_GONE):
        return NetworkTrouble("network_busy", f"{member}: what it was asked of is not there any more")
    if name.endswith(_FORBIDDEN):
        return NetworkTrouble(
            "network_permission", f"{member}: NetworkManager does not let this user do it ({said})"
        )
    return NetworkTrouble("network_refused", f"{member}: {said or name}")


def _profile_of(one: Interface) -> str:
    if one.profile is None:
        raise NetworkTrouble("no_profile", f"{one.name} has no settings yet; plug its cable in")
    return one.profile


def _section(before: Mapping[str, Any], wanted: Ipv4) -> dict[str, Any]:
    """Their `ipv4` section with these settings. Routes and search domains stay; its older spellings go."""
    gone = {"method", "address-data", "addresses", "gateway", "dns", "dns-data", "dad-timeout"}
    kept = {key: value for key, value in before.items() if key not in gone}
    kept["method"] = Variant("s", wanted.method)
    if wanted.method == AUTO or wanted.address is None:
        return kept
    address = {
        "address": Variant("s", str(wanted.address.ip)),
        "prefix": Variant("u", wanted.address.network.prefixlen),
    }
    kept["address-data"] = Variant("aa{sv}", [address])
    kept["dad-timeout"] = Variant("i", CONFLICT_MS)
    if wanted.gateway is not None:
        kept["gateway"] = Variant("s", str(wanted.gateway))
    if wanted.dns:
        kept["dns"] = Variant("au", [to_wire(one) for one in wanted.dns])
    return kept
