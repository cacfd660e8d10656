"""The negative control of the link drill: a gateway that takes "handed to the socket" for "the broker has it".

Not part of the product. Runs with `ack_mode = "broker"`; every publish answers at once as if a PUBACK had come.
"""

import asyncio
from typing import Any

from gateway import mqtt_bridge
from gateway.cli.main import main
from tests.drills.rated_gateway import add_source

publish_event = mqtt_bridge.Connection.publish_event


def hasty(self: Any, topic: str, payload: bytes, on_puback: Any, *, replay: bool) -> None:
    """Publish, and say 0 without waiting."""
    publish_event(self, topic, payload, lambda _code: None, replay=replay)
    asyncio.get_running_loop().call_soon(on_puback, 0)


mqtt_bridge.Connection.publish_event = hasty  # type: ignore[method-assign]

if __name__ == "__main__":
    add_source()
    main()
