"""The box's address with Debian's own NetworkManager and polkit, in a namespace of their own."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.network import trial as trial_module
from gateway.network.daemon import NetworkManager
from gateway.network.interface import Interface, NetworkTrouble
from gateway.network.ipv4 import Ipv4
from tests.ble.private_bus import PrivateBus
from tests.gateway.network_bench import MemoryRecords, network_of
from tests.gateway.network_machine import SERVICE_UID, STRANGER_UID, Machine

OLD = Ipv4.given(
    method="manual", address="192.168.77.5", prefix="24", gateway="192.168.77.1", dns="192.168.77.1"
)
NEW = Ipv4.given(method="manual", address="10.20.30.4", prefix="24", gateway="10.20.30.1", dns="223.5.5.5")
TAKEN = Ipv4.given(method="manual", address="192.168.77.9", prefix="24", gateway="", dns="")
SERVICE_MAY = {
    "org.freedesktop.NetworkManager.settings.modify.system",
    "org.freedesktop.NetworkManager.network-control",
    "org.freedesktop.NetworkManager.checkpoint-rollback",
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine(tmp_path_factory.mktemp("machine")) as machine:
        yield machine


async def eth0(daemon: NetworkManager) -> Interface:
    """Once it is up."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(NetworkTrouble):  # it is still starting
                one = await daemon.interface("eth0")
                if one is not None and one.online:
                    return one
            await asyncio.sleep(0.1)


async def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - there is nothing to wait on
            await asyncio.sleep(0.05)


async def test_an_address_is_tried_kept_and_cut_off(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other on one machine: starting it takes longer than all of it."""
    monkeypatch.setattr(trial_module, "LOOK_S", 0.1)
    monkeypatch.setattr(trial_module, "DOWN_S", 1.0)
    daemon, records = NetworkManager(machine.bus_address), MemoryRecords()
    found = await eth0(daemon)
    assert found.configured == OLD
    assert [str(one) for one in found.addresses] == ["192.168.77.5/24"]
    assert found.plugged
    assert [one.name for one in await daemon.interfaces()] == ["eth0"]

    # an address that somebody has is noticed, and the old one is back
    network = network_of(daemon, records)
    await network.begin("tech-1", interface="eth0", wanted=TAKEN)
    await until(lambda: network.view.ended is not None)
    assert records.said()[-1] == ("network_undone", "not_up")
    assert (await eth0(daemon)).configured == OLD

    # nobody keeps it
    network = network_of(daemon, records, trial_s=1.0)
    await network.begin("tech-1", interface="eth0", wanted=NEW)
    await until(lambda: network.view.trial is not None and network.view.trial.up)
    assert [str(one) for one in (await eth0(daemon)).addresses] == ["10.20.30.4/24"]
    assert "192.168.77.5/24" in machine.disk(), "a power cut would bring the old one back"
    await until(lambda: network.view.ended is not None and not records.notes)
    assert records.said()[-1] == ("network_undone", "not_kept")
    assert [str(one) for one in (await eth0(daemon)).addresses] == ["192.168.77.5/24"]

    # the gateway dies in the middle: the daemon goes back by itself
    checkpoint = await daemon.checkpoint(await eth0(daemon), 1)
    await daemon.put(await eth0(daemon), NEW, durable=False)
    async with asyncio.timeout(10):
        while await daemon.holds(checkpoint):  # noqa: ASYNC110 - it is the daemon's own time
            await asyncio.sleep(0.1)
    assert (await eth0(daemon)).configured == OLD

    # kept, over the new address; what else the profile says stays
    network = network_of(daemon, records)
    await network.begin("tech-1", interface="eth0", wanted=NEW)
    await until(lambda: network.view.trial is not None and network.view.trial.up)
    await network.keep("tech-1", reached_at="10.20.30.4")
    assert records.said()[-1] == ("network_kept", None)
    assert records.notes == {}
    disk = machine.disk()
    assert "address1=10.20.30.4/24,10.20.30.1" in disk
    assert "dns-search=office.example" in disk
    assert "192.168.77" not in disk

    # the power goes in the middle of another trial
    network = network_of(daemon, records, boot="before")
    await network.begin("tech-1", interface="eth0", wanted=Ipv4())
    machine.power_cut()
    machine.power_on()
    assert (await eth0(daemon)).configured == NEW
    later = network_of(daemon, records, boot="after")
    work = asyncio.create_task(later.run())
    await until(lambda: not records.notes)
    work.cancel()
    assert records.said()[-1] == ("network_undone", "interrupted")
    assert (await eth0(daemon)).configured == NEW


async def test_the_service_may_what_it_needs_and_nothing_more(machine: Machine) -> None:
    await eth0(NetworkManager(machine.bus_address))
    stranger, service = machine.permissions(STRANGER_UID), machine.permissions(SERVICE_UID)
    assert {one for one, said in service.items() if said == "yes"} - {
        one for one, said in stranger.items() if said == "yes"
    } == SERVICE_MAY
    assert not {one for one in SERVICE_MAY if stranger[one] == "yes"}


async def test_a_machine_without_the_daemon_is_told_so(tmp_path: Path) -> None:
    for address in (f"unix:path={tmp_path}/nobody", "nonsense"):
        with pytest.raises(NetworkTrouble) as trouble:
            await NetworkManager(address).interfaces()
        assert trouble.value.code == "no_network_manager"
    with PrivateBus() as bus, pytest.raises(NetworkTrouble) as trouble:
        await NetworkManager(bus.address).interfaces()
    assert trouble.value.code == "no_network_manager"
