"""The center's metrics of its gateways, made anew from an overview at each look. No label names a person.

docs/receiver.md lists them; a test holds both together.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from gateway.receiver.overview import GatewayFacts, Overview

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
PREFIX = "zhijiao_center_"
CLOCKS = ("synced", "holdover", "unsynced")

Value = Callable[[GatewayFacts], float | None]  # None: no series
# Name, help, value: one series for each gateway.
PER_GATEWAY: Mapping[str, tuple[str, Value]] = {
    "gateway_online": (
        "1 while the gateway says that it is there, else 0.",
        lambda g: float(g.state == "online"),
    ),
    "gateway_seen_timestamp_seconds": (
        "When something was last heard of the gateway, by the center's clock.",
        lambda g: None if g.seen_ms is None else g.seen_ms / 1000,
    ),
    "gateway_backlog": ("Events that wait on the gateway, as it announced.", lambda g: g.backlog),
    "gateway_oldest_unacked_seconds": (
        "Age of the oldest of them, as it announced.",
        lambda g: g.oldest_unacked_s,
    ),
    "gateway_missing": ("Sequences that are neither here nor declared lost.", lambda g: g.missing),
    "gateway_lost": ("Sequences that the gateway declared lost.", lambda g: g.lost),
    "gateway_forks": ("Events that stood in a place which another one has.", lambda g: g.forks),
    "gateway_rejected": ("Stored events that a rule refuses.", lambda g: g.rejected),
    "gateway_quarantined": ("Messages set aside because nobody can vouch for them.", lambda g: g.quarantined),
    "gateway_parked": ("Messages that wait for their key to become known.", lambda g: g.parked),
    "gateway_duplicates": ("Events that were here already, dropped.", lambda g: g.duplicates),
    "gateway_resend_open": (
        "1 while the gateway is being asked for a range, else 0.",
        lambda g: float(g.asked),
    ),
    "gateway_certificate_expiry_timestamp_seconds": (
        "Until when the gateway's certificate is valid, where the center issued it.",
        lambda g: None if g.certificate_ms is None else g.certificate_ms / 1000,
    ),
}
OTHERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "gateway_clock": ("1 for the quality of the gateway's clock.", ("gw", "quality")),
    "gateway_alarms": ("How often an alarm about the gateway was raised here.", ("gw", "kind")),
    "gateway_info": (
        "Always 1; the labels tell what the gateway runs and who has it.",
        ("gw", "software", "mqtt", "worker"),
    ),
    "workers": ("Workers that live; 0 where one receiver works alone.", ()),
    "nameless_quarantined": ("Messages set aside that name no gateway known here.", ()),
}


def render(found: Overview) -> bytes:
    """Everything, in Prometheus' text format (`CONTENT_TYPE`)."""
    registry = CollectorRegistry()
    registry.register(_Collector(found))
    return generate_latest(registry)


@dataclass(frozen=True, slots=True, eq=False)  # the library keeps collectors by identity
class _Collector(Collector):
    found: Overview

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The families, as the library asks for them."""
        for name, (text, value) in PER_GATEWAY.items():
            family = GaugeMetricFamily(PREFIX + name, text, labels=["gw"])
            for one in self.found.gateways:
                number = value(one)
                if number is not None:
                    family.add_metric([one.gw], number)
            yield family
        families = {
            name: GaugeMetricFamily(PREFIX + name, text, labels=labels)
            for name, (text, labels) in OTHERS.items()
        }
        for one in self.found.gateways:
            for quality in CLOCKS:
                families["gateway_clock"].add_metric([one.gw, quality], float(one.clockq == quality))
            for kind, times in sorted(one.alarms.items()):
                families["gateway_alarms"].add_metric([one.gw, kind], times)
            labels = [one.gw, one.software or "", one.mqtt or "", one.worker or ""]
            families["gateway_info"].add_metric(labels, 1)
        families["workers"].add_metric([], len(self.found.workers))
        families["nameless_quarantined"].add_metric([], self.found.nameless)
        yield from families.values()
