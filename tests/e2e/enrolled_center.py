"""A center made by `zhijiao center init`, a broker that asks for certificates, and a box with nothing but a code."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.broker import HOST, BrokerProcess, free_port
from tests.deploy.center import make_acl
from tests.e2e.bench_center import GATEWAY, Center

DEVICE = """
[[device]]
id = "idcard-1"
kind = "idcard.sam"
port = "{port}"
poll_interval_ms = 20
gone_after_ms = 20
"""


class CertifiedBroker(BrokerProcess):
    """mosquitto over the files of `zhijiao center init`, as deploy/mosquitto/center.conf has it, list on."""

    def __init__(self, folder: Path, site: Path, port: int) -> None:
        self.port = port
        self.acl = folder / "acl"
        config = f"""
per_listener_settings false
allow_anonymous false
acl_file {self.acl}
listener {port} {HOST}
cafile {site}/ca.pem
certfile {site}/server.crt
keyfile {site}/server.key
crlfile {site}/crl.pem
require_certificate true
use_identity_as_username true
use_username_as_clientid true
persistence true
persistence_location {folder}/
max_queued_messages 100000
log_type all
log_dest stdout
"""
        if os.geteuid() == 0:
            config += "user root\n"
        super().__init__(folder, config, [port])
        self.allow()

    def allow(self, *gateways: str) -> None:
        """The access list of these; counts from the next start or reload."""
        code, text, complaint = make_acl("\n".join(gateways or ("gw-999999-99",)), folder=self.folder)
        assert code == 0, complaint
        self.acl.write_text(text)
        self.acl.chmod(0o600)


@dataclass(slots=True)
class EnrolledCenter(Center):
    """`home` is the center's folder; the gateway's configuration says nothing of keys, id or broker."""

    registrar_port: int = 0

    @property
    def home(self) -> Path:
        return self.folder / "center"

    def write_config(self) -> None:
        (self.folder / "ports").mkdir(exist_ok=True)
        self.store.parent.mkdir(exist_ok=True)
        text = f'[gateway]\nstate_dir = "{self.store.parent}"\n[uplink]\ndrain_cap_per_s = 0\n[log]\nformat = "json"\n'
        text += "[api]\nenabled = false\n[store]\nreserve_mib = 8\n"
        self.config.write_text(text + DEVICE.format(port=self.port_of(1)))

    def start_receiver(self, *, stdout: int | None = None, demo: bool = True, enrol: bool = True) -> None:
        command = [
            *(sys.executable, "-m", "gateway", "receive", "--center", str(self.home)),
            *("--broker", f"mqtts://localhost:{self.broker.port}", "--db", str(self.db)),
            *("--follow", "json"),
        ]
        if enrol:
            command += ["--enroll", f"{HOST}:{self.registrar_port}"]
        with self.log("receiver").open("ab") as log:
            self.receiver = subprocess.Popen(command, stdout=log if stdout is None else stdout, stderr=log)

    def give_certificates_a_life_of(self, seconds: int) -> None:
        """From the next start of the receiver."""
        path = self.home / "center.json"
        facts = json.loads(path.read_text())
        facts["certificate_life_s"] = seconds
        path.write_text(json.dumps(facts))

    def zhijiao(self, *words: object) -> tuple[int, str]:
        """A command as a process of its own; its exit code and all it said."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout + done.stderr

    def enrol(self) -> str:
        """A code from the center, typed at the box; the name of its event key."""
        code, said = self.zhijiao("center", "token", GATEWAY, "--home", self.home, "--json")
        assert code == 0, said
        code, said = self.zhijiao("enroll", json.loads(said)["code"], "--config", self.config, "--json")
        assert code == 0, said
        return str(json.loads(said)["kid"])

    def certificate(self) -> bytes:
        """Of the box, as it is now."""
        return (self.store.parent / "identity/current/client.pem").read_bytes()

    def outcomes(self) -> list[str]:
        """What became of each message at the center, as `receive --follow` told it."""
        lines = [line for line in self.log_text("receiver").splitlines() if line.startswith('{"outcome"')]
        return [json.loads(line)["outcome"] for line in lines]


@contextlib.contextmanager
def enrolled_center(folder: Path) -> Iterator[EnrolledCenter]:
    """Made and its broker started; nothing else runs."""
    home, port, registrar_port = folder / "center", free_port(), free_port()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gateway", "center", "init", "--home", str(home)),
            *("--registrar", f"localhost:{registrar_port}", "--broker", f"mqtts://localhost:{port}"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with CertifiedBroker(folder / "broker", home / "mosquitto", port) as broker:
        bench = EnrolledCenter(folder, broker, readers=1, registrar_port=registrar_port)  # type: ignore[arg-type]
        bench.write_config()
        try:
            yield bench
        finally:
            bench.end()
