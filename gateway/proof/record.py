"""A receiver's database as somebody reads it who believes none of its columns: events in order, and documents.

Reads only, in one view of everything, beside a running receiver. Constant memory.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gateway.evidence.corrected_time import CLOCK_SYNCED
from gateway.evidence.succession import KEY_ROTATED
from gateway.proof.flaws import Proof
from gateway.proof.judging import Claim, Judge, KeysOf, keys_among, pairings_in, rotations_in
from gateway.receiver.database import open_for_reading

_EVENTS = "FROM cursor c JOIN event e ON e.cursor = c.id WHERE ? IN (c.gw, '')"


def judge_record(
    database: Path | str, keys_of: KeysOf, progress: Callable[[int, int], object], gateway: str = ""
) -> Proof:
    """Every event of the database, or of one gateway; `progress` gets (done, of).

    Raises `StoreRefused`, `StartError`.
    """
    connection = open_for_reading(database)
    try:
        (total,) = connection.execute(f"SELECT count(*) {_EVENTS}", (gateway,)).fetchone()
        synced = connection.execute(f"SELECT e.wire {_EVENTS} AND e.type = ?", (gateway, CLOCK_SYNCED))
        rotated = connection.execute(f"SELECT e.wire {_EVENTS} AND e.type = ?", (gateway, KEY_ROTATED))
        succession = rotations_in((bytes(wire) for (wire,) in rotated), keys_of)
        pairings = pairings_in((bytes(wire) for (wire,) in synced), keys_among(keys_of, succession))
        judge = Judge(keys_of, pairings, succession=succession)
        rows = connection.each(
            f"SELECT c.gw, c.epoch, e.seq, e.hash, e.wire {_EVENTS} ORDER BY c.gw, c.id, e.seq, e.n",
            (gateway,),
        )
        for done, (gw, epoch, seq, digest, wire) in enumerate(rows, 1):
            judge.event(bytes(wire), Claim(str(gw), str(epoch), int(seq), bytes(digest)))
            progress(done, total)
        documents = connection.execute("SELECT gw, info FROM gateway WHERE ? IN (gw, '')", (gateway,))
        for gw, document in _documents(documents):
            judge.birth_document(document, gw)
        return judge.finish()
    finally:
        connection.close()


def _documents(rows: Iterable[tuple[object, object]]) -> Iterator[tuple[str, bytes]]:
    for gw, document in rows:
        if isinstance(document, bytes):
            yield str(gw), document
