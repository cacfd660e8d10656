"""Lines of the rarer families: what they say is on disk before they are answered, and they are answered."""

import asyncio

import pytest

from drivers.links.memory_link import MemoryLink
from drivers.registry import build
from drivers.tracker_line import TrackerLine
from drivers.trackers import conversation_type
from firmware_protocols.laipac.frames import Frame as LaipacFrame
from firmware_protocols.topin.frames import Frame as TopinFrame
from firmware_protocols.wristband_yx.frames import Frame as YxFrame
from tests.drivers.bench import RecordingHost, in_skipped_time

SAYS = {
    "laipac": (LaipacFrame("ECHK", ("S9110017", "0")).to_line(), "S9110017"),
    "pt60": (b"@G#@,V01,13,352000000000017,460010000000017,20261127120506,5555,@R#@", "352000000000017"),
    "trv": (b"TRVAP00352000000000017#", "352000000000017"),
    "wristband-yx": (YxFrame("352000000000017", "64", "1", model="1").to_bytes(), "352000000000017"),
    "topin": (TopinFrame(0x01, bytes.fromhex("0352000000000017 08"), 0x0D).to_bytes(), "352000000000017"),
}


@pytest.mark.parametrize("family", SAYS)
@in_skipped_time
async def test_a_wearable_is_heard_and_answered_through_its_driver(family: str) -> None:
    said, device_id = SAYS[family]
    host = RecordingHost()
    line = build(f"tracker.{family}", "dock-1", {"port": "/dev/ttyTest"}, host)
    assert isinstance(line, TrackerLine)
    near, far = MemoryLink.pair()
    await near.open()
    await far.open()
    talking = asyncio.create_task(line.talk(near, conversation_type(family)(), silent_s=None))
    await far.send(said)
    answer = await far.receive()
    talking.cancel()
    await asyncio.wait([talking])
    assert [one.device_id for one in host.reports] == [device_id]
    assert answer
    assert host.noises == {}
