"""The negative control of the power-cut drill: a gateway that opens its store with synchronous=OFF.

Not part of the product. Everything else is the real command with `drill.source`.
"""

from gateway.cli.main import main
from gateway.store import database
from tests.drills.rated_gateway import add_source

database.PRAGMAS["synchronous"] = "off"

if __name__ == "__main__":
    add_source()
    main()
