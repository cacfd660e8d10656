"""One scan for everybody: who hears what, and what becomes of it when bluetoothd or the adapter goes away."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from drivers.errors import LinkLost, LinkUnavailable
from drivers.links.ble_advert import Advert, AdvertFilter
from drivers.links.ble_scanner import MOST_WAITING
from tests.ble.bed import Bed, open_bed
from tests.ble.private_bus import NOBODY_MAY_ASK_BLUEZ, PrivateBus
from tests.drivers.bench import DEADLINE_S, SLOW, until

FIRST, SECOND, THIRD = (f"F0:F1:F2:F3:F4:0{i}" for i in (1, 2, 3))
ALL = AdvertFilter()
BATTERY_SERVICE = "0000180f-0000-1000-8000-00805f9b34fb"


def only(*addresses: str) -> AdvertFilter:
    return AdvertFilter(addresses=frozenset(addresses))


async def ended(following: Callable[[], Awaitable[Advert]]) -> None:
    """Take what still comes, until it raises."""
    while True:
        await following()


async def test_a_device_is_heard_with_what_it_says_of_itself(bed: Bed) -> None:
    bed.air.rssi[FIRST] = -71
    await bed.wearable()
    async with asyncio.timeout(DEADLINE_S), bed.radio().listen(ALL) as listener:
        advert = await listener.next()
    assert (advert.address, advert.name, advert.rssi) == (FIRST, "Band-01", -71)
    assert advert.manufacturer_data == {0x0B1E: b"\x01\x02\x03"}
    assert advert.service_uuids == {BATTERY_SERVICE}


async def test_what_a_device_calls_itself_is_not_in_a_repr(bed: Bed) -> None:
    await bed.wearable(name="Band of Anna")
    async with asyncio.timeout(DEADLINE_S), bed.radio().listen(ALL) as listener:
        advert = await listener.next()
    assert advert.name == "Band of Anna"
    assert "Anna" not in repr(advert)


async def test_every_report_is_heard_though_nothing_in_it_changed(bed: Bed) -> None:
    await bed.wearable()
    async with asyncio.timeout(DEADLINE_S), bed.radio().listen(ALL) as listener:
        adverts = [await listener.next() for _ in range(5)]
    assert len({advert.heard_at for advert in adverts}) == 5


@pytest.mark.parametrize(
    ("wanted", "heard"),
    [
        (only(SECOND), {SECOND}),
        (only(FIRST, THIRD), {FIRST, THIRD}),
        (AdvertFilter(name_prefix="Band"), {FIRST, SECOND}),
        (AdvertFilter(service_uuids=frozenset({BATTERY_SERVICE})), {FIRST, SECOND, THIRD}),
        (AdvertFilter(name_prefix="Band", addresses=frozenset({SECOND, THIRD})), {SECOND}),
        (AdvertFilter(service_uuids=frozenset({"0000feaa-0000-1000-8000-00805f9b34fb"})), set()),
    ],
)
async def test_a_listener_hears_whom_it_wants(bed: Bed, wanted: AdvertFilter, heard: set[str]) -> None:
    await bed.wearable(FIRST, "Band-01")
    await bed.wearable(SECOND, "Band-02")
    await bed.wearable(THIRD, "Other")
    found: set[str] = set()
    everybody: set[str] = set()
    radio = bed.radio()
    async with (
        asyncio.timeout(DEADLINE_S),
        radio.listen(wanted) as listener,
        radio.listen(ALL) as all_of_them,
    ):
        while len(everybody) < 3:
            everybody.add((await all_of_them.next()).address)
        for _ in range(20):  # each of them is heard some more times
            await all_of_them.next()
        while listener.newest is not None and (found != heard):
            found.add((await listener.next()).address)
        assert (listener.newest is not None) == bool(heard)
    assert found == heard


@pytest.mark.fake_bluez
async def test_two_listeners_share_one_scan_which_ends_with_the_last(bed: Bed) -> None:
    await bed.wearable(FIRST)
    await bed.wearable(SECOND)
    radio = bed.radio()
    async with asyncio.timeout(DEADLINE_S):
        async with radio.listen(only(FIRST)) as one:
            async with radio.listen(only(SECOND)) as other:
                assert ((await one.next()).address, (await other.next()).address) == (FIRST, SECOND)
            assert bed.bluez.calls.count("Adapter1.StartDiscovery") == 1
            assert bed.bluez.calls.count("Adapter1.StopDiscovery") == 0
            await one.next()
        assert bed.bluez.calls.count("Adapter1.StopDiscovery") == 1
        async with radio.listen(only(FIRST)) as again:
            await again.next()
    assert radio.scans == 2


@pytest.mark.fake_bluez
async def test_many_begin_and_end_at_once_and_there_is_still_one_scan_at_a_time(bed: Bed) -> None:
    await bed.wearable()
    radio = bed.radio()

    async def listen_once() -> None:
        async with radio.listen(ALL) as listener:
            await listener.next()

    async with asyncio.timeout(DEADLINE_S):
        for _ in range(3):
            await asyncio.gather(*(listen_once() for _ in range(10)))
    calls = [
        call for call in bed.bluez.calls if call in {"Adapter1.StartDiscovery", "Adapter1.StopDiscovery"}
    ]
    assert calls == ["Adapter1.StartDiscovery", "Adapter1.StopDiscovery"] * (len(calls) // 2)


@pytest.mark.fake_bluez
async def test_a_listener_that_is_cancelled_while_the_scan_begins_leaves_none_behind(bed: Bed) -> None:
    await bed.wearable()
    bed.bluez.delay_s["Adapter1.StartDiscovery"] = 0.2
    radio = bed.radio()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), radio.listen(ALL):
            pytest.fail("it began too early")
    async with asyncio.timeout(DEADLINE_S), radio.listen(ALL) as listener:
        await listener.next()
    assert bed.bluez.calls.count("Adapter1.StartDiscovery") == 2
    assert bed.bluez.calls.count("Adapter1.StopDiscovery") == 2


async def test_a_listener_that_is_behind_keeps_the_newest_and_counts_the_rest(bed: Bed) -> None:
    await bed.wearable(every_ms=20)
    async with asyncio.timeout(DEADLINE_S), bed.radio().listen(ALL) as listener:
        await until(lambda: listener.missed >= 5)
        newest = listener.newest
        taken = [await listener.next() for _ in range(MOST_WAITING)]
    assert taken[-1] is newest
    assert [advert.heard_at for advert in taken] == sorted(advert.heard_at for advert in taken)


# ---- silence ------------------------------------------------------------------------------------------


async def test_a_device_that_walks_away_is_lost_within_its_time_while_others_are_heard(bed: Bed) -> None:
    away = await bed.wearable(FIRST)
    await bed.wearable(SECOND)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DEADLINE_S), bed.radio().listen(only(FIRST), f"ble:{FIRST}") as listener:
        await listener.next()
        away.walk_away()
        with pytest.raises(LinkLost, match=f"ble:{FIRST}.*bring it near") as caught:
            await ended(lambda: listener.next_within(0.6))
        assert listener.newest is not None
        waited = loop.time() - listener.newest.heard_at
    assert caught.value.code == "not_near"
    assert 0.6 <= waited < 0.9


async def test_a_device_that_was_never_heard_is_lost_as_well(bed: Bed) -> None:
    await bed.wearable(SECOND)
    async with asyncio.timeout(DEADLINE_S), bed.radio().listen(only(FIRST)) as listener:
        with pytest.raises(LinkLost) as caught:
            await listener.next_within(0.3 * SLOW)
    assert caught.value.code == "not_near"


async def test_silence_of_everybody_is_told_apart_from_one_that_is_away(bed: Bed) -> None:
    async with asyncio.timeout(DEADLINE_S), bed.radio().listen(only(FIRST)) as listener:
        with pytest.raises(LinkLost, match="nobody else") as caught:
            await listener.next_within(0.3)
    assert caught.value.code == "nobody_heard"


@pytest.mark.fake_bluez
async def test_a_scan_that_falls_silent_is_made_anew(bed: Bed) -> None:
    await bed.wearable()
    radio = bed.radio(silent_s=0.4)
    async with asyncio.timeout(DEADLINE_S), radio.listen(ALL) as listener:
        await listener.next()
        bed.adapter.deaf = True
        await until(lambda: radio.scans == 2)
        bed.adapter.deaf = False
        before = listener.newest
        await until(lambda: listener.newest is not before)
    assert bed.bluez.calls.count("Adapter1.StopDiscovery") == radio.scans


async def test_a_scan_that_hears_somebody_is_left_alone(bed: Bed) -> None:
    await bed.wearable(every_ms=50)
    radio = bed.radio(silent_s=1.0)
    async with asyncio.timeout(DEADLINE_S), radio.listen(ALL) as listener:
        began = asyncio.get_running_loop().time()
        while (await listener.next()).heard_at < began + 2.5:
            pass
    assert radio.scans == 1


# ---- bluetoothd and the adapter go away -------------------------------------------------------------


@pytest.mark.parametrize("ends", ["stopped", "killed"])
async def test_after_a_restart_of_bluetoothd_a_new_scan_goes_on_for_all(bed: Bed, ends: str) -> None:
    await bed.wearable(FIRST)
    await bed.wearable(SECOND)
    radio = bed.radio()
    async with AsyncExitStack() as held, asyncio.timeout(DEADLINE_S):
        listeners = [await held.enter_async_context(radio.listen(only(one))) for one in (FIRST, SECOND)]
        for listener in listeners:
            await listener.next()
        await (bed.stop_bluetoothd() if ends == "stopped" else bed.kill_bluetoothd())
        await asyncio.sleep(0.5)  # longer than an adapter that is pulled out is waited for
        await bed.start_bluetoothd()
        again = asyncio.get_running_loop().time()
        for listener in listeners:
            while (await listener.next()).heard_at <= again:
                pass
        assert radio.scans == 2


@pytest.mark.fake_bluez
async def test_bluetoothd_may_take_its_time_to_come_back(bed: Bed) -> None:
    await bed.wearable()
    radio = bed.radio(patience_s=5)
    async with asyncio.timeout(DEADLINE_S), radio.listen(ALL) as listener:
        await listener.next()
        await bed.kill_bluetoothd()
        await asyncio.sleep(0.5)
        bed.refuse("Adapter1.StartDiscovery", "NotReady", "NotReady")  # the adapter needs a moment, too
        await bed.start_bluetoothd()
        again = asyncio.get_running_loop().time()
        while (await listener.next()).heard_at <= again:
            pass


async def test_bluetoothd_that_stays_away_ends_the_listeners(bed: Bed) -> None:
    await bed.wearable()
    radio = bed.radio(patience_s=0.3)
    async with asyncio.timeout(DEADLINE_S), radio.listen(ALL) as listener:
        await listener.next()
        await bed.kill_bluetoothd()
        with pytest.raises(LinkLost, match="systemctl start bluetooth") as caught:
            await ended(listener.next)
    assert caught.value.code == "no_bluetoothd"
    await bed.start_bluetoothd()
    await bed.settled()
    async with asyncio.timeout(DEADLINE_S), radio.listen(ALL) as listener:
        await listener.next()


async def test_an_adapter_that_is_switched_off_ends_the_listeners_at_once(bed: Bed) -> None:
    await bed.wearable()
    radio = bed.radio()
    async with asyncio.timeout(DEADLINE_S), radio.listen(ALL) as listener:
        await listener.next()
        await bed.adapter.power(on=False)
        with pytest.raises(LinkLost, match="bluetoothctl power on") as caught:
            await ended(listener.next)
    assert caught.value.code == "powered_off"
    with pytest.raises(LinkUnavailable) as refused:
        async with radio.listen(ALL):
            pytest.fail("it cannot have begun")
    assert refused.value.code == "powered_off"
    await bed.adapter.power(on=True)
    # bleak hears of it by a signal, as a technician's next attempt does
    await asyncio.sleep(0.1)
    async with asyncio.timeout(DEADLINE_S), radio.listen(ALL) as listener:
        await listener.next()


async def test_an_adapter_that_is_pulled_out_ends_the_listeners_at_once(bed: Bed) -> None:
    await bed.wearable()
    radio = bed.radio()
    async with asyncio.timeout(DEADLINE_S), radio.listen(ALL) as listener:
        await listener.next()
        await bed.adapter.unplug()
        with pytest.raises(LinkLost, match="plug one in") as caught:
            await ended(listener.next)
    assert caught.value.code == "no_adapter"


async def test_no_adapter_is_said_at_opening(bed: Bed) -> None:
    await bed.adapter.unplug()
    with pytest.raises(LinkUnavailable, match="plug one in") as caught:
        async with bed.radio().listen(ALL):
            pytest.fail("it cannot have begun")
    assert caught.value.code == "no_adapter"


async def test_no_bluetoothd_is_said_at_opening(bed: Bed) -> None:
    await bed.kill_bluetoothd()
    with pytest.raises(LinkUnavailable, match="systemctl start bluetooth") as caught:
        async with bed.radio().listen(ALL):
            pytest.fail("it cannot have begun")
    assert caught.value.code == "no_bluetoothd"


@pytest.mark.fake_bluez
async def test_a_bluetoothd_that_d_bus_cannot_start_is_the_same(bus: PrivateBus) -> None:
    """As on a machine where it is installed and ended: whoever asks for it makes D-Bus try."""
    with PrivateBus(starts_bluez="/bin/false"):
        async with open_bed() as bed:
            await bed.kill_bluetoothd()
            with pytest.raises(LinkUnavailable, match="systemctl start bluetooth") as caught:
                async with bed.radio().listen(ALL):
                    pytest.fail("it cannot have begun")
    assert caught.value.code == "no_bluetoothd"


@pytest.mark.fake_bluez
async def test_no_bus_at_all_is_the_same(bed: Bed, bus: PrivateBus) -> None:
    await bed.kill_bluetoothd()
    bus.stop()
    with pytest.raises(LinkUnavailable) as caught:
        async with bed.radio().listen(ALL):
            pytest.fail("it cannot have begun")
    assert caught.value.code == "no_bluetoothd"


@pytest.mark.fake_bluez
async def test_a_scan_of_another_program_is_named(bed: Bed) -> None:
    bed.refuse("Adapter1.StartDiscovery", "InProgress:Operation already in progress")
    with pytest.raises(LinkUnavailable, match="another program") as caught:
        async with bed.radio().listen(ALL):
            pytest.fail("it cannot have begun")
    assert caught.value.code == "adapter_in_use"


@pytest.mark.fake_bluez
async def test_bluetoothd_that_does_not_answer_has_a_deadline(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.links.ble_door.START_S", 0.2)
    bed.bluez.hang.add("Adapter1.StartDiscovery")
    with pytest.raises(LinkUnavailable, match="systemctl restart bluetooth") as caught:
        async with asyncio.timeout(DEADLINE_S), bed.radio().listen(ALL):
            pytest.fail("it cannot have begun")
    assert caught.value.code == "adapter_hangs"


@pytest.mark.fake_bluez
async def test_a_stop_that_is_refused_or_never_answered_disturbs_nobody(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.links.ble_door.STOP_S", 0.2)
    await bed.wearable()
    radio = bed.radio()
    async with asyncio.timeout(DEADLINE_S):
        bed.refuse("Adapter1.StopDiscovery", "Failed:No discovery started")
        async with radio.listen(ALL) as listener:
            await listener.next()
        bed.bluez.hang.add("Adapter1.StopDiscovery")
        bed.adapter.client_gone(next(iter(bed.adapter._scans)))  # the scan whose stop was refused
        async with radio.listen(ALL) as listener:
            await listener.next()


@pytest.mark.fake_bluez
async def test_a_user_without_permission_is_told_of_the_group(bus: PrivateBus) -> None:
    with PrivateBus(policy=NOBODY_MAY_ASK_BLUEZ):
        async with open_bed() as bed:
            with pytest.raises(LinkUnavailable, match="usermod -aG bluetooth") as caught:
                async with bed.radio().listen(ALL):
                    pytest.fail("it cannot have begun")
    assert caught.value.code == "no_bluetooth_permission"
