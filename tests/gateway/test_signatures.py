"""Signatures, trust and sealed fields, against vectors and unrelated libraries."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from hypothesis import given
from hypothesis import strategies as st
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey

from gateway.errors import ConfigError, ContractError
from gateway.evidence import canonical, hpke, jws
from gateway.evidence.jws import Signer
from gateway.evidence.keys import Role, TrustedKey, TrustStore, load_signer, load_trust, trust_document

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/contract/contract.json").read_text())
KEYS = {
    key["kid"]: Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key["seed"])) for key in VECTORS["keys"]
}


def find(kid: str) -> Ed25519PublicKey:
    return KEYS[kid].public_key()


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda v: str(v["id"]))
def test_signed_vectors_are_reproduced_and_verify(vector: dict[str, dict[str, str]]) -> None:
    message = dict(vector["object"])
    expected = message.pop("jws")
    kid = jws.key_id(expected)
    signer = Signer(kid, KEYS[kid])
    wire = signer.sign_object(message)
    assert wire == canonical.encode(vector["object"])
    assert jws.open_message(wire, find)[:2] == (message, kid)


def test_every_flipped_bit_of_a_wire_message_is_noticed() -> None:
    wire = canonical.encode(VECTORS["vectors"][1]["object"])
    for index in range(len(wire)):
        for bit in (0x01, 0x20):
            altered = bytearray(wire)
            altered[index] ^= bit
            with pytest.raises((ContractError, KeyError)):
                jws.open_message(bytes(altered), find)


@pytest.mark.parametrize(
    "form",
    ["", "a", "a.b", "a.b.c", "..", "e30..AAAA", "eyJhbGciOiJFZERTQSIsImtpZCI6ImsifQ==..AA", "é..é"],
)
def test_a_malformed_signature_is_refused_by_code(form: str) -> None:
    with pytest.raises(ContractError) as caught:
        jws.verify(b"{}", form, find)
    assert caught.value.code in {"jws_form", "not_json"}


def test_spare_bits_of_base64_are_refused() -> None:
    signer = Signer("gw-370102-01#1", KEYS["gw-370102-01#1"])
    signature = signer.sign(b"{}")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = signature[:-1] + alphabet[alphabet.index(signature[-1]) ^ 1]
    raw = base64.urlsafe_b64decode(signature.split(".")[2] + "==")
    assert base64.urlsafe_b64decode(twin.split(".")[2] + "==") == raw, (
        "the twin must decode to the same bytes"
    )
    with pytest.raises(ContractError, match="spare bits"):
        jws.verify(b"{}", twin, find)


def test_a_key_counts_only_for_its_role_gateway_and_purpose() -> None:
    public = KEYS["center-ack#1"].public_key().public_bytes_raw()
    store = TrustStore(
        [
            TrustedKey("gw#1", Role.GATEWAY, "gw-370102-01", public),
            TrustedKey("ack#1", Role.ACK, None, public),
            TrustedKey("demo-ack#1", Role.ACK, None, public),
        ]
    )
    for accepted in (store.find(Role.ACK)("ack#1"), store.find(Role.GATEWAY, gateway="gw-370102-01")("gw#1")):
        assert accepted.public_bytes_raw() == public
    for lookup, kid, code in (
        (store.find(Role.ACK), "gw#1", "wrong_role"),
        (store.find(Role.GATEWAY, gateway="gw-370102-02"), "gw#1", "wrong_role"),
        (store.find(Role.ACK), "nobody", "unknown_kid"),
        (store.find(Role.ACK), "demo-ack#1", "demo_key"),
    ):
        with pytest.raises(ContractError) as caught:
            lookup(kid)
        assert caught.value.code == code


def test_a_trust_file_comes_back_as_written(tmp_path: Path) -> None:
    key = TrustedKey("demo-seal#1", Role.SEAL, None, bytes(range(32)))
    path = tmp_path / "trust.json"
    path.write_text(trust_document([key], demo=True))
    found = load_trust(path, allow_demo=True).seal_key()
    assert found is not None
    assert found[0] == "demo-seal#1"
    assert load_trust(path, allow_demo=False).seal_key() is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"keys":[1]}', '{"keys":[{"kid":"a","public":"00","role":"x"}]}']
)
def test_a_bad_trust_or_key_file_says_which_and_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    for load in (lambda: load_trust(path, allow_demo=False), lambda: load_signer(path, "k")):
        with pytest.raises(ConfigError, match=str(path)):
            load()
    with pytest.raises(ConfigError, match="enrol"):
        load_signer(tmp_path / "absent", "k")


SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_hpke_agrees_with_the_cryptography_library_without_aad(plaintext: bytes, info: bytes) -> None:
    key = X25519PrivateKey.generate()
    ours = hpke.seal(plaintext, key.public_key(), info=info, aad=b"")
    assert SUITE.decrypt(ours.enc + ours.ct, key, info=info) == plaintext
    theirs = SUITE.encrypt(plaintext, key.public_key(), info=info)
    assert hpke.unseal(hpke.Sealed(theirs[:32], theirs[32:]), key, info=info, aad=b"") == plaintext


@given(st.binary(max_size=300), st.binary(max_size=40), st.binary(max_size=60))
def test_hpke_agrees_with_an_unrelated_implementation_with_aad(
    plaintext: bytes, info: bytes, aad: bytes
) -> None:
    suite = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES256_GCM)
    key = X25519PrivateKey.generate()
    sealed = hpke.seal(plaintext, key.public_key(), info=info, aad=aad)
    theirs = suite.create_recipient_context(sealed.enc, KEMKey.from_pyca_cryptography_key(key), info=info)
    assert theirs.open(sealed.ct, aad=aad) == plaintext


def test_a_sealed_field_opens_only_for_its_event() -> None:
    key = X25519PrivateKey.generate()
    sealed = hpke.seal(b"x", key.public_key(), info=b"i", aad=b"gw|1")
    assert hpke.unseal(sealed, key, info=b"i", aad=b"gw|1") == b"x"
    for info, aad, enc in (
        (b"j", b"gw|1", sealed.enc),
        (b"i", b"gw|2", sealed.enc),
        (b"i", b"gw|1", bytes(32)),
    ):
        with pytest.raises(ContractError) as caught:
            hpke.unseal(hpke.Sealed(enc, sealed.ct), key, info=info, aad=aad)
        assert caught.value.code == "sealed"
