"""Fixtures of the center's side."""

from collections.abc import Iterator

import pytest

from tests.gateway import receiver_fixtures


@pytest.fixture(params=["sqlite", "postgresql"])
def on_both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run a test of the receiver on both kinds of database: `receiver_fixtures.record` says where."""
    monkeypatch.setattr("gateway.receiver.postgres.UNLOCKED_S", 0.3)  # nobody here dies without closing
    if request.param == "postgresql":
        receiver_fixtures.SERVER = request.getfixturevalue("postgres")
    try:
        yield
    finally:
        receiver_fixtures.SERVER = None
