"""A connection that is dead and does not say so: noticed here, for the gateway and for the center alike."""

import asyncio
import time

from gateway.mqtt_bridge.connection import Connection
from gateway.mqtt_bridge.failures import Closed

LOOK_EVERY_S = 1.0
NO_PUBACK_S = 30.0  # publishes are out and none is answered, though pings may be
# Times the keepalive without a byte from the broker. A ping goes out after one, so its answer has 12 s of
# 30; paho by itself would wait for twice the keepalive.
SILENCE_FACTOR = 1.4


async def until_closed(connection: Connection) -> Closed:
    """Give `connection` up when it is dead; returns why it ended."""
    while not connection.closed.done():
        await asyncio.wait({connection.closed}, timeout=LOOK_EVERY_S)
        if connection.closed.done():
            break
        if connection.unacked_s(time.monotonic()) >= NO_PUBACK_S:
            connection.give_up("no_puback", f"no publish was answered for {NO_PUBACK_S:.0f} s")
        elif connection.silent_s() >= SILENCE_FACTOR * connection.endpoint.keepalive_s:
            connection.give_up("keepalive", "the broker answers nothing, pings included")
    return connection.closed.result()
