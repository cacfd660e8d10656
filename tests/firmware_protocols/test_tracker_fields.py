"""What vectors of the rarer trackers expect beside the common keys is told too: cells, voltage, values of the body."""

from typing import Any

import pytest

from firmware_protocols.families import describer
from tests.firmware_protocols.tracker_vectors import TrackerVector, load, same

FILES = {
    "laipac": ["laipac.json", "laipac-own.json"],
    "pt60": ["pt60.json", "pt60-own.json"],
    "topin": ["topin.json"],
    "trv": ["trv.json", "trv-own.json"],
    "wristband-yx": ["wristband-yx.json"],
}
ALL = [one for family, files in FILES.items() for one in load(family, *files)]


@pytest.mark.parametrize("vector", ALL, ids=repr)
def test_everything_that_a_vector_expects_is_told(vector: TrackerVector) -> None:
    told: Any = describer(vector.family).decode(vector.data, vector.entry["direction"])
    expected = {name: value for name, value in vector.expected.items() if name != "raw"}
    assert {name: told.get(name) for name, value in expected.items() if not same(value, told.get(name))} == {}
    attributes = expected.get("attributes", {})
    assert attributes.items() <= (told.get("attributes") or {}).items()
