"""The negative control of the link drill: a gateway that takes "handed to the socket" for "the broker has it".

Not part of the product. Runs with `ack_mode = "broker"`; every publish answers at once as if a PUBACK had come.
"""

import asyncio
from typing import Any

from gateway import mqtt_bridge
from gateway.cli.main import main
from tests.drills.rated_gateway import add_source

publish = mqtt_bridge.Connection.publish


def hasty(self: Any, *args: Any, **rest: Any) -> "asyncio.Future[int]":
    """Publish, and say 0 without waiting."""
    publish(self, *args, **rest)
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    future.set_result(0)
    return future


mqtt_bridge.Connection.publish = hasty  # type: ignore[method-assign]

if __name__ == "__main__":
    add_source()
    main()
