"""How `zhijiao user` and `zhijiao kiosk` change something: handed to the gateway, which says what became of it.

Judged here first by what the store and what waits already come to; then left as one sealed file. A running
gateway takes it within a second, and the command waits for its word; a stopped one takes it at its next start.
"""

import argparse
import getpass
import os
import pwd
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gateway.access import handover
from gateway.access.changes import Action, Actor, Book, Change
from gateway.access.errors import AccessError
from gateway.access.handover import AccessSeal, inbox, outcomes
from gateway.access.hashing import make_hash
from gateway.access.passwords import generated, new_password
from gateway.cli.answer import Line, Mark, print_json, print_lines
from gateway.cli.place import Place, configured_place
from gateway.config import Config
from gateway.errors import ConfigError, StartError
from gateway.keyring import load_access_seal
from gateway.store import accounts as rows
from gateway.store.accounts import TAKEN, Kept
from gateway.store.lock import is_held
from gateway.store.reading import open_for_reading
from gateway.uuid7 import uuid7

WAIT_S = 15.0  # a tired card commits in a second; the gateway looks every second
_LOOK_S = 0.1
MOST_PASSWORD = 4096  # bytes of a file


class Result(StrEnum):
    """What became of a change."""

    TAKEN = "taken"  # by the running gateway, on disk
    NEXT_START = "next_start"
    NOT_YET = "not_yet"  # it runs, and has not said anything


EXIT_ATTENTION = 1
CODES = {
    0: "done by the running gateway, or handed over for its next start",
    EXIT_ATTENTION: "handed over, but the running gateway has not taken it yet",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """Where changes are handed over."""

    place: Place
    config: Config
    seal: AccessSeal

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Desk":
        """What --config names; raises `ConfigError` and `StartError` (state_dir)."""
        place = configured_place(args.config)
        if place.config is None:
            raise ConfigError("usage", "accounts belong to a configured gateway; give --config")
        desk = cls(place, place.config, load_access_seal(place.config))
        if not desk.folder.is_dir():
            raise StartError(
                "state_dir",
                f"{desk.folder}: no such folder; start the gateway once, it makes it, then try again",
            )
        return desk

    @property
    def folder(self) -> Path:
        """Of the store."""
        return self.place.store.parent

    def book(self) -> Book:
        """What the store and what waits come to."""
        return handover.foreseen(self.place.store, self.seal)

    def hand_over(self, change: Change) -> Result:
        """Leave it and wait for the running gateway. Raises `AccessError`: it was refused."""
        now_ms = int(time.time() * 1000)
        self.book().after(change, now_ms)
        box = inbox(self.folder)
        if len(box.waiting()) >= handover.MOST_WAITING:
            raise StartError(
                "changes_wait",
                f"{self.folder}: {handover.MOST_WAITING} changes wait already; start the gateway, it takes them",
            )
        path = box.leave(self.seal.close(change), now_ms)
        if not is_held(self.place.store):
            return Result.NEXT_START
        give_up = time.monotonic() + WAIT_S
        while time.monotonic() < give_up:
            time.sleep(_LOOK_S)
            if path.exists():
                continue
            outcome = self._outcome(change.id)
            if outcome == handover.OK:
                return Result.TAKEN
            raise AccessError(
                outcome or "access_refused", "the gateway refused it; see its log: journalctl -u zhijiao"
            )
        return Result.NOT_YET

    def _outcome(self, change: str) -> str | None:
        with open_for_reading(self.place.store) as reading:
            return outcomes(reading.state().get(TAKEN)).get(change)


def look(place: Place) -> Kept:
    """What the store has. A configured box that never ran has nothing; a store named by hand must be there."""
    if place.config is not None:
        return handover.kept(place.store)
    with open_for_reading(place.store) as reading:
        return rows.look(reading)


def waiting(place: Place) -> int:
    """Changes that no gateway has taken yet."""
    return len(inbox(place.store.parent).waiting())


def new_change(action: Action, name: str) -> Change:
    """A change by whoever runs this command."""
    return Change(id=uuid7(int(time.time() * 1000)), action=action, name=name, by=os_user())


def add_password(parser: argparse.ArgumentParser) -> None:
    """Declare where a password comes from."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--generate", action="store_true", help="make one, show it once; to be changed at the first sign-in"
    )
    group.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="its first line; /dev/fd/N for an open descriptor, /dev/stdin for standard input",
    )


@dataclass(frozen=True, slots=True)
class Chosen:
    """A password as it is handed over, and in clear where it was made here."""

    hash: str
    shown: str | None


def chosen_password(args: argparse.Namespace, account: str) -> Chosen:
    """Made, read from a file, or asked for without echo; raises `ConfigError` and `AccessError`."""
    if args.generate:
        password = generated()
        return Chosen(make_hash(password), password)
    if args.password_file is not None:
        given = _first_line(args.password_file)
    elif args.json or not sys.stdin.isatty():
        raise ConfigError(
            "usage", "nobody can be asked for a password here; add --generate or --password-file"
        )
    else:
        given = getpass.getpass("Password (口令): ")
        if getpass.getpass("Once more (再输一次): ") != given:
            raise AccessError("password_differs", "these were two different passwords; nothing was changed")
    return Chosen(make_hash(new_password(given, account)), None)


def result_line(result: Result) -> Line:
    """What became of it, for a person."""
    match result:
        case Result.TAKEN:
            return Line(Mark.OK, "done", "the running gateway has taken it")
        case Result.NEXT_START:
            return Line(
                Mark.NOTE, "handed over", "the gateway takes it at its next start", "systemctl start zhijiao"
            )
        case _:
            return Line(
                Mark.ATTENTION,
                "handed over",
                f"the running gateway has not taken it within {WAIT_S:.0f} s",
                "see its log: journalctl -u zhijiao; it stays until it is taken",
            )


def exit_code(result: Result) -> int:
    """Of the command."""
    return EXIT_ATTENTION if result is Result.NOT_YET else 0


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_PASSWORD)
        return raw.decode().split("\n", 1)[0].rstrip("\r")
    except OSError as exc:
        raise ConfigError("file_unreadable", f"{path}: cannot be read ({exc.strerror})") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError("file_unreadable", f"{path}: is not text in UTF-8") from exc


def os_user() -> Actor:
    """Who runs this: behind sudo, who called it; both can be said by root alone."""
    uid = os.getuid()
    if uid == 0 and (behind := os.environ.get("SUDO_UID", "")).isdecimal():
        uid = int(behind)
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return Actor("command", name[:64], uid)


def tell_password(args: argparse.Namespace, result: Result, chosen: Chosen, done: str, **members: str) -> int:
    """What became of an account's password, as JSON or for a person; the exit code. One made here is shown once."""
    if args.json:
        told = {"ok": True, "account": args.name, **members, "result": result.value}
        print_json(told if chosen.shown is None else {**told, "password": chosen.shown})
        return exit_code(result)
    lines = [Line(Mark.OK, "account", done)]
    if chosen.shown is not None:
        lines.append(Line(Mark.NOTE, "password", chosen.shown, "shown this once; hand it over in person"))
    print_lines([*lines, result_line(result)])
    return exit_code(result)
