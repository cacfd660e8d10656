"""What a face module's driver answers, and how it leaves the module (in skipped time)."""

import asyncio
from itertools import pairwise

import pytest

from drivers.errors import DeviceFault, DeviceMismatch, DriverError, LinkLost, LinkUnavailable
from drivers.events import DeviceReady
from drivers.face_guide import STEPS, TURNS, FaceGuide
from drivers.factors import (
    Enrolled,
    Factor,
    FactorDevice,
    Matched,
    NotEnrolled,
    NotMatched,
    Step,
)
from drivers.links.memory_link import MemoryLink
from drivers.registry import build
from drivers.simulators.face import SERIAL, VERSION, SimulatedFaceModule
from drivers.simulators.face_answers import SPOILING, FirmwareHabits
from drivers.simulators.faces import Face, asleep, far_then_near, never_fit, picture_of, walks_away
from drivers.simulators.faults import Fault, FaultKind
from firmware_protocols.efaa_xor16.commands import Enroll, EnrollItg, Verify
from firmware_protocols.efaa_xor16.msg_ids import MsgId
from firmware_protocols.efaa_xor16.notes import FaceNote
from firmware_protocols.efaa_xor16.results import RESULTS, Action
from firmware_protocols.efaa_xor16.states import FACE_STATES, FIVE
from tests.drivers.bench import RecordingHost, in_skipped_time
from tests.drivers.face_bench import FaceBench, face_bench

ANNA, BERTA = Face("anna"), Face("berta")


def idle(bench: FaceBench) -> bool:
    return not bench.module.working


# -- who it is ------------------------------------------------------------------------------------------------


@in_skipped_time
async def test_the_module_says_who_it_is_and_is_a_factor_device() -> None:
    async with face_bench() as bench:
        assert bench.host.readies == [DeviceReady(firmware=VERSION, serial=SERIAL)]
        device: FactorDevice = bench.driver
        assert isinstance(device, FactorDevice)
        assert device.factor is Factor.FACE
        await device.show(accepted=True)


@in_skipped_time
async def test_a_module_that_still_works_is_stopped_first() -> None:
    near, far = MemoryLink.pair()
    await far.open()
    await near.open()
    module = SimulatedFaceModule()
    module.occupy(far, 60)
    bench = FaceBench(near, far, module)
    await bench.until_ready()
    assert idle(bench)
    await bench.stop()


@pytest.mark.parametrize(
    ("serial", "told"), [(b"\x80\x01\x02\x03\x04\x05\x06\x07", "8001020304050607"), (b"AB1", "AB1")]
)
@in_skipped_time
async def test_a_serial_number_of_any_kind_is_told(serial: bytes, told: str) -> None:
    async with face_bench(SimulatedFaceModule(serial=serial)) as bench:
        assert bench.host.readies[0].serial == told


@pytest.mark.parametrize(
    ("habit", "code"),
    [
        ("serial", "no_serial"),
        ("error", "module_error"),
        ("invalid", "not_initialised"),
        ("status 4", "module_error"),
    ],
)
@in_skipped_time
async def test_a_module_that_is_unfit_is_reported(habit: str, code: str) -> None:
    near, far = MemoryLink.pair()
    await far.open()
    module = SimulatedFaceModule(serial=bytes(8) if habit == "serial" else SERIAL.encode())
    module.status = {"error": 2, "invalid": 3, "status 4": 4}.get(habit, 0)
    bench = FaceBench(near, far, module)
    error = await bench.end()
    assert (type(error), error.code) == (DeviceFault, code)
    assert bench.host.readies == []
    await bench.stop()


@in_skipped_time
async def test_nobody_at_the_other_end_is_mute_and_another_device_is_garbled() -> None:
    near, far = MemoryLink.pair()
    await far.open()
    bench = FaceBench(near, far, SimulatedFaceModule())
    bench.serving.cancel()
    assert (await bench.end()).code == "mute"
    bench.restart()
    await asyncio.sleep(0.5)
    await far.send(b"hello, I am a router\r\n")
    error = await bench.end()
    assert (type(error), error.code) == (DeviceFault, "garbled")
    await bench.stop()


# -- recognising ----------------------------------------------------------------------------------------------


@in_skipped_time
async def test_a_known_face_is_matched_with_its_slot_and_module() -> None:
    async with face_bench() as bench:
        bench.module.know(BERTA)
        slot = bench.module.know(ANNA)
        bench.module.stand(ANNA)
        assert await bench.identify() == Matched(slot, None, SERIAL)
        assert idle(bench)
        assert bench.steps[0] is Step.PRESENT


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("result", [1, 8])
@pytest.mark.parametrize("tells_busy", [False, True])
@in_skipped_time
async def test_an_unknown_face_is_unknown_in_every_shape(
    result: int, *, full: bool, tells_busy: bool
) -> None:
    habits = FirmwareHabits(unknown_result=result, full_refusals=full, tells_busy=tells_busy)
    async with face_bench(SimulatedFaceModule(habits=habits)) as bench:
        bench.module.stand(ANNA)
        assert await bench.identify() == NotMatched("unknown")


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("face", "reason"),
    [
        (None, "nothing_presented"),
        (walks_away("anna"), "nothing_presented"),
        (never_fit("anna"), "poor"),
        (Face("anna", states=(13,) * 10_000), "eyes_closed"),
        (picture_of(ANNA), "liveness"),
        (asleep(ANNA), "eyes_closed"),
    ],
)
@in_skipped_time
async def test_a_face_that_will_not_do_is_told_why(face: Face | None, reason: str, *, full: bool) -> None:
    async with face_bench(SimulatedFaceModule(habits=FirmwareHabits(full_refusals=full))) as bench:
        bench.module.know(ANNA)
        if face is not None:
            bench.module.stand(face)
        assert await bench.identify() == NotMatched(reason)
        assert idle(bench)


@in_skipped_time
async def test_a_long_question_is_asked_in_pieces_and_lasts_as_long_as_wished() -> None:
    async with face_bench(verify_max_s=10) as bench:
        started = asyncio.get_running_loop().time()
        assert await bench.identify(timeout_s=35) == NotMatched("nothing_presented")
        assert 33 <= asyncio.get_running_loop().time() - started <= 40
        asked = [command.timeout_s for command in bench.module.commands if isinstance(command, Verify)]
        assert asked == [10, 10, 10, 5]
        bench.module.know(ANNA)
        asking = asyncio.create_task(bench.identify(timeout_s=35))
        await asyncio.sleep(24)
        bench.module.stand(ANNA)
        assert isinstance(await asking, Matched)


@in_skipped_time
async def test_a_short_question_still_gives_the_module_its_least_time() -> None:
    async with face_bench(verify_min_s=4) as bench:
        await bench.identify(timeout_s=0.5)
        assert [command.timeout_s for command in bench.module.commands if isinstance(command, Verify)] == [4]


@in_skipped_time
async def test_steps_lead_to_the_camera_and_are_damped() -> None:
    async with face_bench() as bench:
        bench.module.know(ANNA)
        asking = asyncio.create_task(bench.identify(timeout_s=10))
        await asyncio.sleep(3.1)
        bench.module.stand(far_then_near("anna"))
        assert isinstance(await asking, Matched)
        assert list(dict.fromkeys(bench.steps)) == [Step.PRESENT, Step.CLOSER]
        for step in set(bench.steps):
            times = [at for told, at in zip(bench.steps, bench.step_times, strict=True) if told is step]
            assert all(later - earlier >= 1 for earlier, later in pairwise(times))
        assert bench.steps.count(Step.PRESENT) <= 4
        assert bench.steps.count(Step.CLOSER) == 2


def test_every_state_that_asks_something_of_the_person_has_a_step() -> None:
    assert {code for code, state in FACE_STATES.items() if state.to_person} == set(STEPS)
    assert set(TURNS) == set(FIVE)
    told: list[Step] = []
    guide = FaceGuide(told.append, lambda: 0.0)
    for code in (*range(30), -1):
        guide.heard(FaceNote(code))
    assert set(told) == set(STEPS.values())


@in_skipped_time
async def test_demo_mode_matches_nobody_and_is_switched_off_and_reported() -> None:
    async with face_bench() as bench:
        bench.module.know(ANNA)
        bench.module.demo = True
        bench.module.stand(ANNA)
        with pytest.raises(DeviceFault) as caught:
            await bench.identify()
        assert caught.value.code == "demo_mode"
        assert (await bench.end()).code == "demo_mode"
        assert not bench.module.demo
        bench.restart()
        await bench.until_ready(2)
        assert isinstance(await bench.identify(), Matched)


@in_skipped_time
async def test_a_user_whose_id_is_ffff_never_matches() -> None:
    async with face_bench() as bench:
        bench.module.know(ANNA, 0xFFFF)
        bench.module.stand(ANNA)
        with pytest.raises(DeviceFault):
            await bench.identify()


@in_skipped_time
async def test_somebody_elses_work_is_ended_for_the_question() -> None:
    async with face_bench() as bench:
        bench.module.know(ANNA)
        bench.module.stand(ANNA)
        bench.module.occupy(bench.far, 60)
        assert isinstance(await bench.identify(), Matched)
        assert bench.module.asked[MsgId.RESET] == 2


@in_skipped_time
async def test_a_module_that_stays_busy_is_a_fault() -> None:
    async with face_bench() as bench:
        bench.module.results[MsgId.VERIFY] = 1
        bench.module.status = 1
        with pytest.raises(DeviceFault) as caught:
            await bench.identify()
        assert caught.value.code == "busy"
        assert (await bench.end()).code == "busy"


@pytest.mark.parametrize(
    "code", [code for code, r in RESULTS.items() if r.action in {Action.FAULT, Action.REPORT}] + [77]
)
@in_skipped_time
async def test_a_result_about_the_module_is_a_fault_with_its_name(code: int) -> None:
    async with face_bench() as bench:
        bench.module.results[MsgId.VERIFY] = code
        with pytest.raises(DeviceFault) as caught:
            await bench.identify()
        assert caught.value.code == (RESULTS[code].name if code in RESULTS else "unknown")
        assert "module: " in str(caught.value)
        assert isinstance(await bench.end(), DeviceFault)


@in_skipped_time
async def test_an_aborted_question_is_cancelled() -> None:
    async with face_bench() as bench:
        bench.module.results[MsgId.VERIFY] = 2
        assert await bench.identify() == NotMatched("cancelled")


# -- cancelling -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aborted_after_s", [None, 0.03, 0.3])
@pytest.mark.parametrize("tells_busy", [False, True])
@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.26, 0.7, 1.0, 2.5])
@in_skipped_time
async def test_a_cancelled_question_leaves_the_module_idle_and_the_next_answer_is_its_own(
    after_s: float, aborted_after_s: float | None, *, tells_busy: bool
) -> None:
    habits = FirmwareHabits(aborted_after_s=aborted_after_s, tells_busy=tells_busy)
    async with face_bench(SimulatedFaceModule(habits=habits, look_notes=3)) as bench:
        bench.module.know(BERTA)
        slot = bench.module.know(ANNA)
        if after_s == 0.7:
            bench.module.stand(BERTA)  # recognised just now, for a session that is over
        asking = asyncio.create_task(bench.identify())
        await asyncio.sleep(after_s)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        bench.module.stand(ANNA)
        assert await bench.identify() == Matched(slot, None, SERIAL)
        assert idle(bench)
        assert not bench.running.done()


@pytest.mark.parametrize("direction", ["single", "five"])
@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.5, 0.76, 1.6, 2.4, 3.2, 3.76])
@in_skipped_time
async def test_a_cancelled_enrolment_leaves_nobody_behind(after_s: float, direction: str) -> None:
    async with face_bench(direction=direction) as bench:
        bench.module.know(BERTA)
        bench.module.stand(ANNA)
        asking = asyncio.create_task(bench.enrol())
        await asyncio.sleep(after_s)
        if asking.done():  # it was quicker
            return
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await bench.driver.slots() == {1}
        assert idle(bench)
        assert bench.module._taken == 0


@in_skipped_time
async def test_a_face_taken_in_whose_reply_was_lost_is_erased_again() -> None:
    async with face_bench() as bench:
        bench.module.faults.add(Fault(FaultKind.CUT, MsgId.ENROLL_ITG))
        bench.module.stand(ANNA)
        assert isinstance(await bench.enrol(timeout_s=5), NotEnrolled)
        assert bench.module.users == {}
        assert idle(bench)


@in_skipped_time
async def test_a_driver_that_is_stopped_leaves_the_module_idle() -> None:
    async with face_bench() as bench:
        asking = asyncio.create_task(bench.identify())
        await asyncio.sleep(1)
        assert bench.module.working
        bench.running.cancel()
        with pytest.raises(LinkUnavailable):
            await asking
        await asyncio.wait([bench.running])
        assert idle(bench)


@in_skipped_time
async def test_a_module_that_goes_mute_while_it_works_is_reported_even_if_nobody_waits() -> None:
    async with face_bench() as bench:
        asking = asyncio.create_task(bench.identify())
        await asyncio.sleep(1)
        bench.serving.cancel()
        asking.cancel()
        await asyncio.wait([asking])
        error = await bench.end()
        assert (type(error), error.code) == (DeviceFault, "mute")


# -- enrolling and erasing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["single", "five"])
@pytest.mark.parametrize("variant", ["standard", "lk"])
@in_skipped_time
async def test_a_face_is_taken_in_and_recognised_and_erased(variant: str, direction: str) -> None:
    async with face_bench(variant=variant, direction=direction) as bench:
        bench.module.know(BERTA, 1)
        bench.module.stand(ANNA)
        assert await bench.enrol() == Enrolled(2, SERIAL)
        assert await bench.identify() == Matched(2, None, SERIAL)
        assert await bench.driver.slots() == {1, 2}
        await bench.driver.erase([2, 7])
        await bench.driver.erase([2, 7])
        await bench.driver.erase([])
        assert await bench.driver.slots() == {1}
        assert await bench.identify() == NotMatched("unknown")
        enrolments = [c for c in bench.module.commands if isinstance(c, Enroll | EnrollItg)]
        assert len(enrolments) == (5 if direction == "five" else 1)
        assert {type(c) for c in enrolments} == {Enroll if variant == "lk" else EnrollItg}
        assert {c.name for c in enrolments} == {""}
        if direction == "five":
            assert [s for s in bench.steps if s in TURNS.values()] == list(TURNS.values())


@in_skipped_time
async def test_lk_takes_the_slot_that_is_wished() -> None:
    async with face_bench(variant="lk") as bench:
        bench.module.stand(ANNA)
        assert await bench.enrol(slot=17) == Enrolled(17, SERIAL)


@pytest.mark.parametrize("direction", ["single", "five"])
@pytest.mark.parametrize(
    ("face", "reason", "slot"),
    [
        (BERTA, "already_enrolled", None),
        (picture_of(ANNA), "liveness", None),
        (None, "nothing_presented", None),
        (never_fit("anna"), "poor", None),
    ],
)
@in_skipped_time
async def test_a_face_that_will_not_do_is_not_taken_in(
    face: Face | None, reason: str, slot: int | None, direction: str
) -> None:
    async with face_bench(direction=direction) as bench:
        bench.module.know(BERTA)
        if face is not None:
            bench.module.stand(face)
        assert await bench.enrol() == NotEnrolled(reason, slot)
        assert await bench.driver.slots() == {1}
        assert idle(bench)


@in_skipped_time
async def test_the_slot_of_a_face_that_is_enrolled_is_told_where_the_module_does() -> None:
    async with face_bench(SimulatedFaceModule(habits=FirmwareHabits(names_enrolled=True))) as bench:
        bench.module.know(ANNA, 5)
        bench.module.stand(ANNA)
        assert await bench.enrol() == NotEnrolled("already_enrolled", 5)


@in_skipped_time
async def test_a_full_module_says_so() -> None:
    async with face_bench(SimulatedFaceModule(capacity=1)) as bench:
        bench.module.know(BERTA)
        bench.module.stand(ANNA)
        assert await bench.enrol() == NotEnrolled("full")


@in_skipped_time
async def test_who_does_not_turn_is_told_where_to_look_until_the_time_is_over() -> None:
    async with face_bench(direction="five") as bench:
        bench.module.stand(Face("anna", turns=False))
        assert await bench.enrol(timeout_s=25) == NotEnrolled("poor")
        assert set(bench.steps) == {Step.STRAIGHT, Step.RIGHT}
        assert bench.steps.count(Step.RIGHT) >= 4
        assert bench.module._taken == 0


@in_skipped_time
async def test_an_enrolment_that_is_refused_for_the_modules_own_reasons_is_a_fault() -> None:
    async with face_bench() as bench:
        bench.module.results[MsgId.ENROLL_ITG] = 6
        with pytest.raises(DeviceFault) as caught:
            await bench.enrol()
        assert caught.value.code == "parameter"


@pytest.mark.parametrize("habits", [FirmwareHabits(wants_format_byte=True), FirmwareHabits(pads_ids_to=100)])
@in_skipped_time
async def test_slots_are_listed_by_every_firmware(habits: FirmwareHabits) -> None:
    async with face_bench(SimulatedFaceModule(habits=habits)) as bench:
        for slot in (3, 900, 65534):
            bench.module.know(Face(f"face-{slot}"), slot)
        assert await bench.driver.slots() == {3, 900, 65534}


@pytest.mark.parametrize("message", [MsgId.DELUSER, MsgId.GET_ALL_USERID])
@in_skipped_time
async def test_erasing_that_is_not_proven_is_a_fault(message: MsgId) -> None:
    async with face_bench() as bench:
        bench.module.know(ANNA)
        bench.module.results[message] = 20
        with pytest.raises(DeviceFault) as caught:
            await bench.driver.erase([1])
        assert caught.value.code == "write_file"


# -- the wire -------------------------------------------------------------------------------------------------

HEALING = [
    FaultKind.NOISE_BEFORE,
    FaultKind.NOISE_INSIDE,
    FaultKind.CUT,
    FaultKind.CHECKSUM,
    FaultKind.MUTE,
    FaultKind.HUGE,
    FaultKind.TWICE,
    FaultKind.LATE,
]


@pytest.mark.parametrize(
    "on", [MsgId.RESET, MsgId.GETSTATUS, MsgId.GET_VERSION, MsgId.GET_SN, MsgId.FACERESET]
)
@pytest.mark.parametrize("kind", HEALING)
@in_skipped_time
async def test_a_spoilt_reply_at_the_start_is_asked_for_again(kind: FaultKind, on: MsgId) -> None:
    near, far = MemoryLink.pair()
    await far.open()
    module = SimulatedFaceModule()
    module.faults.add(Fault(kind, on))
    bench = FaceBench(near, far, module)
    await bench.until_ready()
    assert bench.host.readies == [DeviceReady(firmware=VERSION, serial=SERIAL)]
    await bench.stop()


@pytest.mark.parametrize("on", [MsgId.VERIFY, MsgId.NOTE])
@pytest.mark.parametrize("kind", HEALING)
@in_skipped_time
async def test_a_spoilt_word_never_matches_the_wrong_person(kind: FaultKind, on: MsgId) -> None:
    async with face_bench() as bench:
        bench.module.know(BERTA)
        slot = bench.module.know(ANNA)
        bench.module.faults.add(Fault(kind, on))
        bench.module.stand(BERTA)
        first = await bench.identify(timeout_s=5)
        assert first in {Matched(1, None, SERIAL), NotMatched("nothing_presented")}
        assert on is not MsgId.NOTE or first == Matched(1, None, SERIAL)
        bench.module.stand(ANNA)
        assert await bench.identify() == Matched(slot, None, SERIAL)
        assert idle(bench)
        assert not bench.running.done()
        harmless = {FaultKind.MUTE, FaultKind.LATE, *([FaultKind.TWICE] if on is MsgId.NOTE else [])}
        assert bench.host.noises.total() > 0 or kind in harmless


@pytest.mark.parametrize("on", [MsgId.GET_ALL_USERID, MsgId.DELUSER])
@pytest.mark.parametrize("kind", HEALING)
@in_skipped_time
async def test_a_spoilt_answer_about_slots_is_asked_for_again(kind: FaultKind, on: MsgId) -> None:
    async with face_bench() as bench:
        bench.module.know(ANNA)
        bench.module.know(BERTA)
        bench.module.faults.add(Fault(kind, on))
        await bench.driver.erase([1])
        assert await bench.driver.slots() == {2}


@in_skipped_time
async def test_a_note_cut_off_does_not_swallow_the_verdict() -> None:
    async with face_bench() as bench:
        bench.module.know(ANNA)
        bench.module.stand(ANNA)
        bench.module.faults.add(Fault(FaultKind.CUT, MsgId.NOTE, times=3))
        started = asyncio.get_running_loop().time()
        assert isinstance(await bench.identify(), Matched)
        assert asyncio.get_running_loop().time() - started < 2
        # The last piece ran into the verdict, which was found behind it all the same.
        assert set(bench.host.noises) == {"truncated", "checksum"}


@pytest.mark.parametrize("moment", ["idle", "in a note", "in the verdict"])
@in_skipped_time
async def test_an_unplugged_module_is_lost_then_absent_then_back(moment: str) -> None:
    async with face_bench() as bench:
        bench.module.know(ANNA)
        bench.module.stand(ANNA)
        assert isinstance(bench.far, MemoryLink)
        if moment == "idle":
            bench.far.unplug()
        else:
            on = MsgId.NOTE if moment == "in a note" else MsgId.VERIFY
            bench.module.faults.add(Fault(FaultKind.UNPLUG, on))
            with pytest.raises(LinkLost):
                await bench.identify()
        assert (await bench.end()).code == "unplugged"
        with pytest.raises(LinkUnavailable) as away:
            await bench.identify()
        assert away.value.code == "away"
        bench.restart()
        assert (await bench.end()).code == "absent"
        bench.far.plug()
        await bench.far.open()
        bench.serving = asyncio.create_task(bench.module.serve(bench.far))
        bench.restart()
        await bench.until_ready(2)
        assert isinstance(await bench.identify(), Matched)


@in_skipped_time
async def test_a_module_at_rest_is_looked_at_and_missed_when_it_is_gone() -> None:
    async with face_bench() as bench:
        asked = bench.module.asked[MsgId.GETSTATUS]
        await asyncio.sleep(61)
        assert 10 <= bench.module.asked[MsgId.GETSTATUS] - asked <= 12
        assert bench.module.asked[MsgId.VERIFY] == 0
        bench.module.occupy(bench.far, 200)
        await asyncio.sleep(10)
        assert idle(bench)
        bench.module.faults.add(Fault(FaultKind.MUTE, MsgId.GETSTATUS, times=2))
        await asyncio.sleep(30)
        assert not bench.running.done()
        bench.serving.cancel()
        assert (await bench.end()).code == "mute"


@in_skipped_time
async def test_a_module_that_starts_again_by_itself_goes_on() -> None:
    async with face_bench() as bench:
        bench.serving.cancel()
        await asyncio.wait([bench.serving])
        bench.serving = asyncio.create_task(bench.module.serve(bench.far))
        bench.module.know(ANNA)
        bench.module.stand(ANNA)
        assert isinstance(await bench.identify(), Matched)
        assert bench.host.noises == {"unsolicited": 7}


@in_skipped_time
async def test_another_protocol_in_the_same_frames_is_a_mismatch() -> None:
    async with face_bench() as bench:
        bench.module.results[MsgId.GETSTATUS] = 5
        error = await bench.end()
        assert (type(error), error.code) == (DeviceMismatch, "status")


@pytest.mark.parametrize("status", [0, 250])
@in_skipped_time
async def test_an_unlock_status_that_nobody_knows_matches_nobody(status: int) -> None:
    async with face_bench(SimulatedFaceModule(habits=FirmwareHabits(unlock_status=status))) as bench:
        bench.module.know(ANNA)
        bench.module.stand(ANNA)
        with pytest.raises(DeviceMismatch) as caught:
            await bench.identify()
        assert caught.value.code == "unlock_status"
        assert isinstance(await bench.end(), DeviceMismatch)


@in_skipped_time
async def test_slots_that_cannot_be_listed_are_a_fault() -> None:
    async with face_bench() as bench:
        bench.module.results[MsgId.GET_ALL_USERID] = 19
        with pytest.raises(DeviceFault) as caught:
            await bench.driver.slots()
        assert caught.value.code == "read_file"


@pytest.mark.parametrize("asking", ["identify", "slots"])
@in_skipped_time
async def test_a_module_that_falls_silent_while_it_is_asked_is_mute(asking: str) -> None:
    async with face_bench() as bench:
        bench.serving.cancel()
        with pytest.raises(DeviceFault) as caught:
            await (bench.identify() if asking == "identify" else bench.driver.slots())
        assert caught.value.code == "mute"
        assert (await bench.end()).code == "mute"


@in_skipped_time
async def test_questions_wait_for_each_other() -> None:
    async with face_bench() as bench:
        slot = bench.module.know(ANNA)
        bench.module.stand(ANNA)
        first, second, slots = await asyncio.gather(bench.identify(), bench.identify(), bench.driver.slots())
        assert first == second == Matched(slot, None, SERIAL)
        assert slots == {slot}


async def test_a_device_that_is_not_connected_says_so() -> None:
    driver = build("face.efaa_xor16", "face-1", {"port": "/dev/x"}, RecordingHost())
    assert isinstance(driver, FactorDevice)
    with pytest.raises(DriverError) as caught:
        await driver.slots()
    assert caught.value.code == "away"


def test_noise_of_the_simulator_is_noise() -> None:
    assert b"\xef\xaa" in SPOILING.noise
