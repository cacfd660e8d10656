"""The command `zhijiao`: one file per subcommand, imported when it is called for.

Errors are one line on standard error and an exit code (sysexits.h where one fits); `--debug` shows
where they came from.
"""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from gateway import __version__
from gateway.errors import GatewayError

COMMANDS = (
    "run",
    "enroll",
    "rotate-key",
    "demo",
    "simulate",
    "receive",
    "center",
    "decode",
    "outbox",
    "verify",
    "dossier",
    "backup",
    "restore",
    "roster",
    "user",
    "kiosk",
    "setup",
    "network",
    "devices",
    "probe",
    "doctor",
    "diagnose",
)
EXIT_USAGE = 64  # EX_USAGE: never one of the codes by which a command answers
EXIT_INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """Wrong usage must not look like "altered", which is 2 as well in argparse."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments and end."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    sys.exit(execute(sys.argv[1:] if argv is None else argv))


def execute(argv: Sequence[str]) -> int:
    """Run one command; its exit code."""
    args = make_parser(_called(argv)).parse_args(argv)
    as_json = bool(getattr(args, "json", False))
    try:
        return int(args.run(args))
    except GatewayError as exc:
        return _report(exc, debug=args.debug, as_json=as_json)
    except ExceptionGroup as group:
        told, others = group.split(GatewayError)
        if told is None or others is not None:
            raise
        return _report(_first(told), debug=args.debug, as_json=as_json)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output went away; nothing of it can be told to anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _called(argv: Sequence[str]) -> Sequence[str]:
    """The command alone, where one is named: what the others need is not loaded into a box that runs for months."""
    name = next((word for word in argv if not word.startswith("-")), None)
    return (name,) if name in COMMANDS else COMMANDS


def make_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """These commands; the documentation is checked against all of them."""
    parser = Parser(prog="zhijiao", description="Zhijiao Gateway (智矫网关)")
    parser.add_argument("--version", action="version", version=f"zhijiao {__version__}")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in names:
        import_module(f"gateway.cli.{name.replace('-', '_')}").add_parser(commands)
    return parser


def _first(group: BaseExceptionGroup[GatewayError]) -> GatewayError:
    inner: BaseException = group
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    if not isinstance(inner, GatewayError):
        raise TypeError("a split group holds what it was split by")
    return inner


def _report(error: GatewayError, *, debug: bool, as_json: bool) -> int:
    if debug:
        traceback.print_exception(error)
    elif as_json:
        print(json.dumps({"ok": False, "error": {"code": error.code, "msg": str(error)}}))
    else:
        print(f"zhijiao: {error} [{error.code}]", file=sys.stderr)
    return error.exit_code
