"""The fingerprint driver in memory, in skipped time: every answer, every refusal, every fault of the line."""

import asyncio
import dataclasses
import inspect
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from drivers import events, factors
from drivers.errors import DeviceFault, DeviceMismatch, DriverError, LinkLost, LinkUnavailable, SettingsError
from drivers.factors import Enrolled, FactorDevice, Matched, NotEnrolled, NotMatched, Step
from drivers.fingerprint_reader import FingerprintReader, FingerprintSettings
from drivers.registry import build
from drivers.simulators.faults import Fault, FaultKind, FaultMix
from drivers.simulators.fingerprint import Finger, SimulatedModule, Skin
from firmware_protocols.zfm import commands as c
from firmware_protocols.zfm import vendor_commands as v
from firmware_protocols.zfm.confirm import CONFIRMS, Action
from firmware_protocols.zfm.family import Family
from firmware_protocols.zfm.messages import Command
from firmware_protocols.zfm.replies import Found
from tests.drivers.bench import RecordingHost, in_skipped_time
from tests.drivers.finger_bench import LI, WANG, FingerBench, Hand, finger_bench

FAMILIES = list(Family)
SERIALS = {Family.GROW: "0001-SIM00001", Family.SYNOCHIP: b"SIM00001".hex().upper()}


def nothing(_: Step) -> None:
    return


async def asks(bench: FingerBench, *fingers: Finger, timeout_s: float = 20) -> object:
    return await bench.driver.identify(timeout_s=timeout_s, guide=Hand(bench.module, *fingers))


async def enrols(
    bench: FingerBench, *fingers: Finger, slot: int | None = None, timeout_s: float = 20
) -> object:
    return await bench.driver.enrol(slot=slot, timeout_s=timeout_s, guide=Hand(bench.module, *fingers))


@pytest.mark.parametrize("family", FAMILIES)
@in_skipped_time
async def test_a_module_says_who_it_is(family: Family) -> None:
    async with finger_bench(SimulatedModule(family)) as bench:
        [ready] = bench.host.readies
        assert ready.serial == SERIALS[family]
        assert ready.model == ("R503-SIM" if family is Family.GROW else "ZFM 0009")
        assert bench.host.noises == {"ready": 1}


@pytest.mark.parametrize("family", FAMILIES)
@in_skipped_time
async def test_a_finger_is_enrolled_recognised_listed_and_erased(family: Family) -> None:
    async with finger_bench(SimulatedModule(family)) as bench:
        serial = SERIALS[family]
        assert await enrols(bench, LI, LI) == Enrolled(0, serial)
        assert await enrols(bench, WANG, WANG, slot=7) == Enrolled(7, serial)
        assert await bench.driver.slots() == {0, 7}
        assert await asks(bench, WANG) == Matched(7, 128, serial)
        assert await asks(bench, Finger("somebody")) == NotMatched("unknown")
        await bench.driver.erase([7, 100])
        await bench.driver.erase([7])
        assert await bench.driver.slots() == {0}
        assert await asks(bench, WANG) == NotMatched("unknown")
        await bench.driver.show(accepted=True)
        await bench.driver.show(accepted=False)
        assert len(bench.module.lights) == 2
        assert not bench.running.done()


@in_skipped_time
async def test_the_person_is_guided() -> None:
    async with finger_bench() as bench:
        hand = Hand(bench.module, Finger("Li", Skin.WET), LI, LI)
        assert isinstance(await bench.driver.enrol(slot=None, timeout_s=20, guide=hand), Enrolled)
        assert hand.told == ["present", "lift", "again", "lift", "again"]


@pytest.mark.parametrize("skin", [skin for skin in Skin if skin is not Skin.GOOD])
@in_skipped_time
async def test_a_poor_finger_is_poor(skin: Skin) -> None:
    async with finger_bench() as bench:
        poor = Finger("Li", skin)
        bench.module.know(1, LI)
        assert await asks(bench, poor, poor, poor) == NotMatched("poor")
        bench.module.lift()
        assert await asks(bench, poor, poor, LI) == Matched(1, 128, SERIALS[Family.GROW])
        bench.module.lift()
        assert await enrols(bench, poor, poor, poor) == NotEnrolled("poor")
        bench.module.lift()
        assert await asks(bench, poor, timeout_s=2) == NotMatched("poor")
        assert not bench.running.done()


@in_skipped_time
async def test_nothing_presented_is_told_in_time_and_the_module_is_free_again() -> None:
    async with finger_bench() as bench:
        began = asyncio.get_running_loop().time()
        assert await asks(bench, timeout_s=4) == NotMatched("nothing_presented")
        assert asyncio.get_running_loop().time() - began == pytest.approx(4, abs=0.1)
        assert await enrols(bench, LI, timeout_s=4) == NotEnrolled("nothing_presented")
        bench.module.lift()
        bench.module.know(3, LI)
        assert await asks(bench, LI) == Matched(3, 128, SERIALS[Family.GROW])
        assert not bench.running.done()


@in_skipped_time
async def test_each_reason_not_to_enrol() -> None:
    async with finger_bench(SimulatedModule(capacity=3)) as bench:
        bench.module.know(1, LI)
        assert await enrols(bench, LI, LI) == NotEnrolled("already_enrolled", 1)
        bench.module.lift()
        assert await enrols(bench, WANG, Finger("other")) == NotEnrolled("not_alike")
        assert await enrols(bench, slot=1) == NotEnrolled("taken", 1)
        assert await enrols(bench, slot=3) == NotEnrolled("no_such_slot", 3)
        assert await enrols(bench, slot=-1) == NotEnrolled("no_such_slot", -1)
        bench.module.refusals[c.Store] = 0x1F
        assert await enrols(bench, WANG, WANG) == NotEnrolled("full")
        bench.module.know(0, Finger("a"))
        bench.module.know(2, Finger("b"))
        assert await enrols(bench, WANG, WANG) == NotEnrolled("full")
        assert bench.module.library[1] == LI.template
        assert not bench.running.done()


@in_skipped_time
async def test_more_presses_are_asked_where_they_are_configured() -> None:
    async with finger_bench(presses=4) as bench:
        hand = Hand(bench.module, LI, LI, LI, LI)
        assert isinstance(await bench.driver.enrol(slot=None, timeout_s=20, guide=hand), Enrolled)
        assert hand.told.count("again") == 3


@in_skipped_time
async def test_what_is_not_in_the_index_table_was_not_stored_or_erased() -> None:
    async with finger_bench() as bench:
        bench.module.forgets = True
        with pytest.raises(DeviceFault) as caught:
            await enrols(bench, LI, LI)
        assert caught.value.code == (await bench.end()).code == "not_stored"
    async with finger_bench() as bench:
        bench.module.know(1, LI)
        bench.module.refusals[c.Delete] = 0x10
        with pytest.raises(DeviceFault) as caught:
            await bench.driver.erase([1])
        assert caught.value.code == "not_erased"


FAULTY = [
    code
    for code, confirm in CONFIRMS.items()
    if confirm.action in {Action.FAULT, Action.ACCESS, Action.REPORT}
]


@pytest.mark.parametrize("code", FAULTY, ids=lambda code: f"{code:02X}")
@in_skipped_time
async def test_every_unexpected_confirm_code_is_a_fault_with_its_remedy(code: int) -> None:
    async with finger_bench() as bench:
        bench.module.refusals[c.GenImg] = code
        with pytest.raises(DeviceFault) as caught:
            await asks(bench, LI)
        named = CONFIRMS[code].action is not Action.REPORT
        assert caught.value.code == (CONFIRMS[code].name if named else "module_refused")
        assert f"{code:02X}" in str(caught.value)
        assert CONFIRMS[code].advice in str(caught.value)
        assert (await bench.end()).code == caught.value.code
        with pytest.raises(LinkUnavailable) as away:
            await asks(bench, LI)
        assert away.value.code == "away"
        bench.module.refusals.clear()
        bench.restart()
        await bench.until_ready(2)


@pytest.mark.parametrize(("password", "code"), [(None, "password_required"), ("00000008", "wrong_password")])
@in_skipped_time
async def test_a_password_that_does_not_fit_is_told(tmp_path: Path, password: str | None, code: str) -> None:
    settings: dict[str, object] = {}
    if password is not None:
        (tmp_path / "password").write_text(password)
        settings["password_file"] = str(tmp_path / "password")
    async with finger_bench(SimulatedModule(password=7), ready=False, **settings) as bench:
        error = await bench.end()
        assert (type(error), error.code) == (DeviceFault, code)
        assert "configuration" in str(error)
        assert not bench.host.readies


@in_skipped_time
async def test_the_password_is_proven_again_when_the_module_was_without_power(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("7\n")
    module = SimulatedModule(password=7)
    async with finger_bench(module, password_file=str(tmp_path / "password")) as bench:
        module.know(2, LI)
        await bench.change(module)
        assert await asks(bench, LI) == Matched(2, 128, SERIALS[Family.GROW])
        assert len(bench.host.readies) == 1
        assert bench.host.noises["ready"] == 2


@in_skipped_time
async def test_another_module_is_noticed_while_idle_and_before_a_question() -> None:
    async with finger_bench() as bench:
        bench.module.know(5, LI)
        other = SimulatedModule(serial=b"SIM00002")
        other.know(5, WANG)
        await bench.change(other)
        assert await asks(bench, WANG) == Matched(5, 128, "0001-SIM00002")
        assert [ready.serial for ready in bench.host.readies] == ["0001-SIM00001", "0001-SIM00002"]
        await bench.change(SimulatedModule(serial=b"SIM00003"))
        await asyncio.sleep(4)
        assert [ready.serial for ready in bench.host.readies][2:] == ["0001-SIM00003"]
        await asyncio.sleep(60)
        assert len(bench.host.readies) == 3


@in_skipped_time
async def test_a_module_without_a_number_is_named_by_its_place_and_seldom_asked() -> None:
    async with finger_bench(SimulatedModule(serial=None)) as bench:
        assert bench.host.readies[0].serial is None
        bench.module.know(5, LI)
        assert await asks(bench, LI) == Matched(5, 128, "at:finger-1")
        await asyncio.sleep(180)
        assert bench.module.asked[v.ReadProdInfo] == 0
        assert 2 <= bench.module.asked[None] <= 4
        assert len(bench.host.readies) == 1


@in_skipped_time
async def test_a_number_that_was_lost_on_the_line_is_learned_later() -> None:
    module = SimulatedModule()
    module.faults.add(Fault(FaultKind.MUTE, v.ReadProdInfo, times=3))
    async with finger_bench(module) as bench:
        assert bench.host.readies[0].serial is None
        await asyncio.sleep(70)
        assert [ready.serial for ready in bench.host.readies] == [None, "0001-SIM00001"]


@in_skipped_time
async def test_a_module_that_tells_its_number_no_more_is_opened_anew() -> None:
    async with finger_bench() as bench:
        await bench.change(SimulatedModule(serial=None))
        with pytest.raises(DeviceMismatch):
            await asks(bench, LI)
        assert (await bench.end()).code == "unexpected"
        bench.restart()
        await bench.until_ready(2)
        assert bench.host.readies[1].serial is None


@in_skipped_time
async def test_silence_while_nobody_asks_and_the_module_is_looked_at() -> None:
    async with finger_bench() as bench:
        before = bench.module.asked[c.ReadSysPara]
        await asyncio.sleep(60)
        assert 15 <= bench.module.asked[c.ReadSysPara] - before <= 21
        assert bench.module.asked[c.GenImg] == 0
        assert (len(bench.host.readies), bench.host.events, bench.host.noises) == (1, [], {"ready": 1})


@in_skipped_time
async def test_a_module_that_falls_silent_is_reported() -> None:
    async with finger_bench() as bench:
        bench.module.asleep = True
        error = await bench.end()
        assert (type(error), error.code) == (DeviceFault, "mute")
        assert "FFFFFFFF" in str(error)


@in_skipped_time
async def test_a_module_at_another_address_is_not_heard(tmp_path: Path) -> None:
    async with finger_bench(SimulatedModule(address=7), ready=False) as bench:
        error = await bench.end()
        assert error.code in {"mute", "garbled"}
    async with finger_bench(SimulatedModule(address=7), address=7) as bench:
        assert len(bench.host.readies) == 1


@in_skipped_time
async def test_a_busy_module_is_waited_for() -> None:
    async with finger_bench(SimulatedModule(reply_s=0.8)) as bench:
        bench.module.know(5, LI)
        assert await asks(bench, LI) == Matched(5, 128, SERIALS[Family.GROW])


@in_skipped_time
async def test_the_wrong_family_is_noticed_where_it_can_be() -> None:
    async with finger_bench(SimulatedModule(Family.GROW), ready=False, family="synochip") as bench:
        await bench.until_ready()
        assert bench.host.readies[0].serial is None  # a module of grow does not know the question


SPOILT = [
    (kind, on)
    for kind in (FaultKind.NOISE_BEFORE, FaultKind.NOISE_INSIDE, FaultKind.CUT, FaultKind.CHECKSUM, FaultKind.MUTE,
                 FaultKind.HUGE, FaultKind.TWICE, FaultKind.LATE, FaultKind.ASK_AGAIN)
    for on in (c.ReadSysPara, c.GenImg, c.Img2Tz, c.Search, c.RegModel, c.Store, c.ReadIndexTable, c.Delete)
]  # fmt: skip


@pytest.mark.parametrize(("kind", "on"), SPOILT, ids=lambda value: getattr(value, "__name__", value))
@in_skipped_time
async def test_one_spoilt_reply_changes_no_answer(kind: FaultKind, on: type[Command]) -> None:
    async with finger_bench() as bench:
        bench.module.faults.add(Fault(kind, on))
        assert await enrols(bench, LI, LI) == Enrolled(0, SERIALS[Family.GROW])
        bench.module.lift()
        bench.module.faults.clear()
        bench.module.faults.add(Fault(kind, on))
        assert await asks(bench, LI) == Matched(0, 128, SERIALS[Family.GROW])
        assert await asks(bench, WANG) == NotMatched("unknown")
        await bench.driver.erase([0])
        assert await bench.driver.slots() == frozenset()
        assert not bench.running.done()


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FaultKind.MUTE, "mute"),
        (FaultKind.CUT, "garbled"),
        (FaultKind.CHECKSUM, "garbled"),
        (FaultKind.ASK_AGAIN, "line_noise"),
    ],
)
@in_skipped_time
async def test_a_line_that_spoils_everything_is_reported(kind: FaultKind, code: str) -> None:
    async with finger_bench() as bench:
        bench.module.faults.add(Fault(kind, c.Search, times=9))
        with pytest.raises(DeviceFault) as caught:
            await asks(bench, LI)
        assert (caught.value.code, (await bench.end()).code) == (code, code)


@pytest.mark.parametrize("on", [c.GenImg, c.Img2Tz, c.Search, c.Store])
@in_skipped_time
async def test_unplugged_in_the_middle_of_a_question(on: type[Command]) -> None:
    async with finger_bench() as bench:
        bench.module.faults.add(Fault(FaultKind.UNPLUG, on))
        with pytest.raises(LinkLost):
            await enrols(bench, LI, LI)
        assert (await bench.end()).code == "unplugged"


@in_skipped_time
async def test_a_withdrawn_question_ends_at_the_device_and_the_next_is_answered() -> None:
    async with finger_bench(SimulatedModule(reply_s=0.4)) as bench:
        bench.module.know(1, LI)
        asking = asyncio.create_task(asks(bench))
        await asyncio.sleep(5.1)
        looks = bench.module.asked[c.GenImg]
        assert looks > 0
        asking.cancel()
        await asyncio.sleep(2)
        assert bench.module.asked[c.GenImg] <= looks + 1
        assert await asks(bench, LI) == Matched(1, 128, SERIALS[Family.GROW])
        assert set(bench.host.noises) == {"ready"}
        assert not bench.running.done()


@pytest.mark.parametrize("after_s", [0.1, 0.6, 1.2, 2.0])
@in_skipped_time
async def test_an_answer_to_a_withdrawn_question_is_not_taken_for_that_of_the_next(after_s: float) -> None:
    """The withdrawn one would find Li; the next one is Wang's."""
    async with finger_bench(SimulatedModule(reply_s=0.45)) as bench:
        bench.module.know(1, LI)
        bench.module.know(2, WANG)
        asking = asyncio.create_task(asks(bench, LI))
        await bench.until(lambda: bench.module.asked[c.GenImg] > 0)
        await asyncio.sleep(after_s)
        asking.cancel()
        bench.module.lift()
        assert await asks(bench, WANG) == Matched(2, 128, SERIALS[Family.GROW])


@in_skipped_time
async def test_an_enrolment_that_is_withdrawn_while_it_is_stored_leaves_nothing() -> None:
    for on in (c.RegModel, c.Store):
        async with finger_bench(SimulatedModule(reply_s=0.4)) as bench:
            asking = asyncio.create_task(enrols(bench, LI, LI))
            await bench.until(lambda bench=bench, on=on: bench.module.asked[on] > 0)  # type: ignore[misc]
            asking.cancel()
            assert await bench.driver.slots() == frozenset()
            assert bench.module.asked[c.Store] == 1
            assert not bench.running.done()


@in_skipped_time
async def test_a_gateway_that_ends_while_a_finger_is_stored_leaves_nothing() -> None:
    async with finger_bench(SimulatedModule(reply_s=0.1)) as bench:
        asking = asyncio.create_task(enrols(bench, LI, LI))
        await bench.until(lambda: bench.module.asked[c.Store] > 0)
        bench.running.cancel()
        with pytest.raises(LinkUnavailable):
            await asking
        assert bench.module.library == {}


@in_skipped_time
async def test_a_slot_that_the_module_does_not_have_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    async with finger_bench() as bench:
        monkeypatch.setattr(bench.module, "_search", lambda *_: Found(60_000, 128))
        with pytest.raises(DeviceMismatch) as caught:
            await asks(bench, LI)
        assert caught.value.code == "page"
        assert "family" in str(caught.value)


FORBIDDEN = {
    c.UpChar,
    c.DownChar,
    c.UpImage,
    c.DownImage,
    c.Load,
    c.ReadInfPage,
    c.SetSysPara,
    c.SetPwd,
    c.Empty,
}


@pytest.mark.parametrize("family", FAMILIES)
@in_skipped_time
async def test_no_question_moves_a_template_or_an_image_or_a_setting(family: Family) -> None:
    async with finger_bench(SimulatedModule(family)) as bench:
        await enrols(bench, LI, LI)
        await asks(bench, LI)
        await bench.driver.erase([0])
        await bench.driver.slots()
        await bench.driver.show(accepted=True)
        await asyncio.sleep(30)
        assert not FORBIDDEN & set(bench.module.asked)
        assert len(bench.module.asked) >= 10


def test_no_driver_command_or_event_can_carry_a_template_or_an_image() -> None:
    """Nothing that a driver gives or takes has room for bytes, and no driver's code names the commands."""
    for module in (factors, events):
        for kind in vars(module).values():
            if dataclasses.is_dataclass(kind):
                for field in dataclasses.fields(kind):
                    assert "bytes" not in str(field.type), (kind, field.name)
    for name in ("identify", "enrol", "erase", "slots", "show"):
        for protocol in (FactorDevice, FingerprintReader):
            assert "bytes" not in str(inspect.signature(getattr(protocol, name)))
    root = Path(__file__).parents[2]
    names = ("UpChar", "DownChar", "UpImage", "DownImage", "data_packets", "ReadInfPage")
    product = [
        *(path for path in (root / "drivers").rglob("*.py") if "simulators" not in path.parts),
        *(root / "gateway").rglob("*.py"),
        root / "firmware_protocols/zfm/exchanges.py",
    ]
    assert len(product) > 50
    for path in product:
        text = path.read_text()
        assert not [name for name in names if name in text], path


def test_settings_are_read_with_their_defaults(tmp_path: Path) -> None:
    table: dict[str, object] = {"port": "/dev/x", "family": "grow"}
    assert FingerprintSettings.parse("finger-1", table) == FingerprintSettings(
        port="/dev/x", family=Family.GROW, baud=57600, address=0xFFFFFFFF, password=None, presses=2
    )
    (tmp_path / "password").write_text("0000BEEF\n")
    read = FingerprintSettings.parse("finger-1", {**table, "password_file": str(tmp_path / "password")})
    assert read.password == 0xBEEF
    assert "48879" not in repr(read)
    assert isinstance(build("finger.zfm", "finger-1", table, RecordingHost()), FingerprintReader)


@pytest.mark.parametrize(
    ("settings", "code", "text"),
    [
        ({"port": "/dev/x"}, "missing_setting", "'family' is missing"),
        ({"family": "grow"}, "missing_setting", "'port' is missing"),
        (
            {"port": "/dev/x", "family": "gro"},
            "out_of_range",
            "one of grow, synochip, not 'gro', did you mean 'grow'",
        ),
        ({"port": "/dev/x", "family": "grow", "baud": 14400}, "out_of_range", "'baud' must be one of 9600"),
        ({"port": "/dev/x", "family": "grow", "address": 2**32}, "out_of_range", "'address' must be 0 to"),
        ({"port": "/dev/x", "family": "grow", "presses": 1}, "out_of_range", "'presses' must be 2 to 6"),
        ({"port": "/dev/x", "family": "grow", "security_level": 1}, "unknown_setting", "'security_level'"),
        ({"port": "/dev/x", "family": "grow", "password_file": "/nowhere"}, "unreadable", "cannot be read"),
        (
            {"port": "/dev/x", "family": "grow", "password_file": __file__},
            "wrong_type",
            "must hold hex digits",
        ),
    ],
)
def test_wrong_setting_is_named(settings: dict[str, object], code: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        FingerprintSettings.parse("finger-1", settings)
    assert caught.value.code == code
    assert text in str(caught.value)


def test_a_password_that_is_too_long_is_named_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("123456789")
    with pytest.raises(SettingsError) as caught:
        FingerprintSettings.parse(
            "finger-1", {"port": "/dev/x", "family": "grow", "password_file": str(tmp_path / "password")}
        )
    assert caught.value.code == "out_of_range"
    assert "123456789" not in str(caught.value)


@in_skipped_time
async def test_a_module_that_is_not_there_answers_no_question() -> None:
    async with finger_bench() as bench:
        questions: list[Callable[[], Awaitable[object]]] = [
            lambda: asks(bench),
            lambda: enrols(bench),
            lambda: bench.driver.erase([1]),
            bench.driver.slots,
            lambda: bench.driver.show(accepted=True),
        ]
        bench.far.unplug()
        await bench.end()
        for question in questions:
            with pytest.raises(LinkUnavailable) as away:
                await question()
            assert away.value.code == "away"


@pytest.mark.parametrize("seed", range(6))
@in_skipped_time
async def test_on_a_line_full_of_faults_nobody_is_taken_for_somebody_else(seed: int) -> None:
    """Wrong answers are what must not happen; a fault that is told is none."""
    shares = dict.fromkeys(
        (FaultKind.NOISE_BEFORE, FaultKind.NOISE_INSIDE, FaultKind.CUT, FaultKind.CHECKSUM, FaultKind.MUTE,
         FaultKind.HUGE, FaultKind.TWICE, FaultKind.LATE, FaultKind.ASK_AGAIN), 0.04,
    )  # fmt: skip
    module = SimulatedModule(mix=FaultMix(shares, seed=seed), reply_s=0.05)
    people = {Finger(f"person {number}"): number for number in range(5)}
    for finger, slot in people.items():
        module.know(slot, finger)
    stranger = Finger("stranger")
    rng, answers, faults = random.Random(seed), 0, 0
    async with finger_bench(module) as bench:
        for _ in range(120):
            finger = rng.choice([*people, stranger])
            if bench.running.done():
                bench.restart()
                await asyncio.sleep(8)
            asking = asyncio.create_task(asks(bench, finger, timeout_s=30))
            if rng.random() < 0.2:
                await asyncio.sleep(rng.random())
                asking.cancel()
            try:
                told = await asking
            except DriverError:
                faults += 1
            except asyncio.CancelledError:
                pass
            else:
                answers += 1
                known = finger in people
                assert told == (
                    Matched(people[finger], 128, SERIALS[Family.GROW]) if known else NotMatched("unknown")
                )
            module.lift()
    assert answers > 60, (answers, faults)
