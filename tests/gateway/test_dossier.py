"""A dossier: what the record holds of a person, readable, signed, and checked without a network."""

import base64
import json
import random
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.clock import ManualClock
from gateway.envelope import GENESIS, Draft, Place, Sealed, seal
from gateway.evidence import canonical, hpke
from gateway.evidence.canonical import Json
from gateway.evidence.chain import keyring
from gateway.evidence.jws import b64url
from gateway.evidence.keys import trust_document
from gateway.proof.dossier import BEGIN, END, DossierCheck, verify_dossier
from gateway.proof.flaws import Integrity
from gateway.receiver.unseal import INFO
from gateway.uuid7 import uuid7
from tests.gateway.receiver_fixtures import (
    ACK,
    ACK_KEY,
    EPOCH,
    GW,
    KEY,
    ORG,
    ROOT,
    TRUSTED,
    Time,
    info,
    receiving,
)
from tests.gateway.technicians_box import Told, zhijiao

SEAL_KEY = X25519PrivateKey.from_private_bytes(bytes([9]) * 32)
PERSON = "sd-0007"
MUTATIONS = 400


class Chain:
    """A gateway that says what it is told to say."""

    def __init__(self) -> None:
        self.clock, self.made, self.last = ManualClock(), list[Sealed](), GENESIS

    def say(self, of: str, subject: str = f"gateway/{GW}", seals: Json = None, /, **data: Json) -> str:
        self.clock.advance(60_000)
        event_id = uuid7(self.clock.wall_ms)
        if isinstance(seals, dict):
            parts = hpke.seal(
                canonical.encode(seals), SEAL_KEY.public_key(), info=INFO, aad=f"{GW}|{event_id}".encode()
            )
            data["sealed"] = {"kid": "seal#1", "enc": b64url(parts.enc), "ct": b64url(parts.ct)}
        draft = Draft(
            id=event_id, type=of, subject=subject, device="idcard-1", at=self.clock.now(), data=data,
            restricted=subject.startswith("person/"),
        )  # fmt: skip
        place = Place(ORG, GW, EPOCH, len(self.made) + 1, self.last)
        self.made.append(seal(draft, place, self.clock.now(), KEY))
        self.last = self.made[-1].hash
        return event_id


def a_day() -> Chain:
    """One who came in time, one who did not come, an alarm, another person."""
    chain = Chain()
    chain.say("system.epoch_opened", reason="new_store", profile="intl", software="0", previous=None)
    now = chain.clock.now()
    chain.say(
        "clock.synced", source="ntp", wall_ms=now.wall_ms, mono_ms=str(now.mono_ms), step_ms=0, error_ms=9
    )
    card = chain.say("identity.card_read", "device/idcard-1", {"id_number": "11010119000101001X", "name": "无名"},
                     medium="id_card", check_digit_ok=True)  # fmt: skip
    chain.say(
        "checkin.opened", f"person/{PERSON}", session="s1", kiosk="k1", purpose="report", card_event=card
    )
    chain.say("identity.card_read", "device/idcard-1", {"id_number": "110101190001010028", "name": "他人"},
              medium="id_card", check_digit_ok=True)  # fmt: skip
    chain.say("checkin.completed", f"person/{PERSON}", session="s1", kiosk="k1", purpose="report", method="finger",
              counts_as="on_time", duty_day="2026-11-22", card_event=card)  # fmt: skip
    chain.say(
        "checkin.missed",
        "person/sd-0008",
        day="2026-11-22",
        staff_reason="</script><script>alert(1)</script>",
    )
    raised = chain.say("alarm.raised", f"person/{PERSON}", kind="strap_open", severity="critical")
    chain.say("alarm.cleared", f"person/{PERSON}", kind="strap_open", raised=raised)
    return chain


class Desk:
    """Where a dossier is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db, self.trust, self.key = folder / "center.db", folder / "trust.json", folder / "ack.pem"
        self.seal = folder / "seal.pem"
        self.trust.write_text(trust_document(TRUSTED, demo=False))
        for path, key in ((self.key, ACK_KEY), (self.seal, SEAL_KEY)):
            path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def make(self, *words: object, name: str = "dossier.html") -> Told:
        out = self.folder / name
        out.unlink(missing_ok=True)
        return zhijiao("dossier", "--db", self.db, "--trust", self.trust, "--ack-key", self.key, "--ack-kid", ACK.kid,
                       "--out", out, *words)  # fmt: skip

    def content(self, name: str = "dossier.html") -> bytes:
        return (self.folder / name).read_bytes()


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    desk, time, chain = Desk(tmp_path), Time(), a_day()
    async with receiving(desk.db, time) as receiver:
        for event in chain.made:
            kind = json.loads(event.wire)["type"].split(".")[2]
            await receiver.accept(f"{ROOT}evt/{kind}", event.wire)
        await receiver.accept(*info(time, (EPOCH, len(chain.made), chain.last)))
    return desk


def inside(content: bytes) -> list[dict[str, Any]]:
    """The events of a dossier, read by nothing of ours but the standard library."""
    record = content.split(BEGIN)[1].removesuffix(END)
    lines = [line.split(b" ")[1] for line in record.splitlines() if not line.startswith(b"manifest")]
    return [json.loads(base64.b64decode(line)) for line in lines]


def kinds(content: bytes) -> list[str]:
    return [str(event["type"]).removeprefix("cn.zhijiao.") for event in inside(content)]


def check_of(content: bytes) -> DossierCheck:
    return verify_dossier(
        content,
        lambda _gateway: keyring({KEY.kid: KEY.public.public_bytes_raw()}),
        keyring({ACK.kid: ACK.public.public_bytes_raw()}),
    )


async def test_of_a_person_all_that_speaks_of_him_and_what_it_rests_on(desk: Desk) -> None:
    told = desk.make("--person", PERSON, "--case", "(2026)鲁0102刑更1号", "--by", "调取人")
    assert told.code == 0, told.err
    assert (desk.folder / "dossier.html").stat().st_mode & 0o777 == 0o600
    content = desk.content()
    assert kinds(content) == [
        "clock.synced", "identity.card_read", "checkin.opened", "checkin.completed", "alarm.raised", "alarm.cleared",
    ]  # fmt: skip
    page = content.split(BEGIN)[0].decode()
    for word in ("未被改动", "完整", "报到完成", "按时", "指纹", "腕带", "(2026)鲁0102刑更1号", PERSON):
        assert word in page, word
    assert "无名" not in page, "what is sealed stays so"
    assert "sd-0008" not in page


async def test_the_command_verifies_it_with_public_keys_alone(desk: Desk) -> None:
    desk.make("--person", PERSON)
    told = zhijiao("verify", desk.folder / "dossier.html", "--trust", desk.trust)
    assert told.code == 0, told.out
    assert "genuine" in told.out
    keys = [f"--key={key.kid}={key.public.public_bytes_raw().hex()}" for key in (KEY, ACK)]
    assert zhijiao("verify", desk.folder / "dossier.html", *keys, "--json").json["ok"] is True
    assert zhijiao("verify", desk.folder / "dossier.html", keys[0]).code == 2, (
        "the center's key is needed too"
    )


async def test_names_are_shown_only_with_the_sealing_key(desk: Desk) -> None:
    assert desk.make("--person", PERSON, "--unseal", desk.seal).code == 0
    page = desk.content().split(BEGIN)[0].decode()
    assert "无名" in page
    assert "他人" not in page
    other = desk.folder / "other.pem"
    key = X25519PrivateKey.generate()
    other.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert "[sealed]" in desk.make("--person", PERSON, "--unseal", other).err


async def test_of_a_time_everything_of_the_gateway_in_it(desk: Desk) -> None:
    assert desk.make("--gateway", GW).code == 0
    content = desk.content()
    assert len(inside(content)) == 9
    page = content.split(BEGIN)[0].decode()
    assert "<script" not in page, "what staff typed is text"
    assert page.count("<tr>") == 9 + 1
    assert check_of(content).proof.integrity is Integrity.INTACT
    day = json.loads(base64.b64decode(content.split(BEGIN)[1].splitlines()[0].split(b" ")[1]))["time"][:10]
    assert len(inside(content)) == 9
    assert desk.make("--gateway", GW, "--from", "2031-01-01").code == 0
    assert kinds(desk.content()) == []
    assert desk.make("--gateway", GW, "--from", day, "--to", day).code == 0
    assert "clock.synced" in kinds(desk.content())


async def test_a_record_with_a_hole_says_so_on_the_page_and_in_the_statement(desk: Desk) -> None:
    with sqlite3.connect(desk.db) as db:
        db.execute("DELETE FROM event WHERE seq = 6")
    assert desk.make("--person", PERSON).code == 1
    page = desk.content().split(BEGIN)[0].decode()
    assert "不完整" in page
    assert "缺失" in page
    told = zhijiao("verify", desk.folder / "dossier.html", "--trust", desk.trust)
    assert told.code == 1
    assert "incomplete" in told.out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "usage"),
        (("--person", "无名"), "usage"),
        (("--person", PERSON, "--from", "yesterday"), "usage"),
        (("--person", PERSON, "--from", "2026-11-02", "--to", "2026-11-01"), "usage"),
        (("--gateway", "gw-1"), "usage"),
        (("--person", PERSON, "--zone", "Jinan"), "usage"),
        (("--person", PERSON, "--ack-kid", "center-ack#2"), "key_file"),
    ],
)
async def test_what_cannot_be_made_is_said(desk: Desk, words: Sequence[str], code: str) -> None:
    told = desk.make(*words)
    assert f"[{code}]" in told.err
    assert "无名" not in told.err
    assert not (desk.folder / "dossier.html").exists()


async def test_any_changed_byte_of_the_file_is_found(desk: Desk) -> None:
    desk.make("--person", PERSON)
    content = desk.content()
    assert not check_of(content).troubles
    rng = random.Random(4)
    for _ in range(MUTATIONS):
        spoiled = bytearray(content)
        spoiled[rng.randrange(len(spoiled))] ^= rng.randrange(1, 256)
        check = check_of(bytes(spoiled))
        assert check.troubles or check.proof.integrity is Integrity.BROKEN
    lines = content.splitlines(keepends=True)
    begin = lines.index(BEGIN) + 1
    for at in range(begin, len(lines) - 4):  # dropped, repeated, swapped
        for spoiled_lines in (
            [*lines[:at], *lines[at + 1 :]],
            [*lines[:at], lines[at], *lines[at:]],
            [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]],
        ):
            assert check_of(b"".join(spoiled_lines)).troubles
    for cut in (content[: len(content) // 2], content[:-1], content + b"x", b"<!doctype html>", b""):
        assert check_of(cut).troubles
