"""What is PostgreSQL's alone: connections that break, servers that promise too little, secrets, the same tables."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigError, StartError, StoreRefused
from gateway.evidence.jws import Signer
from gateway.evidence.keys import trust_document
from gateway.receiver import postgres as engine
from gateway.receiver.database import Database
from gateway.receiver.receiver import Receiver, ReceiverSettings
from gateway.receiver.report import report
from gateway.receiver.verdict import Outcome
from tests.gateway.receiver_fixtures import (
    ACK,
    ACK_KEY,
    GW,
    ROOT,
    TRUST,
    TRUSTED,
    chain,
    message,
    opened,
    receiving,
)
from tests.gateway.technicians_box import zhijiao
from tests.postgres import PostgresServer

KNOWN = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = '{}'"


async def receiver_of(url: str) -> Receiver:
    return await Receiver.open(ReceiverSettings(database=url, trust=TRUST, ack_signer=ACK))


@asynccontextmanager
async def receiving_at(url: str) -> AsyncIterator[Receiver]:
    receiver = await receiver_of(url)
    try:
        yield receiver
    finally:
        await receiver.close()


def upto(receiver: Receiver) -> int:
    receiver.ack_everybody()
    told: Any = opened(dict(receiver.acks_pending())[f"{ROOT}ack"])
    return int(told["epochs"][0]["upto"])


async def test_both_databases_have_the_same_tables_and_columns(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    url = postgres.url("same")
    async with receiving(tmp_path / "c.db"):
        await (await receiver_of(url)).close()
    with sqlite3.connect(tmp_path / "c.db") as db:
        ours = {
            (table, column)
            for (table,) in db.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
            ).fetchall()
            for _, column, *_ in db.execute(f"PRAGMA table_info({table})").fetchall()
        }
    assert {(str(table), str(column)) for table, column in postgres.run(KNOWN.format("same"))} == ours
    small = postgres.run(KNOWN.format("same") + " AND data_type IN ('integer', 'smallint')")
    assert small == [], "milliseconds need 64 bits"
    assert len(postgres.run("SELECT * FROM same.migration")) == 7


async def test_a_server_that_goes_away_loses_nothing_and_doubles_nothing() -> None:
    events = chain(9)
    with PostgresServer() as server:
        receiver = await receiver_of(server.url("r"))
        try:
            await receiver.accept_many([message(event) for event in events[:3]])
            server.stop()
            with pytest.raises(StoreRefused) as raised:
                await receiver.accept(*message(events[3]))
            assert raised.value.code == "store_io"
            server.start()
            outcomes = {(await receiver.accept(*message(event))).outcome for event in events[3:]}
            assert outcomes == {Outcome.ACCEPTED}
            assert upto(receiver) == 9
        finally:
            await receiver.close()
        (epoch,) = report(server.url("r"))
        assert (epoch.stored, epoch.complete, epoch.intact, epoch.duplicates) == (9, True, True, 0)


@pytest.mark.parametrize("committed", [True, False])
async def test_a_connection_that_breaks_in_the_commit_leaves_memory_as_the_disk_is(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    events, url = chain(4), postgres.url(f"torn_{committed}".lower())
    receiver = await receiver_of(url)
    whole = engine.Postgres.commit

    def commit(self: engine.Postgres) -> None:
        if committed:
            whole(self)
        postgres.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'zhijiao receive'"
        )
        whole(self)

    try:
        await receiver.accept(*message(events[0]))
        with monkeypatch.context() as torn:
            torn.setattr(engine.Postgres, "commit", commit)
            with pytest.raises(StoreRefused):
                await receiver.accept_many([message(event) for event in events[1:3]])
        assert upto(receiver) == 1, "what is not known to be stored is not acked"
        verdict = await receiver.accept(*message(events[1]))
        assert verdict.outcome is (Outcome.DUPLICATE if committed else Outcome.ACCEPTED)
        await receiver.accept_many([message(event) for event in events[2:]])
        assert upto(receiver) == 4
    finally:
        await receiver.close()
    assert [epoch.stored for epoch in report(url)] == [4]


async def test_a_server_that_does_not_sync_is_refused() -> None:
    with PostgresServer(fsync="off") as server:
        with pytest.raises(StartError) as raised:
            await receiver_of(server.url("r"))
        assert raised.value.code == "store_unsafe"


async def test_a_role_that_commits_without_waiting_waits_all_the_same(postgres: PostgresServer) -> None:
    database = await Database.open(f"{postgres.url('waits')}%20-csynchronous_commit%3Doff", 0)
    try:
        setting = await database.run(
            lambda connection: connection.execute("SELECT current_setting('synchronous_commit')").fetchone()
        )
        assert setting == ("on",)
    finally:
        await database.close()


async def test_a_database_of_somebody_else_and_a_newer_record_are_refused(postgres: PostgresServer) -> None:
    url = postgres.url("foreign")
    postgres.run("CREATE TABLE foreign_schema_test (a int)")
    postgres.run('CREATE TABLE "foreign".theirs (a int)')
    with pytest.raises(StartError) as raised:
        await receiver_of(url)
    assert raised.value.code == "not_ours"
    newer = postgres.url("newer")
    await (await receiver_of(newer)).close()
    postgres.run("INSERT INTO newer.migration VALUES ('9999_more', 0)")
    with pytest.raises(StartError) as raised:
        await receiver_of(newer)
    assert raised.value.code == "store_newer"


async def test_a_second_receiver_is_refused(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "UNLOCKED_S", 0.2)
    url = postgres.url("twice")
    receiver = await receiver_of(url)
    try:
        with pytest.raises(StartError) as raised:
            await receiver_of(url)
        assert raised.value.code == "store_in_use"
    finally:
        await receiver.close()


@pytest.mark.parametrize(
    "url", ["postgresql://center:hidden@db/center", "postgresql://db/center?user=center&password=hidden"]
)
async def test_a_password_in_the_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        await receiver_of(url)
    assert "hidden" not in str(raised.value)


async def test_a_server_that_is_not_there_is_said_with_its_name() -> None:
    with pytest.raises(StoreRefused) as raised:
        await receiver_of("postgresql:///center?host=/nonexistent&user=center")
    assert raised.value.code == "store_io"
    assert "postgresql:///center" in str(raised.value)


async def test_text_with_a_zero_is_taken(postgres: PostgresServer) -> None:
    """PostgreSQL has no such text; a peer may send it in the name of a key."""
    content = {name: value for name, value in json.loads(chain(1)[0].wire).items() if name != "jws"}
    wire = Signer("a\0b", ACK_KEY).sign_object(content)
    async with receiving_at(postgres.url("zero")) as receiver:
        assert (await receiver.accept(f"{ROOT}evt/system", wire)).outcome is Outcome.PARKED
        assert (await receiver.accept("a\0b", b"\0")).outcome is Outcome.QUARANTINED
    assert postgres.run("SELECT kid, wire FROM zero.parked") == [("a␀b", wire)], (
        "the bytes are kept as they came"
    )


async def test_the_record_is_verified_with_public_keys_alone(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    url, trust = postgres.url("proof"), tmp_path / "trust.json"
    trust.write_text(trust_document(TRUSTED, demo=False))
    async with receiving_at(url) as receiver:
        await receiver.accept_many([message(event) for event in chain(12)])
    told = zhijiao("verify", url, "--trust", str(trust))
    assert told.code in (0, 1), told
    assert GW in told.out
    postgres.run("UPDATE proof.event SET wire = overlay(wire placing '\\x39'::bytea from 200) WHERE seq = 5")
    assert zhijiao("verify", url, "--trust", str(trust)).code == 2
