"""What every measure is given: how often, where, and which peers are there."""

import itertools
import statistics
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.bench import thingsboard
from tests.bench.ours import OurGateway
from tests.bench.rig import System
from tests.bench.simple_peers import Bridge, NaiveScript
from tests.bench.thingsboard import ThingsBoard

ResultT = TypeVar("ResultT")
TB_MQTT, TB_SERIAL, BRIDGE, NAIVE, OURS = "ThingsBoard MQTT", "ThingsBoard serial", "bridge", "naive", "ours"
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Plan:
    """One run of the bench."""

    folder: Path
    rounds: int
    seconds: float  # of each timed stretch
    without: str | None  # why ThingsBoard does not run
    say: Callable[[str], None] = field(default=print)

    def fresh(self) -> Path:
        """A folder nobody has used."""
        return self.folder / f"run-{next(_numbers)}"

    def make(self, name: str) -> System:
        """A system under test by its name."""
        folder = self.fresh()
        match name:
            case "ours":
                return OurGateway(folder)
            case "ThingsBoard MQTT":
                return ThingsBoard(folder, "mqtt")
            case "ThingsBoard serial":
                return ThingsBoard(folder, "serial")
            case "bridge":
                return Bridge(folder)
            case _:
                return NaiveScript(folder)

    def there(self, *names: str) -> list[str]:
        """Those of these systems that can run."""
        return [name for name in names if self.without is None or not name.startswith("ThingsBoard")]

    def rounds_of(
        self, names: Sequence[str], work: Callable[[str], dict[str, float]]
    ) -> dict[str, dict[str, list[float]]]:
        """Every system in turn, again and again; system -> figure -> one value per round.

        A peer that fails is said and left out; ours must not fail.
        """
        found: dict[str, dict[str, list[float]]] = {}
        for round_ in range(self.rounds):
            for name in names:
                try:
                    figures = work(name)
                except RuntimeError as exc:
                    if name.startswith(OURS):
                        raise
                    self.say(f"  {name}: {exc}")
                    continue
                shown = ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
                self.say(f"  round {round_ + 1} {name}: {shown}")
                for key, value in figures.items():
                    found.setdefault(name, {}).setdefault(key, []).append(value)
        return found


def median(found: Mapping[str, Mapping[str, Sequence[float]]], name: str, figure: str) -> float | None:
    """Median over the rounds; None for a system that did not run."""
    values = found.get(name, {}).get(figure, ())
    return statistics.median(values) if values else None


def side_by_side(work: Mapping[str, Callable[[], ResultT]], say: Callable[[str], None]) -> dict[str, ResultT]:
    """Several at once, each in a thread: for drills that count losses, where time does not matter."""
    results: dict[str, ResultT] = {}
    failures: dict[str, Exception] = {}

    def run(name: str, one: Callable[[], ResultT]) -> None:
        try:
            results[name] = one()
        except Exception as exc:  # noqa: BLE001 - carried to the caller
            failures[name] = exc

    threads = [threading.Thread(target=run, args=pair) for pair in work.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, failure in failures.items():
        if name.startswith(OURS):
            raise failure
        say(f"  {name}: {failure}")
    return results


def installed() -> str | None:
    """Why ThingsBoard cannot run; None when it can."""
    return thingsboard.install()
