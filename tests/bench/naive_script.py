"""Peer: serial line in, MQTT QoS 1 out, with the libraries' defaults. Arguments: port, broker's port."""

import sys

import serial
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

client = Client(CallbackAPIVersion.VERSION2, client_id="naive")
client.connect_async("127.0.0.1", int(sys.argv[2]))
client.loop_start()
line = serial.Serial(sys.argv[1], 115200, timeout=1)
while True:
    data = line.readline()
    if data:
        client.publish("in/ev", data.strip(), qos=1)
