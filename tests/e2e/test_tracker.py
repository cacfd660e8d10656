"""A wearable over TCP, a gateway that is killed in the middle, and what the center knows afterwards."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from drivers.simulators.call import Call
from drivers.simulators.tracker import SimulatedTracker
from drivers.simulators.wire import serve_port
from gateway.evidence.canonical import Json
from gateway.ingest.sealing import unseal
from tests.broker import Mosquitto
from tests.e2e.bench_center import GATEWAY, Center, center
from tests.e2e.independent import judge
from tests.e2e.test_checkin import at_center, give_roster, wires
from tests.e2e.test_terminal import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

IDS = {"jt808": "13812345678", "gt06": "352000000000017", "h02": "4700222306"}
PACE_S = 0.005
CONFIG = """
[[device]]
id = "wearables"
kind = "tracker.{family}"
listen = "127.0.0.1:{port}"
allow = "127.0.0.1"
"""


@asynccontextmanager
async def calling(family: str, port: int) -> AsyncIterator[SimulatedTracker]:
    """A wearable whose line may be used when the body has filled its memory."""
    far = SimulatedTracker(family, IDS[family], pause_s=PACE_S)
    async with Call("127.0.0.1", port) as call:
        serving = asyncio.create_task(serve_port(far, call))
        yield far
        serving.cancel()
        await asyncio.wait([serving])


async def ready(bench: Center, family: str) -> None:
    bench.start_receiver()
    bench.start_gateway("-m", "tests.e2e.impatient_gateway")
    await bench.until(lambda: "uplink connected" in bench.log_text("gateway"), "the uplink")
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    worn: list[dict[str, Json]] = [{"id": IDS[family], "approved_until": until}]
    give_roster(bench, "M-1", ["11010118990101001X", "110101189901010028"], trackers=worn)
    await bench.until(lambda: "roster applied" in bench.log_text("gateway"), "the roster")


@pytest.mark.parametrize(("family", "count", "kills"), [("jt808", 150, 3), ("gt06", 60, 1), ("h02", 60, 1)])
async def test_killed_in_the_middle_no_fix_is_lost_or_doubled(
    family: str, count: int, kills: int, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """A wearable keeps what was not answered; what was answered is on disk."""
    port, dice = free_port(), random.Random(8)
    config = CONFIG.format(family=family, port=port)
    with center(tmp_path, mosquitto, readers=0, device_config=config) as bench:
        await ready(bench, family)
        begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        async with calling(family, port) as far:
            for number in range(count):
                far.take_fix(begin + timedelta(seconds=number))
            for kill in range(1, kills + 1):
                mark = count * kill // (kills + 1)
                await bench.until(lambda mark=mark: far.delivered >= mark, f"{mark} fixes")  # type: ignore[misc]
                await asyncio.sleep(dice.random() * 0.03)
                bench.kill_gateway()
                assert far.kept, "killed too late to prove anything"
                bench.start_gateway("-m", "tests.e2e.impatient_gateway")
            await bench.until(lambda: far.delivered >= count, "every fix to be answered")
        await bench.until(lambda: bench.waiting() == 0, "everything to be settled")
        assert bench.stop_gateway() == 0
        receipts = [(r.epoch, r.seq, r.id, r.hash) for r in bench.receipts()]
        judge(wires(bench), receipts, bench.public_keys())
        fixes = [event for event in at_center(bench) if event["type"] == "cn.zhijiao.tracker.fix"]
    times = sorted(event["data"]["device_time"] for event in fixes)
    assert times == [f"{begin + timedelta(seconds=one):%Y-%m-%dT%H:%M:%S}.000Z" for one in range(count)], (
        "each once"
    )
    for (
        event
    ) in fixes:  # whose it was is only as good as the clock: nobody vouches for that of some test machines
        believed = event["data"]["time_believed"]
        assert event["subject"] == ("person/p-3" if believed else "device/wearables")


async def test_the_center_opens_the_place_and_sees_the_strap(tmp_path: Path, mosquitto: Mosquitto) -> None:
    port = free_port()
    with center(
        tmp_path, mosquitto, readers=0, device_config=CONFIG.format(family="jt808", port=port)
    ) as bench:
        await ready(bench, "jt808")

        def alarms() -> list[str]:
            return [e["type"] for e in at_center(bench) if e["type"].startswith("cn.zhijiao.alarm.")]

        async with calling("jt808", port) as far:
            for worn in (True, False, True):
                far.worn = worn
                far.take_fix()
                await bench.until(lambda: not far.kept, "the fix to be answered")
                await asyncio.sleep(1.1)
            await bench.until(lambda: len(alarms()) == 2, "the alarm, and its end")
            await bench.until(
                lambda: any(e["type"].endswith("tracker.bound") for e in at_center(bench)), "the binding"
            )
        await bench.until(lambda: bench.waiting() == 0, "everything to be settled")
        assert bench.stop_gateway() == 0
        events, key = at_center(bench), load_pem_private_key(bench.keys.seal_key.read_bytes(), None)
        written = b"".join(one.read_bytes() for one in bench.store.parent.iterdir() if one.is_file())
        log = bench.log_text("gateway")
    assert isinstance(key, X25519PrivateKey)
    fix = next(event for event in events if event["type"] == "cn.zhijiao.tracker.fix")
    place = unseal(fix["data"]["sealed"], key, gateway=GATEWAY, event_id=fix["id"])
    assert (place["lat_e7"], place["lon_e7"]) == (366683100, 1170208440)
    raised, cleared = [event for event in events if event["type"].startswith("cn.zhijiao.alarm.")]
    assert (raised["subject"], raised["data"]["kind"]) == ("person/p-3", "strap_open")
    assert cleared["data"]["raised"] == raised["id"]
    for secret in (b"366683", b"36.668"):
        assert secret not in written
        assert secret.decode() not in log
