"""A roster over MQTT: whole or not at all, for this gateway's eyes alone, whatever comes on the way."""

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gateway.checkin.roster import Roster
from gateway.checkin.strict import RosterError
from gateway.clock import SystemClock
from gateway.errors import ContractError
from gateway.evidence import canonical
from gateway.evidence.canonical import MAX_BYTES, Json
from gateway.evidence.chain import keyring
from gateway.evidence.keys import Role
from gateway.orders.orders import Orders
from gateway.orders.roster_pull import INFO, PART, announced, pull
from gateway.receiver import roster_parts
from gateway.receiver.roster_parts import RosterFolder, head_of, read_part
from gateway.uplink.requests import RequestFailed
from gateway.uuid7 import uuid7
from tests.broker import Mosquitto
from tests.gateway import rosters
from tests.gateway.roster_box import applied, roster_box, running
from tests.gateway.store_fixtures import GATEWAY, SIGNER
from tests.gateway.uplink_bench import KEYS, TOPICS, CenterClient, center_on, until, uplink_on

FIND_GATEWAY = keyring({SIGNER.kid: SIGNER.public.public_bytes_raw()})
FIND_OPS = rosters.TRUST.find(Role.OPERATIONS)
Answer = dict[str, Json]


class FarEnd:
    """The center's folder, asked without a wire between."""

    def __init__(self, folder: Path, file: bytes) -> None:
        folder.mkdir(exist_ok=True)
        self.path = folder / f"{GATEWAY}.roster"
        self.path.write_bytes(file)
        self.folder = RosterFolder(folder)
        self.asked = 0
        self.spoil: Callable[[Answer], Answer] = lambda answer: answer
        self.fail_at = frozenset[int]()

    async def ask(self, wanted: Mapping[str, Json]) -> Answer:
        self.asked += 1
        if self.asked in self.fail_at:
            raise RequestFailed("no_answer", "lost on the way")
        content: Answer = {"v": 1, "reqid": uuid7(0), "gw": GATEWAY, "name": "roster-part", **wanted}
        request = read_part(SIGNER.sign_object(content), GATEWAY, FIND_GATEWAY)
        return self.spoil(self.folder.answer(GATEWAY, request, 0))


async def pulled(far: FarEnd, file: bytes) -> bytes:
    head = announced({"head": head_of(file)}, FIND_OPS)
    return await pull(head, far.ask, RequestFailed, lambda _progress: None)


def of_persons(count: int, **changes: Any) -> bytes:
    return rosters.signed((rosters.person(n) for n in range(count)), **changes)


@pytest.mark.parametrize("persons", [0, 1, 200, 5_000])
async def test_it_comes_whole_byte_for_byte(tmp_path: Path, persons: int) -> None:
    file = of_persons(persons)
    far = FarEnd(tmp_path / "rosters", file)
    assert await pulled(far, file) == file
    assert far.asked >= len(file) // PART


async def test_a_lost_answer_is_asked_for_again_and_then_given_up(tmp_path: Path) -> None:
    file = of_persons(300)
    far = FarEnd(tmp_path / "rosters", file)
    far.fail_at = frozenset({1, 3, 4})
    assert await pulled(far, file) == file
    far.asked, far.fail_at = 0, frozenset({2, 3, 4})
    with pytest.raises(RequestFailed):
        await pulled(far, file)


async def test_no_answer_is_larger_than_a_message_may_be(tmp_path: Path) -> None:
    file = of_persons(400)
    far, sizes = FarEnd(tmp_path / "rosters", file), list[int]()

    def measure(answer: Answer) -> Answer:
        sizes.append(len(KEYS[Role.ACK].sign_object(answer)))
        return answer

    far.spoil = measure
    await pulled(far, file)
    assert max(sizes) < MAX_BYTES


async def test_both_sides_name_the_same_constants() -> None:
    assert (INFO, PART) == (roster_parts.INFO, roster_parts.PART)


async def test_nobody_else_can_read_a_part(tmp_path: Path) -> None:
    file = of_persons(3)
    far = FarEnd(tmp_path / "rosters", file)
    mine = X25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    content: Answer = {
        "v": 1, "reqid": uuid7(0), "gw": GATEWAY, "name": "roster-part", "version": 1, "page": 0, "offset": 0,
        "key": mine,
    }  # fmt: skip
    for wire, code in (
        (canonical.encode(content), "unsigned"),
        (KEYS[Role.OPERATIONS].sign_object(content), "unknown_kid"),
        (SIGNER.sign_object({**content, "gw": "gw-370102-02"}), "foreign"),
        (SIGNER.sign_object({**content, "name": "time"}), "foreign"),
        (SIGNER.sign_object({**content, "key": "00"}), "data"),
        (SIGNER.sign_object({**content, "page": -1}), "data"),
        (SIGNER.sign_object({**content, "page": True}), "data"),
        (SIGNER.sign_object({**content, "reqid": "x"}), "data"),
    ):
        with pytest.raises(ContractError) as refused:
            read_part(wire, GATEWAY, FIND_GATEWAY)
        assert refused.value.code == code, wire
    for change, code in (
        ({"version": 2}, "no_roster"), ({"page": 9}, "no_roster"), ({"offset": 10**6}, "roster_part"),
        ({"key": "00" * 32}, "data"),
    ):  # fmt: skip
        request = read_part(SIGNER.sign_object({**content, **change}), GATEWAY, FIND_GATEWAY)
        with pytest.raises(ContractError) as refused:
            far.folder.answer(GATEWAY, request, 0)
        assert refused.value.code == code
    request = read_part(SIGNER.sign_object(content), GATEWAY, FIND_GATEWAY)
    assert "p-0000" not in json.dumps(far.folder.answer(GATEWAY, request, 0))
    far.path.unlink()
    with pytest.raises(ContractError):
        far.folder.answer(GATEWAY, request, 0)


async def test_whatever_is_done_to_the_answers_nothing_else_than_the_roster_comes_out(tmp_path: Path) -> None:
    file = of_persons(40)
    far, rng = FarEnd(tmp_path / "rosters", file), random.Random(7)

    def spoiled(answer: Answer) -> Answer:
        name = rng.choice(sorted(answer))
        value = answer[name]
        kind = rng.choice(("drop", "text", "number", "flip"))
        if kind == "drop":
            return {key: one for key, one in answer.items() if key != name}
        if kind == "flip" and isinstance(value, str) and value:
            at = rng.randrange(len(value))
            return {**answer, name: value[:at] + rng.choice("AZ09-_é") + value[at + 1 :]}
        return {
            **answer,
            name: rng.choice(["", "00", "AA", "x" * 99]) if kind == "text" else rng.randrange(-9, 2**50),
        }

    refused = 0
    for _ in range(400):
        far.spoil = spoiled
        try:
            assert await pulled(far, file) == file
        except ContractError:
            refused += 1
    assert refused > 200
    far.spoil = lambda answer: {**answer, "version": 2}
    with pytest.raises(ContractError):
        await pulled(far, file)


async def test_a_head_that_the_center_did_not_sign_is_not_followed() -> None:
    file = rosters.signed(by=rosters.signer("center-ack#1"))
    for args in ({"head": head_of(file)}, {"head": head_of(file)[:-9]}, {"head": 7}, {}):
        with pytest.raises(ContractError):
            announced(args, FIND_OPS)


async def test_it_is_applied_in_one_transaction_with_its_event(tmp_path: Path) -> None:
    desk = roster_box(tmp_path)
    async with running(desk) as box:
        for version in (1, 2):
            await box.keeper.take(of_persons(30, version=version), "center")
        assert box.version() == 2
        await box.keeper.take(of_persons(30, version=2), "center")  # the very one: nothing happens
        with pytest.raises(RosterError):
            await box.keeper.take(of_persons(3, version=1), "center")
        assert box.version() == 2
    assert [(one["version"], one["source"]) for one in applied(desk)] == [(1, "center"), (2, "center")]


class Taker:
    """A keeper that only remembers."""

    version = 3

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    async def take(self, file: bytes, source: str) -> Roster:
        assert source == "center"
        self.taken.append(file)
        return rosters.opened(file)


async def serve_parts(center: CenterClient, folder: RosterFolder) -> None:
    """What `zhijiao receive --rosters` does."""
    done = 0
    while True:
        await asyncio.sleep(0.01)
        for wire in center.on(TOPICS.request("roster-part"))[done:]:
            done += 1
            answer = folder.answer(GATEWAY, read_part(wire, GATEWAY, FIND_GATEWAY), 0)
            await center.publish(TOPICS.result("roster-part"), KEYS[Role.ACK].sign_object(answer))


async def test_the_command_fetches_it_over_a_real_broker_and_says_how_far_it_is(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    taker, uplinks, restarted = Taker(), list[Any](), list[str]()

    async def restart(device: str) -> bool:
        restarted.append(device)
        return device == "idcard-1"

    orders = Orders(
        gateway=GATEWAY,
        clock=SystemClock(),
        operations_key=FIND_OPS,
        ask=lambda: uplinks[0].requests.ask_roster_part,
        rollcalls=lambda: pytest.fail("not asked"),
        roster=taker,
        restart=restart,
    )
    file = of_persons(500, version=4)
    far = FarEnd(tmp_path / "rosters", file)
    async with (
        center_on(mosquitto.port) as center,
        uplink_on(mosquitto.port, tmp_path / "s.db", orders=orders.by_name()) as bench,
    ):
        uplinks.append(bench.uplink)
        serving = asyncio.create_task(serve_parts(center, far.folder))
        cmdid = await center.command("roster-sync", {"head": head_of(file)}, role=Role.OPERATIONS)
        said = [json.loads(wire) for wire in center.on(TOPICS.response("roster-sync"))]

        def ended() -> bool:
            said[:] = [json.loads(wire) for wire in center.on(TOPICS.response("roster-sync"))]
            return bool(said) and said[-1]["status"] != "running"

        await until(ended, "the outcome")
        assert said[-1]["status"] == "done", said[-1]
        assert said[-1]["result"]["persons"] == 500
        assert [one["status"] for one in said[:-1]] == ["running"] * (len(file) // 65_000 + 1)
        assert taker.taken == [file]

        again = await center.command(
            "roster-sync", {"head": head_of(file)}, role=Role.OPERATIONS, changes={"cmdid": cmdid}
        )
        assert (await center.answer("roster-sync", again, nth=len(said) + 1))["status"] == "done"
        assert taker.taken == [file], "a repeat is answered, not run"

        async def outcome(name: str, args: dict[str, Json]) -> tuple[object, object]:
            answer = await center.answer(name, await center.command(name, args, role=Role.OPERATIONS))
            error = answer["error"]
            return answer["status"], error["code"] if isinstance(error, dict) else answer["result"]

        for changes, code in (({"version": 2}, "roster_version"), ({"gw": "gw-370102-09"}, "roster_foreign")):
            head = head_of(of_persons(1, **{"version": 9, **changes}))
            assert await outcome("roster-sync", {"head": head}) == ("rejected", code)
        same: dict[str, Json] = {"device": "idcard-1", "action": "restart"}
        for args, status, what in (
            (same, "done", same),
            ({**same, "device": "idcard-9"}, "rejected", "no_device"),
            ({**same, "action": "explode"}, "rejected", "args"),
        ):
            assert await outcome("device-action", args) == (status, what)
        assert restarted == ["idcard-1", "idcard-9"]
        ended_as, report = await outcome("clock-report", {})
        assert ended_as == "done"
        assert isinstance(report, dict)
        assert set(report) == {"ts", "mono", "boot", "clockq", "error_ms"}
        info = json.loads(center.on(TOPICS.info)[-1])
        assert {"roster-sync", "rollcall", "clock-report", "device-action"} <= set(info["capabilities"])
        serving.cancel()
