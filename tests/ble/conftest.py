"""A bus and a room for each test. In a machine of its own (`make test-vm`) Linux and bluetoothd are real."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.ble.bed import Room, open_bed
from tests.ble.private_bus import PrivateBus
from tests.broker import skip_or_fail
from tests.vm.bed import open_vm_bed

REAL = os.environ.get("BLUETOOTHD") == "real"


@pytest.fixture
def bus() -> Iterator[PrivateBus]:
    if shutil.which("dbus-daemon") is None:
        skip_or_fail("dbus-daemon", "dbus-daemon")
    with PrivateBus() as bus:
        yield bus


@pytest.fixture
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Room]:
    if REAL:
        async with open_vm_bed() as real:
            yield real
        return
    request.getfixturevalue("bus")
    async with open_bed() as bed:
        yield bed
