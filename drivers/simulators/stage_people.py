"""What can happen to simulated card readers, fingerprint and face modules: people come. Words: README.md.

Person n is the n-th of a seed, the same at every device, and the same as in the demo: whoever has a card there has a
finger and a face here.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice

from drivers.simulators.badge_line import FAULTS as OF_A_LINE
from drivers.simulators.badge_line import SimulatedConverter
from drivers.simulators.cards import (
    Card,
    cards,
    refused,
    with_lone_surrogate,
    with_short_text,
    with_unknown_type,
)
from drivers.simulators.counter import visit
from drivers.simulators.face import SimulatedFaceModule
from drivers.simulators.faces import Face, asleep, far_then_near, picture_of, walks_away
from drivers.simulators.faults import FaultKind
from drivers.simulators.fingerprint import SimulatedModule, Skin
from drivers.simulators.idcard import SimulatedReader
from drivers.simulators.kiosk import finger_of
from drivers.simulators.osdp import SimulatedOsdpReader
from drivers.simulators.script import LONGEST_WAIT_S, Act, Words
from drivers.simulators.stage import Socket, Stage, fault_word, unplug_word
from drivers.simulators.step import Step
from drivers.simulators.wire import Port
from firmware_protocols.efaa_xor16.msg_ids import MsgId
from firmware_protocols.idcard_sam.commands import Command
from firmware_protocols.osdp.codes import Command as OsdpCommand
from firmware_protocols.wiegand.card import Card as WiegandCard
from firmware_protocols.zfm import commands as zfm

MOST_PEOPLE = 9999
FINGER_SLOTS, FACE_SLOTS = 199, 50  # as many as the simulated modules hold
FOR_S, FINGER_FOR_S, FACE_FOR_S = 1.0, 2.0, 4.0  # how long somebody stays, where the script does not say
FINE = "fine"
BAD: Mapping[str, Callable[[Card], Card]] = {
    FINE: lambda card: card,
    "not_selected": lambda card: refused(card, Command.SELECT_CARD, 0x81),
    "not_read": lambda card: refused(card, Command.READ_CARD, 0x41),
    "half_a_character": with_lone_surrogate,
    "unknown_type": with_unknown_type,
    "short_text": with_short_text,
}
LOOKS: Mapping[str, Callable[[str], Face]] = {
    FINE: Face,
    "far": far_then_near,
    "walks_away": walks_away,
    "photo": lambda label: picture_of(Face(label)),
    "asleep": lambda label: asleep(Face(label)),
}
SITE = 1 << 16  # of the invented access cards
KEYPAD = "0123456789*#"
ALL = tuple(FaultKind)
NO_DIALECT = tuple(kind for kind in FaultKind if kind is not FaultKind.DIALECT)
SAYS_BY_ITSELF = tuple(kind for kind in NO_DIALECT if kind is not FaultKind.ASK_AGAIN)


def idcard_stage(reader: SimulatedReader, port: Port, seed: int, tell: Callable[[str], None]) -> Stage:
    """`card`: person n lays it down until it is read, and `for_s` longer; `how` is it."""
    socket = Socket(reader, port)

    def card(step: Step) -> Act:
        person = _person(step, "card")
        for_s = _for_s(step, FOR_S)
        how = BAD[step.word("how", BAD, FINE)]
        laid = how(next(islice(cards(seed), person - 1, None)))
        return lambda: visit(reader, laid, for_s, tell)

    on = {one.name.lower(): one for one in Command}
    return Stage(
        "idcard.sam",
        {"card": card, **fault_word(reader.faults, ALL, on), **unplug_word(socket)},
        socket.serve,
    )


def finger_stage(module: SimulatedModule, port: Port, seed: int) -> Stage:
    """`finger`: person n lays it on for `for_s`; `how` is it. `know`: it is enrolled, in slot n."""
    socket = Socket(module, port)
    skins = {skin.name.lower().replace("good", FINE): skin for skin in Skin}

    def finger(step: Step) -> Act:
        person, for_s = _person(step, "finger"), _for_s(step, FINGER_FOR_S)
        laid = replace(finger_of(seed, person), skin=skins[step.word("how", skins, FINE)])

        async def press() -> None:
            module.press(laid)
            await asyncio.sleep(for_s)
            module.lift()

        return press

    def know(step: Step) -> Act:
        person = step.whole("know", least=1, most=FINGER_SLOTS)

        async def enrol() -> None:
            module.know(person, finger_of(seed, person))

        return enrol

    on: Mapping[str, object] = {"picture": zfm.GenImg, "features": zfm.Img2Tz, "search": zfm.Search}
    words = {
        "finger": finger,
        "know": know,
        **fault_word(module.faults, NO_DIALECT, on),
        **unplug_word(socket),
    }
    return Stage("finger.zfm", words, socket.serve)


def face_stage(module: SimulatedFaceModule, port: Port, seed: int) -> Stage:
    """`face`: person n stands there for `for_s`; `how`. `know`: it is enrolled, in slot n."""
    socket = Socket(module, port)

    def face(step: Step) -> Act:
        person, for_s = _person(step, "face"), _for_s(step, FACE_FOR_S)
        seen = LOOKS[step.word("how", LOOKS, FINE)](_face_of(seed, person))

        async def stand() -> None:
            module.stand(seen)
            await asyncio.sleep(for_s)
            module.leave()

        return stand

    def know(step: Step) -> Act:
        person = step.whole("know", least=1, most=FACE_SLOTS)

        async def enrol() -> None:
            module.know(Face(_face_of(seed, person)), person)

        return enrol

    on = {one.name.lower(): one for one in (MsgId.VERIFY, MsgId.ENROLL_ITG, MsgId.GETSTATUS, MsgId.NOTE)}
    words = {
        "face": face,
        "know": know,
        **fault_word(module.faults, SAYS_BY_ITSELF, on),
        **unplug_word(socket),
    }
    return Stage("face.efaa_xor16", words, socket.serve)


def osdp_stage(reader: SimulatedOsdpReader, port: Port) -> Stage:
    """`card`: the access card of person n. `keys`: of its keypad. `case`: opened or closed."""
    socket = Socket(reader, port)

    def card(step: Step) -> Act:
        bits = WiegandCard(SITE + _person(step, "card")).to_bits()
        return _soon(lambda: reader.present(bits))

    def keys(step: Step) -> Act:
        pressed = step.text("keys", KEYPAD).replace("#", "\r").replace("*", "\x7f").encode()
        return _soon(lambda: reader.press(pressed))

    def case(step: Step) -> Act:
        opened = step.word("case", ("open", "closed")) == "open"
        return _soon(lambda: reader.tampered(opened=opened))

    on = {one.name.lower(): one for one in (OsdpCommand.POLL, OsdpCommand.ID, OsdpCommand.LED)}
    words: Words = {
        "card": card, "keys": keys, "case": case,
        **fault_word(reader.faults, NO_DIALECT, on), **unplug_word(socket),
    }  # fmt: skip
    return Stage("reader.osdp", words, socket.serve, kept=lambda: int(not reader.said_everything))


def badge_line_stage(converter: SimulatedConverter, port: Port) -> Stage:
    """`card`: the access card of person n, the same as at an OSDP reader."""
    socket = Socket(converter, port)

    def card(step: Step) -> Act:
        bits = WiegandCard(SITE + _person(step, "card")).to_bits()
        return _soon(lambda: converter.present(bits))

    words = {"card": card, **fault_word(converter.faults, OF_A_LINE, {}), **unplug_word(socket)}
    return Stage("badge.line", words, socket.serve, kept=lambda: int(not converter.said_everything))


def _person(step: Step, key: str) -> int:
    return step.whole(key, least=1, most=MOST_PEOPLE)


def _for_s(step: Step, default: float) -> float:
    return step.number("for_s", least=0.0, most=LONGEST_WAIT_S, default=default)


def _face_of(seed: int, person: int) -> str:
    return f"{seed}/{person}"


def _soon(act: Callable[[], None]) -> Act:
    async def do() -> None:
        act()

    return do
