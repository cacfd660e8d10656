"""Procedures with a fingerprint module, as generators (see firmware_protocols.exchange).

    introduce()    prove the password, read parameters and serial number
    identify()     wait for a finger, then tell whose it is
    take()         enrolment, first half: presses with lifting in between, and nobody twice
    keep()         enrolment, second half: merge and store, to be played to its end once begun
    erase()        delete slots, and tell which are still there
    taken()        which slots are taken; count() how many
    light()        show a verdict

Those that wait for a person wait for ever: whoever plays them sets the deadline. What concerns a finger comes
back as a value. A refusal that nobody expects here rises as `ModuleRefusal`, what breaks the protocol as
`RemoteProtocolError` or `ReplyTimeout`. Everything is asked again a bounded number of times when the line
damaged it: each command here may be repeated without harm.
No procedure here asks for a template or an image.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, TypeVar

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError, ReplyTimeout
from firmware_protocols.exchange import Ask, Exchange, Pause
from firmware_protocols.zfm import commands as c
from firmware_protocols.zfm import vendor_commands as v
from firmware_protocols.zfm.confirm import MERGE_FAILED, NO_FINGER, Action, Confirm, confirm_of
from firmware_protocols.zfm.family import Family
from firmware_protocols.zfm.messages import Command
from firmware_protocols.zfm.packet import DEFAULT_ADDRESS, Packet
from firmware_protocols.zfm.replies import (
    SLOTS_OF_A_PAGE,
    ChipId,
    Count,
    Done,
    Found,
    IndexTable,
    ProductInfo,
    Refused,
    Reply,
    SystemParameters,
    ascii_text,
    parse_reply,
)

REPLY_S = 1.0  # the slowest answer in a log is that of Img2Tz, 0.3 s
LATE_S = 1.0  # an answer may come so long after it was given up
ATTEMPTS = 3  # a line that damages three in a row needs a technician
LOOK_PAUSE_S = 0.1  # between two looks for a finger; a look itself takes 0.2 s
POOR_PRESSES = 3  # then the person should clean the finger or take another one
MOST_PRESSES = 6  # buffers that an R503 has

RED, BLUE, GREEN = 1, 2, 4  # of Aura
LED_GREEN, LED_RED = 2, 4
FLASHING = 2
FLASH_SPEED = 0x40
FLASHES = 3

ReplyT = TypeVar("ReplyT")
Talk: TypeAlias = Exchange[Packet, Packet, ReplyT]


class Prompt(StrEnum):
    """What the person should do now."""

    PRESS = "press"
    LIFT = "lift"
    AGAIN = "again"  # the same finger once more
    POOR = "poor"  # lift: it was dry, wet, smeared or too little


Tell: TypeAlias = Callable[[Prompt], None]


@dataclass(frozen=True, slots=True)
class Station:
    """Which module is spoken to, and in whose words."""

    family: Family
    address: int = DEFAULT_ADDRESS


class ModuleRefusal(RemoteProtocolError):  # noqa: N818 - named for what happened
    """The module refused where no refusal is expected. `confirm` says what to do."""

    def __init__(self, confirm: Confirm, command: Command) -> None:
        super().__init__(confirm.name, f"{command.NAME}: {confirm.meaning} (confirm code {confirm.code:02X})")
        self.confirm = confirm


@dataclass(frozen=True, slots=True)
class Introduction:
    """Who a module is, as far as it says."""

    parameters: SystemParameters
    product: ProductInfo | None = None
    chip: ChipId | None = None

    @property
    def model(self) -> str:
        """The maker's word, or else the system id, which a series of modules shares."""
        name = ascii_text(self.product.module_type) if self.product else ""
        return name or f"ZFM {self.parameters.system_id:04X}"

    @property
    def serial(self) -> str | None:
        """Batch and serial number, or the chip's number in hex. None where there is none, or a blank one."""
        if self.product is not None and not _blank(self.product.serial):
            parts = [_readable(self.product.batch), _readable(self.product.serial)]
            return "-".join(part for part in parts if part)
        if self.chip is not None and not _blank(self.chip.raw):
            return self.chip.raw.rstrip(b"\0").hex().upper()
        return None


@dataclass(frozen=True, slots=True)
class Recognised:
    """In which slot the finger is, and how alike."""

    slot: int
    score: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """The finger is in no slot."""


@dataclass(frozen=True, slots=True)
class Poor:
    """No press gave a usable picture; why the last did not."""

    confirm: Confirm


@dataclass(frozen=True, slots=True)
class Known:
    """The finger to be enrolled is in a slot already."""

    slot: int


class Kept(StrEnum):
    """What became of a template."""

    STORED = "stored"
    NOT_ALIKE = "not_alike"  # the presses differ
    FULL = "full"


def introduce(station: Station, password: int | None, *, with_serial: bool = True) -> Talk[Introduction]:
    """Prove the password where one is given, read the parameters and, if wanted, what tells the module apart."""
    if password is not None:
        yield from _done(station, c.VfyPwd(password))
    parameters = yield from _ask(station, c.ReadSysPara())
    if not isinstance(parameters, SystemParameters):
        raise _refusal(station, parameters, c.ReadSysPara())
    if not with_serial:
        return Introduction(parameters)
    identity = yield from _ask_for_identity(station)
    return Introduction(
        parameters,
        identity if isinstance(identity, ProductInfo) else None,
        identity if isinstance(identity, ChipId) else None,
    )


def identify(station: Station, capacity: int, tell: Tell) -> Talk[Recognised | Unknown | Poor]:
    """Whose finger is pressed next. A poor picture is taken again after lifting, `POOR_PRESSES` at most."""
    poor = yield from _press(station, 1, tell, Prompt.PRESS)
    if poor is not None:
        return Poor(poor)
    return (yield from _search(station, 1, capacity))


def take(station: Station, presses: int, capacity: int, tell: Tell) -> Talk[Known | Poor | None]:
    """`presses` pictures of one finger into as many buffers; None when they are there."""
    for number in range(1, presses + 1):
        poor = yield from _press(station, number, tell, Prompt.PRESS if number == 1 else Prompt.AGAIN)
        if poor is not None:
            return Poor(poor)
        found = yield from _search(station, number, capacity)
        if isinstance(found, Recognised):
            return Known(found.slot)
        if number < presses:
            yield from _lift(station, tell, Prompt.LIFT)
    return None


def keep(station: Station, slot: int) -> Talk[Kept]:
    """Merge what `take` left in the buffers and store it. What is in the slot is overwritten."""
    merged = yield from _ask(station, c.RegModel())
    if isinstance(merged, Refused) and merged.code == MERGE_FAILED:
        return Kept.NOT_ALIKE
    _require_done(station, merged, c.RegModel())
    store = c.Store(1, slot)
    stored = yield from _ask(station, store)
    if isinstance(stored, Refused) and confirm_of(station.family, stored.code).name == "library_full":
        return Kept.FULL
    _require_done(station, stored, store)
    return Kept.STORED


def erase(station: Station, slots: Iterable[int], capacity: int) -> Talk[frozenset[int]]:
    """Delete these; which of them are there still. Empty ones are not asked about: some modules refuse that."""
    wanted = frozenset(slots)
    present = yield from taken(station, capacity)
    for slot in sorted(wanted & present):
        yield from _ask(station, c.Delete(slot, 1))
    present = yield from taken(station, capacity)
    return wanted & present


def taken(station: Station, capacity: int) -> Talk[frozenset[int]]:
    """The slots that are taken, from the index table."""
    slots: set[int] = set()
    for page in range((capacity + SLOTS_OF_A_PAGE - 1) // SLOTS_OF_A_PAGE):
        command = c.ReadIndexTable(page)
        table = yield from _ask(station, command)
        if not isinstance(table, IndexTable):
            raise _refusal(station, table, command)
        slots |= table.slots(page)
    return frozenset(slot for slot in slots if slot < capacity)


def count(station: Station) -> Talk[int]:
    """How many slots are taken."""
    told = yield from _ask(station, c.TemplateNum())
    if not isinstance(told, Count):
        raise _refusal(station, told, c.TemplateNum())
    return told.count


def light(station: Station, *, accepted: bool) -> Talk[bool]:
    """Flash green or red; whether the module has such a light. Older R503 know no green: blue then."""
    for command in _lights(station.family, accepted=accepted):
        try:
            reply = yield from _ask(station, command, attempts=1)
        except ReplyTimeout:
            return False
        if isinstance(reply, Done):
            return True
    return False


def _lights(family: Family, *, accepted: bool) -> list[Command]:
    if family is Family.SYNOCHIP:
        color = LED_GREEN if accepted else LED_RED
        return [v.LedControl(FLASHING, color, color, FLASHES)]
    colors = (GREEN, BLUE) if accepted else (RED,)
    return [v.AuraLedConfig(FLASHING, FLASH_SPEED, color, FLASHES) for color in colors]


def _ask_for_identity(station: Station) -> Talk[Reply | None]:
    """What tells the module apart; None where it does not know the question."""
    command: Command = v.ReadProdInfo() if station.family is Family.GROW else v.ReadUuid()
    try:
        return (yield from _ask(station, command))
    except ReplyTimeout:
        return None
    except RemoteProtocolError as exc:
        if exc.code != "message_length":
            raise
        return None


def _press(station: Station, buffer: int, tell: Tell, prompt: Prompt) -> Talk[Confirm | None]:
    """A finger's features into a buffer; None, or why the last of `POOR_PRESSES` was not good enough."""
    tell(prompt)
    for left in reversed(range(POOR_PRESSES)):
        poor = yield from _picture(station)
        if poor is None:
            poor = yield from _accept(station, c.Img2Tz(buffer))
        if poor is None or left == 0:
            return poor
        yield from _lift(station, tell, Prompt.POOR)
        tell(Prompt.AGAIN)
    return None


def _picture(station: Station) -> Talk[Confirm | None]:
    """Wait for a finger and take its picture; None, or why it is no good."""
    while True:
        confirm = yield from _accept(station, c.GenImg())
        if confirm is None or confirm.code != NO_FINGER:
            return confirm
        yield Pause(LOOK_PAUSE_S)


def _lift(station: Station, tell: Tell, prompt: Prompt) -> Talk[None]:
    """Wait until no finger is there."""
    tell(prompt)
    while True:
        confirm = yield from _accept(station, c.GenImg())
        if confirm is not None and confirm.code == NO_FINGER:
            return
        yield Pause(LOOK_PAUSE_S)


def _accept(station: Station, command: Command) -> Talk[Confirm | None]:
    """None when it worked, or what is wrong with finger or picture."""
    reply = yield from _ask(station, command)
    if isinstance(reply, Refused):
        confirm = confirm_of(station.family, reply.code)
        if confirm.action in {Action.PRESS_AGAIN, Action.WAIT}:
            return confirm
    _require_done(station, reply, command)
    return None


def _search(station: Station, buffer: int, capacity: int) -> Talk[Recognised | Unknown]:
    command = c.Search(buffer, 0, capacity)
    reply = yield from _ask(station, command)
    if isinstance(reply, Found):
        if reply.page_id >= capacity:
            raise RemoteProtocolError(
                "page", f"found in slot {reply.page_id} of {capacity}: is the family set right?"
            )
        return Recognised(reply.page_id, reply.score)
    if isinstance(reply, Refused) and confirm_of(station.family, reply.code).action is Action.NOBODY:
        return Unknown()
    raise _refusal(station, reply, command)


def _done(station: Station, command: Command) -> Talk[None]:
    reply = yield from _ask(station, command)
    _require_done(station, reply, command)


def _require_done(station: Station, reply: Reply, command: Command) -> None:
    if not isinstance(reply, Done):
        raise _refusal(station, reply, command)


def _refusal(station: Station, reply: Reply, command: Command) -> RemoteProtocolError:
    if isinstance(reply, Refused):
        return ModuleRefusal(confirm_of(station.family, reply.code), command)
    return RemoteProtocolError("unexpected", f"{type(reply).__name__} in answer to {command.NAME}")


def _ask(station: Station, command: Command, *, attempts: int = ATTEMPTS) -> Talk[Reply]:
    """Ask until the answer arrives undamaged and fits. Raises the last timeout or misfit, or line_noise.

    Before it asks again it gives a late answer time to pass: it would be taken for that of the next question,
    and from then on each answer for the next one's.
    """
    request = c.command_packet(station.family, command, station.address)
    failure: RemoteProtocolError | ReplyTimeout | None = None
    for attempt in range(attempts):
        if attempt:
            yield Pause(LATE_S)
        try:
            reply = parse_reply(command, _packet_of((yield Ask(request, REPLY_S))))
        except (ReplyTimeout, RemoteProtocolError) as exc:
            failure = exc
            continue
        if not (isinstance(reply, Refused) and confirm_of(station.family, reply.code).action is Action.RETRY):
            return reply
        failure = None
    raise failure or RemoteProtocolError(
        "line_noise",
        f"the module found {attempts} commands in a row damaged; check cable, shielding and baud rate",
    )


def _packet_of(answer: Packet | None) -> Packet:
    if answer is None:
        raise LocalProtocolError("runner", "the runner answered a request with nothing")
    return answer


def _blank(raw: bytes) -> bool:
    """Nothing, or one byte again and again: a module that was never given a number."""
    return len(set(raw.rstrip(b"\0 "))) <= 1


def _readable(raw: bytes) -> str:
    """As text, or in hex where it is none: two numbers must not look alike."""
    text = ascii_text(raw)
    return raw.hex().upper() if "?" in text else text
