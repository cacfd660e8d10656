"""Ports that are not there, and a host that remembers what a driver tells it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.simulators.pty_host import PtyHost


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[PtyHost]:
    """A plugged-in serial port; `port.link` is its name in by-id, `port` its far end."""
    async with PtyHost(tmp_path / "usb-Test_Reader_0001-if00-port0") as host:
        yield host
