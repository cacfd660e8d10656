"""A technician's test of one device: for a minute, what passes on its line, explained, with persons left out.

Bytes are kept only until they are explained: what a card or a template holds is never shown, and never kept. What
belongs together comes in pieces: pieces of one direction within a moment are one entry.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from drivers.links.looking_on import looking_on
from firmware_protocols.describing import Describer, Field
from firmware_protocols.families import describer
from gateway.config import DeviceConfig

LASTS_S = 60.0
TOGETHER_S = 0.15
MOST_ENTRIES = 40
MOST_BYTES = 8192  # of one entry; the longest reply of a card reader has 2.3 KB
MOST_SAID = 6  # fields of an entry
_DRY = frozenset(
    {"header", "preamble", "prefix", "stx", "etx", "start", "stop", "length", "sum", "check", "crc"}
)
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
        self._views: dict[str, TestView] = {}  # the last test of each device, in this run
        self._entries: deque[Passed] = deque(maxlen=MOST_ENTRIES)
        self._task: asyncio.Task[None] | None = None
        self._open = _Open()

    def view(self, device: str) -> TestView | None:
        """The last test of a device; None: none in this run."""
        return self._views.get(device)

    def begin(self, device: DeviceConfig) -> bool:
        """Look on for a minute. False: this device has no line of its own to look at."""
        port = device.settings.get("port")
        if not isinstance(port, str):
            return False
        self.end()
        self._entries.clear()
        until_ms = self._now_ms() + round(LASTS_S * 1000)
        self._views[device.id] = TestView(device.id, until_ms, running=True, passed=())
        self._task = asyncio.get_running_loop().create_task(
            self._look(device, port), name=f"test-{device.id}"
        )
        return True

    def end(self) -> None:
        """Nobody looks on any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _look(self, device: DeviceConfig, port: str) -> None:
        family = family_of(device)
        explainer = None if family is None else describer(family)
        before = self._events_of(device.id)
        self._open = _Open()

        def close(*, running: bool = True) -> None:
            events = self._events_of(device.id) - before
            self._close(self._views[device.id], explainer, max(0, events), running=running)

        try:
            with looking_on(port, self._take):
                for _ in range(round(LASTS_S / TOGETHER_S)):
                    await asyncio.sleep(TOGETHER_S)
                    close()
        finally:
            close(running=False)

    def _take(self, sent: bool, data: bytes) -> None:  # noqa: FBT001 - as `Look` has it
        self._open.pieces.append((self._now_ms(), sent, data))

    def _close(self, view: TestView, explainer: Describer | None, events: int, *, running: bool) -> None:
        """Explain what came, and forget the bytes."""
        pieces, self._open = self._open.pieces, _Open()
        if not pieces and running and events == view.events:
            return
        sent = received = wrong = 0
        for at_ms, ours, data in _joined(pieces):
            sent, received = (sent + len(data), received) if ours else (sent, received + len(data))
            entry = _explained(at_ms, ours, data, explainer)
            wrong += entry.wrong
            self._enter(entry)
        self._views[view.device] = replace(
            view,
            running=running,
            until_ms=view.until_ms if running else min(view.until_ms, self._now_ms()),
            passed=tuple(self._entries),
            sent=view.sent + sent,
            received=view.received + received,
            wrong=view.wrong + wrong,
            events=events,
        )
        self._changed()

    def _enter(self, entry: Passed) -> None:
        """A device that is asked over and over, and says the same, is two entries that are counted up."""
        if len(self._entries) > 1 and self._entries[1].same(entry):
            entry = replace(entry, times=self._entries[1].times + 1)
            del self._entries[1]
        self._entries.appendleft(entry)


class _Open:
    """What came and is not explained yet."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, bool, bytes]] = []


def _joined(pieces: Sequence[tuple[int, bool, bytes]]) -> list[tuple[int, bool, bytes]]:
    joined: list[tuple[int, bool, bytes]] = []
    for at_ms, sent, data in pieces:
        if joined and joined[-1][1] == sent and len(joined[-1][2]) < MOST_BYTES:
            joined[-1] = (joined[-1][0], sent, joined[-1][2] + data)
        else:
            joined.append((at_ms, sent, data))
    return joined


def _explained(at_ms: int, sent: bool, data: bytes, explainer: Describer | None) -> Passed:  # noqa: FBT001
    fields = [] if explainer is None else explainer.explain(data[:MOST_BYTES], None)
    wrong = any(one.wrong for one in fields)
    shown = [one for one in fields if not (one.personal or one.opaque or one.name in _DRY)]
    # Of what is not whole nothing is said but what it is: its pieces may be a person's.
    said = [(one.name, "" if wrong else one.value, one.note) for one in shown]
    told = [one for one in said if one[1] or one[2]]
    return Passed(at_ms, sent, len(data), tuple(told[:MOST_SAID]), len(_personal(fields)), wrong)


def _personal(fields: Sequence[Field]) -> list[Field]:
    return [one for one in fields if one.personal or one.opaque]


def family_of(device: DeviceConfig) -> str | None:
    """The family whose bytes pass on its line; None where it has none."""
    if device.kind == "finger.zfm":
        return f"zfm-{device.settings.get('family', 'grow')}"
    if device.kind.startswith("tracker."):
        return device.kind.removeprefix("tracker.")
    return _FAMILIES.get(device.kind)
