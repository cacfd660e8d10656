"""The table of devices in drivers/README.md is that of the code."""

import pytest

from drivers.registry import REGISTRY
from firmware_protocols.families import FAMILIES
from tests.devices_table import (
    PEERS,
    README,
    ROOT,
    families_of,
    put,
    reports_of,
    rows,
    rung,
    titles,
    vectors_of,
)


def test_the_committed_table_is_that_of_today() -> None:
    text = README.read_text("utf-8")
    assert text == put(text), "make it anew: python -m tests.devices_table --write"


def test_a_table_that_has_drifted_is_noticed() -> None:
    text = README.read_text("utf-8")
    for old, new in (("CardRead, CardRefused", "CardRead"), ("`tracker.gt06`", "`tracker.gt07`")):
        assert text.replace(old, new, 1) != put(text.replace(old, new, 1))


def test_every_kind_and_every_family_stands_in_it() -> None:
    table = rows()
    assert {row[1].strip("`") for row in table} >= set(REGISTRY)
    assert {name for name in FAMILIES if not any(f"`{name}`" in row[2] for row in table)} == set()
    assert all(all(cell for cell in row) for row in table)


@pytest.mark.parametrize("kind", PEERS)
def test_a_peer_is_run_by_the_test_that_is_named(kind: str) -> None:
    for peer, path in PEERS[kind].items():
        assert peer in (ROOT / path).read_text("utf-8").lower()


@pytest.mark.parametrize(
    ("kind", "family", "reports"),
    [
        ("idcard.sam", "idcard-sam", ["CardRead", "CardRefused"]),
        ("badge.line", "wiegand", ["BadgeRead"]),
        (
            "finger.zfm",
            "zfm",
            ["Enrolled (asked)", "NotEnrolled (asked)", "Matched (asked)", "NotMatched (asked)"],
        ),
        ("reader.osdp", "osdp", ["BadgeRead"]),
        ("terminal.zk_adms", "zk-adms", ["Punch", "Unreadable"]),
    ],
)
def test_what_is_read_out_of_a_driver_is_so(kind: str, family: str, reports: list[str]) -> None:
    assert families_of(kind)[0] == family
    assert family in titles()
    assert reports_of(kind) == reports


def test_a_rung_is_climbed_with_frames_of_others_and_a_peer() -> None:
    assert rung(vectors_of(("idcard-sam",)), ("somebody",)) == "1 documents"
    assert rung(vectors_of(("gt06",)), ()) == "2 frames of others"
    assert rung(vectors_of(("osdp",)), ("libosdp",)) == "3 and a peer of others"
