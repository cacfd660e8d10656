"""A hostile box gets nothing from the registrar, and a hostile or broken registrar changes nothing on the box."""

import asyncio
import contextlib
import dataclasses
import http.client
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.config.enrolled import read_enrolled
from gateway.errors import ConfigError, ContractError
from gateway.evidence import canonical
from gateway.evidence.jws import Signer
from gateway.evidence.keys import key_name
from gateway.provisioning import EnrolmentCode, EnrolmentRefused
from gateway.provisioning.keys import NewKeys
from gateway.provisioning.messages import (
    ENROL_PATH,
    RENEW_PATH,
    EnrolMessage,
    GrantMessage,
    RenewMessage,
    refusal_from_wire,
)
from gateway.provisioning.wire import trusting
from gateway.registrar.registrar import Registrar
from gateway.registrar.web import server_context
from tests.gateway.enrolment_center import GATEWAY, NEIGHBOUR, Center, enrol_box


@pytest.fixture
def center(tmp_path: Path) -> Center:
    return Center(tmp_path / "center")


def request_of(code: str, **changes: object) -> tuple[EnrolMessage, Signer]:
    parsed = EnrolmentCode.parse(code)
    keys = NewKeys.make(parsed.gateway, "", event_key=Ed25519PrivateKey.generate())
    signer = keys.signer()
    message = EnrolMessage(
        org=parsed.org,
        gateway=parsed.gateway,
        token=parsed.token,
        csr=keys.csr,
        event_key=signer.public.public_bytes_raw(),
        software="test",
    )
    return dataclasses.replace(message, **changes), signer  # type: ignore[arg-type]


def refused(center: Center, wire: bytes) -> str:
    with pytest.raises(ContractError) as why:
        center.registrar.enrol(wire)
    assert all(one.state == "invited" for one in center.registrar.standings()), "somebody was enrolled"
    return why.value.code


def csr_for(name: str, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> x509.CertificateSigningRequest:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())


def test_another_key_cannot_sign_for_the_event_key(center: Center) -> None:
    message, _ = request_of(center.code())
    stranger = Signer(key_name(GATEWAY, message.event_key), Ed25519PrivateKey.generate())
    assert refused(center, message.to_wire(stranger)) == "proof"


def test_an_event_key_goes_by_its_own_name_only(center: Center) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    message, _ = request_of(center.code(), event_key=public)
    assert refused(center, message.to_wire(Signer(f"{GATEWAY}#1", key))) == "proof"


def test_an_unsigned_request_is_refused(center: Center) -> None:
    message, signer = request_of(center.code())
    document = canonical.decode(message.to_wire(signer))
    del document["jws"]
    assert refused(center, canonical.encode(document)) == "proof"


@pytest.mark.parametrize(
    ("name", "make"),
    [
        (NEIGHBOUR, lambda: ec.generate_private_key(ec.SECP256R1())),
        ("center", lambda: ec.generate_private_key(ec.SECP256R1())),
        (GATEWAY, lambda: ec.generate_private_key(ec.SECP384R1())),
        (GATEWAY, lambda: rsa.generate_private_key(65537, 2048)),
    ],
    ids=["other-gateway", "receiver", "p384", "rsa"],
)
def test_a_certificate_is_only_for_the_gateways_own_name_and_a_good_key(
    center: Center, name: str, make: Callable[[], ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey]
) -> None:
    message, signer = request_of(center.code(), csr=csr_for(name, make()))
    assert refused(center, message.to_wire(signer)) == "csr"


def test_a_request_whose_certificate_key_is_not_proven_is_refused(center: Center) -> None:
    message, signer = request_of(center.code())
    document = canonical.decode(message.to_wire(signer))
    del document["jws"]
    lines = str(document["csr"]).splitlines()
    lines[-2] = lines[-2][:8] + ("A" if lines[-2][8] != "A" else "B") + lines[-2][9:]
    document["csr"] = "\n".join(lines) + "\n"
    assert refused(center, signer.sign_object(document)) == "csr"


def test_any_changed_byte_of_a_request_is_refused(center: Center) -> None:
    message, signer = request_of(center.code())
    wire, dice = message.to_wire(signer), random.Random(4)
    for _ in range(150):
        at = dice.randrange(len(wire))
        bent = wire[:at] + bytes([wire[at] ^ 1 << dice.randrange(8)]) + wire[at + 1 :]
        assert refused(center, bent) in {"malformed", "proof", "csr"}
    assert GrantMessage.from_wire(center.registrar.enrol(wire)).gateway == GATEWAY  # the control


def test_a_code_is_not_spent_by_what_was_refused(center: Center) -> None:
    code = center.code()
    message, signer = request_of(code)
    assert refused(center, message.to_wire(signer)[:-2]) == "malformed"
    assert center.registrar.enrol(message.to_wire(signer))


def test_one_code_in_a_race_enrols_one_box(center: Center) -> None:
    code = center.code()
    first, second = request_of(code), request_of(code)
    center.registrar.enrol(first[0].to_wire(first[1]))
    with pytest.raises(ContractError) as why:
        center.registrar.enrol(second[0].to_wire(second[1]))
    assert why.value.code == "token_used"


def test_the_audit_names_what_was_done_and_no_secret(center: Center) -> None:
    code = center.code()
    message, signer = request_of(code)
    grant = GrantMessage.from_wire(center.registrar.enrol(message.to_wire(signer)))
    center.registrar.revoke(GATEWAY, keep_event_keys=False)
    lines = [line[1:] for line in center.registrar.audit()]
    assert [line[:2] for line in lines] == [
        ("code_issued", GATEWAY),
        ("enrolled", GATEWAY),
        ("revoked", GATEWAY),
    ]
    told = json.dumps(lines)
    for secret in (code.rpartition("/")[2], message.token.hex(), grant.id_hmac_key.hex()):
        assert secret not in told
    assert message.token not in center.home.book.read_bytes()


Bend = Callable[[GrantMessage], bytes]


def without(role: str) -> Bend:
    return lambda grant: dataclasses.replace(
        grant, keys=tuple(key for key in grant.keys if key.role.value != role)
    ).to_wire()


def other_certificate(grant: GrantMessage) -> bytes:
    """Of the right name and authority, for another key."""
    certificate = x509.load_pem_x509_certificate(grant.certificate.encode())
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(certificate.subject)
        .issuer_name(certificate.issuer)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(Encoding.PEM).decode()
    return dataclasses.replace(grant, certificate=pem).to_wire()


BENT: dict[str, Bend] = {
    "another gateway": lambda grant: dataclasses.replace(grant, gateway=NEIGHBOUR).to_wire(),
    "another event key": lambda grant: dataclasses.replace(grant, kid=f"{GATEWAY}#00000000").to_wire(),
    "another certificate": other_certificate,
    "no certificate": lambda grant: dataclasses.replace(grant, certificate="none").to_wire(),
    "another authority": lambda grant: dataclasses.replace(grant, authority=grant.certificate).to_wire(),
    "no root key": without("center-root"),
    "no ack key": without("center-ack"),
    "half an answer": lambda grant: grant.to_wire()[:-100],
    "a broker without TLS": lambda grant: grant.to_wire().replace(b"mqtts://", b"mqtt://"),
    "a long answer": lambda grant: grant.to_wire() + b" " * 100_000,
    "not JSON": lambda _grant: b"<html>",
}


@pytest.mark.parametrize("how", BENT)
async def test_an_answer_that_cannot_be_used_changes_nothing(
    center: Center, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    code, real = center.code(), Registrar.enrol
    monkeypatch.setattr(
        Registrar, "enrol", lambda self, wire: BENT[how](GrantMessage.from_wire(real(self, wire)))
    )
    async with center.open():
        with pytest.raises(EnrolmentRefused) as why:
            await enrol_box(tmp_path / "box", code)
        assert why.value.code in {"answer_unusable", "no_registrar"}
        assert read_enrolled(tmp_path / "box") is None
        monkeypatch.undo()
        await enrol_box(tmp_path / "box", code)  # and the same code still leads to the end


async def test_a_line_that_breaks_in_the_middle_of_the_answer(center: Center, tmp_path: Path) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):  # the first one only looks at the certificate
            if await reader.read(1000):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{")
                await writer.drain()
        writer.close()

    code = center.code()
    context = server_context(center.home, datetime.now(UTC))
    async with await asyncio.start_server(break_off, "127.0.0.1", center.port, ssl=context):
        with pytest.raises(EnrolmentRefused) as why:
            await enrol_box(tmp_path / "box", code)
    assert why.value.code == "server_broken"
    assert read_enrolled(tmp_path / "box") is None
    async with center.open():
        await enrol_box(tmp_path / "box", code)


def test_a_mistyped_character_is_found_before_anything_is_sent(center: Center) -> None:
    code = center.code()
    head, _, groups = code.rpartition("/")
    dice = random.Random(7)
    for at, character in enumerate(groups):
        if character == "-":
            continue
        other = dice.choice([one for one in "0123456789ABCDEFGHJKMNPQRSTVWXYZ" if one != character])
        with pytest.raises(ConfigError) as told:
            EnrolmentCode.parse(f"{head}/{groups[:at]}{other}{groups[at + 1 :]}")
        assert told.value.code == "code_typing"
        assert other + groups[at + 1 : at + 4] not in str(told.value)


def test_a_code_may_be_typed_as_people_do(center: Center) -> None:
    code = center.code()
    parsed = EnrolmentCode.parse(code)
    head, _, groups = code.rpartition("/")
    sloppy = groups.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    for text in (f"  {code}\n", f"https://{code}", f"{head}/{sloppy}", code.replace("/370102", "/gw-370102")):
        assert EnrolmentCode.parse(text) == parsed
    assert str(parsed) == code
    assert parsed.token.hex() not in repr(parsed)
    assert len(groups) == 65  # eleven groups of five


@pytest.mark.parametrize(
    "text", ["", "hello", "host/370102-01/", "host:99999/370102-01/" + "0" * 55, "h\u0131/370102-01/00"]
)
def test_what_is_no_code_is_told_as_that(text: str) -> None:
    with pytest.raises(ConfigError) as told:
        EnrolmentCode.parse(text)
    assert told.value.code in {"code_form", "code_typing"}


def asked(center: Center, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    context = trusting(center.home.authority, None)
    connection = http.client.HTTPSConnection("localhost", center.port, timeout=20, context=context)
    try:
        connection.request(method, path, body)
        with connection.getresponse() as answer:
            return answer.status, answer.read()
    finally:
        connection.close()


async def test_whatever_is_sent_is_answered_shortly_and_the_next_box_is_served(
    center: Center, tmp_path: Path
) -> None:
    async with center.open():

        async def ask(method: str, path: str, body: bytes) -> tuple[int, str]:
            status, content = await asyncio.to_thread(asked, center, method, path, body)
            return status, refusal_from_wire(content)

        assert await ask("GET", "/", b"") == (404, "not_found")
        assert await ask("GET", ENROL_PATH, b"") == (404, "not_found")
        assert await ask("POST", ENROL_PATH, b"") == (400, "malformed")
        assert await ask("POST", ENROL_PATH, b"x" * 200_000) == (400, "malformed")
        assert await ask("POST", ENROL_PATH, b'{"v":1}') == (403, "proof")
        assert await ask("POST", RENEW_PATH, b"[" * 40_000) == (400, "malformed")
        wire = RenewMessage(org="370102", gateway=GATEWAY, csr=NewKeys.make(GATEWAY, "").csr).to_wire()
        assert await ask("POST", RENEW_PATH, wire) == (403, "no_certificate")
        for garbage in (b"\x16\x03", b"GET / HTTP/1.1\r\n\r\n", bytes(3000)):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", center.port)
                writer.write(garbage)
                writer.close()
        assert (await enrol_box(tmp_path / "box", center.code())).gateway == GATEWAY
