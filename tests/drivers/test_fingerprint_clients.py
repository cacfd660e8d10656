"""Clients that others wrote talk to the simulated module over a pty: what they understand, hardware says alike.

pyfingerprint 1.5 opens the port itself. adafruit-circuitpython-fingerprint 2.2.25 takes any object with `read`
and `write`, so it gets a pyserial port; its `busio` and `micropython` come from Blinka, which asks at import
which board this is: it is told that there is none.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from typing import Any, TypeVar

import pytest
import serial

from drivers.simulators.fingerprint import Finger, SimulatedModule
from drivers.simulators.pty_host import PtyHost
from firmware_protocols.zfm import commands as c
from firmware_protocols.zfm import vendor_commands as v
from firmware_protocols.zfm.family import Family

ResultT = TypeVar("ResultT")
LI, WANG = Finger("Li"), Finger("Wang")


@pytest.fixture(params=list(Family))
async def module(request: pytest.FixtureRequest, port: PtyHost) -> AsyncIterator[SimulatedModule]:
    far_end = SimulatedModule(request.param, capacity=300)
    serving = asyncio.create_task(far_end.serve(port))
    yield far_end
    serving.cancel()
    await asyncio.wait([serving])


async def off_loop(work: Callable[..., ResultT], *args: object) -> ResultT:
    """The clients block, the far end lives on the loop."""
    return await asyncio.wait_for(asyncio.to_thread(work, *args), 30)


@pytest.fixture
async def pyfingerprint(module: SimulatedModule, port: PtyHost) -> AsyncIterator[Any]:
    library = import_module("pyfingerprint.pyfingerprint")
    client = await off_loop(library.PyFingerprint, str(port.link), 57600, 0xFFFFFFFF, 0)
    yield client
    client._PyFingerprint__serial.close()


async def enrol_with_pyfingerprint(client: Any, module: SimulatedModule, finger: Finger, slot: int) -> int:
    for buffer in (1, 2):
        assert not await off_loop(client.readImage)
        module.press(finger)
        assert await off_loop(client.readImage)
        assert await off_loop(client.convertImage, buffer)
        module.lift()
    assert await off_loop(client.createTemplate)
    stored: int = await off_loop(client.storeTemplate, slot)
    return stored


async def search_with_pyfingerprint(client: Any, module: SimulatedModule, finger: Finger) -> tuple[int, int]:
    module.press(finger)
    assert await off_loop(client.readImage)
    await off_loop(client.convertImage, 1)
    module.lift()
    found: tuple[int, int] = await off_loop(client.searchTemplate)
    return found


async def test_pyfingerprint_finds_its_module(pyfingerprint: Any, module: SimulatedModule) -> None:
    assert await off_loop(pyfingerprint.verifyPassword)
    parameters = await off_loop(pyfingerprint.getSystemParameters)
    assert parameters == (4, 9, 300, 3, 0xFFFFFFFF, 2, 6)
    assert await off_loop(pyfingerprint.getStorageCapacity) == 300
    assert await off_loop(pyfingerprint.getMaxPacketSize) == 128
    assert await off_loop(pyfingerprint.getBaudRate) == 57600
    assert await off_loop(pyfingerprint.generateRandomNumber) == 0x18700101


async def test_pyfingerprint_enrols_finds_and_deletes(pyfingerprint: Any, module: SimulatedModule) -> None:
    client = pyfingerprint
    assert await enrol_with_pyfingerprint(client, module, LI, -1) == 0
    assert await enrol_with_pyfingerprint(client, module, WANG, 260) == 260
    assert await off_loop(client.getTemplateCount) == 2
    assert [place for place, used in enumerate(await off_loop(client.getTemplateIndex, 0)) if used] == [0]
    assert [place for place, used in enumerate(await off_loop(client.getTemplateIndex, 1)) if used] == [4]
    assert await search_with_pyfingerprint(client, module, WANG) == (260, 128)
    assert await search_with_pyfingerprint(client, module, Finger("other")) == (-1, -1)
    assert await off_loop(client.loadTemplate, 0, 1)
    assert await off_loop(client.deleteTemplate, 260)
    assert module.library == {0: LI.template}
    assert await off_loop(client.clearDatabase)
    assert await off_loop(client.getTemplateCount) == 0


async def test_pyfingerprint_is_refused_with_codes_that_it_understands(
    pyfingerprint: Any, module: SimulatedModule
) -> None:
    client = pyfingerprint
    for command, code, work, text in (
        (c.Img2Tz, 0x06, lambda: client.convertImage(1), "too messy"),
        (c.Img2Tz, 0x07, lambda: client.convertImage(1), "too few feature"),
        (c.Img2Tz, 0x15, lambda: client.convertImage(1), "invalid"),
        (c.GenImg, 0x03, client.readImage, "Could not read image"),
        (c.Store, 0x18, lambda: client.storeTemplate(1), "flash"),
    ):
        module.refusals[command] = code
        with pytest.raises(Exception, match=f"(?i){text}"):
            await off_loop(work)
    module.refusals[c.Delete] = 0x10
    assert not await off_loop(client.deleteTemplate, 1)
    with pytest.raises(Exception, match=r"(?i)download"):  # the far end hands no template out
        await off_loop(client.downloadCharacteristics, 1)


async def test_pyfingerprint_with_a_wrong_password_is_refused(module: SimulatedModule, port: PtyHost) -> None:
    library = import_module("pyfingerprint.pyfingerprint")
    module._password = 7
    wrong = await off_loop(library.PyFingerprint, str(port.link), 57600, 0xFFFFFFFF, 8)
    assert not await off_loop(wrong.verifyPassword)
    wrong._PyFingerprint__serial.close()
    right = await off_loop(library.PyFingerprint, str(port.link), 57600, 0xFFFFFFFF, 7)
    assert await off_loop(right.verifyPassword)
    right._PyFingerprint__serial.close()


@pytest.fixture
async def adafruit(
    module: SimulatedModule, port: PtyHost, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Any, Any]]:
    monkeypatch.setitem(os.environ, "BLINKA_FORCEBOARD", "GENERIC_AGNOSTIC_BOARD")
    monkeypatch.setitem(os.environ, "BLINKA_FORCECHIP", "GENERIC_X86")
    library = import_module("adafruit_fingerprint")
    uart = serial.Serial(str(port.link), 57600, timeout=2)
    try:
        yield library, await off_loop(library.Adafruit_Fingerprint, uart)
    finally:
        uart.close()


async def adafruit_features(client: Any, module: SimulatedModule, finger: Finger, buffer: int) -> None:
    module.press(finger)
    assert await off_loop(client.get_image) == 0
    assert await off_loop(client.image_2_tz, buffer) == 0
    module.lift()


async def test_adafruit_finds_its_module(adafruit: tuple[Any, Any], module: SimulatedModule) -> None:
    library, client = adafruit
    assert client.library_size == 300
    assert (client.system_id, client.security_level, client.baudrate) == (9, 3, 6)
    assert await off_loop(client.get_image) == library.NOFINGER
    module.refusals[c.GetEcho] = 0x01
    with pytest.raises(RuntimeError, match="wrong"):
        await off_loop(client.check_module)
    module.refusals.clear()
    assert await off_loop(client.check_module)


async def test_adafruit_enrols_finds_and_deletes(adafruit: tuple[Any, Any], module: SimulatedModule) -> None:
    library, client = adafruit
    for slot, finger in ((3, LI), (270, WANG)):
        await adafruit_features(client, module, finger, 1)
        await adafruit_features(client, module, finger, 2)
        assert await off_loop(client.compare_templates) == 0
        assert await off_loop(client.create_model) == 0
        assert await off_loop(client.store_model, slot) == 0
    assert await off_loop(client.count_templates) == 0
    assert client.template_count == 2
    assert await off_loop(client.read_templates) == 0
    assert client.templates == [3, 270]
    await adafruit_features(client, module, WANG, 1)
    assert await off_loop(client.finger_search) == 0
    assert (client.finger_id, client.confidence) == (270, 128)
    assert await off_loop(client.finger_fast_search) == 0
    await adafruit_features(client, module, Finger("other"), 1)
    assert await off_loop(client.finger_search) == library.NOTFOUND
    assert await off_loop(client.load_model, 3) == 0
    assert await off_loop(client.delete_model, 3) == 0
    assert set(module.library) == {270}
    assert await off_loop(client.empty_library) == 0
    assert module.library == {}


async def test_adafruit_hears_refusals_and_lights_an_aura(
    adafruit: tuple[Any, Any], module: SimulatedModule
) -> None:
    library, client = adafruit
    await adafruit_features(client, module, LI, 1)
    await adafruit_features(client, module, WANG, 2)
    assert await off_loop(client.create_model) == library.ENROLLMISMATCH
    assert await off_loop(client.store_model, 999) == library.BADLOCATION
    light = await off_loop(client.set_led, 2, 3, 0x80, 0)
    if module.family is Family.GROW:
        assert light == 0
        assert module.lights == [v.AuraLedConfig(3, 0x80, 2, 0)]
    else:  # there the same code is a handshake, without parameters
        assert light != 0
        assert module.lights == []
