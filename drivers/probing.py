"""What stands at a serial port? Asked in a safe order, for a bounded time, and nothing is ever written to it.

First the port is only listened to. Then each kind's own driver introduces itself, as it does at every start: it asks
who the device is, and is stopped as soon as it was answered. No setting, no template, no enrolment is touched.

Readers on an OSDP line are asked at the end, all of them at once and then one by one (osdp_probe.py); a converter of
badges (`badge.line`) says nothing until somebody holds a badge to it, and cannot be asked.

The order: a question that another family could misread comes last, the commonest speed of a kind before the others.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from drivers import osdp_probe
from drivers.driver import EventsRefused, Settings
from drivers.errors import DeviceFault, DeviceMismatch, DriverError, LinkLost, LinkUnavailable
from drivers.events import DeviceEvent, DeviceReady
from drivers.links.lines import wired
from drivers.links.serial_port import SerialSettings
from drivers.listening import Listened
from drivers.registry import build
from drivers.terminals import Record
from firmware_protocols.osdp.exchanges import Introduction
from firmware_protocols.tracking import TrackerReport

LISTEN_S = 0.6
ASK_S = 6.0  # for one question; a module that wakes up takes some seconds


@dataclass(frozen=True, slots=True)
class Question:
    """One way to ask."""

    kind: str
    settings: Mapping[str, int | str] = field(default_factory=dict)


OSDP = "reader.osdp"
QUESTIONS: Sequence[Question] = (
    Question("idcard.sam", {"baud": 115200}),
    Question("face.efaa_xor16", {"baud": 115200}),
    Question("finger.zfm", {"family": "grow", "baud": 57600}),
    Question("finger.zfm", {"family": "synochip", "baud": 57600}),
    Question("idcard.sam", {"baud": 9600}),
    Question("idcard.sam", {"baud": 57600}),
    Question("finger.zfm", {"family": "grow", "baud": 115200}),
    Question("finger.zfm", {"family": "synochip", "baud": 115200}),
    *(Question(OSDP, {"baud": baud}) for baud in osdp_probe.BAUDS),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found at a port."""

    question: Question
    sure: bool  # it told who it is; otherwise something of this kind answered and said that it is unfit
    model: str | None = None
    firmware: str | None = None
    serial: str | None = None
    code: str | None = None  # of one that is unfit
    hint: str | None = None

    @property
    def needs_key(self) -> bool:
        """Whether it is served with a key that only a file holds."""
        return self.question.kind == OSDP and "channel" not in self.question.settings

    @property
    def of_a_line(self) -> bool:
        """Whether others may stand at the same port: the port alone does not say which one it is."""
        return self.question.kind == OSDP


@dataclass(frozen=True, slots=True)
class Finding:
    """All of one port."""

    port: str
    answers: Sequence[Answer]
    talks: int = 0  # bytes that came without being asked
    trouble: str | None = None  # why it could not be asked
    hint: str | None = None


Step: TypeAlias = Callable[[int, int], None]  # questions asked, of how many


class _Listener:
    """The gateway, as far as a driver that is only to introduce itself needs one."""

    def __init__(self) -> None:
        self.ready_with: asyncio.Future[DeviceReady] = asyncio.get_running_loop().create_future()

    async def committed(self, events: Sequence[DeviceEvent]) -> None:
        raise EventsRefused("probe", f"{len(events)} events while a port is probed; nothing is recorded")

    async def recorded(self, records: Sequence[Record]) -> None:
        raise EventsRefused("probe", f"{len(records)} records while a port is probed; nothing is recorded")

    async def heard(self, reports: Sequence[TrackerReport]) -> None:
        raise EventsRefused("probe", f"{len(reports)} reports while a port is probed; nothing is recorded")

    def beacons(self) -> Collection[str]:
        return ()

    async def listened(self, what: Listened) -> None:
        """Of no interest here."""

    def ready(self, info: DeviceReady) -> None:
        if not self.ready_with.done():
            self.ready_with.set_result(info)

    def noise(self, reason: str, length: int) -> None:
        """Of no interest here."""


async def probe(port: str, *, step: Step = lambda _done, _of: None, ask_s: float = ASK_S) -> Finding:
    """Find out what stands at a port. Ends at the first sure answer; at most `LISTEN_S`, and `ask_s` a question."""
    try:
        talks = await _listen(port)
    except DriverError as exc:
        return Finding(port, (), trouble=exc.code, hint=str(exc))
    unsure: list[Answer] = []
    for number, question in enumerate(QUESTIONS):
        step(number, len(QUESTIONS))
        try:
            if question.kind == OSDP:
                readers = await _ask_line(port, question, ask_s)
                if readers:
                    return Finding(port, readers, talks)
                continue
            answer = await _ask(port, question, ask_s)
        except (LinkLost, LinkUnavailable) as exc:
            return Finding(port, unsure, talks, exc.code, str(exc))
        if answer is not None and answer.sure:
            return Finding(port, (answer,), talks)
        if answer is not None:
            unsure.append(answer)
    return Finding(port, unsure, talks)


async def _listen(port: str) -> int:
    link, count = wired("probe", port, SerialSettings(baud=115200)), 0
    await link.open()
    try:
        async with asyncio.timeout(LISTEN_S):
            while True:
                count += len(await link.receive())
    except TimeoutError:
        return count
    finally:
        await link.close()


async def _ask_line(port: str, question: Question, ask_s: float) -> list[Answer]:
    """Every reader that answers on an OSDP line."""
    baud = int(question.settings["baud"])
    link = wired("probe", port, SerialSettings(baud=baud))
    try:
        async with asyncio.timeout(ask_s):
            found = await osdp_probe.readers_on(link)
    except TimeoutError:
        return []
    return [_on_line(baud, address, told) for address, told in found]


def _on_line(baud: int, address: int, told: Introduction) -> Answer:
    settings: dict[str, int | str] = {"baud": baud, "address": address}
    if not told.capabilities.secures:
        settings["channel"] = "clear"
    ready = osdp_probe.introduced(told.identity)
    return Answer(
        Question(OSDP, settings), sure=True, model=ready.model, firmware=ready.firmware, serial=ready.serial
    )


async def _ask(port: str, question: Question, ask_s: float) -> Answer | None:
    host = _Listener()
    settings: Settings = {"port": port, **question.settings}
    driver = build(question.kind, "probe", settings, host)

    async def run() -> None:
        await driver.run()

    running, ready = asyncio.create_task(run(), name="probe"), host.ready_with
    try:
        await asyncio.wait((running, ready), timeout=ask_s, return_when=asyncio.FIRST_COMPLETED)
        if host.ready_with.done():
            return _introduced(question, host.ready_with.result())
        return _unfit(question, running.exception()) if running.done() else None
    finally:
        running.cancel()
        await asyncio.wait({running})


def _introduced(question: Question, told: DeviceReady) -> Answer:
    # Which family of fingerprint modules it is, its serial number alone tells: both answer the other questions.
    sure = question.kind != "finger.zfm" or told.serial is not None
    hint = None if sure else "which family it is cannot be told; take it from the module's data sheet"
    return Answer(
        question, sure=sure, model=told.model, firmware=told.firmware, serial=told.serial, hint=hint
    )


def _unfit(question: Question, error: BaseException | None) -> Answer | None:
    """Something of this kind answered, and is not fit; None: nothing that this kind would say."""
    if isinstance(error, LinkLost | LinkUnavailable):
        raise error
    if isinstance(error, DeviceFault | DeviceMismatch) and error.code not in {
        "mute",
        "garbled",
        "line_noise",
    }:
        return Answer(question, sure=False, code=error.code, hint=str(error))
    if error is not None and not isinstance(error, DriverError):
        raise error  # a bug of the driver: the technician sees it, and where
    return None
