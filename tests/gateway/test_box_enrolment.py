"""A box is enrolled by its code over a real line, and by nothing else."""

import asyncio
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config import load
from gateway.config.enrolled import current_identity, read_enrolled
from gateway.errors import ConfigError, ContractError, GatewayError
from gateway.evidence.keys import Role, load_trust
from gateway.keyring import Keys
from gateway.provisioning import EnrolmentCode, EnrolmentRefused, Step
from gateway.provisioning.code import pin_of
from gateway.registrar.registrar import Registrar
from tests.gateway.enrolment_center import DAY_MS, GATEWAY, NEIGHBOUR, Center, enrol_box

CONFIG = (
    '[gateway]\nstate_dir = "{state}"\n[[device]]\nid = "idcard-1"\nkind = "idcard.sam"\nport = "/dev/none"\n'
)


@pytest.fixture
def center(tmp_path: Path) -> Center:
    return Center(tmp_path / "center")


@pytest.fixture
def box(tmp_path: Path) -> Path:
    folder = tmp_path / "box"
    folder.mkdir()
    return folder


async def refusal(center: Center, box: Path, code: str) -> str:
    async with center.open():
        with pytest.raises(EnrolmentRefused) as refused:
            await enrol_box(box, code)
    assert str(refused.value)
    return refused.value.code


async def test_one_code_is_all_that_a_gateway_needs(center: Center, box: Path) -> None:
    steps: list[Step] = []
    async with center.open():
        enrolled = await enrol_box(box, center.code(), step=steps.append)
    assert (enrolled.gateway, enrolled.org) == (GATEWAY, "370102")
    assert steps == [Step.CODE, Step.CENTER, Step.KEYS, Step.ASKING, Step.STORING, Step.DONE]
    config_file = box / "zhijiao.toml"
    config_file.write_text(CONFIG.format(state=box))
    config = load(config_file)  # every file is there, of the right mode; org, id and broker were given
    assert (config.gateway.id, config.gateway.org) == (GATEWAY, "370102")
    assert str(config.uplink.broker) == "mqtts://localhost:8883"
    keys = Keys.load(config)
    assert keys.signer.kid == enrolled.kid
    assert keys.trust.seal_key() is not None
    trusted = load_trust(center.home.trust, allow_demo=False)
    assert [key.kid for key in trusted.of_gateway(GATEWAY)] == [enrolled.kid]
    assert (
        trusted.find(Role.GATEWAY, gateway=GATEWAY)(enrolled.kid).public_bytes_raw()
        == keys.signer.public.public_bytes_raw()
    )


async def test_the_files_are_closed_to_everybody_else(center: Center, box: Path) -> None:
    async with center.open():
        await enrol_box(box, center.code())
    for path in current_identity(box).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o400, path.name
    assert stat.S_IMODE((box / "identity").stat().st_mode) == 0o700
    for name in ("ca-key.pem", "registrar-key.pem", "keys/root-key.pem", "mosquitto/server.key"):
        assert stat.S_IMODE((center.folder / name).stat().st_mode) == 0o400, name
    assert not (box / "identity" / "pending").exists()


async def test_a_lost_answer_is_asked_for_again_and_is_the_same(
    center: Center, box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, real = center.code(), Registrar.enrol

    def lost(self: Registrar, wire: bytes) -> bytes:
        real(self, wire)
        raise ContractError("busy", "the answer is lost")

    monkeypatch.setattr(Registrar, "enrol", lost)
    assert await refusal(center, box, code) == "busy"
    assert read_enrolled(box) is None
    monkeypatch.undo()
    async with center.open():
        first = await enrol_box(box, code)
    # Also for who did not see the end of it, and without the center.
    assert (await enrol_box(box, code)).kid == first.kid
    assert [one.kids for one in center.registrar.standings()] == [(first.kid,)]


async def test_a_used_code_is_of_no_use_to_another_box(center: Center, box: Path, tmp_path: Path) -> None:
    code = center.code()
    async with center.open():
        await enrol_box(box, code)
    assert await refusal(center, tmp_path / "thief", code) == "token_used"
    assert read_enrolled(tmp_path / "thief") is None


async def test_a_code_ends_after_a_day(center: Center, box: Path) -> None:
    code = center.code()
    center.ahead_ms = DAY_MS
    assert await refusal(center, box, code) == "token_expired"


async def test_a_newer_code_ends_the_older(center: Center, box: Path) -> None:
    older = center.code()
    center.code()
    assert await refusal(center, box, older) == "token_withdrawn"


async def test_a_token_is_bound_to_its_gateway(center: Center, box: Path) -> None:
    issued = EnrolmentCode.parse(center.code())
    bent = EnrolmentCode(
        host=issued.host, port=issued.port, gateway=NEIGHBOUR, token=issued.token, pin=issued.pin
    )
    assert await refusal(center, box, str(bent)) == "token_other_gateway"


async def test_a_guessed_token_is_unknown(center: Center, box: Path) -> None:
    issued = EnrolmentCode.parse(center.code())
    guessed = EnrolmentCode.issue(host=issued.host, port=issued.port, gateway=GATEWAY, pin=issued.pin)
    assert await refusal(center, box, str(guessed)) == "token_unknown"


async def test_a_code_for_another_box_is_told_before_anything_is_sent(center: Center, box: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        await enrol_box(box, center.code(NEIGHBOUR), gateway=GATEWAY)
    assert refused.value.code == "other_gateway"


async def test_another_center_at_the_same_address_is_not_believed(
    center: Center, box: Path, tmp_path: Path
) -> None:
    stranger = Center(tmp_path / "stranger", port=center.port)
    code = center.code()
    seen: list[str] = []
    async with stranger.open():
        with pytest.raises(EnrolmentRefused) as refused:
            await enrol_box(box, code, step=seen.append)
    assert refused.value.code == "not_our_center"
    assert Step.ASKING not in seen  # and nothing was said to it
    assert stranger.registrar.standings() == []


async def test_one_who_shows_our_authority_but_has_no_certificate_of_it_is_not_believed(
    center: Center, box: Path, tmp_path: Path
) -> None:
    stranger = Center(tmp_path / "stranger", port=center.port)
    certificate, key = stranger.home.registrar_files(datetime.now(UTC))
    certificate.chmod(0o600)
    certificate.write_text(certificate.read_text() + center.home.authority)
    assert pin_of(
        x509.load_pem_x509_certificates(certificate.read_bytes())[2].public_bytes(Encoding.DER)
    ) == pin_of(x509.load_pem_x509_certificate(center.home.authority.encode()).public_bytes(Encoding.DER))
    assert await refusal(stranger, box, center.code()) == "server_certificate"
    assert key.exists()


async def test_1970_is_no_reason_to_refuse(
    center: Center, box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.clock import CertificateTime
    from gateway.provisioning import EnrolmentRequest, enroll

    floor = CertificateTime(0, passed_only=True)
    async with center.open():
        request = EnrolmentRequest(code=center.code(), state_dir=box, certificate_time=lambda: floor)
        assert (await enroll(request)).gateway == GATEWAY


async def test_nobody_there_is_told_as_that(center: Center, box: Path) -> None:
    with pytest.raises(EnrolmentRefused) as refused:
        await enrol_box(box, center.code())
    assert refused.value.code == "server_refused"


async def test_something_else_there_is_told_as_that(center: Center, box: Path) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", center.port):
        with pytest.raises(EnrolmentRefused) as refused:
            await enrol_box(box, center.code())
    assert refused.value.code == "server_tls"


async def test_an_enrolled_gateway_must_be_revoked_before_another_box_takes_its_place(
    center: Center, box: Path, tmp_path: Path
) -> None:
    async with center.open():
        first = await enrol_box(box, center.code())
        old_secret = (current_identity(box) / "id-hmac.key").read_bytes()
        with pytest.raises(ConfigError) as refused:
            center.code()
        assert refused.value.code == "still_enrolled"
        center.registrar.revoke(GATEWAY, keep_event_keys=False)
        second = await enrol_box(tmp_path / "new-box", center.code())
    trust = load_trust(center.home.trust, allow_demo=False)
    find = trust.find(Role.GATEWAY, gateway=GATEWAY)
    assert find(second.kid).public_bytes_raw()
    with pytest.raises(ContractError) as old:
        find(first.kid)
    assert old.value.code == "revoked_kid"
    assert (current_identity(tmp_path / "new-box") / "id-hmac.key").read_bytes() != old_secret
    crl = x509.load_pem_x509_crl(center.home.revocation_list.read_bytes())
    certificate = x509.load_pem_x509_certificate((current_identity(box) / "client.pem").read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
    assert len(list(crl)) == 1


async def test_keys_that_are_kept_go_on_counting(center: Center, box: Path, tmp_path: Path) -> None:
    async with center.open():
        first = await enrol_box(box, center.code())
        center.registrar.revoke(GATEWAY, keep_event_keys=True)
        second = await enrol_box(tmp_path / "new-box", center.code())
    find = load_trust(center.home.trust, allow_demo=False).find(Role.GATEWAY, gateway=GATEWAY)
    assert find(first.kid).public_bytes_raw()
    assert find(second.kid).public_bytes_raw()


async def test_a_second_enrolment_at_the_same_time_is_refused(center: Center, box: Path) -> None:
    async with center.open():
        told = await asyncio.gather(
            enrol_box(box, center.code()), enrol_box(box, center.code()), return_exceptions=True
        )
    codes = {error.code for error in told if isinstance(error, GatewayError)}
    assert "enrolling" in codes or "token_withdrawn" in codes


async def test_a_damaged_identity_is_told_and_healed_by_a_new_code(center: Center, box: Path) -> None:
    async with center.open():
        await enrol_box(box, center.code())
        facts = current_identity(box) / "enrolled.json"
        facts.chmod(0o600)
        facts.write_text("{}")
        with pytest.raises(ConfigError) as told:
            read_enrolled(box)
        assert told.value.code == "enrolled"
        center.registrar.revoke(GATEWAY, keep_event_keys=False)
        await enrol_box(box, center.code())
    assert read_enrolled(box) is not None
