"""Fixtures every test folder may use: a plain broker, throw-away certificates, one PostgreSQL per process."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.broker import Mosquitto, Pki
from tests.postgres import PostgresServer

# A deadline for each example measures what else the machine does. CI has minutes, and judges the same examples
# each time: `make unit` looks at others.
settings.register_profile("any machine", settings.default, deadline=None)
settings.register_profile("ci", settings.get_profile("any machine"), max_examples=60, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "any machine")


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running server; each test takes a schema of its own: `postgres.url("name")`."""
    with PostgresServer() as server:
        yield server
