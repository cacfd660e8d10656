"""What is missing is asked for: when, how often, and what becomes of what can never come."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import parse_iso_ms
from gateway.envelope import Sealed, sequence
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.mqtt_bridge import Endpoint, connect
from gateway.receiver import service
from gateway.receiver.receiver import Receiver
from gateway.receiver.report import report
from gateway.receiver.topics import SUBSCRIPTIONS
from gateway.receiver.verdict import Outcome
from gateway.uplink.acks import read_ack
from tests.broker import Mosquitto
from tests.gateway.receiver_fixtures import (
    ACK,
    EPOCH,
    GW,
    ROOT,
    Time,
    chain,
    info,
    looking,
    message,
    opened,
    receiving,
    record,
    status,
)

pytestmark = pytest.mark.usefixtures("on_both")


async def asked(receiver: Receiver) -> list[dict[str, Any]]:
    """The commands that a look at what is missing leads to."""
    await receiver.look_after()
    sent = receiver.messages_due()
    assert {topic for topic, _ in sent} <= {f"{ROOT}cmd/resend"}
    return [opened(wire) for _, wire in sent]


def told(command: dict[str, Any], state: str = "done", **result: Json) -> tuple[str, bytes]:
    content: dict[str, Json] = {
        "v": 1, "cmdid": command["cmdid"], "status": state, "result": {"sent": [], "unavailable": [], **result},
        "error": None,
    }  # fmt: skip
    return f"{ROOT}rsp/resend", canonical.encode(content)


def span(first: int, last: int) -> Json:
    return [sequence(first), sequence(last)]


async def with_gap(receiver: Receiver, time: Time, missing: range, count: int = 20) -> list[Sealed]:
    """All events of an epoch but some, from a gateway that has nothing waiting."""
    events = chain(count)
    await receiver.accept_many([message(event) for event in events if event.seq not in missing])
    await receiver.accept(*status(time, last_seq=sequence(count)))
    return events


async def test_a_gap_is_asked_for_after_ten_minutes_at_backlog_nought(tmp_path: Path) -> None:
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        await with_gap(receiver, time, range(5, 9))
        assert await asked(receiver) == []
        time.pass_s(599)
        assert await asked(receiver) == []
        time.pass_s(1)
        (command,) = await asked(receiver)
        issued, expires = parse_iso_ms(command["issued"]), parse_iso_ms(command["expires"])
        assert issued == time.wall_ms < expires
        assert command["args"] == {"epoch": EPOCH, "from": sequence(5), "to": sequence(8)}
        assert {name: command[name] for name in ("v", "gw", "name", "session")} == {
            "v": 1, "gw": GW, "name": "resend", "session": "session-1",
        }  # fmt: skip
        assert command.keys() == {
            *("v", "gw", "name", "cmdid", "session", "issued", "expires", "by", "args"),
        }
        assert await asked(receiver) == [], "one command at a time"


@pytest.mark.parametrize(
    "changes",
    [{"backlog": 3}, {"state": "offline"}, {"state": "lost"}, {"ack_mode": "broker"}],
    ids=["drains by itself", "offline", "lost", "takes no acks"],
)
async def test_nobody_is_asked_who_will_send_by_himself_or_cannot(
    tmp_path: Path, changes: dict[str, Json]
) -> None:
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        await with_gap(receiver, time, range(5, 9))
        await receiver.accept(*status(time, **changes))
        for _ in range(3):
            assert await asked(receiver) == []
            time.pass_s(600)
        await receiver.accept(*status(time))
        await receiver.look_after()
        time.pass_s(600)
        assert len(await asked(receiver)) == 1, "nothing was missing: this proves nothing"


async def test_a_gap_that_closes_is_forgotten(tmp_path: Path) -> None:
    time, events = Time(), chain(20)
    async with receiving(tmp_path / "c.db", time) as receiver:
        await with_gap(receiver, time, range(5, 9))
        await receiver.look_after()
        await receiver.accept_many([message(events[seq - 1]) for seq in range(5, 9)])
        time.pass_s(600)
        assert await asked(receiver) == []
        assert rows(tmp_path / "c.db") == []


async def test_the_same_command_is_repeated_ever_more_rarely_until_something_comes(tmp_path: Path) -> None:
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        await with_gap(receiver, time, range(5, 9))
        await receiver.look_after()
        time.pass_s(600)
        (first,) = await asked(receiver)
        waits: list[int] = []
        since = 0
        while len(waits) < 8:
            time.pass_s(5)
            since += 5
            for command in await asked(receiver):
                assert command["cmdid"] == first["cmdid"], "a repeat must get the stored answer"
                assert parse_iso_ms(command["issued"]) == time.wall_ms
                waits.append(since)
                since = 0
        assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


async def test_an_answer_that_did_not_help_leads_to_a_new_command(tmp_path: Path) -> None:
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        await with_gap(receiver, time, range(5, 9))
        await receiver.look_after()
        time.pass_s(600)
        (first,) = await asked(receiver)
        assert (await receiver.accept(*told(first, sent=[span(5, 8)]))).outcome is Outcome.NOTED
        time.pass_s(29)
        assert await asked(receiver) == [], "what it sends has no time to arrive"
        time.pass_s(1)
        (second,) = await asked(receiver)
        assert second["cmdid"] != first["cmdid"]
        assert second["args"] == first["args"]


async def test_what_arrives_resets_the_wait_and_the_next_gap_is_asked_for_at_once(tmp_path: Path) -> None:
    time, events = Time(), chain(3000)
    holes = {5, 6, 2500}
    async with receiving(tmp_path / "c.db", time) as receiver:
        await receiver.accept_many([message(event) for event in events if event.seq not in holes])
        await receiver.accept(*status(time, last_seq=sequence(3000)))
        await receiver.look_after()
        time.pass_s(600)
        (first,) = await asked(receiver)
        assert first["args"] == {"epoch": EPOCH, "from": sequence(5), "to": sequence(6)}
        await receiver.accept(*message(events[4]))
        time.pass_s(30)
        assert await asked(receiver) == [], "one of two came: it is sending"
        await receiver.accept(*message(events[5]))
        (next_one,) = await asked(receiver)
        assert next_one["args"] == {"epoch": EPOCH, "from": sequence(2500), "to": sequence(2500)}
        assert next_one["cmdid"] != first["cmdid"]


async def test_gaps_that_lie_close_are_asked_for_together(tmp_path: Path) -> None:
    time, events = Time(), chain(50)
    async with receiving(tmp_path / "c.db", time) as receiver:
        await receiver.accept_many([message(event) for event in events if event.seq % 10])
        await receiver.accept(*status(time, last_seq=sequence(49)))
        await receiver.look_after()
        time.pass_s(600)
        (command,) = await asked(receiver)
        assert command["args"] == {"epoch": EPOCH, "from": sequence(10), "to": sequence(40)}


async def test_what_is_unavailable_is_lost_and_said_so(tmp_path: Path) -> None:
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        events = await with_gap(receiver, time, range(5, 9))
        await receiver.look_after()
        time.pass_s(600)
        (command,) = await asked(receiver)
        await receiver.accept(*told(command, sent=[span(5, 5), span(8, 8)], unavailable=[span(6, 7)]))
        await receiver.accept_many([message(events[4]), message(events[7])])
        assert await asked(receiver) == []
        ack = read_ack(receiver.acks_pending()[0][1], GW, lambda _kid: ACK.public)[0]
        assert (ack.upto, ack.lost) == (20, ((6, 7),))
    with looking(tmp_path / "c.db") as db:
        assert db.execute("SELECT first, last, reason FROM lost").fetchall() == [(6, 7, "unavailable")]
    (epoch,) = report(record(tmp_path / "c.db"))
    assert (epoch.lost, epoch.missing, epoch.complete) == (2, 0, False)


@pytest.mark.parametrize(
    "falsify",
    [
        lambda _: told({"cmdid": "0198b2c4-0000-7000-8000-000000000000"}, unavailable=[span(5, 8)]),
        lambda command: told(command, unavailable=[span(5, 9)]),
        lambda command: told(command, unavailable=[span(4, 8)]),
        lambda command: told(command, unavailable=[span(8, 5)]),
        lambda command: told(command, unavailable=[[sequence(5)]]),
        lambda command: told(command, unavailable=[span(5, 8)] * 1025),
        lambda command: told(command, unavailable="all"),
        lambda command: told(command, "wonderful", unavailable=[span(5, 8)]),
        lambda command: (
            told(command)[0].replace("-01/", "-02/"),
            told(command, unavailable=[span(5, 8)])[1],
        ),
        lambda command: (f"{ROOT}rsp/ping", told(command, unavailable=[span(5, 8)])[1]),
        lambda _: (f"{ROOT}rsp/resend", b"\xff"),
    ],
    ids=[
        *("not our command", "beyond", "before", "backwards", "no pair", "too many", "no list", "no status"),
        *("another gateway", "another command", "no text"),
    ],
)
@pytest.mark.parametrize("on_both", ["sqlite"], indirect=True)  # the answer is read before it
async def test_nothing_is_lost_by_an_answer_to_what_we_did_not_ask(tmp_path: Path, falsify: Any) -> None:
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        await with_gap(receiver, time, range(5, 9))
        await receiver.look_after()
        time.pass_s(600)
        (command,) = await asked(receiver)
        assert (await receiver.accept(*falsify(command))).outcome is Outcome.IGNORED
    (epoch,) = report(record(tmp_path / "c.db"))
    assert (epoch.lost, epoch.missing) == (0, 4)


@pytest.mark.parametrize("state", ["accepted", "running", "failed", "rejected", "expired", "interrupted"])
@pytest.mark.parametrize("on_both", ["sqlite"], indirect=True)  # the answer is read before it
async def test_only_a_command_that_is_done_makes_ranges_lost(tmp_path: Path, state: str) -> None:
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        await with_gap(receiver, time, range(5, 9))
        await receiver.look_after()
        time.pass_s(600)
        (command,) = await asked(receiver)
        await receiver.accept(*told(command, state, unavailable=[span(5, 8)]))
        time.pass_s(30)
        (again,) = await asked(receiver)
        assert (again["cmdid"] == command["cmdid"]) == (state in {"accepted", "running"})
    (epoch,) = report(record(tmp_path / "c.db"))
    assert (epoch.lost, epoch.missing) == (0, 4)


async def test_a_restart_neither_forgets_nor_repeats(tmp_path: Path) -> None:
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        await with_gap(receiver, time, range(5, 9))
        await receiver.look_after()
    time.pass_s(300)
    async with receiving(tmp_path / "c.db", time) as receiver:
        assert await asked(receiver) == []
        time.pass_s(300)
        (command,) = await asked(receiver)  # the age of the gap survived
    async with receiving(tmp_path / "c.db", time) as receiver:
        assert await asked(receiver) == []
        await receiver.accept(*told(command, unavailable=[span(5, 8)]))  # and so did the command
    (epoch,) = report(record(tmp_path / "c.db"))
    assert (epoch.lost, epoch.missing) == (4, 0)


async def test_a_new_session_is_asked_at_once_with_the_same_command(tmp_path: Path) -> None:
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        await with_gap(receiver, time, range(5, 9))
        await receiver.look_after()
        time.pass_s(600)
        (first,) = await asked(receiver)
        time.pass_s(1)
        await receiver.accept(*status(time, session="session-2", last_seq=sequence(20)))
        (second,) = await asked(receiver)
        assert (second["session"], second["cmdid"]) == ("session-2", first["cmdid"])


@pytest.mark.parametrize("on_both", ["sqlite"], indirect=True)  # a file that is put back
async def test_a_restored_center_says_so_once_and_asks_at_once_for_all_it_forgot(tmp_path: Path) -> None:
    """The backup knows events 1…6 of the running epoch and 1…3 of the one before; both were acked to their end."""
    time, old, new = Time(), chain(9, epoch="00000001"), chain(12)
    path = tmp_path / "c.db"
    async with receiving(path, time) as receiver:
        await receiver.accept_many([message(event) for event in old[:3] + new[:6]])
    shutil.copy(path, tmp_path / "backup.db")
    async with receiving(path, time) as receiver:
        await receiver.accept_many([message(event) for event in old[3:] + new[6:]])
        await receiver.accept(*status(time, last_seq=sequence(12), acked=sequence(12)))
        assert await asked(receiver) == [], "a center that knows everything asks for nothing"
    async with receiving(tmp_path / "backup.db", time) as receiver:
        await receiver.accept(*info(time, ("00000001", 9, old[8].hash), (EPOCH, 12, new[11].hash)))
        for _ in range(3):
            await receiver.accept(*status(time, last_seq=sequence(12), acked=sequence(12)))
        commands = {command["args"]["epoch"]: command["args"] for command in await asked(receiver)}
        assert commands == {
            EPOCH: {"epoch": EPOCH, "from": sequence(7), "to": sequence(12)},
            "00000001": {"epoch": "00000001", "from": sequence(4), "to": sequence(9)},
        }
        await receiver.accept_many([message(event) for event in old[3:] + new[6:]])
        assert await asked(receiver) == []
    with looking(tmp_path / "backup.db") as db:
        alarms = db.execute("SELECT epoch, n FROM alarm WHERE kind = 'center_rollback'").fetchall()
    assert alarms == [(EPOCH, 1)]
    assert all(epoch.complete and epoch.intact for epoch in report(record(tmp_path / "backup.db")))


async def test_a_center_that_lost_everything_asks_for_as_much_as_a_gateway_sends_at_a_time(
    tmp_path: Path,
) -> None:
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        await receiver.accept(*status(time, last_seq=sequence(50_000), acked=sequence(50_000)))
        (command,) = await asked(receiver)
        assert command["args"] == {"epoch": EPOCH, "from": sequence(1), "to": sequence(10_000)}


def rows(path: Path) -> list[Any]:
    with looking(path) as db:
        return db.execute("SELECT * FROM resend").fetchall()


async def test_over_a_broker_the_command_reaches_the_gateway_and_its_answer_the_ack(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that has lost 6 and 7, answers so, and gets an ack that lets it go on."""
    monkeypatch.setattr(service, "LOOK_S", 0.02)
    time = Time()
    center = Endpoint(host="127.0.0.1", port=mosquitto.port, client_id="center")
    gateway = await connect(
        replace(center, client_id=GW), (f"{ROOT}ack", f"{ROOT}cmd/#", f"{ROOT}res/#"), None
    )
    # The broker keeps messages from now on: nobody keeps any for a center that never came.
    await (await connect(center, SUBSCRIPTIONS, None)).close()
    async with receiving(tmp_path / "c.db", time) as receiver, asyncio.timeout(30):
        stop = asyncio.Event()
        serving = asyncio.create_task(service.Service(receiver, center, lambda _verdict: None).run(stop))
        events = chain(9)
        for event in events:
            if event.seq not in (5, 6, 7):
                await gateway.publish(*message(event))
        await gateway.publish(*status(time, last_seq=sequence(9)))
        while not receiver._turns.memory.resends:  # noqa: ASYNC110 - the gap has been seen
            await asyncio.sleep(0.01)
        time.pass_s(600)
        arrived = await gateway.incoming.get()
        while not arrived.topic.endswith("cmd/resend"):
            arrived = await gateway.incoming.get()
        command = opened(arrived.payload)
        assert command["args"] == {"epoch": EPOCH, "from": sequence(5), "to": sequence(7)}
        await gateway.publish(*message(events[4]))
        await gateway.publish(*told(command, sent=[span(5, 5)], unavailable=[span(6, 7)]))
        upto = 0
        while upto < 9:
            receiver.ack_everybody()
            time.pass_s(0.06)  # so that it is due
            arrived = await gateway.incoming.get()
            arrived.done()
            if arrived.topic.endswith("/ack"):
                ack = read_ack(arrived.payload, GW, lambda _kid: ACK.public)[0]
                upto = ack.upto
        assert ack.lost == ((6, 7),)
        stop.set()
        await serving
    await gateway.close()
    later = await connect(replace(center, client_id="later"), (f"{ROOT}cmd/#", f"{ROOT}ack"), None)
    async with asyncio.timeout(5):
        retained = await later.incoming.get()
    assert retained.topic == f"{ROOT}ack"
    assert later.incoming.empty(), "a command was retained"
    await later.close()
