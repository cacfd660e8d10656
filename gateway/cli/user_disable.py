"""`zhijiao user disable`: nobody signs in with it; its sessions end at once."""

import argparse

from gateway.access.changes import Action
from gateway.cli import user_state
from gateway.cli.access_handover import CODES

EXIT_CODES = CODES


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    user_state.add_parser(
        commands, "disable", Action.DISABLE, summary="disable an account (停用账号)", text=__doc__
    )
