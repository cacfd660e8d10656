"""Metrics: their names, their zeros, and that the page for operators lists each of them."""

import math
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from gateway import __version__
from gateway.metrics import CLASSES, LOSS_MEANINGS, STORE_STATES, LossCause, Metrics, markdown

PAGE = Path(__file__).parents[2] / "docs/metrics.md"
# Labels that exist. One that could name a person has no business here.
LABELS = {"class", "reason", "cause", "lane", "result", "version", "device", "state", "python", "le", "level"}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[name, tuple(sorted(labels.items()))]


def test_the_page_is_written_from_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(), "run: python -m gateway.metrics > docs/metrics.md"


def test_the_page_lists_exactly_what_is_served(metrics: Metrics) -> None:
    served = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(metrics.render().decode())
    }
    listed = set(re.findall(r"^\| `(zhijiao_\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert {name for name in served if not name.startswith("process_")} == listed


def test_every_attribute_is_listed(metrics: Metrics) -> None:
    families = {type(item).__name__ for item in vars(metrics).values()} & {"Counter", "Gauge", "Histogram"}
    count = sum(type(item).__name__ in families for item in vars(metrics).values())
    assert count + 1 == len(metrics.docs), "each attribute and build_info, once"


def test_names_and_labels_keep_to_the_rules(metrics: Metrics) -> None:
    metrics.add_device("idcard-1")
    metrics.device_frames_discarded.labels(device="idcard-1", reason="checksum").inc()
    metrics.acks_rejected.labels(reason="signature").inc()
    for name, labels in samples(metrics):
        assert name.startswith(("zhijiao_", "process_")), name
        assert not name.endswith("_created"), "a wrong time on a board without a clock"
        assert {label for label, _ in labels} <= LABELS, name


def test_every_cause_of_a_loss_is_shown_as_zero_and_explained(metrics: Metrics) -> None:
    shown = {
        dict(labels)["cause"]: value for (name, labels), value in samples(metrics).items() if "losses" in name
    }
    assert shown == {str(cause): 0.0 for cause in LossCause}
    assert LOSS_MEANINGS.keys() == set(LossCause)


def test_what_is_known_beforehand_starts_at_zero(metrics: Metrics) -> None:
    for name in CLASSES:
        assert value(metrics, "zhijiao_events_committed_total", **{"class": name}) == 0
    for reason in (*STORE_STATES[1:], "degraded"):
        assert value(metrics, "zhijiao_events_refused_total", reason=reason) == 0
    for lane in ("L0", "L1", "L2"):
        assert value(metrics, "zhijiao_events_sent_total", lane=lane) == 0
    assert value(metrics, "zhijiao_pubacks_total", reason="0x10") == 0
    assert value(metrics, "zhijiao_epochs_opened_total", reason="unclean_boot") == 0


def test_a_configured_device_is_shown_before_it_ever_answers(metrics: Metrics) -> None:
    metrics.add_device("idcard-1")
    assert value(metrics, "zhijiao_device_up", device="idcard-1") == 0
    assert value(metrics, "zhijiao_device_lost_total", device="idcard-1") == 0
    assert value(metrics, "zhijiao_device_events_total", device="idcard-1") == 0


def test_counting_by_class_and_cause(metrics: Metrics) -> None:
    metrics.events_committed.labels("checkin").inc()
    metrics.losses.labels(cause=LossCause.UNENCODABLE).inc()
    assert value(metrics, "zhijiao_events_committed_total", **{"class": "checkin"}) == 1
    assert value(metrics, "zhijiao_losses_total", cause="unencodable") == 1


def test_the_store_is_in_one_state_at_a_time(metrics: Metrics) -> None:
    for state in (*STORE_STATES, "store_unforeseen", "ok"):
        metrics.set_store_state(state)
        found = {
            dict(labels)["state"]: on
            for (name, labels), on in samples(metrics).items()
            if "store_state" in name
        }
        assert [name for name, on in found.items() if on] == [state]
        assert found.keys() >= set(STORE_STATES)


def test_the_mqtt_version_in_use(metrics: Metrics) -> None:
    assert value(metrics, "zhijiao_mqtt_version", version="5") == 0
    metrics.set_mqtt_version("5")
    metrics.set_mqtt_version("3.1.1")
    assert value(metrics, "zhijiao_mqtt_version", version="5") == 0
    assert value(metrics, "zhijiao_mqtt_version", version="3.1.1") == 1


def test_an_unknown_clock_error_is_no_zero(metrics: Metrics) -> None:
    assert math.isnan(value(metrics, "zhijiao_clock_error_seconds"))
    metrics.set_clock(synced=True, error_ms=12)
    assert value(metrics, "zhijiao_clock_error_seconds") == 0.012
    assert value(metrics, "zhijiao_clock_synced") == 1
    metrics.set_clock(synced=False, error_ms=None)
    assert math.isnan(value(metrics, "zhijiao_clock_error_seconds"))
    assert value(metrics, "zhijiao_clock_synced") == 0


def test_what_runs_is_named(metrics: Metrics) -> None:
    ((labels, on),) = [
        (dict(labels), on) for (name, labels), on in samples(metrics).items() if "build_info" in name
    ]
    assert (labels["version"], on) == (__version__, 1)
    assert value(metrics, "process_resident_memory_bytes") > 1_000_000


def test_two_gateways_in_one_process_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.rewinds.inc()
    assert value(second, "zhijiao_rewinds_total") == 0
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("zhijiao")]
