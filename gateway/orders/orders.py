"""The center's commands that rooms of the gateway carry out, by name. Each is asked for once, one at a time.

rollcall       opens a roll call for the staff's page; its end is an event
roster-sync    fetches and applies a roster that the center signed
clock-report   what the clock rests on
device-action  `restart`: the device's driver begins anew, as if it had been unplugged for a moment
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from gateway.checkin.roster import Roster
from gateway.clock import Clock, iso_ms
from gateway.errors import ContractError
from gateway.evidence.canonical import Json
from gateway.evidence.jws import FindKey
from gateway.orders.roster_pull import Ask, announced, pull
from gateway.uplink.command_message import Command
from gateway.uplink.commands import Run, Tell
from gateway.uplink.requests import RequestFailed

SOURCE = "center"
ACTIONS = frozenset({"restart"})


class RollCalls(Protocol):
    """`gateway.checkin.rollcalls`."""

    async def open(self, cmdid: str, args: Mapping[str, Json]) -> str:
        """Open one under the command's id."""
        ...


class RosterTaker(Protocol):
    """`gateway.checkin.keeper`."""

    @property
    def version(self) -> int:
        """Of the roster in force; 0 for none."""
        ...

    async def take(self, file: bytes, source: str) -> Roster:
        """Apply a signed file."""
        ...


class Orders:
    """Handed in as functions: what stands behind them is built after the uplink."""

    def __init__(
        self,
        *,
        gateway: str,
        clock: Clock,
        operations_key: FindKey,
        ask: Callable[[], Ask],
        rollcalls: Callable[[], RollCalls],
        roster: RosterTaker,
        restart: Callable[[str], Awaitable[bool]],
    ) -> None:
        """`restart`: a device by its id; False where there is none of that name."""
        self._gateway = gateway
        self._clock = clock
        self._operations_key = operations_key
        self._ask = ask
        self._rollcalls = rollcalls
        self._roster = roster
        self._restart = restart

    def by_name(self) -> Mapping[str, Run]:
        """For the uplink."""
        return {
            "rollcall": self._rollcall,
            "roster-sync": self._roster_sync,
            "clock-report": self._clock_report,
            "device-action": self._device_action,
        }

    async def _rollcall(self, command: Command, _tell: Tell) -> dict[str, Json]:
        return {"rollcall": await self._rollcalls().open(command.cmdid, command.args)}

    async def _roster_sync(self, command: Command, tell: Tell) -> dict[str, Json]:
        head = announced(command.args, self._operations_key)
        if head.gateway != self._gateway:
            raise ContractError("roster_foreign", "the roster is for another gateway")
        if head.version < self._roster.version:
            raise ContractError(
                "roster_version",
                f"version {head.version} is not above {self._roster.version}, which is in force",
            )
        file = await pull(head, self._ask(), RequestFailed, tell)
        roster = await self._roster.take(file, SOURCE)
        return {
            "version": roster.head.version,
            "persons": len(roster.persons),
            "sha256": roster.digest.hex(),
            "left_out": roster.left_out,
        }

    async def _clock_report(self, _command: Command, _tell: Tell) -> dict[str, Json]:
        now = self._clock.now()
        return {
            "ts": iso_ms(now.wall_ms),
            "mono": str(now.mono_ms),
            "boot": now.boot_id,
            "clockq": now.quality.value,
            "error_ms": now.error_ms,
        }

    async def _device_action(self, command: Command, _tell: Tell) -> dict[str, Json]:
        device, action = command.args.get("device"), command.args.get("action")
        if not isinstance(device, str) or action not in ACTIONS:
            raise ContractError(
                "args", f"device-action: `device` must be an id, `action` one of {', '.join(sorted(ACTIONS))}"
            )
        if not await self._restart(device):
            raise ContractError("no_device", "no device of this name is configured here; `info` names them")
        return {"device": device, "action": str(action)}
