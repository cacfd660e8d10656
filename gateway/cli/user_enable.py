"""`zhijiao user enable`: as it was before, with the old password."""

import argparse

from gateway.access.changes import Action
from gateway.cli import user_state
from gateway.cli.access_handover import CODES

EXIT_CODES = CODES


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    user_state.add_parser(
        commands, "enable", Action.ENABLE, summary="enable an account (启用账号)", text=__doc__
    )
