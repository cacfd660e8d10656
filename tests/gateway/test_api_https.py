"""HTTPS: the box's own certificate, the province's, renewal, and that nothing else is spoken on that port."""

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway import RELEASED_MS
from gateway.access.model import Role
from gateway.api import own_certificate
from gateway.api.https import CertificatePlan, Https, fingerprint_of
from gateway.api.listening import listen
from gateway.api.own_certificate import CERTIFICATE_FILE, KEY_FILE, LIFE, RENEWED_BEFORE, ensure
from gateway.api.server import serve_on
from gateway.errors import StartError
from tests.gateway.memory_access import MemoryAccess, app_of, cookies
from tests.ui.scripted import ScriptedGateway, healthy

NOW_MS = RELEASED_MS + 30 * 86_400_000
NAMES = ("gateway.lan", "192.168.1.20", "fd00::7")
DAY_MS = 86_400_000


def plan_of(folder: Path, given: tuple[Path, Path] | None = None) -> CertificatePlan:
    return CertificatePlan(folder=folder, gateway="gw-440305-01", names=NAMES, given=given)


def certificate_in(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / CERTIFICATE_FILE).read_bytes())


# --- The box's own certificate --------------------------------------------------------------------------------


def test_the_first_start_makes_a_certificate_for_a_server_and_nothing_else(tmp_path: Path) -> None:
    certificate, key = ensure(tmp_path, "gw-440305-01", NAMES, NOW_MS)
    made = certificate_in(tmp_path)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"gateway.lan", "localhost"} <= set(names.get_values_for_type(x509.DNSName))
    addresses = {str(one) for one in names.get_values_for_type(x509.IPAddress)}
    assert {"192.168.1.20", "fd00::7", "127.0.0.1", "::1"} <= addresses
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert isinstance(made.public_key(), ec.EllipticCurvePublicKey)
    assert key.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in sorted(tmp_path.iterdir())] == sorted([CERTIFICATE_FILE, KEY_FILE])
    assert certificate == tmp_path / CERTIFICATE_FILE


@pytest.mark.parametrize("now_ms", [0, RELEASED_MS, NOW_MS, RELEASED_MS + 20 * 365 * DAY_MS])
def test_its_dates_are_right_for_others_whatever_this_clock_says(tmp_path: Path, now_ms: int) -> None:
    ensure(tmp_path, "gw-440305-01", NAMES, now_ms)
    made, released = certificate_in(tmp_path), datetime.fromtimestamp(RELEASED_MS / 1000, UTC)
    assert made.not_valid_before_utc <= released
    assert made.not_valid_after_utc >= released + LIFE - timedelta(days=1)
    assert made.not_valid_after_utc >= datetime.fromtimestamp(now_ms / 1000, UTC) + LIFE - timedelta(days=2)


def test_it_stays_until_it_must_be_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(names: tuple[str, ...] = NAMES, now_ms: int = NOW_MS) -> str:
        ensure(tmp_path, "gw-440305-01", names, now_ms)
        return fingerprint_of(certificate_in(tmp_path))

    first = made()
    assert made() == first
    assert made(NAMES[:1]) == first, "a name fewer is no reason"
    monkeypatch.setattr(own_certificate, "_found_names", lambda: ["10.9.8.7"])
    assert made() == first, "an address that changed is none either"
    second = made((*NAMES, "new.lan"))
    assert second != first
    ends_ms = int(certificate_in(tmp_path).not_valid_after_utc.timestamp() * 1000)
    names, before_ms = (*NAMES, "new.lan"), int(RENEWED_BEFORE.total_seconds() * 1000)
    assert made(names, ends_ms - before_ms - DAY_MS) == second
    third = made(names, ends_ms - before_ms + DAY_MS)
    assert third != second


@pytest.mark.parametrize("spoilt", [CERTIFICATE_FILE, KEY_FILE])
@pytest.mark.parametrize("content", [b"", b"no PEM", None])
def test_what_is_spoilt_is_made_anew(tmp_path: Path, spoilt: str, content: bytes | None) -> None:
    ensure(tmp_path, "gw-440305-01", NAMES, NOW_MS)
    before = fingerprint_of(certificate_in(tmp_path))
    if content is None:
        (tmp_path / spoilt).unlink()
    else:
        (tmp_path / spoilt).write_bytes(content)
    ensure(tmp_path, "gw-440305-01", NAMES, NOW_MS)
    assert fingerprint_of(certificate_in(tmp_path)) != before
    Https.load(plan_of(tmp_path), NOW_MS)


def test_a_key_of_another_certificate_is_noticed(tmp_path: Path) -> None:
    """A power cut between the two files leaves just that."""
    ensure(tmp_path, "gw-440305-01", NAMES, NOW_MS)
    old = (tmp_path / CERTIFICATE_FILE).read_bytes()
    (tmp_path / CERTIFICATE_FILE).unlink()
    ensure(tmp_path, "gw-440305-01", NAMES, NOW_MS)
    (tmp_path / CERTIFICATE_FILE).write_bytes(old)
    Https.load(plan_of(tmp_path), NOW_MS)
    assert (tmp_path / CERTIFICATE_FILE).read_bytes() != old


def test_a_folder_that_takes_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="see to the disk") as caught:
        ensure(tmp_path / "missing", "gw-440305-01", NAMES, NOW_MS)
    assert caught.value.code == "certificate_unwritable"


# --- The province's -------------------------------------------------------------------------------------------


class Province:
    """Issues certificates into two files, as a technician puts them there."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.files = folder / "https.pem", folder / "https-key.pem"

    def issue(self, *, expired: bool = False) -> str:
        until = datetime.now(UTC) - timedelta(days=1) if expired else None
        issued = self.ca.issue_cert("gateway.lan", "127.0.0.1", not_after=until)
        pem = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        for path, content in zip(self.files, (pem, issued.private_key_pem.bytes()), strict=True):
            fresh = path.with_suffix(".new")
            fresh.touch(0o600)
            fresh.write_bytes(content)
            fresh.replace(path)
        return fingerprint_of(x509.load_pem_x509_certificate(pem))


@pytest.fixture
def province(tmp_path: Path) -> Province:
    return Province(tmp_path)


def test_the_province_s_certificate_is_shown_where_it_is_given(tmp_path: Path, province: Province) -> None:
    fingerprint = province.issue()
    assert Https.load(plan_of(tmp_path, province.files), NOW_MS).fingerprint == fingerprint
    assert not (tmp_path / CERTIFICATE_FILE).exists()


def spoil(province: Province, how: str) -> None:
    certificate, key = province.files
    match how:
        case "missing certificate":
            certificate.unlink()
        case "missing key":
            key.unlink()
        case "no certificate":
            certificate.write_text("hello")
        case "no key":
            key.write_text("hello")
        case "another key":
            old = certificate.read_bytes()
            province.issue()
            certificate.write_bytes(old)
        case "key for all":
            key.chmod(0o644)
        case "locked key":
            private = ec.generate_private_key(ec.SECP256R1())
            key.write_bytes(
                private.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.BestAvailableEncryption(b"secret"),
                )
            )


SPOILT = {
    "missing certificate": "certificate_unreadable",
    "missing key": "certificate_unreadable",
    "no certificate": "certificate_invalid",
    "no key": "certificate_key_invalid",
    "another key": "certificate_key_mismatch",
    "key for all": "certificate_key_mode",
    "locked key": "certificate_key_invalid",
}


@pytest.mark.parametrize(("how", "code"), SPOILT.items())
def test_one_that_cannot_be_used_says_which_file_and_what_to_do(
    tmp_path: Path, province: Province, how: str, code: str
) -> None:
    province.issue()
    spoil(province, how)
    with pytest.raises(StartError, match=r"https is not served: .*https(-key)?\.pem .*; ") as caught:
        Https.load(plan_of(tmp_path, province.files), NOW_MS)
    assert caught.value.code == code
    assert not (tmp_path / CERTIFICATE_FILE).exists(), "none of our own is shown instead"


@pytest.mark.parametrize("how", SPOILT)
async def test_one_that_is_spoilt_while_it_is_shown_stays_and_is_said_once(
    tmp_path: Path, province: Province, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    fingerprint = province.issue()
    https = Https.load(plan_of(tmp_path, province.files), NOW_MS)
    spoil(province, how)
    for _ in range(3):
        https.look(NOW_MS)
    assert https.fingerprint == fingerprint
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(told) == 1
    async with served(https) as port:
        assert await shown_at(port) == fingerprint
        renewed = province.issue()
        https.look(NOW_MS)
        assert await shown_at(port) == renewed


def test_one_that_has_expired_is_shown_with_a_warning(
    tmp_path: Path, province: Province, caplog: pytest.LogCaptureFixture
) -> None:
    """The browser judges it, by a better clock."""
    fingerprint = province.issue(expired=True)
    https = Https.load(plan_of(tmp_path, province.files), int(datetime.now(UTC).timestamp() * 1000))
    assert https.fingerprint == fingerprint
    assert "expired" in caplog.text


# --- On the line ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def served(https: Https, access: MemoryAccess | None = None) -> AsyncIterator[int]:
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    app = app_of(ScriptedGateway(healthy()), access, hosts=NAMES)
    task = asyncio.create_task(serve_on(app, listener, context=https.context))
    try:
        yield port
    finally:
        task.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait({task})


async def shown_at(port: int) -> str:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return fingerprint_of(x509.load_der_x509_certificate(der))


@pytest.fixture
def https(tmp_path: Path) -> Https:
    return Https.load(plan_of(tmp_path), NOW_MS)


async def test_a_browser_that_trusts_the_certificate_reaches_the_gateway_by_its_names(
    tmp_path: Path, https: Https
) -> None:
    access = MemoryAccess()
    trusting = ssl.create_default_context(cafile=str(tmp_path / CERTIFICATE_FILE))
    async with (
        served(https, access) as port,
        httpx.AsyncClient(verify=trusting, headers=cookies(access, Role.TECHNICIAN)) as client,
    ):
        answer = await client.get(f"https://127.0.0.1:{port}/api/v1/snapshot")
        assert answer.json()["gateway"] == "gw-440305-01"
        assert "strict-transport-security" not in answer.headers
        for host in ("gateway.lan", "192.168.1.20", "[fd00::7]"):
            named = await client.get(
                f"https://127.0.0.1:{port}/healthz",
                headers={"Host": f"{host}:{port}"},
                extensions={"sni_hostname": host.strip("[]")},
            )
            assert named.status_code == 200, host
        foreign = await client.get(f"https://127.0.0.1:{port}/healthz", headers={"Host": "evil.example"})
        assert foreign.status_code == 400


async def test_a_browser_that_does_not_trust_it_says_so(https: Https) -> None:
    async with served(https) as port, httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get(f"https://127.0.0.1:{port}/healthz")


async def test_the_port_speaks_nothing_in_the_clear(https: Https) -> None:
    async with served(https) as port:
        for said in (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\r\n", os.urandom(64)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            if said == b"\r\n":
                writer.write_eof()
            heard = b""
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(5):
                    heard = await reader.read()
            assert b"HTTP" not in heard
            assert b"alive" not in heard
            writer.close()


@pytest.mark.parametrize(
    ("version", "ciphers", "accepted"),
    [
        (ssl.TLSVersion.TLSv1_1, None, False),
        (ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM", True),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256", False),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA", False),
        (ssl.TLSVersion.TLSv1_3, None, True),
    ],
)
async def test_only_what_is_sound_today_is_spoken(
    https: Https, version: ssl.TLSVersion, ciphers: str | None, *, accepted: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        pytest.warns(DeprecationWarning, match="TLSv1_1")
        if version is ssl.TLSVersion.TLSv1_1
        else contextlib.nullcontext()
    ):
        context.minimum_version = context.maximum_version = version
    context.set_ciphers(f"{ciphers or 'DEFAULT'}@SECLEVEL=0")
    async with served(https) as port:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            writer.close()
        except (ssl.SSLError, ConnectionError):
            assert not accepted
        else:
            assert accepted


async def test_stopping_ends_streams_over_tls_at_once(tmp_path: Path, https: Https) -> None:
    access = MemoryAccess()
    trusting = ssl.create_default_context(cafile=str(tmp_path / CERTIFICATE_FILE))
    loop = asyncio.get_running_loop()
    async with (
        httpx.AsyncClient(verify=trusting, headers=cookies(access, Role.TECHNICIAN)) as client,
        contextlib.AsyncExitStack() as stack,
    ):
        port = await stack.enter_async_context(served(https, access))
        async with client.stream("GET", f"https://127.0.0.1:{port}/api/v1/stream") as answer:
            lines = answer.aiter_lines()
            assert (await anext(lines)).startswith("event: snapshot")
            idle = await asyncio.open_connection("127.0.0.1", port)  # a handshake that never begins
            began = loop.time()
            await stack.aclose()
            assert loop.time() - began < 2.5
            assert [line async for line in lines][-1] == ""  # a whole answer
            idle[1].close()
