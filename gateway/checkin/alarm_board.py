"""The alarms that stand, worst first, as a screen shows them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.ingest.alarms import SEVERITY

GRAVE = "critical"  # shown over everything else until somebody has seen it
_ORDER = ("critical", "major", "minor")
_PERSON = "person/"


@dataclass(frozen=True, slots=True)
class OpenAlarm:
    """One alarm that stands."""

    event: str  # id of the raise
    kind: str
    about: str  # a device, an epoch, `gateway`; `person/{ref}/{tracker}` of a person's wearable
    severity: str
    since_ms: int | None  # when it was raised, by the clock of then

    @property
    def grave(self) -> bool:
        """Whether it is shown over everything else."""
        return self.severity == GRAVE

    @property
    def person(self) -> str | None:
        """Whom it is about, where it is about a person."""
        if not self.about.startswith(_PERSON):
            return None
        return self.about.removeprefix(_PERSON).partition("/")[0]


def open_alarms(standing: Mapping[str, str]) -> Sequence[OpenAlarm]:
    """From `Alarms.standing`: worst first, then the newest. A kind that is not known here is grave."""
    found = [_alarm(key, event) for key, event in standing.items()]
    return sorted(found, key=lambda one: (_ORDER.index(one.severity), -(one.since_ms or 0), one.event))


def _alarm(key: str, event: str) -> OpenAlarm:
    kind, _, about = key.partition("/")
    return OpenAlarm(event, kind, about, SEVERITY.get(kind, GRAVE), _made_ms(event))


def _made_ms(event: str) -> int | None:
    """A UUIDv7 begins with its time."""
    try:
        return int(event.replace("-", "")[:12], 16)
    except ValueError:
        return None
