"""A command of the center, read and judged: who signed it, whether that key may, for whom, until when.

Two kinds of no. What cannot be verified is nobody's word: `ContractError`, no answer. What the center
did sign and got wrong is answered: `Refusal`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.clock import ClockQuality, Stamp, parse_iso_ms
from gateway.errors import ContractError
from gateway.evidence import jws
from gateway.evidence.canonical import Json
from gateway.evidence.jws import FindKey
from gateway.evidence.keys import Role

FindByRole = Callable[[Role], FindKey]

# Contract, 4: which of the center's keys may sign which command. An unknown name is operations' business.
SIGNERS: Mapping[str, Role] = {
    "ping": Role.ACK,
    "resend": Role.ACK,
    "wipe": Role.ROOT,
    "update-install": Role.ROOT,
    "key-rotate": Role.ROOT,
    "roster-sync": Role.OPERATIONS,
    "schedule-sync": Role.OPERATIONS,
    "rollcall": Role.OPERATIONS,
    "config-get": Role.OPERATIONS,
    "config-set": Role.OPERATIONS,
    "device-action": Role.OPERATIONS,
    "device-locate": Role.OPERATIONS,
    "log-pull": Role.OPERATIONS,
    "cert-renew": Role.OPERATIONS,
    "clock-report": Role.OPERATIONS,
}
_UUID7 = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Command:
    """A verified command."""

    name: str
    cmdid: str
    session: str
    expires_ms: int
    args: dict[str, Json]


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """The center's own command cannot be carried out: `status` and `error` of the answer."""

    def __init__(self, code: str, message: str, *, status: str = "rejected") -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def verified(wire: bytes, gateway: str, topic_name: str, find: FindByRole) -> tuple[dict[str, Json], str]:
    """The message and its command id; raises `ContractError` where it is not the center's word to us."""
    role = SIGNERS.get(topic_name, Role.OPERATIONS)
    message, _, _ = jws.open_message(wire, find(role))
    if message.get("gw") != gateway:
        raise ContractError("foreign", "command is for another gateway")
    if message.get("name") != topic_name:
        raise ContractError("wrong_topic", "command came on the topic of another")
    cmdid = message.get("cmdid")
    if not isinstance(cmdid, str) or _UUID7.fullmatch(cmdid) is None:
        raise ContractError("cmdid", "command without an id of its own (UUIDv7)")
    return message, cmdid


def read_command(message: Mapping[str, Json], name: str, cmdid: str) -> Command:
    """The members; raises `Refusal` (malformed)."""
    session, expires, args = message.get("session"), message.get("expires"), message.get("args")
    whole = type(message.get("v")) is int  # true equals 1
    if message.get("v") != 1 or not whole or not isinstance(session, str) or not isinstance(args, dict):
        raise Refusal("malformed", "v is not 1, or session or args are missing")
    try:
        expires_ms = parse_iso_ms(expires if isinstance(expires, str) else "")
    except ValueError as exc:
        raise Refusal("malformed", f"expires is {exc}") from exc
    return Command(name, cmdid, session, expires_ms, args)


def check_valid_now(command: Command, session: str, now: Stamp) -> None:
    """Raise `Refusal` for another session (`session`) or a time that is over (`expired`).

    Where nobody vouches for the clock (a clock chip knows no bound), the session alone stops replays.
    """
    if command.session != session:
        raise Refusal("session", "not of the session in the last status; ask again with that one")
    vouched_for = now.quality is ClockQuality.SYNCED or (
        now.quality is ClockQuality.HOLDOVER and now.error_ms is not None
    )
    if vouched_for and now.wall_ms > command.expires_ms:
        raise Refusal("expired", "came after its time", status="expired")
