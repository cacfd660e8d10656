"""The ThingsBoard IoT gateway as a peer, from PyPI, in an environment of its own under the user's cache.

Its storage is SQLite, its sources are its MQTT connector and its serial connector. A stand-in plays the
few answers a platform owes it: without one to getSessionLimits it connects and never sends.
"""

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.bench import environments, wire
from tests.bench.sources import MqttBrokerSource, SerialSource, Source
from tests.broker import HOST, free_port

VERSION = "3.8.5"
PACKAGE = f"thingsboard-gateway=={VERSION}"
SERIAL = ("pyserial==3.5", "pyserial-asyncio==0.6")  # its serial connector wants them and does not say so
ACL = """
topic readwrite #
user TOKEN
topic write #
topic read v1/devices/me/rpc/response/#
topic read v1/devices/me/attributes/response/#
topic read v1/gateway/attributes/response
user platform
topic readwrite #
"""  # the platform never echoes what a gateway said
LIMITS = {"maxPayloadSize": 65536, "maxInflightMessages": 100, "rateLimits": {}, "gatewayRateLimits": {}}
LOGGERS = ("database", "service", "connector", "converter", "tb_connection", "storage", "extension")


def cache_folder() -> Path:
    """Where the environment lies."""
    return environments.cached(PACKAGE.replace("==", "-"))


def install() -> str | None:
    """Make the environment once; why it is not there, None when it is."""
    return environments.install(cache_folder(), PACKAGE, *SERIAL)


class ThingsBoard:
    """One running ThingsBoard gateway. `kind` is its connector: "mqtt" or "serial"."""

    topic = "v1/gateway/telemetry"
    acl: str | None = ACL

    def __init__(self, folder: Path, kind: str) -> None:
        self.name = f"ThingsBoard ({kind})"
        self._folder = folder
        self._kind = kind
        for part in ("config", "logs", "data"):
            (folder / part).mkdir(parents=True)
        self._local_port = free_port()
        self.source: Source = (
            MqttBrokerSource(self._local_port) if kind == "mqtt" else SerialSource(folder / "tty")
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._platform: Platform | None = None

    def subscriber_options(self) -> list[str]:
        return []

    def start(self, remote_port: int) -> None:
        if self._platform is None:
            self._platform = Platform(remote_port)
        for name, content in self._files(remote_port):
            (self._folder / "config" / name).write_text(json.dumps(content))
        env = {
            **os.environ,
            "TB_GW_CONFIG_DIR": f"{self._folder}/config/",
            "TB_GW_LOGS_PATH": f"{self._folder}/logs",
        }
        program = cache_folder() / "bin/thingsboard-gateway"
        with (self._folder / "output").open("ab") as log:
            self._process = subprocess.Popen([program], cwd=self._folder, env=env, stdout=log, stderr=log)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()

    @property
    def pid(self) -> int:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended: {(self._folder / 'output').read_text()[-500:]}")
        return self._process.pid

    def numbers(self, payload: bytes) -> Iterator[int]:
        for entries in _members(payload).values():
            for entry in entries if isinstance(entries, list) else []:
                values = entry.get("values", {})
                event = values.get("ev", values)
                if isinstance(event, str):
                    event = json.loads(event)
                # A merged record mixes members of two events: it counts for neither.
                if str(event.get("id", "")) == f"{self.source.run}-{int(event.get('seq', -1)):08d}":
                    yield int(event["seq"])

    def _files(self, port: int) -> Iterable[tuple[str, dict[str, Any]]]:
        yield (
            "tb_gateway.json",
            {
                "thingsboard": {
                    "host": HOST,
                    "port": port,
                    "remoteShell": False,
                    "remoteConfiguration": False,
                    "qos": 1,
                    "statistics": {"enable": False, "statsSendPeriodInSeconds": 3600},
                    "deviceFiltering": {"enable": False, "filterFile": "list.json"},
                    "maxPayloadSizeBytes": 8196,
                    "minPackSendDelayMS": 50,
                    "minPackSizeToSend": 500,
                    "checkConnectorsConfigurationInSeconds": 60,
                    "handleDeviceRenaming": True,
                    "security": {"type": "accessToken", "accessToken": "TOKEN"},
                    "reportStrategy": {"type": "ON_RECEIVED"},
                    "checkingDeviceActivity": {"checkDeviceInactivity": False},
                },
                "storage": {
                    "type": "sqlite",
                    "data_file_path": f"{self._folder}/data/",
                    "messages_ttl_in_days": 7,
                    "messages_ttl_check_in_hours": 1,
                    "max_read_records_count": 1000,
                    "size_limit": 1024,
                    "max_db_amount": 10,
                    "oversize_check_period": 1,
                    "writing_batch_size": 1000,
                },
                "grpc": {"enabled": False},
                "connectors": [self._connector()],
            },
        )
        log = {"handlers": ["h"], "level": "ERROR", "propagate": False}
        file = {"class": "logging.FileHandler", "formatter": "f", "filename": f"{self._folder}/logs/tb.log"}
        yield (
            "logs.json",
            {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {
                    "f": {"class": "logging.Formatter", "format": "%(asctime)s %(name)s %(message)s"}
                },
                "handlers": {"h": file},
                "loggers": dict.fromkeys(LOGGERS, log),
                "root": {"level": "ERROR", "handlers": ["h"]},
            },
        )
        yield "connected_devices.json", {}
        yield f"{self._kind}.json", self._mqtt() if self._kind == "mqtt" else self._serial()

    def _connector(self) -> dict[str, str]:
        connector = {"name": self._kind, "type": self._kind, "configuration": f"{self._kind}.json"}
        return connector if self._kind == "mqtt" else {**connector, "class": "SerialConnector"}

    def _mqtt(self) -> dict[str, Any]:
        kinds = {"id": "string", "seq": "integer", "t": "integer", "p": "string"}
        device = {
            "deviceNameExpressionSource": "constant",
            "deviceNameExpression": "idr-01",
            "deviceProfileExpressionSource": "constant",
            "deviceProfileExpression": "default",
        }
        converter = {
            "type": "json",
            "deviceInfo": device,
            "timeout": 60000,
            "attributes": [],
            "timeseries": [{"type": kinds[key], "key": key, "value": f"${{{key}}}"} for key in kinds],
        }
        broker = {
            "host": HOST,
            "port": self._local_port,
            "clientId": "tb-connector",
            "version": 4,
            "maxMessageNumberPerWorker": 10,
            "maxNumberOfWorkers": 100,
            "cleanSession": True,
            "security": {"type": "anonymous"},
        }
        mapping = {"topicFilter": "in/ev", "subscriptionQos": 1, "converter": converter}
        return {"broker": broker, "mapping": [mapping], "requestsMapping": {}}

    def _serial(self) -> dict[str, Any]:
        if not isinstance(self.source, SerialSource):
            raise TypeError("the serial connector needs a serial source")
        device = {
            "name": "idr-01",
            "type": "default",
            "port": str(self.source.link),
            "baudrate": 115200,
            "converter": "SerialUplinkConverter",
            "downlink_converter": "SerialDownlinkConverter",
            "telemetry": [{"type": "json", "key": "ev"}],
            "attributes": [],
        }
        return {"name": "serial", "logLevel": "ERROR", "uplinkQueueSize": 100000, "devices": [device]}


def _members(payload: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(payload)
        if isinstance(found, dict):
            return found
    return {}


class Platform:
    """Answers what a ThingsBoard gateway asks its platform; one thread, comes back after an outage."""

    def __init__(self, port: int) -> None:
        self._port = port
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            with suppress(OSError), socket.create_connection((HOST, self._port)) as line:
                self._serve(line)
            # The rig's end closes the port for good; the thread is a daemon and goes with the process.
            threading.Event().wait(0.2)

    def _serve(self, line: socket.socket) -> None:
        asked = [
            "v1/devices/me/rpc/request/+",
            "v1/devices/me/attributes/request/+",
            "v1/gateway/attributes/request",
        ]
        line.sendall(wire.connect("tb-platform", username="platform") + wire.subscribe(asked))
        decoder, packet_id = wire.Decoder(), 0
        while data := line.recv(65536):
            for received in decoder.feed(data):
                if received.kind != wire.PUBLISH:
                    continue
                topic, mid, payload = wire.read_publish(received)
                packet_id = packet_id % 65535 + 1
                reply, answer = _answer(topic, payload)
                line.sendall(wire.puback(mid) if mid else b"")
                line.sendall(wire.publish(reply, json.dumps(answer).encode(), packet_id))


def _answer(topic: str, payload: bytes) -> tuple[str, dict[str, Any]]:
    if topic.startswith("v1/devices/me/rpc/request/"):
        return topic.replace("request", "response"), LIMITS
    if topic.startswith("v1/devices/me/attributes/request/"):
        return topic.replace("request", "response"), {"shared": {}, "client": {}}
    asked = json.loads(payload)
    return "v1/gateway/attributes/response", {"id": asked["id"], "device": asked["device"], "values": {}}
