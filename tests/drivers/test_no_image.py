"""No picture and no template leaves a driver: there is no way to ask for one, and no place to put it."""

import ast
import dataclasses
import json
import typing
from pathlib import Path

import pytest

from drivers import driver, events, factors
from drivers.factors import Matched
from drivers.simulators.face import SimulatedFaceModule
from drivers.simulators.faces import Face
from firmware_protocols.efaa_xor16.frames import Frame
from firmware_protocols.efaa_xor16.msg_ids import MsgId
from tests.drivers.bench import in_skipped_time
from tests.drivers.face_bench import face_bench

ROOT = Path(__file__).parents[2]
PICTURES = {MsgId.SNAPIMAGE, MsgId.GETSAVEDIMAGE, MsgId.UPLOADIMAGE}
NAMES_IN_CODEC = {
    "SnapImage",
    "GetSavedImage",
    "UploadImage",
    "ImageChunk",
    *(one.name for one in PICTURES),
    "IMAGE",
}
DRIVERS = list((ROOT / "drivers").glob("*.py")) + list((ROOT / "drivers" / "links").glob("*.py"))
PROCEDURES = [ROOT / "firmware_protocols" / "efaa_xor16" / "exchanges.py"]
TOLD = [
    *typing.get_args(events.DeviceEvent),
    events.DeviceReady,
    factors.Matched,
    factors.NotMatched,
    factors.Enrolled,
    factors.NotEnrolled,
]


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return found | {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }


@pytest.mark.parametrize("path", DRIVERS + PROCEDURES, ids=lambda path: path.name)
def test_no_driver_and_no_procedure_knows_the_messages_that_carry_pictures(path: Path) -> None:
    assert names_in(path) & NAMES_IN_CODEC == set()


def test_the_check_above_would_see_one() -> None:
    assert names_in(ROOT / "firmware_protocols" / "efaa_xor16" / "commands.py") & NAMES_IN_CODEC


@pytest.mark.parametrize("kind", TOLD, ids=lambda kind: kind.__name__)
def test_nothing_that_a_driver_tells_has_room_for_bytes(kind: type) -> None:
    for field in dataclasses.fields(kind):
        hint = str(typing.get_type_hints(kind)[field.name])
        assert not {"bytes", "bytearray", "memoryview", "object", "Any"} & set(
            hint.replace("|", " ").split()
        ), field
        assert not any(word in field.name for word in ("photo", "image", "picture", "template", "feature"))


def test_the_ways_out_of_a_driver_are_these() -> None:
    def methods(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_") and callable(vars(kind)[name])}

    ways_in = {"beacons"}  # whom a listener is to hear
    assert methods(driver.Host) - ways_in == {"committed", "recorded", "heard", "listened", "ready", "noise"}
    assert methods(factors.FactorDevice) == {"identify", "enrol", "erase", "slots", "show"}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "gateway" / "tracking").glob("*.py")), ids=lambda path: path.name
)
def test_nobody_behind_the_driver_reads_the_raw_fields_of_a_wearable(path: Path) -> None:
    """They are for `zhijiao decode`: a heart rate, a sound or a picture in them goes no further."""
    assert "raw" not in names_in(path)


def test_no_route_takes_or_gives_a_picture() -> None:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
    for path, operations in document["paths"].items():
        assert not any(word in path for word in ("image", "photo", "picture", "template"))
        assert "image/" not in json.dumps(operations)


@in_skipped_time
async def test_a_module_is_never_asked_for_a_picture_and_one_that_comes_goes_nowhere() -> None:
    async with face_bench(SimulatedFaceModule(), direction="five") as bench:
        bench.module.stand(Face("anna"))
        await bench.enrol()
        await bench.far.send(Frame(MsgId.IMAGE, b"picture" * 500).to_bytes())
        assert isinstance(await bench.identify(), Matched)
        await bench.driver.erase([1])
        await bench.driver.slots()
        assert PICTURES & set(bench.module.asked) == set()
        assert b"picture" not in repr(vars(bench.host)).encode()
        assert bench.host.events == []
