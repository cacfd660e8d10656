"""What a fleet took, in words and for a program."""

import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.fleet.running import Watch


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of each part."""

    making_s: float
    connecting_s: float
    settling_s: float  # from the first event to the last ack


def figures(watch: Watch, took: Took, *, gateways: int, events: int) -> Mapping[str, float | int]:
    """By name; times in seconds, latencies in milliseconds, memory in MiB."""
    return {
        "gateways": gateways,
        "done": watch.done,
        "events": events,
        "settled": len(watch.settled_s),
        "making_s": round(took.making_s, 1),
        "connecting_s": round(took.connecting_s, 1),
        "settling_s": round(took.settling_s, 1),
        "events_per_s": round(events / took.settling_s) if took.settling_s else 0,
        "connect_p99_ms": round(1000 * quantile(watch.connects_s, 0.99)),
        "ack_p50_ms": round(1000 * quantile(watch.settled_s, 0.5)),
        "ack_p99_ms": round(1000 * quantile(watch.settled_s, 0.99)),
        "acks": watch.acks,
        "acks_not_believed": watch.not_believed,
        "resent": watch.resent,
        "connections_lost": watch.connections_lost,
        "connections_refused": watch.refused,
        "fleet_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie; 0 of none."""
    if not values:
        return 0.0
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
