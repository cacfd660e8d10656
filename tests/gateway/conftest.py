"""Whatever a test makes the gateway say is held against the published contract."""

from collections.abc import Iterator

import pytest

from gateway.contract.event_data import DATA
from gateway.envelope import Draft, check
from gateway.ingest import ingest


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
