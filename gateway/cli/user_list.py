"""`zhijiao user list`: all accounts of this box, as they are on disk; reads only, needs no key."""

import argparse
from collections.abc import Iterator, Mapping

from gateway.access.changes import Book
from gateway.access.hashing import is_hash
from gateway.cli.access_handover import look, waiting
from gateway.cli.answer import Line, Mark, describe, print_json, print_lines, when
from gateway.cli.place import add_json, add_place, find_place
from gateway.store.accounts import Account, Kept

EXIT_ATTENTION = 1
EXIT_CODES: Mapping[int, str] = {
    0: "somebody can sign in",
    EXIT_ATTENTION: "something needs attention, see the lines with !!",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(commands, "list", summary="all accounts (账号列表)", text=__doc__, codes=EXIT_CODES)
    add_place(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look and tell; raises `GatewayError`."""
    place = find_place(args)
    kept, left = look(place), waiting(place)
    lines = list(judge(kept, left))
    attention = any(line.mark is Mark.ATTENTION for line in lines)
    if args.json:
        accounts = [_facts(one) for one in kept.accounts]
        print_json({"ok": not attention, "accounts": accounts, "waiting": left, "damaged": kept.damaged})
    else:
        print_lines(lines)
    return EXIT_ATTENTION if attention else 0


def judge(kept: Kept, left: int) -> Iterator[Line]:
    """The accounts, each with its state."""
    usable = Book.of(kept.accounts, kept.tokens).accounts
    for one in sorted(kept.accounts, key=lambda account: account.name):
        if one.name not in usable or not is_hash(one.hash):
            yield Line(
                Mark.ATTENTION, one.name, "damaged: nobody can sign in with it", "remove it, add it again"
            )
            continue
        state = "disabled" if one.disabled else "password to be changed" if one.must_change else "in use"
        mark = Mark.NOTE if one.disabled else Mark.OK
        yield Line(mark, one.name, f"{one.role}, {state}, last changed {when(one.changed_ms)}")
    if not any(not one.disabled for one in usable.values()) and not left:
        todo = "zhijiao user add NAME --role admin"
        yield Line(Mark.ATTENTION, "accounts", "nobody can sign in", todo)
    if kept.damaged:
        yield Line(
            Mark.ATTENTION,
            "damaged",
            f"{kept.damaged} rows of accounts, tokens or locks",
            "add again what is missing",
        )
    if left:
        todo = "a running gateway takes them within seconds: journalctl -u zhijiao, or start it"
        yield Line(Mark.ATTENTION, "waiting", f"{left} changes to be taken", todo)


def _facts(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "role": account.role,
        "disabled": account.disabled,
        "must_change": account.must_change,
        "created": when(account.created_ms),
        "changed": when(account.changed_ms),
    }
