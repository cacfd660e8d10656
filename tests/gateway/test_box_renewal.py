"""A certificate is renewed over itself: by its own box, once for each request, and by nobody else."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config.enrolled import current_identity, read_enrolled
from gateway.config.values import Broker
from gateway.errors import ContractError
from gateway.provisioning import EnrolmentRefused
from gateway.provisioning.keys import NewKeys, renewal_due
from gateway.provisioning.messages import RenewMessage
from gateway.provisioning.renewal import is_enrolled, lifetime, renew
from gateway.registrar.home import Home
from gateway.registrar.registrar import RENEWALS_A_DAY, Registrar
from tests.gateway.enrolment_center import DAY_MS, GATEWAY, NEIGHBOUR, Center, enrol_box


@pytest.fixture
def center(tmp_path: Path) -> Center:
    return Center(tmp_path / "center")


@pytest.fixture
async def box(center: Center, tmp_path: Path) -> Path:
    async with center.open():
        await enrol_box(tmp_path / "box", center.code())
    return tmp_path / "box"


def files_of(box: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in current_identity(box).iterdir()}


def certificate_of(box: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files_of(box)["client.pem"])


async def renewed(box: Path) -> None:
    await asyncio.to_thread(renew, box, lambda: None)


async def refusal(box: Path) -> str:
    with pytest.raises(EnrolmentRefused) as refused:
        await renewed(box)
    return refused.value.code


async def test_a_new_key_and_certificate_and_nothing_else_changes(center: Center, box: Path) -> None:
    before = files_of(box)
    async with center.open():
        await renewed(box)
    after = files_of(box)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"client.pem", "client-key.pem"}
    assert before.keys() == after.keys()
    assert not (box / "identity" / "renewing").exists()
    assert is_enrolled(box, current_identity(box) / "client.pem")


async def test_brokers_that_moved_are_told_with_it(center: Center, box: Path) -> None:
    facts = center.folder / "center.json"
    facts.write_text(facts.read_text().replace("mqtts://localhost:8883", "mqtts://mq2.example:8884"))
    center.home = Home.load(center.folder)
    center.registrar = Registrar(center.home)
    async with center.open():
        await renewed(box)
    found = read_enrolled(box)
    assert found is not None
    assert found.brokers == (Broker("mq2.example", 8884, tls=True),)


async def test_a_lost_answer_leads_to_the_same_certificate(
    center: Center, box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bytes] = []
    real = Registrar.renew

    def lost(self: Registrar, wire: bytes, shown: bytes | None) -> bytes:
        made.append(real(self, wire, shown))
        raise ContractError("busy", "the answer is lost")

    monkeypatch.setattr(Registrar, "renew", lost)
    async with center.open():
        assert await refusal(box) == "busy"
        monkeypatch.undo()
        await renewed(box)
    assert files_of(box)["client.pem"].decode() in made[0].decode().replace("\\n", "\n")


async def test_a_revoked_box_is_told_so(center: Center, box: Path) -> None:
    before = files_of(box)
    center.registrar.revoke(GATEWAY, keep_event_keys=False)
    async with center.open():
        assert await refusal(box) == "certificate_revoked"
    assert files_of(box) == before


async def test_a_box_of_another_center_is_refused(center: Center, box: Path, tmp_path: Path) -> None:
    stranger = Center(tmp_path / "stranger", port=center.port)
    # It shows the right authority to the box, and asks for certificates of its own.
    async with stranger.open():
        assert await refusal(box) in {"server_certificate", "certificate_unknown"}


async def test_one_gateway_gets_no_certificate_for_another(center: Center, box: Path) -> None:
    shown = certificate_of(box).public_bytes(Encoding.DER)
    keys = NewKeys.make(NEIGHBOUR, "")
    wire = RenewMessage(org="370102", gateway=NEIGHBOUR, csr=keys.csr).to_wire()
    with pytest.raises(ContractError) as refused:
        center.registrar.renew(wire, shown)
    assert refused.value.code == "certificate_unknown"


async def test_a_certificate_that_only_bears_the_serial_of_ours_is_unknown(center: Center, box: Path) -> None:
    ours, key = certificate_of(box), ec.generate_private_key(ec.SECP256R1())
    forged = (
        x509.CertificateBuilder()
        .subject_name(ours.subject)
        .issuer_name(ours.issuer)
        .public_key(key.public_key())
        .serial_number(ours.serial_number)
        .not_valid_before(ours.not_valid_before_utc)
        .not_valid_after(ours.not_valid_after_utc)
        .sign(key, hashes.SHA256())
    )
    wire = RenewMessage(org="370102", gateway=GATEWAY, csr=NewKeys.make(GATEWAY, "").csr).to_wire()
    with pytest.raises(ContractError) as refused:
        center.registrar.renew(wire, forged.public_bytes(Encoding.DER))
    assert refused.value.code == "certificate_unknown"
    with pytest.raises(ContractError) as nothing:
        center.registrar.renew(wire, None)
    assert nothing.value.code == "no_certificate"


async def test_an_ended_certificate_renews_nothing(center: Center, box: Path) -> None:
    center.ahead_ms = 91 * DAY_MS
    wire = RenewMessage(org="370102", gateway=GATEWAY, csr=NewKeys.make(GATEWAY, "").csr).to_wire()
    with pytest.raises(ContractError) as refused:
        center.registrar.renew(wire, certificate_of(box).public_bytes(Encoding.DER))
    assert refused.value.code == "certificate_expired"
    assert center.code()  # and a new code may be had without revoking


async def test_a_loop_of_renewals_is_ended(center: Center, box: Path) -> None:
    shown = certificate_of(box).public_bytes(Encoding.DER)
    codes = []
    for _ in range(RENEWALS_A_DAY + 1):
        wire = RenewMessage(org="370102", gateway=GATEWAY, csr=NewKeys.make(GATEWAY, "").csr).to_wire()
        try:
            center.registrar.renew(wire, shown)
        except ContractError as exc:
            codes.append(exc.code)
    assert codes == ["busy", "busy"]  # the first of the day was the enrolment's


async def test_all_certificates_of_a_revoked_box_are_on_the_list(center: Center, box: Path) -> None:
    old = certificate_of(box).serial_number
    async with center.open():
        await renewed(box)
    center.registrar.revoke(GATEWAY, keep_event_keys=False)
    crl = x509.load_pem_x509_crl(center.home.revocation_list.read_bytes())
    assert {entry.serial_number for entry in crl} == {old, certificate_of(box).serial_number}
    authority = x509.load_pem_x509_certificate(center.home.authority.encode())
    key = authority.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(key)
    assert crl.next_update_utc is not None
    assert crl.next_update_utc - datetime.now(UTC) > timedelta(days=29)


async def test_two_thirds_of_a_life(center: Center, box: Path) -> None:
    found = lifetime(current_identity(box) / "client.pem")
    assert found is not None
    assert found.due == renewal_due(certificate_of(box))
    assert timedelta(days=59) < found.due - datetime.now(UTC) < timedelta(days=61)
    assert lifetime(box / "absent.pem") is None
