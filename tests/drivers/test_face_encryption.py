"""A face module in encryption mode: the same answers, and nothing of them in clear on the line."""

from pathlib import Path

import pytest

from drivers.aes import aes
from drivers.errors import DeviceFault, DeviceMismatch, SettingsError
from drivers.face_encryption import new_cover
from drivers.face_settings import FaceSettings
from drivers.factors import Enrolled, Matched, NotMatched
from drivers.links.serial_link import SerialLink
from drivers.links.serial_port import SerialSettings
from drivers.simulators.face import SERIAL, SimulatedEncryption, SimulatedFaceModule
from drivers.simulators.face_answers import FirmwareHabits
from drivers.simulators.faces import Face
from drivers.simulators.pty_host import PtyHost
from firmware_protocols.efaa_xor16.frames import Frame, HostDecoder
from firmware_protocols.efaa_xor16.msg_ids import MsgId
from tests.drivers.face_bench import FaceBench, face_bench

ANNA = Face("anna")
INDEXES = bytes(range(0, 32, 2))


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "face.key"
    path.write_text(INDEXES.hex() + "\n", "ascii")
    return path


def module(indexes: bytes = INDEXES, habits: FirmwareHabits | None = None) -> SimulatedFaceModule:
    return SimulatedFaceModule(look_notes=1, habits=habits, encryption=SimulatedEncryption(indexes, aes))


@pytest.mark.parametrize(
    "habits",
    [FirmwareHabits(), FirmwareHabits(init_answered_sealed=True), FirmwareHabits(wants_reserved=True)],
    ids=["in clear", "sealed", "reserved"],
)
async def test_a_sealed_module_enrols_and_recognises(key_file: Path, habits: FirmwareHabits) -> None:
    async with face_bench(module(habits=habits), encryption="aes", key_file=str(key_file)) as bench:
        assert bench.host.readies[0].serial == SERIAL
        bench.module.stand(ANNA)
        assert await bench.enrol() == Enrolled(1, SERIAL)
        assert await bench.identify() == Matched(1, None, SERIAL)
        bench.module.stand(Face("boris"))
        assert await bench.identify() == NotMatched("unknown")
        assert await bench.driver.slots() == {1}
        await bench.driver.erase([1])
        assert await bench.driver.slots() == frozenset()


async def test_through_pyserial_only_the_first_command_is_in_clear(
    key_file: Path, port: PtyHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = bytearray()
    link = SerialLink(str(port.link), SerialSettings(baud=115200))
    send = link.send

    async def record(data: bytes) -> None:
        sent.extend(data)
        await send(data)

    monkeypatch.setattr(link, "send", record)
    bench = FaceBench(link, port, module(), encryption="aes", key_file=str(key_file))
    try:
        await bench.until_ready()
        bench.module.know(ANNA)
        bench.module.stand(ANNA)
        assert await bench.identify() == Matched(1, None, SERIAL)
    finally:
        await bench.stop()
    plain = [item for item in HostDecoder().feed(bytes(sent)) if isinstance(item, Frame)]
    assert {frame.msg_id for frame in plain} == {MsgId.INIT_ENCRYPTION}
    assert bench.module.asked[MsgId.VERIFY] == 1


async def test_a_module_with_other_key_indexes_is_not_taken_for_ours(key_file: Path) -> None:
    with pytest.raises(DeviceFault) as caught:
        async with face_bench(module(bytes(16)), encryption="aes", key_file=str(key_file)):
            pass
    assert caught.value.code == "encryption"
    assert "'key_file' holds the key indexes" in str(caught.value)
    assert INDEXES.hex() not in str(caught.value)


async def test_a_module_that_wants_encryption_says_so_to_a_driver_without() -> None:
    with pytest.raises(DeviceMismatch, match="set 'encryption' and 'key_file'") as caught:
        async with face_bench(module()):
            pass
    assert caught.value.code == "encryption_required"


def test_every_session_has_a_seed_of_its_own() -> None:
    assert len({new_cover(INDEXES)[0] for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("content", "code", "text"),
    [
        (None, "unreadable", "cannot be read"),
        ("0123", "out_of_range", "must hold 32 hex digits"),
        ("secret" * 6, "wrong_type", "hex digits and nothing else"),
        ("ff" * 16, "out_of_range", "each from 00 to 1F"),
    ],
)
def test_a_key_file_that_holds_no_indexes_is_named_and_never_quoted(
    tmp_path: Path, content: str | None, code: str, text: str
) -> None:
    path = tmp_path / "face.key"
    if content is not None:
        path.write_text(content, "ascii")
    with pytest.raises(SettingsError) as caught:
        FaceSettings.parse("face-1", {"port": "/dev/x", "encryption": "aes", "key_file": str(path)})
    assert caught.value.code == code
    assert text in str(caught.value)
    assert content is None or content not in str(caught.value)


def test_the_key_file_is_asked_for_and_stays_out_of_repr(key_file: Path) -> None:
    with pytest.raises(SettingsError, match="'key_file' is missing"):
        FaceSettings.parse("face-1", {"port": "/dev/x", "encryption": "aes"})
    with pytest.raises(SettingsError, match="'encryption' must be one of aes, off"):
        FaceSettings.parse("face-1", {"port": "/dev/x", "encryption": "simple"})
    parsed = FaceSettings.parse("face-1", {"port": "/dev/x", "encryption": "aes", "key_file": str(key_file)})
    assert parsed.key_indexes == INDEXES
    assert "key_indexes" not in repr(parsed)
