"""One connection to the broker, as asyncio sees it. The only room that knows paho.

Facts that shape it (each was met, see docs/decisions/0004):
  * an exception ends paho's own thread while `is_connected()` stays true, and waking that thread costs
    more than the message: the loop drives paho, an exception ends the connection;
  * paho queues what is published while offline and sends it again on reconnect: a connection is used
    once, a fresh client is built for the next, and nothing is published unless connected;
  * `connect()` blocks on DNS and TLS: it runs in an executor;
  * PUBACK frees a slot of the connection and settles nothing;
  * beyond its queue paho drops what is published and tells nobody: at most Receive Maximum messages of
    any kind are handed to it, the rest waits here;
  * paho gives up a silent broker only after twice the keepalive, and one that answers pings but no
    publish never: `silent_s` and `unacked_s` tell, whoever uses the connection decides.

endpoint    where to connect, what arrives      client       paho's client, made and dialled
line        the socket under it                 drive        the loop drives it
failures    why there is no connection          connection   a live one: publish, receive, give up
watch       one that is dead is noticed
"""

from gateway.mqtt_bridge.connection import Connection, connect
from gateway.mqtt_bridge.endpoint import Endpoint, Message
from gateway.mqtt_bridge.failures import FAILURE, Closed, ConnectFailed, our_certificate

__all__ = [
    "FAILURE",
    "Closed",
    "ConnectFailed",
    "Connection",
    "Endpoint",
    "Message",
    "connect",
    "our_certificate",
]
