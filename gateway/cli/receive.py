"""`zhijiao receive`: the center's side. Verifies, stores, acknowledges; `--report` says what it holds.

Three verdicts for each epoch: complete, incomplete, or incomplete but declared by the gateway; intact or
not; and the worst quality of its events' times, which changes no exit code.

A rollback that was seen is listed in a report; what it left missing counts.
"""

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway import loops
from gateway.cli.answer import describe
from gateway.cli.receive_page import add_page_options, serve_page
from gateway.errors import ConfigError
from gateway.receiver.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from gateway.receiver.report import EpochReport

log = logging.getLogger(__name__)

EXIT_INCOMPLETE, EXIT_ALTERED = 1, 2
EXIT_CODES = {
    0: "ended when it was asked to; of a report: complete and intact",
    EXIT_INCOMPLETE: "of a report: something is missing or declared lost",
    EXIT_ALTERED: "of a report: something was altered, doubled or is out of its chain",
}
SHOWN = frozenset({Outcome.ACCEPTED, Outcome.REJECTED, Outcome.QUARANTINED, Outcome.PARKED})


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(commands, "receive", summary="the center's side", text=__doc__, codes=EXIT_CODES)
    parser.add_argument(
        "--db",
        required=True,
        help="a path, sqlite:///path or postgresql://user@host/database",
    )
    parser.add_argument("--report", action="store_true", help="say what the database holds, and end")
    parser.add_argument(
        "--events",
        action="store_true",
        help="list every event as a JSON line with its corrected time, and end",
    )
    parser.add_argument("--json", action="store_true", help="with --report: as JSON lines")
    parser.add_argument("--broker", help="mqtt://host:port or mqtts://host:port")
    parser.add_argument("--mqtt", choices=["5", "3.1.1"], default="5", help="protocol version (default: 5)")
    parser.add_argument("--client-id", help="MQTT client id (default: center, of a worker center-NAME)")
    parser.add_argument(
        "--worker", metavar="NAME", help="be one of several on this database (docs/receiver.md)"
    )
    parser.add_argument(
        "--lease",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="with --worker, the same for all: whoever is silent for so long loses its gateways (default: 10)",
    )
    parser.add_argument("--ca", type=Path, help="certificates the broker's must come from")
    parser.add_argument("--cert", type=Path, help="our certificate")
    parser.add_argument("--key", type=Path, help="its private key")
    parser.add_argument("--trust", type=Path, help="trust file; read again when it changes and on SIGHUP")
    parser.add_argument("--ack-key", type=Path, help="private key that signs acks (PEM)")
    parser.add_argument("--ack-kid", help="its name")
    parser.add_argument(
        "--center",
        type=Path,
        metavar="HOME",
        help="folder of `zhijiao center init`: gives keys, certificates and trust file where none are named",
    )
    parser.add_argument(
        "--enroll", metavar="ADDRESS:PORT", help="with --center: also enrol boxes, by HTTPS on this address"
    )
    parser.add_argument("--demo", action="store_true", help="believe keys that were made for a demo")
    parser.add_argument(
        "--seal-key",
        type=Path,
        action="append",
        metavar="FILE",
        help="private sealing key (PEM), repeatable: an alarm tells at once what it does not open",
    )
    parser.add_argument(
        "--rosters",
        type=Path,
        metavar="FOLDER",
        help="signed rosters as GATEWAY.roster, which gateways may fetch",
    )
    add_page_options(parser)
    parser.add_argument("--follow", choices=["text", "json"], help="print one line per event")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until asked to stop, or report; raises `GatewayError`."""
    if args.events:
        return _events(args)
    if args.report:
        return _report(args)
    if args.enroll is not None and args.center is None:
        raise ConfigError("usage", "receive --enroll needs --center HOME")
    if args.center is not None:
        _by_center(args)
    for name in ("broker", "trust", "ack_key", "ack_kid"):
        if getattr(args, name) is None:
            raise ConfigError("usage", f"receive needs --{name.replace('_', '-')} (or --report)")
    loops.run(_serve(args))
    return 0


def _by_center(args: argparse.Namespace) -> None:
    """What was not given is the center's own."""
    from gateway.evidence.keys import Role
    from gateway.registrar.home import Home

    home = Home.load(args.center)
    args.trust = args.trust or home.trust
    args.ack_key = args.ack_key or home.key_file(Role.ACK)
    args.ack_kid = args.ack_kid or home.kid(Role.ACK)
    seal_key = home.key_file(Role.SEAL)
    if not args.seal_key and seal_key.exists():
        args.seal_key = [seal_key]
    if args.broker is not None and args.broker.startswith("mqtts:") and args.cert is None:
        args.ca = args.ca or home.folder / "ca.pem"
        args.cert, args.key = home.folder / "client/client.pem", home.folder / "client/client-key.pem"


async def _enrol_boxes(args: argparse.Namespace) -> None:
    from gateway.registrar.home import Home
    from gateway.registrar.registrar import Registrar
    from gateway.registrar.web import serve

    host, _, port = args.enroll.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError("usage", f"--enroll {args.enroll}: must be address:port, for example 0.0.0.0:8444")
    home = Home.load(args.center)
    registrar = await asyncio.to_thread(Registrar, home)

    def ready(port: int) -> None:
        log.info("registrar listens", extra={"address": f"{host}:{port}"})

    await serve(home, registrar, host, int(port), ready=ready)


async def _serve(args: argparse.Namespace) -> None:
    from gateway import logs
    from gateway.evidence.keys import load_signer
    from gateway.mqtt_bridge import Endpoint
    from gateway.receiver.leases import named
    from gateway.receiver.receiver import Receiver, ReceiverSettings
    from gateway.receiver.roster_parts import RosterFolder
    from gateway.receiver.service import RECEIVE_MAXIMUM, WINDOW, Service
    from gateway.receiver.trust_file import TrustFile
    from gateway.receiver.unseal import Unsealer

    logs.configure("info", "auto")
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    reread = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reread.set)
    host, port, tls = broker_of(args.broker)
    trust = TrustFile(args.trust, allow_demo=args.demo)
    settings = ReceiverSettings(
        database=args.db,
        trust=trust.load(),
        ack_signer=load_signer(args.ack_key, args.ack_kid),
        unsealer=Unsealer.load(*args.seal_key) if args.seal_key else None,
        rosters=None if args.rosters is None else RosterFolder(args.rosters),
        worker=None if args.worker is None else named(args.worker, args.lease),
    )
    endpoint = Endpoint(
        host=host,
        port=port,
        client_id=args.client_id or ("center" if args.worker is None else f"center-{args.worker}"),
        version=args.mqtt,
        tls=tls,
        ca_file=args.ca,
        cert_file=args.cert,
        key_file=args.key,
        receive_maximum=RECEIVE_MAXIMUM,
        window=WINDOW,
    )
    receiver = await Receiver.open(settings)
    show = {"text": _show_text, "json": _show_json, None: _show_nothing}[args.follow]
    try:
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(trust.follow(receiver, show, reread), name="receiver-trust"),
                tasks.create_task(serve_page(args), name="receiver-page"),
            ]
            if args.enroll is not None:
                beside.append(tasks.create_task(_enrol_boxes(args), name="registrar"))
            await Service(receiver, endpoint, show).run(stop)
            for task in beside:
                task.cancel()
    finally:
        await receiver.close()


def broker_of(text: str) -> tuple[str, int, bool]:
    """(host, port, TLS) of `mqtt://…` or `mqtts://…`; raises `ConfigError`."""
    parts = urlsplit(text)
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        raise ConfigError("usage", f"--broker {text}: must be mqtt://host:port or mqtts://host:port")
    tls = parts.scheme == "mqtts"
    return parts.hostname, parts.port or (8883 if tls else 1883), tls


def _show_nothing(_verdict: Verdict) -> None:
    return


def _facts(verdict: Verdict) -> dict[str, object]:
    """What may be shown: nothing of a person."""
    facts: dict[str, object] = {"outcome": verdict.outcome.value}
    if verdict.code:
        facts["code"] = verdict.code
    if verdict.event is not None:
        event = verdict.event
        facts |= {"gw": event.gateway, "epoch": event.epoch, "seq": event.seq, "type": event.type}
    if verdict.chain is not None:
        facts["chain"] = verdict.chain.value
    return facts


def _show_json(verdict: Verdict) -> None:
    if verdict.outcome in SHOWN:
        sys.stdout.write(json.dumps(_facts(verdict)) + "\n")
        sys.stdout.flush()


def _show_text(verdict: Verdict) -> None:
    if verdict.outcome in SHOWN:
        facts = _facts(verdict)
        place = f"{facts.get('gw', '-')} {facts.get('epoch', '-')} #{facts.get('seq', '-')}"
        rest = " ".join(str(facts[name]) for name in ("type", "code") if name in facts)
        sys.stdout.write(f"{facts['outcome']:<12}{place}  {rest}  chain {facts.get('chain', '-')}\n")
        sys.stdout.flush()


def _events(args: argparse.Namespace) -> int:
    from gateway.receiver.report import events

    for event in events(args.db):
        print(json.dumps(event.as_dict()))
    return 0


def _report(args: argparse.Namespace) -> int:
    from gateway.receiver.report import quarantined, report

    epochs = report(args.db)
    for epoch in epochs:
        if args.json:
            print(json.dumps(epoch.as_dict()))
        else:
            print("\n".join(_lines(epoch)))
    if not args.json:
        print(f"quarantined messages: {quarantined(args.db)}")
    if not all(epoch.intact for epoch in epochs):
        return EXIT_ALTERED
    return 0 if all(epoch.complete for epoch in epochs) else EXIT_INCOMPLETE


def _lines(epoch: "EpochReport") -> Iterator[str]:
    complete, intact = epoch.completeness.value, "intact"
    if not epoch.complete:
        complete = f"{complete.upper()}: {epoch.missing} missing, {epoch.lost} declared lost"
    if not epoch.intact:
        intact = (
            f"NOT INTACT: {epoch.altered} altered, {epoch.broken_links} broken links, {epoch.forks} forks"
        )
    yield f"{epoch.gw} {epoch.epoch}  {epoch.stored} events up to #{epoch.upto}: {complete}; {intact}"
    if epoch.missing:
        yield f"    missing {_ranges(epoch.missing_ranges, epoch.missing)}"
    if epoch.lost:
        yield f"    declared lost {_ranges(epoch.lost_ranges, epoch.lost)}"
    if epoch.forks:
        yield f"    forks at {_ranges([(seq, seq) for seq in epoch.fork_seqs], epoch.forks)}"
    for kind, times in epoch.alarms.items():
        yield f"    ALARM {kind}, {times} times"
    yield f"    rejected {epoch.rejected}, duplicates dropped {epoch.duplicates}"
    told = ", ".join(f"{quality} {number}" for quality, number in sorted(epoch.times.items()))
    yield f"    time {epoch.time} at worst ({told or 'no events'})"


def _ranges(listed: Sequence[tuple[int, int]], total: int) -> str:
    """`#3-5, #9`, and how many sequences are not listed."""
    spans = ", ".join(f"#{first}" if first == last else f"#{first}-{last}" for first, last in listed)
    rest = total - sum(last - first + 1 for first, last in listed)
    return f"{spans} and {rest} more" if rest else spans
