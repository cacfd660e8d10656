"""Every metric of the gateway, in one place. No label ever names a person; all label values are few and known.

Counters whose label values are known start at zero, so that nothing happened is a zero and not a gap.
docs/metrics.md is written from here: `python -m gateway.metrics > docs/metrics.md`.
"""

import math
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from gateway import __version__

PREFIX = "zhijiao_"
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

CLASSES = ("checkin", "identity", "tracker", "presence", "alarm", "device", "audit", "clock", "system")
LANES = ("L0", "L1", "L2")
STORE_STATES = ("ok", "store_full", "store_readonly", "store_io")
STORE_LEVELS = ("normal", "thin", "essential", "settle")
EPOCH_REASONS = (
    "new_store",
    "restored",
    "salvaged",
    "unclean_boot",
    "store_rollback",
    "chain_mismatch",
    "new_keys",
)
SIGN_IN_RESULTS = ("ok", "bad_credentials", "locked", "too_many", "busy", "no_accounts", "store")
TERMINAL_REFUSALS = ("request", "serial", "address", "too_long")
MQTT_VERSIONS = ("5", "3.1.1")
HTTP_DOOR = ("host", "unauthenticated", "forbidden", "csrf")
HTTP_REFUSALS = (
    *HTTP_DOOR,
    *("rate", "streams", "too_large", "connections", "slow"),
    *(
        "parameter",
        "kiosk",
    ),  # behind the door: a value that is not allowed, a kiosk's request that does not fit
)

# Seconds. A commit on a good card takes 5 ms, on a tired one a second.
COMMIT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200)
# Seconds. A healthy center acks within one; after an outage the oldest wait for days.
ACK_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400, 604_800)


class LossCause(StrEnum):
    """Why something that happened will not be known to the center."""

    STORE_FULL = "store_full"
    STORE_READONLY = "store_readonly"
    STORE_IO = "store_io"
    DEGRADED = "degraded"
    FIX_THINNED = "fix_thinned"
    UNENCODABLE = "unencodable"
    RANGE_UNREADABLE = "range_unreadable"
    ROLLBACK = "rollback"


LOSS_MEANINGS: Mapping[LossCause, str] = {
    LossCause.STORE_FULL: "Refused for lack of space; whoever was there was told that it did not count.",
    LossCause.STORE_READONLY: "Refused because the file system became read-only; told likewise.",
    LossCause.STORE_IO: "Refused because the disk failed; told likewise.",
    LossCause.DEGRADED: "An event of a low class, refused while space runs out.",
    LossCause.FIX_THINNED: "A tracker position, left out while space runs out.",
    LossCause.UNENCODABLE: "Content that no event can carry; its length and hash were recorded.",
    LossCause.RANGE_UNREADABLE: "Committed, then damaged on disk before the center had it; the range is declared.",
    LossCause.ROLLBACK: "Committed, then forgotten by the disk before the center had it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDoc:
    """One line of docs/metrics.md."""

    name: str
    type: str
    labels: Sequence[str]
    help: str


class Metrics:
    """All metrics of one gateway, in a registry of their own. Safe from any thread."""

    def __init__(self) -> None:
        # A `_created` series beside each counter would double them, with a wrong time on an unset clock.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library left this one out
        self.registry = CollectorRegistry()
        self.docs: list[MetricDoc] = []

        self.events_committed = self._counter(
            "events_committed_total", "Events committed to disk, by class.", class_=CLASSES
        )
        self.events_refused = self._counter(
            "events_refused_total",
            "Events refused because the store could not take them, by reason; nothing was confirmed to anyone.",
            reason=(*STORE_STATES[1:], "degraded"),
        )
        self.events_unencodable = self._counter(
            "events_unencodable_total", "Events that could not be encoded and became a device.fault."
        )
        self.commit_seconds = self._histogram(
            "commit_seconds", "Time of one commit, waiting for the disk included, in seconds.", COMMIT_BUCKETS
        )
        self.commit_batch_events = self._histogram(
            "commit_batch_events", "Events written in one commit.", BATCH_BUCKETS
        )
        self.losses = self._counter(
            "losses_total",
            "Facts that will not be known to the center, by cause. Anything above zero needs an explanation.",
            cause=tuple(LossCause),
        )

        self.outbox_unsettled = self._gauge(
            "outbox_unsettled", "Committed events that the center has not acked."
        )
        self.outbox_oldest_unsettled_seconds = self._gauge(
            "outbox_oldest_unsettled_seconds", "Age of the oldest of them, in seconds; 0 when there is none."
        )
        self.events_sent = self._counter(
            "events_sent_total", "Events handed to the broker, by lane.", lane=LANES
        )
        self.events_resent = self._counter(
            "events_resent_total", "Events among them that were sent before: rewinds and resends."
        )
        self.pubacks = self._counter(
            "pubacks_total",
            "Answers of the broker to sent events, by MQTT reason code; 0x10 means that nobody listens.",
            reason=("0x00", "0x10"),
        )
        self.events_settled = self._counter("events_settled_total", "Events settled by the center's ack.")
        self.rewinds = self._counter(
            "rewinds_total",
            "Times that sending began again at the lowest unsettled event, for lack of progress.",
        )
        self.ack_latency_seconds = self._histogram(
            "ack_latency_seconds", "Time from commit to the center's ack, in seconds.", ACK_BUCKETS
        )
        self.acks_rejected = self._counter(
            "acks_rejected_total", "Acks of the center that were not believed, by reason.", reason=()
        )

        self.answers_rejected = self._counter(
            "answers_rejected_total",
            "Answers of the center to our requests that were not believed, by reason.",
            reason=(),
        )
        self.commands = self._counter(
            "commands_total",
            "Verified commands of the center, by command and outcome.",
            command=(),
            status=(),
        )
        self.commands_not_verified = self._counter(
            "commands_not_verified_total",
            "Messages on the command topics that were not verified and dropped, by reason.",
            reason=(),
        )

        self.mqtt_connected = self._gauge("mqtt_connected", "1 while connected to the broker, else 0.")
        self.mqtt_connects = self._counter(
            "mqtt_connects_total", "Attempts to connect to the broker, by result.", result=("ok",)
        )
        self.mqtt_version = self._one_of(
            "mqtt_version", "1 for the MQTT version in use or tried last.", "version", MQTT_VERSIONS
        )

        self.clock_synced = self._gauge("clock_synced", "1 while the clock is synchronised, else 0.")
        self.clock_error_seconds = self._gauge(
            "clock_error_seconds", "Bound of the clock's error in seconds; NaN where it is not known."
        )
        self.clock_error_seconds.set(math.nan)
        self.clock_steps = self._counter(
            "clock_steps_total", "Times that the clock was set by more than a second."
        )

        self.certificate_left_seconds = self._gauge(
            "certificate_left_seconds",
            "How long the gateway's certificate for the broker still holds; NaN where there is none to read.",
        )
        self.certificate_left_seconds.set(math.nan)
        self.renewals = self._counter(
            "certificate_renewals_total",
            "Tries to renew that certificate, by result.",
            result=("renewed", "failed"),
        )

        self.device_up = self._gauge("device_up", "1 while the device answers, else 0.", "device")
        self.device_frames_discarded = self._counter(
            "device_frames_discarded_total",
            "Pieces of input that nobody could use: no frame, or nobody asked.",
            device=(),
            reason=(),
        )
        self.device_lost = self._counter("device_lost_total", "Times that the device was lost.", device=())
        self.enrolments = self._counter(
            "enrolments_total",
            "Enrolments of fingers and faces that ended, by how they did.",
            reason=("enrolled", "known", "refused", "no_consent", "failed", "cancelled", "not_stored"),
        )
        self.slots_erased = self._counter(
            "slots_erased_total",
            "Slots of modules that were deleted, by reason.",
            reason=("release", "cut_off", "unknown_slots"),
        )
        self.tracker_positions = self._counter(
            "tracker_positions_total",
            "Positions of wearables, by what became of them.",
            reason=("kept", "not_approved", "no_wearer", "no_id"),
        )
        self.beacon_adverts = self._counter(
            "beacon_adverts_total",
            "Advertisements over Bluetooth that were heard, by whose they are; no address is kept of any.",
            reason=("bound", "unknown"),
        )
        self.device_events = self._counter(
            "device_events_total", "Events committed for the device.", device=()
        )

        self.sign_ins = self._counter(
            "sign_ins_total", "Tries to sign in, by result.", result=SIGN_IN_RESULTS
        )
        self.sessions = self._gauge("sessions", "People who are signed in.")
        self.accounts = self._gauge("accounts", "Accounts that are not disabled.")
        self.kiosk_tokens = self._gauge("kiosk_tokens", "Configured kiosks that hold a token.")
        self.access_changes = self._counter(
            "access_changes_total",
            "Changes of accounts and tokens that commands have handed over, by result.",
            result=("taken", "refused"),
        )

        self.http_refused = self._counter(
            "http_refused_total",
            "Requests and connections that the pages turned away, by reason; no address is kept.",
            reason=HTTP_REFUSALS,
        )

        self.terminal_refused = self._counter(
            "terminal_refused_total",
            "Requests on the listener for terminals that were not let in, by reason.",
            reason=TERMINAL_REFUSALS,
        )

        self.store_bytes = self._gauge("store_bytes", "Space the event store takes on disk, in bytes.")
        self.written_bytes = self._gauge(
            "written_bytes",
            "What this process made the kernel write to disk since its start, in bytes; NaN where it is not told.",
        )
        self.written_bytes_per_event = self._gauge(
            "written_bytes_per_event",
            "The same for each event committed since the start; NaN before the first.",
        )
        self.written_bytes_per_event.set(math.nan)
        self.store_reserve_bytes = self._gauge(
            "store_reserve_bytes", "Space held back for check-ins and alarms on a full disk, in bytes."
        )
        self.store_level = self._one_of(
            "store_level", "1 for how much room is left for events.", "level", STORE_LEVELS
        )
        self.store_state = self._one_of(
            "store_state", "1 for the state the store is in.", "state", STORE_STATES
        )
        self.store_salvages = self._counter(
            "store_salvages_total",
            "Times that a damaged store was set aside and what could be read was kept.",
        )
        self.epochs_opened = self._counter(
            "epochs_opened_total", "Epochs opened, by reason.", reason=EPOCH_REASONS
        )

        self._note("build_info", "info", ("version", "python"), "Always 1; the labels tell what is running.")
        build = Info(f"{PREFIX}build", self.docs[-1].help, registry=self.registry)
        build.info({"version": __version__, "python": platform.python_version()})
        ProcessCollector(registry=self.registry)

    def add_device(self, device: str) -> None:
        """Show the series of a configured device from the start, at zero."""
        self.device_up.labels(device=device).set(0)
        self.device_lost.labels(device=device)
        self.device_events.labels(device=device)

    def drop_device(self, device: str) -> None:
        """It was taken away; what was counted of it stays."""
        self.device_up.remove(device)

    def set_mqtt_version(self, version: str) -> None:
        """The version now in use or tried: "5" or "3.1.1"."""
        _choose(self.mqtt_version, "version", MQTT_VERSIONS, version)

    def set_store_state(self, state: str) -> None:
        """The state of the store: one of `STORE_STATES`."""
        _choose(self.store_state, "state", STORE_STATES, state)

    def set_room(self, level: str, reserve_bytes: int) -> None:
        """How much room is left: one of `STORE_LEVELS`."""
        _choose(self.store_level, "level", STORE_LEVELS, level)
        self.store_reserve_bytes.set(reserve_bytes)

    def set_written(self, written: int | None, events: int) -> None:
        """Bytes this process had written so far, for so many events."""
        self.written_bytes.set(math.nan if written is None else written)
        self.written_bytes_per_event.set(math.nan if written is None or not events else written / events)

    def set_clock(self, *, synced: bool, error_ms: int | None) -> None:
        """What is known of the clock."""
        self.clock_synced.set(int(synced))
        self.clock_error_seconds.set(math.nan if error_ms is None else error_ms / 1000)

    def render(self) -> bytes:
        """Everything, in Prometheus' text format (`CONTENT_TYPE`)."""
        return generate_latest(self.registry)

    def _note(self, name: str, kind: str, labels: Sequence[str], help_text: str) -> str:
        self.docs.append(MetricDoc(name=PREFIX + name, type=kind, labels=tuple(labels), help=help_text))
        return PREFIX + name

    def _counter(self, name: str, help_text: str, **labels: Iterable[str]) -> Counter:
        # `class` is a word of the language: the trailing underscore is ours, not the label's.
        names = [label.rstrip("_") for label in labels]
        counter = Counter(
            self._note(name, "counter", names, help_text), help_text, names, registry=self.registry
        )
        if len(names) == 1:
            for value in next(iter(labels.values())):
                counter.labels(value)
        return counter

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(self._note(name, "gauge", labels, help_text), help_text, labels, registry=self.registry)

    def _histogram(self, name: str, help_text: str, buckets: Sequence[float]) -> Histogram:
        full_name = self._note(name, "histogram", (), help_text)
        return Histogram(full_name, help_text, buckets=buckets, registry=self.registry)

    def _one_of(self, name: str, help_text: str, label: str, values: Sequence[str]) -> Gauge:
        gauge = self._gauge(name, help_text, label)
        _choose(gauge, label, values, None)
        return gauge


def _choose(gauge: Gauge, label: str, values: Sequence[str], chosen: str | None) -> None:
    """One series at 1, the others at 0. An unforeseen value gets a series: counting never fails the counted."""
    gauge.clear()
    for value in values if chosen is None else (*values, chosen):
        gauge.labels(**{label: value}).set(int(value == chosen))


def markdown() -> str:
    """The text of docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "Served as Prometheus text at `/metrics` of the local interface.",
        "No metric and no label names a person.",
        "A counter that can be zero is shown as zero: a missing series means that the gateway does not run.",
        "The metrics of the process itself (`process_*`: memory, CPU time, open files, start) are there too.",
        "",
        "This page is written from the code: `python -m gateway.metrics > docs/metrics.md`.",
        "",
        "| Metric | Type | Labels | Meaning |",
        "|---|---|---|---|",
    ]
    for doc in Metrics().docs:
        labels = ", ".join(f"`{label}`" for label in doc.labels)
        lines.append(f"| `{doc.name}` | {doc.type} | {labels} | {doc.help} |")
    lines += ["", "## Causes of `zhijiao_losses_total`", "", "| Cause | Meaning |", "|---|---|"]
    lines += [f"| `{cause}` | {meaning} |" for cause, meaning in LOSS_MEANINGS.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
