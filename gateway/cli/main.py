"""The command `zhijiao`: one file per subcommand, imported when it is called for.

Errors are one line on standard error and an exit code (sysexits.h where one fits); `--debug` shows
where they came from.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from gateway import __version__
from gateway.errors import GatewayError

COMMANDS = ("run", "demo", "simulate", "receive", "decode")
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    sys.exit(execute(sys.argv[1:] if argv is None else argv))


def execute(argv: Sequence[str]) -> int:
    """Run one command; its exit code."""
    parser = argparse.ArgumentParser(prog="zhijiao", description="Zhijiao Gateway (智矫网关)")
    parser.add_argument("--version", action="version", version=f"zhijiao {__version__}")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"gateway.cli.{name}").add_parser(commands)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except GatewayError as exc:
        return _report(exc, debug=args.debug)
    except ExceptionGroup as group:
        told, others = group.split(GatewayError)
        if told is None or others is not None:
            raise
        return _report(_first(told), debug=args.debug)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output went away; nothing of it can be told to anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _first(group: BaseExceptionGroup[GatewayError]) -> GatewayError:
    inner: BaseException = group
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    if not isinstance(inner, GatewayError):
        raise TypeError("a split group holds what it was split by")
    return inner


def _report(error: GatewayError, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    else:
        print(f"zhijiao: {error}", file=sys.stderr)
    return error.exit_code
