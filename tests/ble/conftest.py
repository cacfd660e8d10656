"""A bus and a room for each test."""

import shutil
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.ble.bed import Bed, open_bed
from tests.ble.private_bus import PrivateBus
from tests.broker import skip_or_fail


@pytest.fixture
def bus() -> Iterator[PrivateBus]:
    if shutil.which("dbus-daemon") is None:
        skip_or_fail("dbus-daemon", "dbus-daemon")
    with PrivateBus() as bus:
        yield bus


@pytest.fixture
async def bed(bus: PrivateBus) -> AsyncIterator[Bed]:
    async with open_bed() as bed:
        yield bed
