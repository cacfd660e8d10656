"""`zhijiao center command`: send a signed command to one gateway, and say what became of it.

`ping` and `resend` are signed with the ack key, `wipe`, `update-install` and `key-rotate` with the root key, all others
with the operations key (contract, Commands). A gateway that is away is waited for. Repeating is harmless: the id stays,
and a gateway never runs an id twice.
"""

import argparse
import asyncio
import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.place import add_json
from gateway.cli.receive import broker_of
from gateway.errors import ConfigError
from gateway.evidence.canonical import Json
from gateway.evidence.keys import load_signer
from gateway.mqtt_bridge import ConnectFailed, Endpoint, connect
from gateway.receiver.commanding import Commanding, NoAnswer, Said
from gateway.receiver.roster_parts import MAX_FILE, head_of

EXIT_NO_ANSWER = 2
EXIT_CODES: Mapping[int, str] = {
    0: "done",
    1: "the gateway answered that it was not done",
    EXIT_NO_ANSWER: "no outcome in time",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "command", summary="send a command to a gateway (下发命令)", text=__doc__, codes=EXIT_CODES
    )
    parser.add_argument("name", metavar="NAME", help="ping, rollcall, roster-sync, config-set, ...")
    parser.add_argument("gateway", metavar="GATEWAY", help="its id, for example gw-370102-01")
    parser.add_argument(
        "--broker", required=True, metavar="URL", help="mqtt://host:port or mqtts://host:port"
    )
    parser.add_argument("--ca", type=Path, metavar="FILE", help="certificates the broker's must come from")
    parser.add_argument("--cert", type=Path, metavar="FILE", help="our certificate")
    parser.add_argument("--key", type=Path, metavar="FILE", help="its private key")
    parser.add_argument(
        "--sign-key", type=Path, required=True, metavar="FILE", help="private key that signs (PEM)"
    )
    parser.add_argument("--sign-kid", required=True, metavar="KID", help="its name in the trust file")
    parser.add_argument("--args", default="{}", metavar="JSON", help="what the command is told (default: {})")
    parser.add_argument(
        "--roster", type=Path, metavar="FILE", help="of roster-sync: the signed roster to announce"
    )
    parser.add_argument(
        "--by", default="desk", metavar="NAME", help="who commands, for the record (default: desk)"
    )
    parser.add_argument(
        "--wait", type=float, default=120.0, metavar="S", help="seconds to wait (default: 120)"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Send and tell; raises `GatewayError`."""
    return asyncio.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    host, port, tls = broker_of(args.broker)
    endpoint = Endpoint(
        host=host,
        port=port,
        client_id=f"center-desk-{secrets.token_hex(4)}",
        version="5",
        tls=tls,
        ca_file=args.ca,
        cert_file=args.cert,
        key_file=args.key,
    )
    content = _content(args)
    signer = load_signer(args.sign_key, args.sign_kid)
    try:
        connection = await connect(endpoint, Commanding.topics(args.gateway, args.name), None)
    except ConnectFailed as exc:
        raise ConfigError("broker", f"--broker {args.broker}: {exc}") from exc
    commanding = Commanding(
        connection, args.gateway, args.name, content, signer, args.by, lambda: time.time_ns() // 1_000_000
    )
    try:
        async for said in commanding.run(args.wait):
            _tell(args, commanding.cmdid, said)
    except NoAnswer as exc:
        if args.json:
            print_json({"ok": False, "cmdid": commanding.cmdid, "error": {"code": exc.code, "msg": str(exc)}})
        else:
            print_lines([Line(Mark.ATTENTION, exc.code, str(exc))])
        return EXIT_NO_ANSWER
    finally:
        await connection.close()
    return 0 if said.status == "done" else 1


def _content(args: argparse.Namespace) -> dict[str, Json]:
    try:
        content = json.loads(args.args)
    except ValueError as exc:
        raise ConfigError("usage", f"--args: not JSON ({exc})") from exc
    if not isinstance(content, dict):
        raise ConfigError(
            "usage", '--args: must be a JSON object, such as \'{"values":{"log.level":"debug"}}\''
        )
    if args.roster is None:
        return content
    if args.name != "roster-sync":
        raise ConfigError("usage", "--roster belongs to roster-sync")
    try:
        with args.roster.open("rb") as file:
            return {**content, "head": head_of(file.read(MAX_FILE + 1))}
    except OSError as exc:
        raise ConfigError("file_unreadable", f"{args.roster}: cannot be read ({exc.strerror})") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(
            "file_unreadable", f"{args.roster}: not a roster; its first line is not text"
        ) from exc


def _tell(args: argparse.Namespace, cmdid: str, said: Said) -> None:
    if args.json:
        error = {"code": said.code, "msg": said.message} if said.code else None
        print_json(
            {"ok": said.status == "done", "cmdid": cmdid, "status": said.status, "result": dict(said.result),
             "error": error}
        )  # fmt: skip
        return
    mark = Mark.OK if said.status == "done" else Mark.ATTENTION if said.final else Mark.NOTE
    text = f"[{said.code}] {said.message}" if said.code else json.dumps(dict(said.result), ensure_ascii=False)
    print_lines([Line(mark, said.status, text)])
