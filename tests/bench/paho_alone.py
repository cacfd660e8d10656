"""Peer: paho-mqtt alone, MQTT 3.1.1, QoS 1, 300 bytes, 20 in flight. Arguments: port, count. Prints messages/s."""

import sys
import threading
import time

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

WINDOW = 20
count = int(sys.argv[2])
slots, done = threading.Semaphore(WINDOW), threading.Event()
answered = [0]


def published(*_args: object) -> None:
    slots.release()
    answered[0] += 1
    if answered[0] == count:
        done.set()


client = Client(CallbackAPIVersion.VERSION2, client_id="paho-alone")
client.max_inflight_messages_set(WINDOW)
client.on_publish = published
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_start()
time.sleep(0.2)
began = time.monotonic()
for _ in range(count):
    slots.acquire()
    client.publish("in/ev", b"x" * 300, qos=1)
done.wait(60)
print(count / (time.monotonic() - began))
client.disconnect()
