"""`zhijiao receive --page`: the center's page and metrics, beside the receiver or one of its workers.

On this machine over plain HTTP. On the network by HTTPS only, and only for who brings the token.
"""

import argparse
import asyncio
import ipaddress
import time
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.errors import ConfigError

LEAST_TOKEN = 32  # characters: made by a program, such as `openssl rand -hex 32`


def add_page_options(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--page", metavar="ADDRESS:PORT", help="serve the center's page and metrics there")
    parser.add_argument("--page-token", type=Path, metavar="FILE", help="who brings this token may look")
    parser.add_argument("--page-cert", type=Path, metavar="FILE", help="the page's certificate (PEM)")
    parser.add_argument("--page-key", type=Path, metavar="FILE", help="its private key")
    parser.add_argument(
        "--page-name", action="append", default=[], metavar="NAME", help="a name by which browsers reach it"
    )


async def serve_page(args: argparse.Namespace) -> None:
    """Serve until cancelled; nothing where no page was asked for. Raises `ConfigError`, `StartError`."""
    if args.page is None:
        return
    host, port = _address(args.page)
    token = None if args.page_token is None else _token(args.page_token)
    files = (args.page_cert, args.page_key)
    if not _is_loopback(host) and (token is None or None in files):
        raise ConfigError(
            "usage",
            f"--page {args.page}: on the network it needs --page-token, --page-cert and --page-key; "
            "without them only 127.0.0.1 is served",
        )
    from gateway.api.center_server import create_center_app
    from gateway.api.https import server_context
    from gateway.api.listening import listen
    from gateway.api.server import serve_on
    from gateway.config.model import DEFAULT_TIMEZONE
    from gateway.receiver.overview import Overview, overview

    context = None
    if None not in files:
        context = server_context()
        try:
            context.load_cert_chain(*files)
        except OSError as exc:
            raise ConfigError("usage", f"--page-cert, --page-key: cannot be used: {exc}") from exc

    async def read() -> Overview:
        return await asyncio.to_thread(overview, args.db, time.time_ns() // 1_000_000)

    app = create_center_app(
        read, zone=ZoneInfo(DEFAULT_TIMEZONE), token=token, hosts=frozenset(args.page_name)
    )
    await serve_on(app, listen(host, port, where="--page"), context=context)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 65_536):
        raise ConfigError("usage", f"--page {text}: must be ADDRESS:PORT, such as 127.0.0.1:8473")
    return host.strip("[]"), int(port)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # refused when it is listened on


def _token(path: Path) -> str:
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError("usage", f"--page-token {path}: cannot be read ({type(exc).__name__})") from exc
    if len(token) < LEAST_TOKEN or not token.isprintable() or " " in token:
        raise ConfigError(
            "usage",
            f"--page-token {path}: must hold at least {LEAST_TOKEN} letters and digits (openssl rand -hex 32)",
        )
    return token
