"""The negative control of the damage drill: a gateway that does not declare what a damaged store lost.

Not part of the product. Everything else is the real command with `drill.source`.
"""

from typing import Any

from gateway.cli.main import main
from gateway.ingest.ingest import Ingest
from tests.drills.rated_gateway import add_source

record = Ingest.record


async def silent(self: Any, kind: str, data: Any, **rest: Any) -> Any:
    """Everything is recorded but a loss."""
    return None if kind == "system.range_lost" else await record(self, kind, data, **rest)


Ingest.record = silent  # type: ignore[method-assign]

if __name__ == "__main__":
    add_source()
    main()
