"""A technician's test of one device: for a minute, what passes on its line, explained, with persons left out.

Bytes are kept only until they are explained: what a card or a template holds is never shown, and never kept. What
belongs together comes in pieces: pieces of one direction within a moment are one entry.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from drivers.badge_line_settings import BadgeLineSettings
from drivers.errors import SettingsError
from drivers.links.looking_on import looking_on
from drivers.links.shared_line import looked_at
from firmware_protocols.describing import Describer, Field
from firmware_protocols.families import describer
from firmware_protocols.wiegand.describe_lines import LinesDescriber
from gateway.config import DeviceConfig

LASTS_S = 60.0
TOGETHER_S = 0.15
MOST_ENTRIES = 40
MOST_BYTES = 8192  # of one entry; the longest reply of a card reader has 2.3 KB
MOST_SAID = 6  # fields of an entry
_DRY = frozenset(
    {"header", "preamble", "prefix", "stx", "etx", "start", "stop", "length", "sum", "check", "crc"}
)
# Numbers under which a module knows somebody: `zhijiao decode` shows them, a page that anybody may look at does not.
_SLOTS = frozenset({"user id", "member id", "page id", "slot", "id", "score"})
_WORDS = frozenset({"code"})  # of a wordless family: what a message is called, such as KEYPAD
_FAMILIES = {"idcard.sam": "idcard-sam", "face.efaa_xor16": "efaa-xor16", "reader.osdp": "osdp"}


@dataclass(frozen=True, slots=True)
class Passed:
    """Something that passed on the line."""

    at_ms: int
    sent: bool
    size: int
    said: tuple[tuple[str, str, str], ...]  # name, value, meaning; without those of a person
    hidden: int  # how many fields are of a person
    wrong: bool  # some of it breaks the protocol
    times: int = 1  # the same question or answer, over and over

    def same(self, other: "Passed") -> bool:
        """Whether it says nothing new."""
        return replace(self, at_ms=0, times=1) == replace(other, at_ms=0, times=1)


@dataclass(frozen=True, slots=True)
class TestView:
    """How a test goes."""

    __test__ = False  # of pytest's

    device: str
    until_ms: int
    running: bool
    passed: Sequence[Passed]  # newest first
    sent: int = 0  # bytes
    received: int = 0
    wrong: int = 0  # entries that break the protocol
    events: int = 0  # of the device, stored meanwhile


class LiveTest:
    """One test at a time on a gateway."""

    def __init__(
        self, now_ms: Callable[[], int], events_of: Callable[[str], int], changed: Callable[[], None]
    ) -> None:
        """`events_of`: how many events of a device were stored; `changed`: people should look again."""
        self._now_ms = now_ms
        self._events_of = events_of
        self._changed = changed
        self._runs: dict[str, _Run] = {}  # the last test of each device, since the gateway runs
        self._task: asyncio.Task[None] | None = None
        self._testing: str | None = None

    def view(self, device: str) -> TestView | None:
        """The last test of a device; None: none in this run."""
        run = self._runs.get(device)
        return None if run is None else run.view

    def begin(self, device: DeviceConfig) -> bool:
        """Look on for a minute. False: this device has no line of its own to look at."""
        port = device.settings.get("port")
        if not isinstance(port, str):
            return False
        self.end()
        until_ms = self._now_ms() + round(LASTS_S * 1000)
        run = _Run(
            TestView(device.id, until_ms, running=True, passed=()),
            describer_of(device),
            family_of(device) == "osdp",
            self._events_of(device.id),
        )
        self._runs[device.id], self._testing = run, device.id
        self._task = asyncio.get_running_loop().create_task(
            self._look(run, _line_of(device, port)), name=f"test-{device.id}"
        )
        return True

    def end(self) -> None:
        """Nobody looks on any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = self._testing = None

    def forget(self, device: str) -> None:
        """Another device has this name from now on, or none."""
        if self._testing == device:
            self.end()
        self._runs.pop(device, None)

    async def _look(self, run: "_Run", port: str) -> None:
        def look(sent: bool, data: bytes) -> None:  # noqa: FBT001 - as `Look` has it
            run.pieces.append((self._now_ms(), sent, data))

        try:
            with looking_on(port, look):
                for _ in range(round(LASTS_S / TOGETHER_S)):
                    await asyncio.sleep(TOGETHER_S)
                    self._told(run, running=True)
        finally:
            self._told(run, running=False)

    def _told(self, run: "_Run", *, running: bool) -> None:
        events = max(0, self._events_of(run.view.device) - run.events_before)
        if run.explain(events, self._now_ms(), running=running):
            self._changed()


class _Run:
    """One test: what passed, and what came and is not explained yet."""

    def __init__(
        self,
        view: TestView,
        explainer: Describer | None,
        wordless: bool,  # noqa: FBT001 - of a family whose values may all be a person's
        events_before: int,
    ) -> None:
        self.view = view
        self.pieces: list[tuple[int, bool, bytes]] = []
        self.events_before = events_before
        self._explainer = explainer
        self._wordless = wordless
        self._entries: deque[Passed] = deque(maxlen=MOST_ENTRIES)

    def explain(self, events: int, now_ms: int, *, running: bool) -> bool:
        """Explain what came, and forget the bytes. Whether anything is new."""
        pieces, self.pieces = self.pieces, []
        view = self.view
        if not pieces and running and events == view.events:
            return False
        sent = received = wrong = 0
        for at_ms, ours, data in _joined(pieces):
            sent, received = (sent + len(data), received) if ours else (sent, received + len(data))
            entry = _explained(at_ms, ours, data, self._explainer, wordless=self._wordless)
            wrong += entry.wrong
            self._enter(entry)
        self.view = replace(
            view,
            running=running,
            until_ms=view.until_ms if running else min(view.until_ms, now_ms),
            passed=tuple(self._entries),
            sent=view.sent + sent,
            received=view.received + received,
            wrong=view.wrong + wrong,
            events=events,
        )
        return True

    def _enter(self, entry: Passed) -> None:
        """A device that is asked over and over, and says the same, is two entries that are counted up."""
        if len(self._entries) > 1 and self._entries[1].same(entry):
            entry = replace(entry, times=self._entries[1].times + 1)
            del self._entries[1]
        self._entries.appendleft(entry)


def _joined(pieces: Sequence[tuple[int, bool, bytes]]) -> list[tuple[int, bool, bytes]]:
    joined: list[tuple[int, bool, bytes]] = []
    for at_ms, sent, data in pieces:
        if joined and joined[-1][1] == sent and len(joined[-1][2]) < MOST_BYTES:
            joined[-1] = (joined[-1][0], sent, joined[-1][2] + data)
        else:
            joined.append((at_ms, sent, data))
    return joined


def _explained(
    at_ms: int,
    sent: bool,  # noqa: FBT001
    data: bytes,
    explainer: Describer | None,
    *,
    wordless: bool = False,
) -> Passed:
    fields = [] if explainer is None else explainer.explain(data[:MOST_BYTES], None)
    wrong = any(one.wrong for one in fields)
    shown = [one for one in fields if not _of_a_person(one) and one.name not in _DRY]
    # Of what is not whole nothing is said but what it is: its pieces may be a person's.
    said = [
        (one.name, "" if wrong or (wordless and one.name not in _WORDS) else one.value, one.note)
        for one in shown
    ]
    told = [one for one in said if one[1] or one[2]]
    hidden = sum(_of_a_person(one) for one in fields)
    return Passed(at_ms, sent, len(data), tuple(told[:MOST_SAID]), hidden, wrong)


def _of_a_person(one: Field) -> bool:
    return one.personal or one.opaque or one.name in _SLOTS


def _line_of(device: DeviceConfig, port: str) -> str:
    """Of a line with several readers on it, what is said to this one and what it says."""
    address = device.settings.get("address", 0)
    return looked_at(port, address) if device.kind == "reader.osdp" and isinstance(address, int) else port


def describer_of(device: DeviceConfig) -> Describer | None:
    """Who explains the bytes on its line; a converter's are as it is configured."""
    if device.kind == "badge.line":
        try:
            settings = BadgeLineSettings.parse(device.id, device.settings)
        except SettingsError:  # it is not served either
            return None
        return LinesDescriber(settings.marks, settings.read)
    family = family_of(device)
    return None if family is None else describer(family)


def family_of(device: DeviceConfig) -> str | None:
    """The family whose bytes pass on its line; None where it has none."""
    if device.kind == "finger.zfm":
        return f"zfm-{device.settings.get('family', 'grow')}"
    if device.kind.startswith("tracker."):
        return device.kind.removeprefix("tracker.")
    return _FAMILIES.get(device.kind)
