"""`zhijiao probe`: what stands at the serial ports and is in the air, how sure that is, lines for the configuration.

Each port is listened to, and then asked who it is by the drivers themselves, in a safe order. Nothing is written to
a device, and nobody is enrolled. A port that a running gateway serves is in use and left alone. A converter of badges
(badge.line) cannot be asked: it speaks when a badge is held to its reader. Meanwhile the air is listened to for
wearables and beacons: nobody is connected to, and strangers' phones are only counted.
"""

import argparse
import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from drivers.links.serial_ports import FoundPort, UsbDevice, no_ports, serial_ports
from drivers.probing import QUESTIONS, Answer, Finding, probe
from drivers.probing_air import UART, Air, listen
from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.place import add_json
from gateway.cli.progress import Progress

EXIT_NOTHING = 1
EXIT_CODES: Mapping[int, str] = {
    0: "at least one device told who it is",
    EXIT_NOTHING: "no device told who it is, see the lines",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands,
        "probe",
        summary="find out what is plugged in (识别已接设备)",
        text=__doc__,
        codes=EXIT_CODES,
    )
    parser.add_argument(
        "ports", metavar="PORT", nargs="*", help="ports to ask; without any, all that this machine has"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask the ports, all at once."""
    ports = [FoundPort(one, one) for one in args.ports] or serial_ports()
    others = [] if args.ports else no_ports()
    progress = Progress("asking", unit="questions", quiet=args.json)
    try:
        findings, air = asyncio.run(_look(ports, progress, air=not args.ports))
    finally:
        progress.close()
    found = [(one.port, answer) for one in findings for answer in one.answers if answer.sure]
    if args.json:
        print_json(
            {
                "ok": bool(found),
                "ports": [_as_dict(one) for one in findings],
                "not_serial": [asdict(one) for one in others],
                "air": None if air is None else _air_as_dict(air),
                "config": "\n".join(blocks(found)),
            }
        )
    else:
        print_lines([*judge(ports, findings), *_not_serial(others), *(judge_air(air) if air else ())])
        if found:
            print("\n".join(["", "For the configuration:", "", *blocks(found)]))
    return 0 if found else EXIT_NOTHING


async def _look(
    ports: Sequence[FoundPort], progress: Progress, *, air: bool
) -> tuple[list[Finding], Air | None]:
    """Ports and air at once."""
    if not air:
        return await _ask(ports, progress), None
    findings, heard = await asyncio.gather(_ask(ports, progress), listen())
    return findings, heard


async def _ask(ports: Sequence[FoundPort], progress: Progress) -> list[Finding]:
    """Each port has a line of its own, so nobody waits for another."""
    asked = [0] * len(ports)

    async def one(index: int, port: FoundPort) -> Finding:
        def step(done: int, _of: int) -> None:
            asked[index] = done
            progress.done(sum(asked), len(ports) * len(QUESTIONS))

        found = await probe(port.name, step=step)
        step(len(QUESTIONS), len(QUESTIONS))
        return found

    return await asyncio.gather(*(one(index, port) for index, port in enumerate(ports)))


def judge(ports: Sequence[FoundPort], findings: Sequence[Finding]) -> Iterator[Line]:
    """A line for each port, or for each thing that may stand there."""
    if not ports:
        todo = "plug the adapter in; ls -l /dev/serial/by-id shows its name when it is there"
        yield Line(Mark.ATTENTION, "ports", "this machine has no serial port", todo)
    for port, finding in zip(ports, findings, strict=True):
        if finding.trouble is not None:
            yield Line(Mark.ATTENTION, port.name, f"not asked: {finding.trouble}", finding.hint or "")
            continue
        for answer in finding.answers:
            said = f"{answer.question.kind}, {_said(answer)}"
            if answer.sure:
                yield Line(Mark.OK, port.name, said, "" if port.stable or "/by-id/" in port.name else _BY_ID)
            else:
                why = answer.hint or "it answered, and is not fit"
                yield Line(Mark.ATTENTION, port.name, f"perhaps {said}", why)
        if not finding.answers:
            talks = f"{finding.talks} bytes came by themselves" if finding.talks else "no answer"
            yield Line(Mark.ATTENTION, port.name, f"{talks}; nothing that this gateway knows", _CHECK)


_BY_ID = "this name changes when devices are plugged in another order; take one of /dev/serial/by-id"
_CHECK = "look at the power of the device, at the wiring (RX and TX crossed), and at its model"


def _not_serial(others: Sequence[UsbDevice]) -> Iterator[Line]:
    for one in others:
        what = one.known or {"hid": "USB-HID device", "vendor": "vendor-class USB device"}[one.kind]
        name = f" ({one.product})" if one.product else ""
        todo = "not a serial model: this gateway cannot use it; ask the maker for the serial one"
        yield Line(Mark.NOTE, f"usb {one.usb_id}", what + name, todo if one.known else "")


def judge_air(air: Air) -> Iterator[Line]:
    """A line for each device that may be a wearable."""
    if air.trouble is not None:
        yield Line(Mark.NOTE, "bluetooth", f"not heard: {air.trouble}", air.hint or "")
    for one in air.heard:
        kinds = [*sorted(one.services), *([] if one.beacon is None else [f"beacon ({one.beacon})"])]
        name = f" ({one.name})" if one.name else ""
        todo = (
            f'port = "ble:{one.address}", and the kind tracker.* of its data sheet'
            if UART in one.services
            else ""
        )
        yield Line(Mark.NOTE, f"ble {one.address}", f"{', '.join(kinds)}, {one.rssi} dBm{name}", todo)
    if air.others or not air.trouble:
        yield Line(Mark.NOTE, "bluetooth", f"{air.others} other devices are near")


def _air_as_dict(air: Air) -> dict[str, object]:
    heard = [{**asdict(one), "services": sorted(one.services)} for one in air.heard]
    return {"heard": heard, "others": air.others, "trouble": air.trouble, "hint": air.hint}


def _said(answer: Answer) -> str:
    settings = [f"{name} {value}" for name, value in answer.question.settings.items()]
    named = (("model", answer.model), ("firmware", answer.firmware), ("serial", answer.serial))
    return ", ".join([*settings, *(f"{name} {value}" for name, value in named if value)])


def blocks(found: Sequence[tuple[str, Answer]]) -> list[str]:
    """Tables of the configuration."""
    lines: list[str] = []
    for number, (port, answer) in enumerate(found, 1):
        device = f"{answer.question.kind.partition('.')[0]}-{number}"
        lines += ["[[device]]", f'id = "{device}"', f'kind = "{answer.question.kind}"', f'port = "{port}"']
        lines += [f"{name} = {json.dumps(value)}" for name, value in answer.question.settings.items()]
        if answer.needs_key:
            lines.append(f'key_file = "/etc/zhijiao/keys/{device}.key"  # zhijiao devices key {device}')
        lines.append("")
    return lines


def _as_dict(finding: Finding) -> dict[str, object]:
    answers = []
    for one in finding.answers:
        told = asdict(one)
        question = told.pop("question")
        answers.append({"kind": question["kind"], "settings": dict(question["settings"]), **told})
    return {
        "port": finding.port,
        "answers": answers,
        "talks": finding.talks,
        "trouble": finding.trouble,
        "hint": finding.hint,
    }
