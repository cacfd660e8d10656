"""Fixtures every test folder may use: a plain broker and throw-away certificates."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.broker import Mosquitto, Pki

# A deadline for each example measures what else the machine does.
settings.register_profile("any machine", settings.default, deadline=None)
settings.load_profile("any machine")


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running mosquitto on `mosquitto.port`, without TLS, with persistence and a large queue."""
    broker = Mosquitto(tmp_path / "mosquitto")
    try:
        yield broker.start()
    finally:
        broker.stop()


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    """A CA with a broker certificate; `pki.client("gw-370102-01")` issues one for a gateway."""
    return Pki(tmp_path / "pki")
