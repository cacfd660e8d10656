"""When check-ins could be taken: sampled once a second, written once a minute, never claimed beyond that. Pure.

What was not written is not claimed: after a power cut a stretch ends with what was written last. What comes
back counts again only when it has held for a while, so that a flapping reader is away, and cannot fill the
store with stretches of a second.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from gateway.checkin.purposes import Purpose
from gateway.checkin.recalled import GATEWAY, KIOSK
from gateway.config import ANY_PURPOSE, KioskConfig
from gateway.store.diary import UpSpan

HOLDS_MS = 30_000  # so long it must have been back
MOST_BETWEEN_MS = 10_000  # two samples: beyond it nobody looked, and nothing is claimed
_CARD_READERS = ("idcard.",)
_MODULES = ("finger.", "face.")
_KEEPS_RECORDS = "terminal."  # takes check-ins alone, and hands them over when it is back


def kiosk_ready(
    kiosks: Iterable[KioskConfig],
    kinds: Mapping[str, str],
    online: Collection[str],
    lent: Collection[str] = (),
) -> bool:
    """Whether somebody could report: a kiosk for it whose card reader and a module are there, and no terminal is away.

    A terminal that is away may hold the very check-in that seems to be missing. `kinds`: of devices, by id.
    `lent`: kiosks at which somebody is being enrolled, and nobody checks in.
    """
    if any(kind.startswith(_KEEPS_RECORDS) and one not in online for one, kind in kinds.items()):
        return False
    return any(
        _some(kiosk, _CARD_READERS, kinds, online) and _some(kiosk, _MODULES, kinds, online)
        for kiosk in kiosks
        if kiosk.purpose in (ANY_PURPOSE, Purpose.REPORT) and kiosk.id not in lent
    )


def _some(
    kiosk: KioskConfig, kind: tuple[str, ...], kinds: Mapping[str, str], online: Collection[str]
) -> bool:
    """Whether one of its devices of this kind is there; a kiosk without a module has the word of staff."""
    having = [device for device in kiosk.devices if kinds.get(device, "").startswith(kind)]
    return any(device in online for device in having) or (not having and kind == _MODULES)


class Availability:
    """The stretches of this run, on the clock of its boot."""

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._kinds = {GATEWAY: _Stretch(), KIOSK: _Stretch()}

    def look(self, mono_ms: int, *, gateway: bool, kiosk: bool) -> None:
        """How it is now."""
        self._kinds[GATEWAY].look(mono_ms, up=gateway)
        self._kinds[KIOSK].look(mono_ms, up=kiosk)

    def to_write(self) -> Sequence[UpSpan]:
        """What is not on disk yet, the stretches that go on among it."""
        return [
            UpSpan(kind, self._boot, begin, end)
            for kind, stretch in self._kinds.items()
            for begin, end in (*stretch.over, *stretch.running)
        ]

    def written(self, spans: Sequence[UpSpan]) -> None:
        """These are on disk."""
        done = {(one.kind, one.from_ms, one.to_ms) for one in spans}
        for kind, stretch in self._kinds.items():
            stretch.over = [one for one in stretch.over if (kind, *one) not in done]

    def not_written(self) -> None:
        """The disk took nothing: it could not have taken a check-in either. Nothing since then counts."""
        for stretch in self._kinds.values():
            stretch.give_up()


class _Stretch:
    def __init__(self) -> None:
        self.over: list[tuple[int, int]] = []
        self._from_ms: int | None = None
        self._to_ms = 0
        self._back_ms: int | None = None  # since when it is back; None: it was never seen away
        self._seen_ms: int | None = None

    @property
    def running(self) -> list[tuple[int, int]]:
        return [] if self._from_ms is None or self._to_ms <= self._from_ms else [(self._from_ms, self._to_ms)]

    def look(self, mono_ms: int, *, up: bool) -> None:
        late = self._seen_ms is not None and mono_ms - self._seen_ms > MOST_BETWEEN_MS
        self._seen_ms = mono_ms
        if not up or late:
            self._end()
            self._back_ms = mono_ms
        if not up:
            return
        if self._from_ms is None and (self._back_ms is None or mono_ms - self._back_ms >= HOLDS_MS):
            self._from_ms = mono_ms
        self._to_ms = mono_ms

    def give_up(self) -> None:
        self.over = []
        self._from_ms, self._back_ms = None, self._seen_ms

    def _end(self) -> None:
        self.over += self.running
        self._from_ms = None
