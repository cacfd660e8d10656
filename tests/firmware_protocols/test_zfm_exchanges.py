"""Procedures with a fingerprint module, played against the simulated far end, and each refusal of it."""

from collections.abc import Callable
from typing import Any

import pytest

from drivers.simulators.fingerprint import Finger, SimulatedModule, Skin
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError, ReplyTimeout
from firmware_protocols.exchange import Ask, Pause
from firmware_protocols.zfm import commands as c
from firmware_protocols.zfm import exchanges as x
from firmware_protocols.zfm import vendor_commands as v
from firmware_protocols.zfm.confirm import CONFIRMS, Action
from firmware_protocols.zfm.exchanges import Prompt, Station
from firmware_protocols.zfm.family import Family
from firmware_protocols.zfm.messages import Command
from firmware_protocols.zfm.packet import Packet, Pid
from firmware_protocols.zfm.replies import reply_packet

GROW, SYNOCHIP = Station(Family.GROW), Station(Family.SYNOCHIP)
FAMILIES = [GROW, SYNOCHIP]
LI, WANG = Finger("Li"), Finger("Wang")
MUTE = object()
Spoil = Callable[[Command, Packet], Packet | object]


class Hand:
    """Does what it is told: presses the fingers of a list one after the other."""

    def __init__(self, module: SimulatedModule, *fingers: Finger) -> None:
        self.module = module
        self.fingers = list(fingers)
        self.told: list[str] = []

    def __call__(self, prompt: Prompt) -> None:
        self.told.append(str(prompt))
        if prompt in {Prompt.LIFT, Prompt.POOR}:
            self.module.lift()
        elif self.fingers:
            self.module.press(self.fingers.pop(0))


def play(
    exchange: x.Talk[Any], module: SimulatedModule, spoil: Spoil = lambda _, packet: packet, looks: int = 200
) -> Any:
    """The result of a procedure; what it asks is answered by the module."""
    step = next(exchange)
    try:
        for _ in range(looks):
            if isinstance(step, Pause):
                step = exchange.send(None)
                continue
            assert isinstance(step, Ask)  # these modules never talk before they answer
            command = c.parse_command(module.family, step.request)
            module.asked[type(command)] += 1
            packet = spoil(command, reply_packet(command, module._answer(command), step.request.address))
            if packet is MUTE:
                step = exchange.throw(ReplyTimeout("nothing"))
            else:
                assert isinstance(packet, Packet)
                step = exchange.send(packet)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the procedure does not end")


def module_of(station: Station, **settings: Any) -> SimulatedModule:
    return SimulatedModule(station.family, **settings)


@pytest.mark.parametrize("station", FAMILIES, ids=str)
def test_a_module_introduces_itself(station: Station) -> None:
    told = play(x.introduce(station, None), module_of(station))
    grow = station is GROW
    assert told.serial == ("0001-SIM00001" if grow else b"SIM00001".hex().upper())
    assert told.model == ("R503-SIM" if grow else "ZFM 0009")
    assert told.parameters.capacity == 200


@pytest.mark.parametrize("station", FAMILIES, ids=str)
@pytest.mark.parametrize("serial", [b"\0" * 8, b"\xff" * 8, b"00000000"])
def test_a_blank_serial_number_is_none(station: Station, serial: bytes) -> None:
    if station is SYNOCHIP and serial != b"\0" * 8:
        serial = serial * 4
    assert play(x.introduce(station, None), module_of(station, serial=serial)).serial is None


def test_a_serial_number_that_is_no_text_is_given_in_hex() -> None:
    told = play(x.introduce(GROW, None), module_of(GROW, serial=b"AB\x01\x02CDEF"))
    assert told.serial == "0001-" + b"AB\x01\x02CDEF".hex().upper()


def test_a_module_that_does_not_know_the_question_has_no_serial_number() -> None:
    def unknown(command: Command, packet: Packet) -> Packet | object:
        return Packet(Pid.ACKNOWLEDGE, b"\xfc") if isinstance(command, v.ReadProdInfo) else packet

    def mute(command: Command, packet: Packet) -> Packet | object:
        return MUTE if isinstance(command, v.ReadProdInfo) else packet

    def odd(command: Command, packet: Packet) -> Packet | object:
        return Packet(Pid.ACKNOWLEDGE, bytes(9)) if isinstance(command, v.ReadProdInfo) else packet

    for spoil in (unknown, mute, odd):
        assert play(x.introduce(GROW, None), module_of(GROW), spoil).serial is None
    module = module_of(GROW)
    assert play(x.introduce(GROW, None, with_serial=False), module).serial is None
    assert module.asked[v.ReadProdInfo] == 0


def test_a_password_is_proven_or_refused() -> None:
    module = module_of(GROW, password=7)
    with pytest.raises(x.ModuleRefusal) as caught:
        play(x.introduce(GROW, None), module)
    assert (caught.value.code, caught.value.confirm.action) == ("password_required", Action.ACCESS)
    with pytest.raises(x.ModuleRefusal) as caught:
        play(x.introduce(GROW, 8), module)
    assert caught.value.code == "wrong_password"
    assert play(x.introduce(GROW, 7), module).parameters.status_bits == ("password verified",)


@pytest.mark.parametrize("station", FAMILIES, ids=str)
def test_a_finger_is_recognised_or_unknown(station: Station) -> None:
    module = module_of(station)
    module.know(5, LI)
    assert play(x.identify(station, 200, Hand(module, LI)), module) == x.Recognised(5, 128)
    assert play(x.identify(station, 200, Hand(module, WANG)), module) == x.Unknown()


def test_a_finger_is_waited_for() -> None:
    module = module_of(GROW)
    exchange = x.identify(GROW, 200, Hand(module))
    with pytest.raises(AssertionError, match="does not end"):
        play(exchange, module, looks=50)


@pytest.mark.parametrize("skin", [skin for skin in Skin if skin is not Skin.GOOD])
def test_a_poor_picture_is_taken_again_after_lifting(skin: Skin) -> None:
    module = module_of(GROW)
    module.know(5, LI)
    poor = Finger("Li", skin)
    hand = Hand(module, poor, LI)
    assert play(x.identify(GROW, 200, hand), module) == x.Recognised(5, 128)
    assert hand.told == ["press", "poor", "again"]
    hand = Hand(module, poor, poor, poor, LI)
    told = play(x.identify(GROW, 200, hand), module)
    assert isinstance(told, x.Poor)
    assert told.confirm.action is Action.PRESS_AGAIN
    assert hand.told == ["press", "poor", "again", "poor", "again"]


@pytest.mark.parametrize("station", FAMILIES, ids=str)
@pytest.mark.parametrize("presses", [2, 3, 6])
def test_a_finger_is_enrolled_by_presses_with_lifting_in_between(station: Station, presses: int) -> None:
    module = module_of(station)
    hand = Hand(module, *[LI] * presses)
    assert play(x.take(station, presses, 200, hand), module) is None
    assert hand.told == ["press", *["lift", "again"] * (presses - 1)]
    assert play(x.keep(station, 9), module) is x.Kept.STORED
    assert play(x.taken(station, 200), module) == {9}
    assert play(x.count(station), module) == 1


def test_nobody_is_enrolled_twice() -> None:
    module = module_of(GROW)
    module.know(3, LI)
    assert play(x.take(GROW, 2, 200, Hand(module, LI, LI)), module) == x.Known(3)
    assert play(x.take(GROW, 2, 200, Hand(module, WANG, LI)), module) == x.Known(3)


def test_presses_of_two_fingers_and_a_full_library_are_told() -> None:
    module = module_of(GROW, capacity=1)
    play(x.take(GROW, 2, 1, Hand(module, LI, WANG)), module)
    assert play(x.keep(GROW, 0), module) is x.Kept.NOT_ALIKE
    play(x.take(GROW, 2, 1, Hand(module, LI, LI)), module)
    module.refusals[c.Store] = 0x1F
    assert play(x.keep(GROW, 0), module) is x.Kept.FULL
    poor = Finger("Li", Skin.WET)
    assert isinstance(play(x.take(GROW, 2, 1, Hand(module, poor, poor, poor)), module), x.Poor)


def test_slots_are_deleted_and_repeating_is_harmless() -> None:
    module = module_of(GROW, capacity=1000)
    for slot in (0, 255, 256, 999):
        module.know(slot, Finger(str(slot)))
    assert play(x.taken(GROW, 1000), module) == {0, 255, 256, 999}
    assert module.asked[c.ReadIndexTable] == 4
    for _ in range(2):
        assert play(x.erase(GROW, [255, 999, 4], 1000), module) == frozenset()
    assert module.asked[c.Delete] == 2
    module.refusals[c.Delete] = 0x10
    assert play(x.erase(GROW, [0], 1000), module) == {0}


def test_slots_beyond_the_capacity_are_not_believed() -> None:
    module = module_of(GROW, capacity=10)
    module.library[200] = b"x"
    assert play(x.taken(GROW, 10), module) == frozenset()


def test_a_match_beyond_the_capacity_is_not_believed() -> None:
    module = module_of(GROW)
    module.know(150, LI)
    module_says = play(x.identify(GROW, 200, Hand(module, LI)), module)
    assert module_says == x.Recognised(150, 128)

    def shifted(command: Command, packet: Packet) -> Packet | object:
        return (
            Packet(Pid.ACKNOWLEDGE, bytes.fromhex("00FFFF0050")) if isinstance(command, c.Search) else packet
        )

    with pytest.raises(RemoteProtocolError) as caught:
        play(x.identify(GROW, 200, Hand(module, LI)), module, shifted)
    assert caught.value.code == "page"


def test_a_verdict_is_shown_in_the_words_of_the_family() -> None:
    for accepted, aura, led in ((True, x.GREEN, x.LED_GREEN), (False, x.RED, x.LED_RED)):
        grow, synochip = module_of(GROW), module_of(SYNOCHIP)
        assert play(x.light(GROW, accepted=accepted), grow)
        assert play(x.light(SYNOCHIP, accepted=accepted), synochip)
        assert grow.lights == [v.AuraLedConfig(2, 0x40, aura, 3)]
        assert synochip.lights == [v.LedControl(2, led, led, 3)]


def test_a_module_without_that_light_is_no_error() -> None:
    module = module_of(GROW)

    def no_green(command: Command, packet: Packet) -> Packet | object:
        green = isinstance(command, v.AuraLedConfig) and command.color == x.GREEN
        return Packet(Pid.ACKNOWLEDGE, b"\x1b") if green else packet

    assert play(x.light(GROW, accepted=True), module, no_green)
    assert [one.color for one in module.lights if isinstance(one, v.AuraLedConfig)] == [x.GREEN, x.BLUE]
    assert not play(x.light(GROW, accepted=False), module, lambda *_: MUTE)
    module.refusals[v.AuraLedConfig] = 0xFC
    assert not play(x.light(GROW, accepted=True), module)


PROCEDURES: dict[str, tuple[type[Command], Callable[[SimulatedModule], x.Talk[Any]]]] = {
    "introduce": (c.ReadSysPara, lambda _: x.introduce(GROW, None)),
    "verify": (c.VfyPwd, lambda _: x.introduce(GROW, 0)),
    "look": (c.GenImg, lambda module: x.identify(GROW, 200, Hand(module, LI))),
    "features": (c.Img2Tz, lambda module: x.identify(GROW, 200, Hand(module, LI))),
    "search": (c.Search, lambda module: x.identify(GROW, 200, Hand(module, LI))),
    "merge": (c.RegModel, lambda _: x.keep(GROW, 0)),
    "taken": (c.ReadIndexTable, lambda _: x.taken(GROW, 200)),
    "count": (c.TemplateNum, lambda _: x.count(GROW)),
}
UNEXPECTED = [
    code for code, confirm in CONFIRMS.items()
    if confirm.action in {Action.FAULT, Action.REPORT, Action.ACCESS, Action.REFUSED} and code != 0x55
]  # fmt: skip


@pytest.mark.parametrize("name", PROCEDURES)
@pytest.mark.parametrize("code", UNEXPECTED, ids=lambda code: f"{code:02X}")
def test_every_refusal_rises_with_its_code(name: str, code: int) -> None:
    refused, procedure = PROCEDURES[name]
    module = module_of(GROW)
    module.refusals[refused] = code
    with pytest.raises(x.ModuleRefusal) as caught:
        play(procedure(module), module)
    assert caught.value.code == CONFIRMS[code].name
    assert caught.value.confirm.advice


@pytest.mark.parametrize("name", PROCEDURES)
def test_a_damaged_command_is_asked_again_and_then_told(name: str) -> None:
    refused, procedure = PROCEDURES[name]
    module = module_of(GROW)
    module.know(1, LI)
    left = {"mute": 2, "damaged": 2}

    def twice(kind: str) -> Spoil:
        def spoil(command: Command, packet: Packet) -> Packet | object:
            if not isinstance(command, refused) or left[kind] == 0:
                return packet
            left[kind] -= 1
            return MUTE if kind == "mute" else Packet(Pid.ACKNOWLEDGE, b"\x01")

        return spoil

    if name != "merge":
        for kind in ("mute", "damaged"):
            play(procedure(module), module, twice(kind))
            assert left[kind] == 0
    with pytest.raises(RemoteProtocolError) as caught:
        play(
            procedure(module),
            module,
            lambda cmd, packet: Packet(Pid.ACKNOWLEDGE, b"\x01") if isinstance(cmd, refused) else packet,
        )
    assert caught.value.code == "line_noise"
    with pytest.raises(ReplyTimeout):
        play(procedure(module), module, lambda cmd, packet: MUTE if isinstance(cmd, refused) else packet)


def test_answers_that_fit_no_question_are_told() -> None:
    def odd(command: Command, packet: Packet) -> Packet | object:
        return Packet(Pid.ACKNOWLEDGE, b"\0\0\0\0\0\0\0\0\0")

    with pytest.raises(RemoteProtocolError) as caught:
        play(x.count(GROW), module_of(GROW), odd)
    assert caught.value.code == "message_length"
    exchange = x.count(GROW)
    next(exchange)
    with pytest.raises(LocalProtocolError, match="runner"):
        exchange.send(None)


def test_the_address_of_the_module_is_used() -> None:
    exchange = x.count(Station(Family.GROW, 0x12345678))
    step = next(exchange)
    assert isinstance(step, Ask)
    assert step.request.address == 0x12345678


def test_no_procedure_asks_for_a_template_or_an_image() -> None:
    forbidden = {c.UpChar, c.DownChar, c.UpImage, c.DownImage, c.Load, c.ReadInfPage}
    for station in FAMILIES:
        module = module_of(station)
        play(x.introduce(station, 0), module)
        play(x.take(station, 2, 200, Hand(module, LI, LI)), module)
        play(x.keep(station, 1), module)
        play(x.identify(station, 200, Hand(module, LI)), module)
        play(x.light(station, accepted=True), module)
        play(x.erase(station, [1], 200), module)
        play(x.count(station), module)
        assert not forbidden & set(module.asked)
        assert len(module.asked) >= 9
