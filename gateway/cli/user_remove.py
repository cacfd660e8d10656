"""`zhijiao user remove`: the account is gone; what it did stays on record under its name."""

import argparse

from gateway.access.changes import Action
from gateway.cli import user_state
from gateway.cli.access_handover import CODES

EXIT_CODES = CODES


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    user_state.add_parser(
        commands, "remove", Action.REMOVE, summary="remove an account (删除账号)", text=__doc__
    )
