"""The box's address: what is typed, and a change that undoes itself unless it is kept at the new address."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from gateway.errors import ContractError, GatewayError, StoreRefused
from gateway.network import trial as trial_module
from gateway.network.interface import NetworkTrouble
from gateway.network.ipv4 import BadAddress, Ipv4, of_profile, to_wire
from gateway.network.trial import TRIAL, Network
from tests.gateway.network_bench import MemoryDaemon, MemoryRecords, network_of

FIXED = Ipv4.given(
    method="manual", address="10.1.2.3", prefix="24", gateway="10.1.2.1", dns="10.1.2.1, 223.5.5.5"
)
NEW = "10.1.2.3"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "LOOK_S", 0.005)
    monkeypatch.setattr(trial_module, "AGAIN_S", 0.005)
    monkeypatch.setattr(trial_module, "DOWN_S", 0.05)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - there is nothing to wait on
            await asyncio.sleep(0.005)


def is_up(network: Network) -> bool:
    return network.view.trial is not None and network.view.trial.up


async def refused(work: Awaitable[None]) -> str:
    with pytest.raises(GatewayError) as refusal:
        await work
    return refusal.value.code


# -- what is typed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["24", "/24", "255.255.255.0", " 24 "])
def test_a_fixed_address_is_taken_as_people_write_it(prefix: str) -> None:
    given = Ipv4.given(
        method="manual", address=" 10.1.2.3", prefix=prefix, gateway="10.1.2.1", dns="10.1.2.1，223.5.5.5"
    )
    assert given == FIXED
    assert given.told() == "10.1.2.3/24, gateway 10.1.2.1, DNS 10.1.2.1, 223.5.5.5"
    assert Ipv4.from_text(given.as_text()) == given


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"address": "10.1.2"}, "address"),
        ({"address": "10.1.2.256"}, "address"),
        ({"address": "127.0.0.1"}, "address"),
        ({"address": "224.0.0.1"}, "address"),
        ({"address": "169.254.1.1"}, "address"),
        ({"address": "10.1.2.0"}, "address"),
        ({"address": "10.1.2.255"}, "address"),
        ({"address": "fd00::1"}, "address"),
        ({"prefix": ""}, "prefix"),
        ({"prefix": "31"}, "prefix"),
        ({"prefix": "7"}, "prefix"),
        ({"prefix": "255.0.255.0"}, "prefix"),
        ({"gateway": "10.1.3.1"}, "gateway"),
        ({"gateway": "10.1.2.3"}, "gateway"),
        ({"gateway": "10.1.2.255"}, "gateway"),
        ({"gateway": "router"}, "gateway"),
        ({"dns": "dns.example"}, "dns"),
        ({"dns": "1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4"}, "dns"),
        ({"method": "link-local"}, "method"),
    ],
)
def test_what_cannot_be_an_address_is_refused_at_its_field(values: dict[str, str], field: str) -> None:
    sound = {"method": "manual", "address": "10.1.2.3", "prefix": "24", "gateway": "", "dns": ""}
    with pytest.raises(BadAddress) as refusal:
        Ipv4.given(**{**sound, **values})
    assert refusal.value.field == field


def test_a_profile_is_read_as_network_manager_writes_it() -> None:
    section = {
        "method": "manual",
        "address-data": [{"address": "10.1.2.3", "prefix": 24}],
        "gateway": "10.1.2.1",
        "dns": [to_wire(one) for one in FIXED.dns],
    }
    assert of_profile(section) == FIXED
    assert of_profile({"method": "auto", "dns": []}) == Ipv4()


# -- a trial ----------------------------------------------------------------------------------------------


async def test_a_change_holds_once_it_is_kept_at_the_new_address() -> None:
    daemon, records = MemoryDaemon(), MemoryRecords()
    network = network_of(daemon, records)
    await network.begin("tech-1", interface="eth0", wanted=FIXED)
    await until(lambda: is_up(network))
    assert daemon.disk == Ipv4(), "until it is kept, a power cut brings the old address back"
    assert await refused(network.keep("tech-1", reached_at="192.168.7.50")) == "not_over_new"
    await network.keep("tech-1", reached_at=NEW)
    assert daemon.disk == daemon.memory == FIXED
    assert daemon.checkpoints == {}
    assert records.notes == {}
    assert records.said() == [("network_tried", None), ("network_kept", None)]
    assert records.facts[0]["settings"] == FIXED.told()
    assert network.view.trial is None
    assert network.view.ended == "kept"


@pytest.mark.parametrize(
    ("reached_at", "taken"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:10.1.2.3", True), ("10.9.9.9", False), ("", False)],
)
async def test_who_stands_at_the_box_itself_may_keep_it_too(reached_at: str, taken: bool) -> None:  # noqa: FBT001
    network = network_of(MemoryDaemon(), MemoryRecords())
    await network.begin("tech-1", interface="eth0", wanted=FIXED)
    await until(lambda: is_up(network))
    if taken:
        await network.keep("tech-1", reached_at=reached_at)
    else:
        assert await refused(network.keep("tech-1", reached_at=reached_at)) == "not_over_new"
    await network.close()


async def test_nobody_keeps_it_and_the_old_address_is_back() -> None:
    daemon, records = MemoryDaemon(), MemoryRecords()
    network = network_of(daemon, records, trial_s=0.03)
    await network.begin("tech-1", interface="eth0", wanted=FIXED)
    await until(lambda: network.view.ended is not None)
    await until(lambda: not records.notes)
    assert daemon.memory == daemon.disk == Ipv4()
    assert records.said() == [("network_tried", None), ("network_undone", "not_kept")]
    assert await refused(network.keep("tech-1", reached_at=NEW)) == "no_trial"


async def test_an_address_that_somebody_has_is_given_up_at_once() -> None:
    daemon, records = MemoryDaemon(), MemoryRecords()
    network = network_of(daemon, records)
    taken = Ipv4.given(method="manual", address="192.168.7.9", prefix="24", gateway="", dns="")
    await network.begin("tech-1", interface="eth0", wanted=taken)
    await until(lambda: not records.notes)
    assert records.said()[-1] == ("network_undone", "not_up")
    assert daemon.memory == Ipv4()


async def test_it_is_undone_by_a_click_and_by_the_end_of_the_gateway() -> None:
    for end in ("undone", "stopped"):
        daemon, records = MemoryDaemon(), MemoryRecords()
        network = network_of(daemon, records)
        await network.begin("tech-1", interface="eth0", wanted=FIXED)
        await (network.undo("tech-2") if end == "undone" else network.close())
        assert daemon.memory == daemon.disk == Ipv4()
        assert records.said()[-1] == ("network_undone", end)
        assert records.notes == {}


async def test_what_cannot_be_tried_changes_nothing() -> None:
    daemon, records = MemoryDaemon(), MemoryRecords()
    network = network_of(daemon, records)
    assert await refused(network.begin("t", interface="eth9", wanted=FIXED)) == "unknown_interface"
    assert await refused(network.begin("t", interface="eth1", wanted=FIXED)) == "no_profile"
    assert await refused(network.begin("t", interface="eth0", wanted=Ipv4())) == "no_change"
    records.full = True
    assert await refused(network.begin("t", interface="eth0", wanted=FIXED)) == "store_full"
    assert (daemon.memory, daemon.checkpoints, records.facts) == (Ipv4(), {}, [])
    records.full = False
    await network.begin("t", interface="eth0", wanted=FIXED)
    assert await refused(network.begin("t", interface="eth0", wanted=Ipv4())) == "trial_running"
    await network.close()


async def test_a_daemon_that_is_away_is_said_and_nothing_breaks() -> None:
    daemon = MemoryDaemon(away="no_network_manager")
    network = network_of(daemon, MemoryRecords())
    assert (await network.look()).trouble == "no_network_manager"
    assert await refused(network.begin("t", interface="eth0", wanted=FIXED)) == "no_network_manager"
    daemon.away = None
    assert (await network.look()).trouble is None


# -- power and process ------------------------------------------------------------------------------------


async def started_anew(daemon: MemoryDaemon, records: MemoryRecords, boot: str) -> Network:
    """A later run of the gateway, until it has nothing left to do."""
    network = network_of(daemon, records, boot=boot)
    task = asyncio.create_task(network.run())
    await until(lambda: TRIAL not in records.notes)
    task.cancel()
    await asyncio.wait({task})
    return network


@pytest.mark.parametrize("power", [True, False])
async def test_a_trial_that_is_cut_off_is_undone_at_the_next_start(power: bool) -> None:  # noqa: FBT001
    daemon, records = MemoryDaemon(), MemoryRecords()
    await network_of(daemon, records).begin("tech-1", interface="eth0", wanted=FIXED)
    if power:
        daemon.power_cut()
    network = await started_anew(daemon, records, "b2" if power else "b1")
    assert daemon.memory == daemon.disk == Ipv4()
    assert records.said()[-1] == ("network_undone", "interrupted")
    assert network.view.ended == "interrupted"


async def test_what_was_kept_holds_wherever_the_power_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """At each call to the daemon after the decision is on disk."""
    for dies_at in ("save", "keep"):
        daemon, records = MemoryDaemon(), MemoryRecords()
        network = network_of(daemon, records)
        await network.begin("tech-1", interface="eth0", wanted=FIXED)
        await until(partial(is_up, network))

        async def dead(*_args: object) -> None:
            raise NetworkTrouble("no_network_manager", "the power is gone")

        with monkeypatch.context() as patched:
            patched.setattr(daemon, dies_at, dead)
            assert await refused(network.keep("tech-1", reached_at=NEW)) == "no_network_manager"
        assert records.said()[-1] == ("network_kept", None)
        daemon.power_cut()
        await started_anew(daemon, records, "b2")
        assert daemon.memory == daemon.disk == FIXED, dies_at


async def test_a_restored_backup_of_another_day_touches_no_address() -> None:
    daemon, records = MemoryDaemon(), MemoryRecords()
    await network_of(daemon, records).begin("tech-1", interface="eth0", wanted=FIXED)
    elsewhere = MemoryDaemon(disk=FIXED, memory=FIXED)
    await started_anew(elsewhere, records, "b9")
    assert elsewhere.disk == FIXED
    assert "put durable" not in elsewhere.calls


async def test_a_note_that_damage_has_bent_is_forgotten() -> None:
    records = MemoryRecords(notes={TRIAL: '{"phase":"trying"'})
    await started_anew(MemoryDaemon(), records, "b1")
    assert records.facts == []


async def test_what_could_not_be_put_back_is_tried_again() -> None:
    daemon, records = MemoryDaemon(), MemoryRecords()
    network = network_of(daemon, records)
    task = asyncio.create_task(network.run())
    await network.begin("tech-1", interface="eth0", wanted=FIXED)
    records.full = True
    await network.undo("tech-1")
    assert daemon.memory == Ipv4()
    assert TRIAL in records.notes
    records.full = False
    await until(lambda: TRIAL not in records.notes)
    assert records.said()[-1] == ("network_undone", "interrupted")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_codes_are_contract_or_store() -> None:
    assert issubclass(BadAddress, ContractError)
    assert not issubclass(NetworkTrouble, StoreRefused)
