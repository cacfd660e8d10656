"""A technician's test of one device: for a minute, what passes on its line, explained, with persons left out.

Bytes are kept only until they are explained: what a card or a template holds is never shown, and never kept. What
belongs together comes in pieces: pieces of one direction within a moment are one entry.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    said: tuple[tuple[str, str], ...]  # name and value; without those of a person
    hidden: int  # how many fields are of a person
    wrong: bool  # some of it breaks the protocol


@dataclass(frozen=True, slots=True)
class TestView:
    """How a test goes."""

    __test__ = False  # of pytest's

    device: str
    until_ms: int
    running: bool
    passed: Sequence[Passed]  # newest first
    sent: int
    received: int


class LiveTest:
    """One test at a time on a gateway."""

    def __init__(self, now_ms: Callable[[], int], changed: Callable[[], None]) -> None:
        """`changed`: people should look again."""
        self._now_ms = now_ms
        self._changed = changed
        self._view: TestView | None = None
        self._entries: deque[Passed] = deque(maxlen=MOST_ENTRIES)
        self._task: asyncio.Task[None] | None = None
        self._open = _Open()

    def view(self, device: str) -> TestView | None:
        """The last test of a device, if it was the last test at all."""
        return self._view if self._view is not None and self._view.device == device else None

    def begin(self, device: DeviceConfig) -> bool:
        """Look on for a minute. False: this device has no line of its own to look at."""
        port = device.settings.get("port")
        if not isinstance(port, str):
            return False
        self.end()
        self._entries.clear()
        until_ms = self._now_ms() + round(LASTS_S * 1000)
        self._view = TestView(device.id, until_ms, running=True, passed=(), sent=0, received=0)
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
        self._open = _Open()
        try:
            with looking_on(port, self._take):
                for _ in range(round(LASTS_S / TOGETHER_S)):
                    await asyncio.sleep(TOGETHER_S)
                    self._close(explainer)
        finally:
            self._close(explainer, running=False)

    def _take(self, sent: bool, data: bytes) -> None:  # noqa: FBT001 - as `Look` has it
        self._open.pieces.append((self._now_ms(), sent, data))

    def _close(self, explainer: Describer | None, *, running: bool = True) -> None:
        """Explain what came, and forget the bytes."""
        view, pieces = self._view, self._open.pieces
        if view is None or (not pieces and running):
            return
        self._open = _Open()
        sent = received = 0
        for at_ms, ours, data in _joined(pieces):
            sent, received = (sent + len(data), received) if ours else (sent, received + len(data))
            self._entries.appendleft(_explained(at_ms, ours, data, explainer))
        self._view = TestView(
            view.device,
            view.until_ms,
            running,
            tuple(self._entries),
            view.sent + sent,
            view.received + received,
        )
        self._changed()


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
    said = [(one.name, told) for one in fields if (told := _worth_saying(one, whole=not wrong))]
    hidden = sum(one.personal or one.opaque for one in fields)
    return Passed(at_ms, sent, len(data), tuple(said[:MOST_SAID]), hidden, wrong)


def _worth_saying(one: Field, *, whole: bool) -> str:
    """Of a frame that is not whole nothing is said but what it is: its pieces may be a person's."""
    if one.personal or one.opaque or one.name in _DRY:
        return ""
    return one.note or (one.value if whole else "")


def family_of(device: DeviceConfig) -> str | None:
    """The family whose bytes pass on its line; None where it has none."""
    if device.kind == "finger.zfm":
        return f"zfm-{device.settings.get('family', 'grow')}"
    if device.kind.startswith("tracker."):
        return device.kind.removeprefix("tracker.")
    return _FAMILIES.get(device.kind)
