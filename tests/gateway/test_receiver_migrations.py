"""A record of the release before: what it knew is still known, and the center goes on with it."""

import sqlite3
from pathlib import Path

from gateway.clock import ManualClock
from gateway.envelope import Place, Sealed, reissued, seal
from gateway.receiver.verdict import Outcome
from tests.gateway.receiver_fixtures import GW, KEY, ORG, chain, message, receiving

# What the steps after 0002 made, taken back.
BACK = """
DROP TABLE life;
DROP VIEW accepted;
DROP TABLE repeat;
CREATE TABLE old_fact (id BLOB NOT NULL PRIMARY KEY, n INTEGER NOT NULL, envelopes INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO old_fact SELECT id, n, envelopes FROM fact;
DROP TABLE fact;
ALTER TABLE old_fact RENAME TO fact;
ALTER TABLE resend DROP COLUMN seen_ms;
DROP TABLE worker;
DROP TABLE lease;
DELETE FROM migration WHERE name > '0003';
"""


def told_again(event: Sealed) -> Sealed:
    """The same fact in another epoch."""
    place = Place(ORG, GW, "0badcafe", event.seq, bytes([1]) * 32)
    return seal(reissued(event.wire), place, ManualClock().now(), KEY)


async def test_a_record_of_the_release_before_keeps_its_facts(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    events = chain(6, broken=[4])
    async with receiving(path) as receiver:
        await receiver.accept_many([message(event) for event in (*events, told_again(events[1]))])
        wanted = await receiver.events_after(0)
    with sqlite3.connect(path) as db:
        db.executescript(BACK)
        # The release before let what was refused stand for a fact, too.
        db.execute("INSERT INTO fact SELECT event_id, n, 1 FROM event WHERE n IN (SELECT n FROM rejected)")
    async with receiving(path) as receiver:
        assert await receiver.events_after(0) == wanted
        assert [event.seq for event in wanted] == [1, 2, 3, 5, 6]
        verdict = await receiver.accept(*message(told_again(events[2])))
        assert (verdict.outcome, verdict.repeated) == (Outcome.ACCEPTED, True)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT envelopes, count(*) FROM fact GROUP BY 1 ORDER BY 1").fetchall() == [
            (1, 3),
            (2, 2),
        ]
