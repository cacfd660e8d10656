"""The negative control of the damage drill: a gateway that does not declare what a damaged store lost.

Not part of the product. Everything else is the real command with `drill.source`.
"""

from collections.abc import Iterable

from gateway.cli.main import main
from gateway.store import salvage_account
from gateway.store.epochs import Lost
from tests.drills.rated_gateway import add_source


def silent(lost: Iterable[Lost]) -> list[Lost]:
    """Whatever was lost, nothing is."""
    return list(lost)[:0]


salvage_account.as_few = silent

if __name__ == "__main__":
    add_source()
    main()
