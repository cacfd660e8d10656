"""HTTPS of a running gateway: its own certificate, and a province's that comes late."""

import hashlib
import http.client
import json
import socket
import ssl
from contextlib import closing, suppress
from pathlib import Path

import pytest
import trustme

from tests.broker import Mosquitto, free_port
from tests.e2e.bench_center import Center, center
from tests.signing_in import add_account, session_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def said(bench: Center, message: str) -> list[dict[str, str]]:
    whole = bench.log_text("gateway").split("\n")[:-1]
    told = [json.loads(line) for line in whole if line.startswith("{")]
    return [line for line in told if line["msg"] == message]


def status(
    port: int, path: str, trusted: Path | None = None, headers: dict[str, str] | None = None
) -> int | None:
    """What a client is answered; None where it is not."""
    made: http.client.HTTPConnection
    if trusted is None:
        made = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    else:
        context = ssl.create_default_context(cafile=str(trusted))
        made = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    with closing(made), suppress(OSError, http.client.HTTPException):
        made.request("GET", path, headers=headers or {})
        with made.getresponse() as answer:
            return answer.status
    return None


async def test_a_gateway_serves_the_network_by_https_and_itself_in_the_clear(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    plain, secure = free_port(), free_port()
    api = f'listen = "127.0.0.1:{plain}"\nhttps = "0.0.0.0:{secure}"\nnames = ["gateway.lan"]'
    with center(tmp_path, mosquitto, readers=0, api_config=api) as bench:
        own = bench.store.parent / "https-certificate.pem"
        bench.start_gateway()
        await bench.until(lambda: own.exists() and status(secure, "/healthz", own) == 200, "https")
        assert status(secure, "/healthz") is None, "nothing in the clear"
        assert status(plain, "/metrics") == 200
        assert status(plain, "/api/v1/snapshot") == 401, "being here is no sign-in"
        assert status(secure, "/sign-in", own) == 200
        (shown,) = said(bench, "https certificate")
        der = ssl.PEM_cert_to_DER_cert(own.read_text())
        assert bytes.fromhex(shown["sha256"].replace(":", "")) == hashlib.sha256(der).digest()
        before = own.read_bytes()
        with socket.create_connection(("127.0.0.1", secure)):  # says nothing
            assert bench.stop_gateway(5) == 0
        bench.start_gateway()
        await bench.until(lambda: status(secure, "/healthz", own) == 200, "https again")
        assert own.read_bytes() == before, "a restart is no reason for another certificate"


async def test_a_technician_signs_in_to_a_running_gateway_and_no_longer_after_a_restart(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    port = free_port()
    with center(tmp_path, mosquitto, readers=0, api_config=f'listen = "127.0.0.1:{port}"') as bench:
        bench.start_gateway()
        await bench.until(lambda: status(port, "/healthz") == 200, "the page")
        with pytest.raises(ConnectionRefusedError, match="503"):
            session_of(port)  # nobody has an account yet
        add_account(bench.config, tmp_path)
        session = session_of(port)
        assert status(port, "/api/v1/snapshot", headers=session) == 200
        assert status(port, "/staff/persons", headers=session) == 403
        bench.stop_gateway()
        bench.start_gateway()
        await bench.until(lambda: status(port, "/healthz") == 200, "the page again")
        assert status(port, "/api/v1/snapshot", headers=session) == 401


async def test_a_certificate_that_is_missing_closes_https_only_and_is_taken_when_it_comes(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    plain, secure = free_port(), free_port()
    certificate, key, ca = (tmp_path / name for name in ("https.pem", "https-key.pem", "ca.pem"))
    api = f'listen = "127.0.0.1:{plain}"\nhttps = "127.0.0.1:{secure}"\n'
    api += f'certificate_file = "{certificate}"\ncertificate_key_file = "{key}"'
    with center(tmp_path, mosquitto, readers=0, api_config=api) as bench:
        bench.start_gateway()
        await bench.until(lambda: bool(said(bench, "page not served on the network")), "the message")
        (told,) = said(bench, "page not served on the network")
        assert told["code"] == "certificate_unreadable"
        assert str(certificate) in told["remedy"]
        await bench.until(lambda: status(plain, "/healthz") == 200, "the page on the box")
        province = trustme.CA()
        issued = province.issue_cert("127.0.0.1")
        province.cert_pem.write_to_path(str(ca))
        key.touch(0o600)
        issued.private_key_pem.write_to_path(str(key))
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        await bench.until(lambda: status(secure, "/healthz", ca) == 200, "https, without a restart", 25)
        assert bench.stop_gateway(5) == 0
