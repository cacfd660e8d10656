"""docs/cli.md and the program say the same: commands, options, exit codes, error codes of the ends."""

import argparse
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from gateway.cli.main import EXIT_INTERRUPTED, EXIT_USAGE, make_parser
from gateway.errors import ConfigError, ContractError, StartError, StoreRefused
from tests.gateway.technicians_box import zhijiao

PAGE = (Path(__file__).parents[2] / "docs/cli.md").read_text("utf-8")
COMMANDS = {
    "probe": "probe",
    "devices list": "devices_list",
    "devices history": "devices_history",
    "devices watch": "devices_watch",
    "devices key": "devices_key",
    "setup show": "setup_show",
    "setup name": "setup_name",
    "network show": "network_show",
    "network set": "network_set",
    "network keep": "network_keep",
    "network undo": "network_undo",
    "doctor": "doctor",
    "diagnose": "diagnose",
    "simulate": "simulate",
    "outbox status": "outbox_status",
    "outbox verify": "outbox_verify",
    "outbox export": "outbox_export",
    "outbox repair": "outbox_repair",
    "receive": "receive",
    "verify": "verify",
    "backup": "backup",
    "restore": "restore",
    "roster import": "roster_import",
    "roster status": "roster_status",
    "user add": "user_add",
    "user list": "user_list",
    "user password": "user_password",
    "user disable": "user_disable",
    "user enable": "user_enable",
    "user remove": "user_remove",
    "kiosk token": "kiosk_token",
    "kiosk list": "kiosk_list",
    "kiosk revoke": "kiosk_revoke",
    "enroll": "enroll",
    "rotate-key": "rotate_key",
    "center command": "center_command",
    "center init": "center_init",
    "center token": "center_token",
    "center list": "center_list",
    "center revoke": "center_revoke",
    "center certificate": "center_certificate",
}


def section(command: str) -> str:
    return PAGE.split(f"\n## `zhijiao {command}`\n")[1].split("\n## ")[0]


def children(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= action.choices
    return found


def parser_of(command: str) -> argparse.ArgumentParser:
    parser = make_parser()
    for word in command.split():
        parser = children(parser)[word]
    return parser


@pytest.mark.parametrize("command", ["outbox", "roster", "user", "kiosk", "center", "setup", "network"])
def test_every_part_is_on_the_page(command: str) -> None:
    parts = {f"{command} {name}" for name in children(parser_of(command))}
    assert {name for name in COMMANDS if name.startswith(command)} == parts


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_are_those_of_the_program(command: str) -> None:
    actions = [a for a in parser_of(command)._actions if not isinstance(a, argparse._HelpAction)]
    real = {a.option_strings[0] if a.option_strings else str(a.metavar) for a in actions}
    table = section(command).split("| Option | What |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(--[a-z0-9-]+|[A-Z]+)", table, re.MULTILINE)) == real


@pytest.mark.parametrize("command", COMMANDS)
def test_the_exit_codes_are_those_of_the_program_and_of_its_help(command: str) -> None:
    codes: dict[int, str] = import_module(f"gateway.cli.{COMMANDS[command]}").EXIT_CODES
    table = section(command).split("| Exit code | Meaning |")[1].split("\n\n")[0]
    told = {int(code): what for code, what in re.findall(r"^\| (\d+) \| (.+?) \|$", table, re.MULTILINE)}
    assert told == codes
    shown = " ".join(zhijiao(*command.split(), "--help").out.split())
    assert all(f"{code} {what}" in shown for code, what in codes.items())


def test_the_common_exit_codes_are_those_of_the_errors() -> None:
    table = PAGE.split("| Code | Meaning |")[1].split("\n\n")[0]
    numbers = {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    errors = (ConfigError, ContractError, StartError, StoreRefused)
    assert numbers == {EXIT_USAGE, EXIT_INTERRUPTED, *(error.exit_code for error in errors)}


def test_wrong_usage_cannot_be_taken_for_a_verdict() -> None:
    for words in (
        ("outbox", "verify", "--jsno"),
        ("outbox",),
        ("verify",),
        ("backup",),
        ("roster",),
        ("user",),
        ("kiosk",),
        ("center",),
        ("network", "set", "eth0"),
    ):
        told = zhijiao(*words)
        assert told.code == EXIT_USAGE
        assert "--help" in told.err


@pytest.mark.parametrize(
    "command",
    sorted(  # the others have none
        name
        for name in COMMANDS.keys() - {"verify", "probe", "simulate", "receive"}
        if not name.startswith("center ")
    ),
)
def test_an_absent_configuration_is_one_clear_line(command: str, tmp_path: Path) -> None:
    words: list[object] = [*command.split(), "--config", tmp_path / "absent.toml"]
    if command in {"backup", "outbox export", "diagnose"}:
        words += ["--out", tmp_path / "out"]
    if command in {"restore", "roster import"}:
        words.append(tmp_path / "file")
    if command.startswith(("user", "kiosk", "devices history", "devices key")) and not command.endswith(
        "list"
    ):
        words.append("name-1")
    if command == "enroll":
        words.append("code")
    if command == "setup name":
        words.append("name-1")
    if command == "network set":
        words += ["eth0", "--dhcp"]
    if command == "user add":
        words += ["--role", "staff"]
    told = zhijiao(*words)
    assert told.code == ConfigError.exit_code
    assert told.err.startswith("zhijiao: ")
    assert "[file_missing]" in told.err
    assert len(told.err.splitlines()) == 1
    assert zhijiao(*words, "--json").json["error"]["code"] == "file_missing"


def test_a_box_that_runs_loads_nothing_of_the_other_commands() -> None:
    """Pages for prosecutors, a province of simulated gateways: a third of the memory of a start."""
    program = (
        "import sys; from gateway.cli import main; "
        "main.make_parser(main._called(['--debug', 'run', '--config', 'x'])); "
        "print(*[name for name in sys.modules if name.startswith('gateway.cli.')])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "gateway.cli.run" in told.stdout.split()
    assert {"gateway.cli.dossier", "gateway.cli.simulate", "gateway.cli.receive"}.isdisjoint(
        told.stdout.split()
    )
