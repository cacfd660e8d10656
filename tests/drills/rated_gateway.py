"""The real command with one more kind of device, `drill.source`: cards at a set rate, without a wire.

    python -m tests.drills.rated_gateway run --config ...

A reader on a wire reads some twelve cards a second; this one hands the gateway as many as its setting
`rate_per_s` says, as any driver does: through the supervisor, ingest and the store, signed and sealed.
A refused card is laid again a moment later. Invented persons only. At SIGUSR1 somebody checks in: one
event of the class that overtakes a backlog, which no device of today makes by itself.
"""

import asyncio
import itertools
import signal
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

from drivers import registry
from drivers.driver import EventsRefused, Host, Settings
from drivers.events import CardRead, CardType, DeviceReady
from drivers.settings import SettingsReader
from gateway import app
from gateway.cli.main import main
from gateway.evidence.canonical import Json
from gateway.ingest.ingest import Ingest

CHECK_IN: Mapping[str, Json] = {"purpose": "report", "person": "drill"}
KIND = "drill.source"


class RatedSource:
    """`run` hands over cards, each of another invented person, until it is cancelled."""

    def __init__(self, rate_per_s: int, host: Host) -> None:
        self._rate_per_s = rate_per_s
        self._host = host

    @classmethod
    def build(cls, device_id: str, settings: Settings, host: Host) -> Self:
        """From the configuration; raises `SettingsError`."""
        read = SettingsReader(device_id, settings)
        rate = read.number("rate_per_s", default=20, minimum=0, maximum=5_000)
        read.finish()
        return cls(rate, host)

    async def run(self) -> None:
        """Lay a card when its time has come; those that are late come together, as at several readers."""
        self._host.ready(DeviceReady(model="drill"))
        if self._rate_per_s == 0:  # only at the signal
            await asyncio.Event().wait()
        began = time.monotonic()
        numbers = itertools.count(1)
        laid = 0
        while True:
            due = int((time.monotonic() - began) * self._rate_per_s) - laid
            if due > 0:
                await self._lay([_card(next(numbers)) for _ in range(min(due, 50))])
                laid += min(due, 50)
            await asyncio.sleep(min(0.02, 1 / self._rate_per_s))

    async def _lay(self, cards: list[CardRead]) -> None:
        while True:
            laid = [self._host.committed([card]) for card in cards]
            outcomes = await asyncio.gather(*laid, return_exceptions=True)
            cards = [
                card
                for card, outcome in zip(cards, outcomes, strict=True)
                if isinstance(outcome, EventsRefused)
            ]
            for outcome in outcomes:
                if isinstance(outcome, BaseException) and not isinstance(outcome, EventsRefused):
                    raise outcome
            if not cards:
                return
            await asyncio.sleep(1)  # as long as a person stands there


def _card(number: int) -> CardRead:
    return CardRead(
        card_type=CardType.RESIDENT,
        id_number=f"3701021990{number % 100_000_000:08d}",
        name="测试",
        valid_from="20200101",
        valid_to="20400101",
        check_digit_ok=True,
        text_repaired=False,
    )


class IngestAtSignal(Ingest):
    """The gateway's own, which also takes a check-in at SIGUSR1."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._checking_in: set[asyncio.Task[object]] = set()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._check_in)

    def _check_in(self) -> None:
        task = asyncio.create_task(self.record("checkin.completed", dict(CHECK_IN)))
        self._checking_in.add(task)
        task.add_done_callback(self._checking_in.discard)


def add_source() -> None:
    """Make the kind known to this process."""
    app.Ingest = IngestAtSignal  # type: ignore[attr-defined, assignment]
    entry = f"{__name__ if __name__ != '__main__' else 'tests.drills.rated_gateway'}:RatedSource"
    registry.REGISTRY = MappingProxyType({**registry.REGISTRY, KIND: entry})


if __name__ == "__main__":
    add_source()
    main()
