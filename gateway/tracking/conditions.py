"""From what wearables say to alarms: what is raised, and when it is over. Pure.

a condition    stands until the wearable says that it does not
a moment       SOS, a fence crossed: over when nothing of it came for ten minutes, at the next report
tamper         strap and case: also where a wearable tells only the moment, it stands until the wearable says
               that all is well again, or staff say that they have looked. No time ends it.
battery        low by its own word, or at 20 %; over at 30 %, or on the charger
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from firmware_protocols.tracking import Sign, TrackerReport

MOMENT_S = 600.0
LOW_PCT, WELL_PCT = 20, 30
KIND_OF: Mapping[Sign, str] = {
    Sign.STRAP_OPEN: "strap_open",
    Sign.CASE_TAMPER: "case_tamper",
    Sign.SOS: "sos",
    Sign.LOW_BATTERY: "battery_low",
    Sign.POWER_OFF: "power_off",
    Sign.FENCE: "fence",
    Sign.FENCE_ENTER: "fence",
    Sign.FENCE_EXIT: "fence",
    Sign.JAMMING: "signal_lost",
}
TAMPER = frozenset({"strap_open", "case_tamper"})
KINDS = frozenset(KIND_OF.values())


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm of a wearable begins or is over."""

    kind: str
    raised: bool
    sign: Sign | None = None  # what the wearable said


class Conditions:
    """One wearable. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._moments_s: dict[str, float] = {}  # kind -> when it was last told

    def changes(self, report: TrackerReport, standing: Collection[str], now_s: float) -> Iterator[Change]:
        """What a report changes. `standing`: kinds of alarm that stand about this wearable."""
        said = dict(report.standing)
        low = _battery(report)
        if low is not None:
            said[Sign.LOW_BATTERY] = low
        told = {
            KIND_OF[sign] for sign in report.moments & KIND_OF.keys()
        }  # no report ends what it tells itself
        for sign in sorted(report.moments & KIND_OF.keys()):
            self._moments_s[KIND_OF[sign]] = now_s
            yield Change(KIND_OF[sign], raised=True, sign=sign)
        by_kind: dict[str, tuple[bool, Sign]] = {}
        for sign, stands in said.items():
            kind = KIND_OF.get(sign)
            if kind is not None and not by_kind.get(kind, (False, sign))[0]:
                by_kind[kind] = (stands, sign)
        for kind, (stands, sign) in by_kind.items():
            if stands:
                yield Change(kind, raised=True, sign=sign)
            elif kind in standing and kind not in told and not self._lately(kind, now_s):
                yield Change(kind, raised=False, sign=sign)
        for kind in sorted(set(standing) & KINDS - TAMPER - by_kind.keys() - {"battery_low", "signal_lost"}):
            if not self._lately(kind, now_s):
                yield Change(kind, raised=False)

    def _lately(self, kind: str, now_s: float) -> bool:
        told_s = self._moments_s.get(kind)
        return told_s is not None and now_s - told_s < (0.0 if kind in TAMPER else MOMENT_S)


def _battery(report: TrackerReport) -> bool | None:
    """Whether the battery is low; None where the report leaves it as it was."""
    said = report.standing.get(Sign.LOW_BATTERY)
    if report.charging:
        return False
    if report.battery_pct is None:
        return said
    if said or report.battery_pct <= LOW_PCT:
        return True
    return False if report.battery_pct >= WELL_PCT else None
