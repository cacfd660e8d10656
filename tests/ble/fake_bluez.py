"""bluetoothd as bleak sees it on the bus: a tree of objects, signals, calls; any call can fail, hang or be slow.

Names, order of signals and errors follow what bluetoothd 5.66 was seen to say. What it does lies in
`fake_adapter` and `fake_device`. Leaves out what nothing here asks for: pairing, agents, passive scanning.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

from bumble import att
from bumble.core import BaseBumbleError
from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECTS = "org.freedesktop.DBus.ObjectManager"
ADAPTER = "org.bluez.Adapter1"

Properties = dict[str, Variant]
Reply = tuple[str, list[Any]] | None  # signature and values; None is an empty one


class BluezError(Exception):
    def __init__(self, name: str, text: str = "") -> None:
        super().__init__(name, text)
        self.name = name if name.startswith("org.") else f"org.bluez.Error.{name}"
        self.text = text


def att_error(code: int) -> BluezError:
    """What bluetoothd answers for an ATT error."""
    known = {0x02: ("NotPermitted", "Read not permitted"), 0x03: ("NotPermitted", "Write not permitted")}
    known |= {0x05: ("NotPermitted", "Not paired"), 0x0F: ("NotPermitted", "Not paired")}
    return BluezError(*known.get(code, ("Failed", f"Operation failed with ATT error: 0x{code:02x} (fake)")))


class Owner(Protocol):
    """What answers the calls to an object."""

    async def call(self, message: Message) -> Reply: ...

    def client_gone(self, client: str) -> None: ...


class FakeBluez:
    """One bluetoothd, from `start` to `crash` or `stop`; it may be started again."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Properties]] = {}
        self.owners: dict[str, Owner] = {}
        self.calls: list[str] = []  # Interface.Member
        self.fail: dict[str, list[BluezError]] = defaultdict(list)  # Interface.Member -> answers, in turn
        self.hang: set[str] = set()
        self.delay_s: dict[str, float] = {}
        self._bus: MessageBus | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        bus = MessageBus(bus_address=os.environ["DBUS_SYSTEM_BUS_ADDRESS"], bus_type=BusType.SYSTEM)
        self._bus = await bus.connect()
        bus.add_message_handler(self._on_message)
        await bus.call(
            Message(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
                member="AddMatch",
                signature="s",
                body=["type='signal',interface='org.freedesktop.DBus',member='NameOwnerChanged'"],
            )
        )
        self.objects["/org/bluez"] = {"org.bluez.AgentManager1": {}}
        await bus.request_name("org.bluez")

    async def vanish(self) -> None:
        """Leave the bus without a word, as a process that is killed."""
        self.objects.clear()
        self.owners.clear()
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.disconnect()
            await bus.wait_for_disconnect()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- objects ----------------------------------------------------------------------------------------

    def add(self, path: str, interfaces: dict[str, Properties], owner: Owner) -> None:
        self.objects[path] = interfaces
        self.owners[path] = owner
        self._signal("/", OBJECTS, "InterfacesAdded", "oa{sa{sv}}", [path, interfaces])

    def remove(self, path: str) -> None:
        self.owners.pop(path, None)
        interfaces = self.objects.pop(path, None)
        if interfaces:
            self._signal("/", OBJECTS, "InterfacesRemoved", "oas", [path, list(interfaces)])

    def set(
        self, path: str, interface: str, changed: Mapping[str, Variant], invalidated: tuple[str, ...] = ()
    ) -> None:
        properties = self.objects.get(path, {}).get(interface)
        if properties is None:
            return
        properties.update(changed)
        for name in invalidated:
            properties.pop(name, None)
        body = [interface, dict(changed), list(invalidated)]
        self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", body)

    def _signal(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        if self._bus is not None and self._bus.connected:
            self._bus.send(
                Message(
                    path=path,
                    interface=interface,
                    member=member,
                    signature=signature,
                    body=body,
                    message_type=MessageType.SIGNAL,
                )
            )

    async def ask(self, client: str, path: str, interface: str) -> Properties:
        """The properties of an object of a client."""
        assert self._bus is not None
        question = Message(
            destination=client,
            path=path,
            interface=PROPERTIES,
            member="GetAll",
            signature="s",
            body=[interface],
        )
        reply = await self._bus.call(question)
        assert reply is not None
        assert reply.message_type is MessageType.METHOD_RETURN, reply.error_name
        properties: Properties = reply.body[0]
        return properties

    # -- calls ------------------------------------------------------------------------------------------

    def _on_message(self, message: Message) -> bool | None:
        if message.message_type is MessageType.SIGNAL:
            if (
                message.member == "NameOwnerChanged"
                and message.body[0].startswith(":")
                and not message.body[2]
            ):
                for owner in set(self.owners.values()):
                    owner.client_gone(message.body[0])
            return None
        if (
            message.message_type is not MessageType.METHOD_CALL
            or message.interface == "org.freedesktop.DBus.Peer"
        ):
            return None
        self.spawn(self._serve(message))
        return True

    async def _serve(self, message: Message) -> None:
        key = f"{(message.interface or '').rpartition('.')[2]}.{message.member}"
        self.calls.append(key)
        if key in self.hang:
            return
        await asyncio.sleep(self.delay_s.get(key, 0))
        try:
            if self.fail[key]:
                raise self.fail[key].pop(0)
            signature, body = await self._call(message) or ("", [])
            reply = Message.new_method_return(message, signature, body)
        except BluezError as exc:
            reply = Message.new_error(message, exc.name, exc.text)
        except att.ATT_Error as exc:
            error = att_error(exc.error_code)
            reply = Message.new_error(message, error.name, error.text)
        except (BaseBumbleError, TimeoutError) as exc:
            reply = Message.new_error(message, "org.bluez.Error.Failed", type(exc).__name__)
        if self._bus is not None and self._bus.connected:
            self._bus.send(reply)

    async def _call(self, message: Message) -> Reply:
        if message.interface == OBJECTS and message.member == "GetManagedObjects":
            return "a{oa{sa{sv}}}", [self.objects]
        interfaces = self.objects.get(message.path or "")
        if interfaces is None:
            raise BluezError("org.freedesktop.DBus.Error.UnknownObject", "no such object")
        if message.interface == PROPERTIES and message.member == "GetAll":
            return "a{sv}", [interfaces[message.body[0]]]
        if message.interface not in interfaces:
            raise BluezError("org.freedesktop.DBus.Error.UnknownMethod", "no such interface")
        return await self.owners[message.path or ""].call(message)
