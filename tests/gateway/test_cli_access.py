"""`zhijiao user` and `zhijiao kiosk`, and the gateway that takes what they left."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.access import handover, keeper
from gateway.access.changes import Action, Actor, Change
from gateway.access.errors import AccessError
from gateway.access.handover import AccessSeal, inbox
from gateway.access.hashing import make_hash
from gateway.access.model import Role
from gateway.cli import access_handover
from gateway.config import load
from gateway.errors import StoreRefused
from gateway.keyring import load_access_seal
from gateway.store.outbox import Outbox
from gateway.uuid7 import uuid7
from tests.gateway.access_box import ADMIN, DESK, PASSWORD, Running, access_box, add, running, told
from tests.gateway.technicians_box import Box, Told, zhijiao

HASH = make_hash(PASSWORD)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    made = access_box(tmp_path)
    (tmp_path / "password").write_text(f"{PASSWORD}\nanother line\n")
    monkeypatch.setattr(access_handover, "WAIT_S", 5.0)
    return made


async def given(desk: Box, *words: object) -> Told:
    return await asyncio.to_thread(desk.run, *words)


@asynccontextmanager
async def serving(desk: Box, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.setattr(keeper, "LOOK_EVERY_S", 0.02)
    async with running(desk) as box:
        task = asyncio.create_task(box.access.run())
        try:
            yield box
        finally:
            task.cancel()


def waiting(desk: Box) -> list[Path]:
    return inbox(desk.store.parent).waiting()


def change(action: Action = Action.ADD, name: str = "desk-1", **members: Any) -> Change:
    members = {"role": "staff", "hash": HASH, **members} if action is Action.ADD else members
    return Change(
        id=uuid7(1_795_000_000_000), action=action, name=name, by=Actor("command", "root", 0), **members
    )


def leave(desk: Box, one: Change, seal: AccessSeal | None = None) -> None:
    seal = seal or load_access_seal(load(desk.config))
    inbox(desk.store.parent).leave(seal.close(one), 1_795_000_000_000)


async def test_a_stopped_gateway_takes_them_at_its_next_start(desk: Box) -> None:
    made = await given(desk, "user", "add", "admin-1", "--role", "admin", "--generate", "--json")
    assert (made.code, made.json["result"]) == (0, "next_start")
    password = made.json["password"]
    added = await given(
        desk, "user", "add", "desk-1", "--role", "staff", "--password-file", desk.folder / "password"
    )
    assert added.code == 0, added.err
    assert "at its next start" in added.out
    assert (await given(desk, "user", "disable", "desk-1")).code == 0, "what waits is known"
    assert (await given(desk, "user", "enable", "desk-1")).code == 0
    double = await given(desk, "user", "add", "desk-1", "--role", "staff", "--generate")
    assert (double.code, "[account_exists]" in double.err) == (78, True)
    token = (await given(desk, "kiosk", "token", "kiosk-1", "--from", "192.168.1.0/24", "--json")).json[
        "token"
    ]
    assert len(waiting(desk)) == 5
    assert all(one.stat().st_mode & 0o777 == 0o600 for one in waiting(desk))
    listed = await given(desk, "user", "list")
    assert "5 changes to be taken" in listed.out
    async with running(desk) as box:
        signed = await box.access.sign_in("admin-1", password, DESK)
        assert (signed.principal.role, signed.principal.must_change) == (Role.ADMIN, True)
        signed = await box.access.sign_in("desk-1", PASSWORD, DESK)
        assert not signed.principal.must_change
        assert box.access.kiosk(token, DESK) is not None
    assert waiting(desk) == []
    changes = told(desk, "audit.config_changed")
    assert [one["what"] for one in changes] == [
        "account_added",
        "account_added",
        "account_disabled",
        "account_enabled",
        "kiosk_token_made",
    ]
    assert {one["via"] for one in changes} == {"command"}
    assert all(isinstance(one["uid"], int) and one["by"] for one in changes)
    assert changes[-1] == {**changes[-1], "name": "kiosk-1", "role": "kiosk", "source": "192.168.1.0/24"}


async def test_a_running_gateway_takes_them_and_says_so(desk: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(desk, monkeypatch) as box:
        added = await given(desk, "user", "add", "desk-1", "--role", "staff", "--generate")
        assert added.code == 0, added.err
        assert "the running gateway has taken it" in added.out
        password = added.out.split("password", 1)[1].split()[0]
        signed = await box.access.sign_in("desk-1", password, DESK)
        disabled = await given(desk, "user", "disable", "desk-1", "--json")
        assert disabled.json == {"ok": True, "account": "desk-1", "result": "taken", "admins_left": True}
        assert box.access.session(signed.cookie) is None, "at once"
        shown = await given(desk, "kiosk", "token", "kiosk-1")
        token = shown.out.split("https://127.0.0.1:8080/kiosk/pair#")[1].split()[0]
        assert box.access.kiosk(token, "10.0.0.1") is not None
        assert (await given(desk, "kiosk", "revoke", "kiosk-1")).code == 0
        assert box.access.kiosk(token, "10.0.0.1") is None
        again = await given(desk, "kiosk", "revoke", "kiosk-1")
        assert (again.code, "[token_unknown]" in again.err) == (78, True)
        assert (await given(desk, "user", "remove", "desk-1")).code == 0
        text = box.metrics.render().decode()
        assert 'access_changes_total{result="taken"} 5.0' in text


async def test_a_password_lifts_the_lock(desk: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(desk, monkeypatch) as box:
        await add(box, "desk-1")
        for _ in range(5):
            await box.code("desk-1", "quite another password")
        assert await box.code("desk-1", PASSWORD) == "locked"
        new = await given(desk, "user", "password", "desk-1", "--generate", "--json")
        await box.access.sign_in("desk-1", new.json["password"], DESK)


async def test_what_the_gateway_refuses_is_said(desk: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(desk) as box:
        await add(box, "desk-1")

    def blind(self: access_handover.Desk) -> Any:
        from gateway.access.changes import Book

        return Book()

    monkeypatch.setattr(access_handover.Desk, "book", blind)
    async with serving(desk, monkeypatch) as box:
        refused = await given(desk, "user", "add", "desk-1", "--role", "staff", "--generate")
        assert (refused.code, "[account_exists]" in refused.err) == (78, True)
        assert refused.out == "", "no password is shown that counts for nothing"
        assert 'access_changes_total{result="refused"} 1.0' in box.metrics.render().decode()
    assert len(told(desk, "audit.config_changed")) == 1


async def test_a_gateway_that_says_nothing_is_said(desk: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_handover, "WAIT_S", 0.3)
    async with running(desk):  # it holds the store, and does not look
        slow = await given(desk, "user", "add", "desk-1", "--role", "staff", "--generate", "--json")
        assert (slow.code, slow.json["result"]) == (1, "not_yet")
        assert slow.json["password"]
    async with running(desk) as box:
        await box.access.sign_in("desk-1", slow.json["password"], DESK)


async def test_killed_after_the_commit_it_is_not_done_twice(
    desk: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(desk, change())
    leave(desk, change(Action.PASSWORD, hash=HASH))

    def die(_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gateway.store.taking.remove", die)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - however the process ends here
        async with running(desk, clean=False):
            pass
    monkeypatch.undo()
    assert len(waiting(desk)) == 2
    async with running(desk) as box:
        assert box.metrics.render().decode().count('access_changes_total{result="refused"} 0.0') == 1
    assert waiting(desk) == []
    assert [one["what"] for one in told(desk, "audit.config_changed")] == [
        "account_added",
        "account_password",
    ]


async def test_change_and_event_are_one_transaction(desk: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(desk) as box:
        leave(desk, change())

        def refuse(*_: Any, **__: Any) -> None:
            raise StoreRefused("store_full", "the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(Outbox, "append", refuse)
            with pytest.raises(StoreRefused):
                await box.access.left.look()
        assert box.access.accounts.book.accounts == {}
        assert len(waiting(desk)) == 1
        assert desk.run("user", "list", "--json").json["accounts"] == []
        assert await box.access.left.look()
        assert [one["name"] for one in desk.run("user", "list", "--json").json["accounts"]] == ["desk-1"]


async def test_bytes_that_we_did_not_seal_are_refused(desk: Box, caplog: pytest.LogCaptureFixture) -> None:
    async with running(desk) as box:
        leave(desk, change(), AccessSeal(b"x" * 32, "gw-370102-01"))
        leave(desk, change(), AccessSeal(b"\xab" * 32, "gw-370102-02"))
        for raw in (b"", b"ZJA1" + bytes(60), b"x" * 20_000):
            inbox(desk.store.parent).leave(raw, 1)
        leave(desk, change(role="king"))
        leave(desk, change(hash="$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"))
        leave(desk, change(name="Zhang San"))
        leave(desk, change(Action.TOKEN, "kiosk-9", digest="00" * 32))
        leave(desk, change(Action.TOKEN, "kiosk-1", digest="00"))
        for _ in range(10):
            assert await box.access.left.look()
        assert not await box.access.left.look()
        assert box.access.accounts.book.accounts == {}
        assert box.access.accounts.book.tokens == {}
        assert 'access_changes_total{result="refused"} 10.0' in box.metrics.render().decode()
    assert told(desk, "audit.config_changed") == []


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{}", b'"x"', b"\xff", b'{"by": 1}', change().as_bytes().replace(b'"staff"', b"7")],
)
def test_a_form_that_is_none_is_an_error(raw: bytes) -> None:
    with pytest.raises(AccessError) as wrong:
        Change.from_bytes(raw)
    assert wrong.value.code == "access_form"


def test_a_change_survives_its_seal_and_never_holds_more_than_hashes() -> None:
    one = change(must_change=True)
    seal = AccessSeal(b"k" * 32, "gw-370102-01")
    assert seal.open(seal.close(one)) == one
    assert HASH.encode() not in seal.close(one)
    assert HASH not in repr(one)
    assert len(seal.close(one)) < handover.MAX_SEALED // 4


def test_outcomes_are_few_and_a_damaged_note_is_none() -> None:
    known: dict[str, str] = {}
    for n in range(200):
        known = handover.outcomes(handover.with_outcome(known, str(n), handover.OK))
    assert list(known) == [str(n) for n in range(200 - handover.REMEMBERED, 200)]
    assert handover.outcomes(None) == handover.outcomes("{") == handover.outcomes("[1]") == {}


def test_changes_without_a_gateway_do_not_pile_up(desk: Box) -> None:
    for n in range(handover.MOST_WAITING):
        leave(desk, change(name=f"desk-{n}"))
    full = desk.run("user", "add", "one-more", "--role", "staff", "--generate")
    assert (full.code, "[changes_wait]" in full.err) == (69, True)


def test_wrong_arguments_are_one_clear_line(desk: Box) -> None:
    asked = desk.folder / "password"
    for words, code in (
        (("user", "add", "Zhang San", "--role", "staff", "--generate"), "account_name"),
        (("user", "add", "desk-1", "--role", "staff"), "usage"),  # no terminal: nobody can be asked
        (
            ("user", "add", "desk-1", "--role", "staff", "--password-file", desk.folder / "none"),
            "file_unreadable",
        ),
        (("user", "password", "desk-1", "--password-file", asked), "account_unknown"),
        (("user", "disable", "desk-1"), "account_unknown"),
        (("kiosk", "token", "kiosk-9"), "kiosk_unknown"),
        (("kiosk", "token", "kiosk-1", "--from", "192.168.1.7/24"), "network"),
        (("kiosk", "revoke", "kiosk-1"), "token_unknown"),
    ):
        refused = desk.run(*words)
        assert refused.code == 78, words
        assert f"[{code}]" in refused.err
        assert len(refused.err.splitlines()) == 1
        assert desk.run(*words, "--json").json["error"]["code"] == code
    asked.write_text("password1234\n")
    refused = desk.run("user", "add", "desk-1", "--role", "staff", "--password-file", asked)
    assert "[password_common]" in refused.err
    assert "password1234" not in refused.err + refused.out
    assert waiting(desk) == []
    assert desk.run("user", "add", "desk-1", "--role", "king", "--generate").code == 64


def test_a_box_that_never_ran_is_told_so(desk: Box) -> None:
    desk.store.parent.rmdir()
    refused = desk.run("user", "add", "desk-1", "--role", "staff", "--generate")
    assert (refused.code, "[state_dir]" in refused.err) == (69, True)


async def test_the_lists_say_what_is_missing(desk: Box) -> None:
    empty = desk.run("user", "list")
    assert (empty.code, "nobody can sign in" in empty.out) == (1, True)
    assert desk.run("kiosk", "list").code == 1
    absent = zhijiao("user", "list", "--store", desk.folder / "none.db")
    assert (absent.code, "[store_absent]" in absent.err) == (74, True)
    async with running(desk) as box:
        await add(box, "admin-1", Role.ADMIN)
        await add(box, "desk-1")
        await box.access.accounts.disable(ADMIN, "desk-1")
        await box.access.accounts.make_token(ADMIN, "kiosk-1", "10.0.0.0/8")
    listed = await given(desk, "user", "list")
    assert listed.code == 0, listed.out
    assert "desk-1   staff, disabled" in listed.out
    assert "$argon2" not in listed.out
    kiosks = await given(desk, "kiosk", "list")
    assert kiosks.code == 1
    assert "10.0.0.0/8" in kiosks.out
    assert "!!  kiosk-2  no token" in kiosks.out
    copy = await given(desk, "backup", "--out", desk.folder / "copy.db")
    assert copy.code == 0
    beside = await asyncio.to_thread(zhijiao, "user", "list", "--store", desk.folder / "copy.db", "--json")
    assert [one["name"] for one in beside.json["accounts"]] == ["admin-1", "desk-1"]
    assert json.dumps(beside.json).count("argon2") == 0
