"""The demo's broker: mosquitto where it is installed, else the one that comes in a wheel. Loopback only."""

import os
import shutil
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gateway.errors import StartError

HOST = "127.0.0.1"
# Debian keeps the program where only root's PATH looks.
SEARCH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"

# mosquitto drops what exceeds its default of 1000 queued messages; a center's broker must not.
MOSQUITTO = """\
listener {port} {host}
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 60
max_queued_messages 1000000
set_tcp_nodelay true
log_dest stderr
log_type error
log_type warning
"""

IOTCORE = """\
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "v5"
listen = "{host}:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 262144
max_inflight_count = 100
dynamic_filters = true
"""

_IOTCORE_MAIN = """\
import signal, sys
from iotcore import Broker
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with Broker(config_path=sys.argv[1]):
    signal.pause()
"""


@dataclass(frozen=True, slots=True)
class BrokerChoice:
    """Which broker, and how it is started."""

    name: str
    command: Sequence[str]
    port: int


def choose(folder: Path) -> BrokerChoice:
    """Pick a broker and write its configuration; raises `StartError` where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    mosquitto = shutil.which("mosquitto", path=SEARCH)
    if mosquitto is not None:
        config = MOSQUITTO.format(port=port, host=HOST, folder=folder)
        if os.geteuid() == 0:
            config += "user root\n"  # else it drops to an account that cannot read the state folder
        path = folder / "mosquitto.conf"
        path.write_text(config)
        return BrokerChoice("mosquitto", (mosquitto, "-c", str(path)), port)
    if find_spec("iotcore") is not None:
        path = folder / "iotcore.toml"
        path.write_text(IOTCORE.format(port=port, host=HOST))
        return BrokerChoice(
            "iotcore (mosquitto is not installed)", (sys.executable, "-c", _IOTCORE_MAIN, str(path)), port
        )
    raise StartError(
        "no_broker",
        "no MQTT broker: install mosquitto (apt-get install mosquitto) or the extra zhijiao-gateway[demo]",
    )


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])
