"""A bus and a room for each test; skipped, and counted, where the means are missing."""

import shutil
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.ble.private_bus import PrivateBus

if TYPE_CHECKING:
    from tests.ble.bed import Bed


@pytest.fixture(scope="session")
def means() -> None:
    """What real Bluetooth on a fake adapter needs."""
    for library in ("bleak", "bumble"):
        if find_spec(library) is None:
            pytest.skip(f"not run: the Python package {library} is not installed")
    if shutil.which("dbus-daemon") is None:
        pytest.skip("not run: dbus-daemon is not installed (apt-get install dbus-daemon)")


@pytest.fixture
def bus(means: None) -> Iterator[PrivateBus]:
    with PrivateBus() as bus:
        yield bus


@pytest.fixture
async def bed(bus: PrivateBus) -> AsyncIterator["Bed"]:
    from tests.ble.bed import open_bed

    async with open_bed() as bed:
        yield bed
