"""`zhijiao run`: the gateway, with real ports and a real broker."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from gateway.activity import Notice
from gateway.errors import StartError

log = logging.getLogger(__name__)

DEFAULT_CONFIG = Path("/etc/zhijiao/zhijiao.toml")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser("run", help="run the gateway", description=__doc__)
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help=f"default: {DEFAULT_CONFIG}")
    parser.add_argument(
        "--receipts", type=int, metavar="FD", help="write one line per event to FD, after its COMMIT returned"
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="print each event's stages to standard output, one JSON line each",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run until asked to stop; raises `GatewayError`."""
    from drivers.registry import REGISTRY
    from gateway import app, logs, loops
    from gateway.config import load

    if args.receipts is not None:
        _require_open(args.receipts)
    config = load(args.config, kinds=REGISTRY)
    logs.configure(config.log.level, config.log.format)
    options = app.RunOptions(
        receipts_fd=args.receipts,
        listener=_print_notice if args.watch else None,
        on_page=_print_page if args.watch else None,
        on_https=_print_https if args.watch else None,
    )
    loops.run(app.run(config, options))
    return 0


def _require_open(fd: int) -> None:
    try:
        os.fstat(fd)
    except OSError as exc:
        raise StartError("receipts", f"--receipts {fd}: no such open file descriptor") from exc


def _print_notice(notice: Notice) -> None:
    event = notice.event
    line = {
        "stage": event.stage.value,
        "epoch": event.epoch,
        "seq": event.seq,
        "type": event.type,
        "device": event.device,
        "after_ms": notice.after_ms,
    }
    _print_line(line)


def _print_page(url: str) -> None:
    _print_line({"page": url})


def _print_https(url: str, fingerprint: str) -> None:
    _print_line({"https": url, "sha256": fingerprint})


def _print_line(line: Mapping[str, object]) -> None:
    """For whoever watches; when they have gone away the gateway goes on without them."""
    try:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    except OSError as exc:
        log.warning("nobody watches any more", extra={"cause": exc.strerror})
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
