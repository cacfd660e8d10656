#!/usr/bin/env python3
"""Write the broker's access list from the list of gateways: each sees its own branch and nothing else.

    make_acl.py gateways.txt > acl.new && mv acl.new /etc/mosquitto/zhijiao/acl && systemctl reload mosquitto

gateways.txt holds one gateway id per line (gw-370102-01); # begins a comment. A gateway that is taken out
of it loses its rights at the reload, also on an open connection.

Every gateway gets lines of its own, with its organisation written out. A pattern (`cc/v1/+/%u/...`) would
be shorter and leave the organisation open: a gateway could then publish under any organisation's branch.

Standard library only: it runs on the broker's machine.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

GATEWAY = re.compile(r"gw-([0-9]{6})-[0-9]{2}", re.ASCII)
ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
# Below cc/v1/{org}/{gw}; section 1 of the contract.
UP = ("info", "status", "dev/+/status", "evt/#", "rsp/#", "req/#")
DOWN = ("ack", "cmd/#", "res/#", "status")  # its own status: a second machine of this name shows there
EXIT_BAD_INPUT = 2


class BadListError(Exception):
    """The list of gateways or an account name cannot be used; the message names the line."""


def read_gateways(lines: Iterable[str]) -> list[str]:
    """Return the gateway ids in order; raises BadListError for anything that is not one, or twice."""
    gateways: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        name = line.split("#", 1)[0].strip()
        if not name:
            continue
        if GATEWAY.fullmatch(name) is None:
            raise BadListError(f"line {number}: {name!r} is not a gateway id such as gw-370102-01")
        if name in gateways:
            raise BadListError(f"line {number}: {name} already stands in line {gateways[name]}")
        gateways[name] = number
    if not gateways:
        raise BadListError("no gateway in the list; an empty access list would lock out all of them")
    return list(gateways)


def acl(gateways: Iterable[str], *, centers: Sequence[str], monitor: str | None = None) -> str:
    """Return the text of the access list. `centers`: the receiver, or each of its workers."""
    _check_accounts(centers, monitor)
    blocks = ["# Made by make_acl.py; changes are lost. Everything not listed is denied."]
    blocks += [_center(name) for name in centers]
    if monitor is not None:
        blocks.append(f"# Figures of the broker, no messages.\nuser {monitor}\ntopic read $SYS/#")
    blocks += [_gateway(name) for name in gateways]
    return "\n\n".join(blocks) + "\n"


def _check_accounts(centers: Sequence[str], monitor: str | None) -> None:
    for name in (*centers, monitor):
        if name is not None and (ACCOUNT.fullmatch(name) is None or GATEWAY.fullmatch(name)):
            raise BadListError(
                f"{name!r}: an account is a certificate name of letters, digits, . _ - that no gateway has"
            )
    if monitor in centers:
        raise BadListError(f"{monitor}: the center and the monitor must be two accounts")
    if len(set(centers)) < len(centers):
        raise BadListError("--center: each worker needs an account of its own")


def _center(name: str) -> str:
    return f"# The receiver of the center: all branches, both ways.\nuser {name}\ntopic readwrite cc/#"


def _gateway(name: str) -> str:
    match = GATEWAY.fullmatch(name)
    if match is None:
        raise BadListError(f"{name!r} is not a gateway id")
    root = f"cc/v1/{match[1]}/{name}"
    lines = [f"topic write {root}/{topic}" for topic in UP] + [f"topic read {root}/{topic}" for topic in DOWN]
    return "\n".join([f"user {name}", *lines])


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Access list for mosquitto from a list of gateways.")
    parser.add_argument("gateways", help="file with one gateway id per line, - for standard input")
    parser.add_argument(
        "--center",
        action="append",
        help="certificate name of the receiver, repeated for each worker (default: center)",
    )
    parser.add_argument("--monitor", help="certificate name of a monitor that may read $SYS")
    options = parser.parse_args(arguments)
    try:
        if options.gateways == "-":
            gateways = read_gateways(sys.stdin)
        else:
            gateways = read_gateways(Path(options.gateways).read_text(encoding="utf-8").splitlines())
        text = acl(gateways, centers=options.center or ["center"], monitor=options.monitor)
    except (BadListError, OSError, UnicodeDecodeError) as exc:
        print(f"make_acl.py: {options.gateways}: {exc}", file=sys.stderr)
        return EXIT_BAD_INPUT
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
