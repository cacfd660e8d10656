"""The broker of a center as delivered: center.conf with paths moved into a test's folder, nothing else changed."""

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from paho.mqtt.enums import MQTTProtocolVersion

from tests.broker import HOST, BrokerProcess, Pki, free_port
from tests.deploy.mqtt_peer import V5, Session
from tests.deploy.tools import DEPLOY, run

CENTER_CONF = DEPLOY / "mosquitto/center.conf"
MAKE_ACL = DEPLOY / "mosquitto/make_acl.py"
OURS, NEIGHBOUR, OTHER_ORG, UNLISTED = "gw-370102-01", "gw-370102-02", "gw-370103-01", "gw-370102-99"
LISTED = (OURS, NEIGHBOUR, OTHER_ORG)
CENTER, MONITOR = "center", "monitor"


def root_of(gateway: str) -> str:
    """Root of a gateway's topics."""
    return f"cc/v1/{gateway[3:9]}/{gateway}"


def make_acl(gateways: str, *options: str, folder: Path) -> tuple[int, str, str]:
    """Run make_acl.py on this list; its exit code, output and complaint."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gateways.txt").write_text(gateways, encoding="utf-8")
    done = run(sys.executable, MAKE_ACL, folder / "gateways.txt", *options)
    return done.returncode, done.stdout, done.stderr


@dataclass
class CenterBroker:
    """A mosquitto with the delivered configuration; what a test may change is named in `changes`."""

    folder: Path
    pki: Pki
    changes: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        self.site = self.folder / "zhijiao"
        self.site.mkdir(parents=True)
        (self.site / "ca.pem").write_bytes(self.pki.ca.read_bytes())
        (self.site / "server.crt").write_bytes(self.pki.server.cert.read_bytes())
        (self.site / "server.key").write_bytes(self.pki.server.key.read_bytes())
        self.write_acl(*LISTED)
        self.port = free_port()
        text = CENTER_CONF.read_text("utf-8")
        for old, new in (
            ("\nlistener 8883\n", f"\nlistener {self.port} {HOST}\n"),
            ("/run/mosquitto/mosquitto.pid", f"{self.folder}/mosquitto.pid"),
            ("\npersistence_location /var/lib/mosquitto/\n", f"\npersistence_location {self.folder}/\n"),
            ("/var/log/mosquitto/mosquitto.log", f"{self.folder}/mosquitto.log"),
            *self.changes,
        ):
            assert text.count(old) == 1, f"center.conf: {old!r} should stand there once"
            text = text.replace(old, new)
        text = text.replace("/etc/mosquitto/zhijiao", str(self.site))
        if os.geteuid() == 0:
            text += "\nuser root\n"
        self.broker = BrokerProcess(self.folder, text, [self.port])

    def write_acl(self, *gateways: str) -> None:
        """Write the access list for these gateways, with the delivered tool."""
        code, text, complaint = make_acl("\n".join(gateways), "--monitor", MONITOR, folder=self.folder)
        assert code == 0, complaint
        (self.site / "acl").write_text(text, encoding="utf-8")
        (self.site / "acl").chmod(0o600)

    def presented_certificate(self) -> bytes:
        """The certificate that the broker shows to a client, DER."""
        context = self.session(OURS).context()
        assert context is not None
        with (
            socket.create_connection((HOST, self.port)) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as tls,
        ):
            certificate = tls.getpeercert(binary_form=True)
        assert certificate is not None
        return certificate

    def log_text(self) -> str:
        """What it logged in the file of the configuration."""
        return (self.folder / "mosquitto.log").read_text("utf-8", errors="replace")

    def session(
        self,
        name: str,
        *,
        version: MQTTProtocolVersion = V5,
        client_id: str | None = None,
        will: tuple[str, bytes] | None = None,
    ) -> Session:
        """A client with a good certificate of this name."""
        return Session(
            self.port,
            ca=self.pki.ca,
            identity=self.pki.client(name),
            client_id=name if client_id is None else client_id,
            version=version,
            will=will,
        )
