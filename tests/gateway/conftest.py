"""Whatever a test makes the gateway say keeps to the published contract; and both databases of a center."""

from collections.abc import Iterator

import pytest

from gateway.contract.event_data import DATA
from gateway.envelope import Draft, check
from gateway.ingest import ingest
from tests.gateway import receiver_fixtures


@pytest.fixture(autouse=True)
def said() -> Iterator[list[str]]:
    """Every draft that `Ingest` takes keeps to the table of its type, with all that is always sent."""
    wrong: list[str] = []

    def seen(draft: Draft) -> None:
        check(draft)
        shape = DATA[draft.type]
        fault = shape.fault(draft.data, "data")
        news = [
            name
            for name, value in draft.data.items()
            if shape.is_new({**draft.data, name: value}) and name not in shape.members
        ]
        missing = shape.missing(draft.data)
        if fault or news or missing:
            wrong.append(f"{draft.type}: {fault or ''} new: {news} missing: {missing}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "check", seen)
        yield wrong
    assert not wrong, "not what the contract publishes: " + "; ".join(sorted(set(wrong))[:5])


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
