"""The life of a box at a real broker that asks for certificates: enrolled, heard, renewed, revoked, replaced."""

import json
import sqlite3
from pathlib import Path

import pytest

from gateway.evidence import jws
from tests.e2e.bench_center import GATEWAY, Counter, stored_events
from tests.e2e.enrolled_center import EnrolledCenter, enrolled_center

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def at_center(bench: EnrolledCenter) -> set[tuple[str, int]]:
    """(epoch, sequence) of what the center has stored."""
    if not bench.db.exists():
        return set()
    try:
        rows = stored_events(bench.db, "SELECT c.epoch, e.seq FROM event e JOIN cursor c ON e.cursor = c.id")
    except sqlite3.OperationalError:  # it is just being made
        return set()
    return {(str(row["epoch"]), int(str(row["seq"]))) for row in rows}


def wires(bench: EnrolledCenter) -> list[bytes]:
    return [bytes(row["wire"]) for row in stored_events(bench.db, "SELECT wire FROM event ORDER BY n")]  # type: ignore[call-overload]


def kid_of(wire: bytes) -> str:
    return jws.key_id(str(json.loads(wire)["jws"]))


async def test_enrolled_heard_renewed_revoked_and_replaced(tmp_path: Path) -> None:
    with enrolled_center(tmp_path) as bench:
        # Enrolled, with a certificate that is due at once.
        bench.give_certificates_a_life_of(110)
        bench.start_receiver()
        await bench.until(lambda: "registrar listens" in bench.log_text("receiver"), "the registrar")
        first_kid = bench.enrol()
        bench.broker.allow(GATEWAY)  # type: ignore[attr-defined]
        bench.broker.reload()
        assert bench.stop_receiver() == 0

        # Heard; the registrar is away, so it cannot renew.
        bench.give_certificates_a_life_of(90 * 86_400)
        bench.start_receiver(enrol=False)
        bench.start_gateway()
        counter = Counter(bench.port_of(1), seed=3)
        await counter.open()
        await bench.until(lambda: len(bench.receipts()) > 4 and bench.waiting() == 0, "first acks")
        await bench.until(lambda: "certificate not renewed" in bench.log_text("gateway"), "a try to renew")
        young = bench.certificate()

        # Renewed, while people come and go.
        assert bench.stop_receiver() == 0
        bench.start_receiver()
        await bench.until(lambda: "certificate renewed" in bench.log_text("gateway"), "the renewal")
        renewed_at = len(bench.receipts())
        await bench.until(lambda: len(bench.receipts()) > renewed_at + 8, "events after it")
        assert bench.certificate() != young
        await counter.close()
        await bench.until(lambda: bench.waiting() == 0, "acks over the new certificate")

        # Another event key, handed over to by the first one, in the same epoch.
        code, said = bench.zhijiao("rotate-key", "--config", bench.config, "--json")
        assert code == 0, said
        rotated_kid = str(json.loads(said)["kid"])
        assert bench.stop_gateway() == 0
        bench.start_gateway()
        await counter.open()
        rotated_at = len(bench.receipts())
        await bench.until(lambda: len(bench.receipts()) > rotated_at + 4, "events by the new key")
        await counter.close()
        await bench.until(lambda: bench.waiting() == 0, "acks of events by the new key")
        code, said = bench.zhijiao("verify", bench.db, "--trust", bench.home / "trust.json", "--json")
        assert json.loads(said)["integrity"] == "intact", said
        assert {first_kid, rotated_kid} == {kid_of(row) for row in wires(bench)}
        receipts = {(one.epoch, one.seq) for one in bench.receipts()}
        assert receipts == at_center(bench)
        assert len({epoch for epoch, _ in receipts}) == 1
        assert "connecting anew with the renewed certificate" in bench.log_text("gateway")

        # Revoked: the broker refuses it, and box and technician are told why.
        code, said = bench.zhijiao("center", "revoke", GATEWAY, "--home", bench.home, "--yes")
        assert code == 0, said
        bench.broker.restart()
        refused = "the broker refuses the certificate of this gateway: the center has revoked this box"
        await bench.until(lambda: refused in bench.log_text("gateway"), "the refusal")
        assert bench.stop_gateway() == 0
        code, said = bench.zhijiao("doctor", "--config", bench.config)
        assert code == 1
        assert "the center has revoked this box; ask it why, and enrol with a new code" in said

        # Replaced: enrolled anew, with other keys; what the old ones sign from now on counts for nothing.
        second_kid = bench.enrol()
        assert second_kid != first_kid
        bench.start_gateway()
        # What it had signed and not sent is said again by the new key, and its old places are declared.
        await bench.until(lambda: bench.waiting() == 0, "acks in the new epoch")
        assert bench.stop_gateway() == 0
        assert len({epoch for epoch, _ in at_center(bench)}) == 2
        assert "quarantined" not in bench.outcomes()
        reissued = [json.loads(wire) for wire in wires(bench) if b'"reissueof"' in wire]
        assert [event["type"] for event in reissued] == ["cn.zhijiao.system.stopping"]
        assert sum(b'"type":"cn.zhijiao.system.range_lost"' in wire for wire in wires(bench)) == 1
        code, said = bench.zhijiao("receive", "--db", bench.db, "--report")
        assert code == 1
        assert "INCOMPLETE" not in said or "declared" in said, said
