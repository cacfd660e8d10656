"""The negative control of the ack drill: a gateway that believes every ack it can parse.

Not part of the product. Everything else is the real command with `drill.source`.
"""

from typing import Any

from gateway.cli.main import main
from gateway.evidence import canonical
from gateway.uplink import acks
from tests.drills.rated_gateway import add_source


class Believing:
    """`jws` without a check."""

    @staticmethod
    def open_message(wire: bytes, _find_key: Any) -> tuple[dict[str, Any], str, bytes]:
        """Whatever it says, somebody said it."""
        return canonical.decode(wire), "nobody", b""


acks.jws = Believing  # type: ignore[attr-defined, assignment]

if __name__ == "__main__":
    add_source()
    main()
