"""Sign-in, sessions and kiosk tokens of a running gateway: who is let in, and what is on record of it."""

import asyncio
import logging
import statistics
import time
from pathlib import Path
from typing import Any

import argon2
import pytest

from gateway.access import hashing, keeper
from gateway.access.accounts import CHANGES_PACE
from gateway.access.errors import AccessError
from gateway.access.hashing import Hasher
from gateway.access.model import AccessRefused, Role
from gateway.access.sessions import ABSOLUTE_MS, IDLE_MS, IN_ALL, OF_ACCOUNT
from gateway.clock import ManualClock
from gateway.errors import StoreRefused
from gateway.store.outbox import Outbox
from tests.gateway.access_box import (
    ADMIN,
    DESK,
    PASSWORD,
    Running,
    access_box,
    add,
    quick_hashes,
    running,
    told,
)
from tests.gateway.technicians_box import Box

WRONG = "quite another password, canary 5501"


REAL_HASHES = {
    "test_an_unknown_account_costs_as_much_time_as_a_known_one",
    "test_other_parameters_are_replaced_at_the_next_sign_in",
    "test_no_password_and_no_token_is_anywhere",
}


@pytest.fixture(autouse=True)
def _quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.name not in REAL_HASHES:
        quick_hashes(monkeypatch)


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    return access_box(tmp_path)


async def test_a_sign_in_is_on_record_before_anybody_is_let_in(
    desk: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(desk) as box:
        await add(box, "desk-1")
        with monkeypatch.context() as patch:

            def refuse(*_: Any, **__: Any) -> None:
                raise StoreRefused("store_full", "the disk is full")

            patch.setattr(Outbox, "append", refuse)
            with pytest.raises(StoreRefused):
                await box.access.sign_in("desk-1", PASSWORD, DESK)
            assert len(box.access._sessions) == 0
        signed = await box.access.sign_in("desk-1", PASSWORD, DESK)
        assert (signed.principal.role, signed.principal.name) == (Role.STAFF, "desk-1")
        found = box.access.session(signed.cookie)
        assert found == signed.principal
        assert found is not None
        assert len(found.csrf) >= 43
        assert told(desk, "audit.login") == [{"account": "desk-1", "role": "staff", "source": DESK}]
        await box.access.sign_out(signed.cookie)
        await box.access.sign_out(signed.cookie)
        assert box.access.session(signed.cookie) is None
        assert told(desk, "audit.logout") == [{"account": "desk-1", "role": "staff", "source": DESK}]
        text = box.metrics.render().decode()
        assert 'sign_ins_total{result="ok"} 1.0' in text
        assert 'sign_ins_total{result="store"} 1.0' in text


async def test_an_input_method_for_full_width_letters_does_not_matter(desk: Box) -> None:
    async with running(desk) as box:
        await add(box, "desk-1", password="Fünf Wörter stehen hier")
        await box.access.sign_in(" Ｄｅｓｋ-1 ", "Ｆünf Wörter stehen hier", DESK)


async def test_nobody_can_sign_in_before_there_is_an_account(desk: Box) -> None:
    async with running(desk) as box:
        assert await box.code("admin", "anything at all") == "no_accounts"


async def test_refusals_say_nothing_of_whether_there_is_an_account(desk: Box) -> None:
    async with running(desk) as box:
        await add(box, "desk-1")
        await add(box, "desk-2")
        await box.access.accounts.disable(ADMIN, "desk-2")
        tries = [("desk-1", WRONG), ("desk-2", PASSWORD), ("nobody", WRONG), ("名字", WRONG)]
        for number, (name, password) in enumerate(tries):
            seen = []
            for spelling in (str, str.upper, str.title, str, str, str, str.upper):
                refused = await box.refusal(spelling(name), password, f"10.0.0.{number}")
                seen.append((refused.code, refused.retry_after_s, str(refused)))
            assert [code for code, _, _ in seen] == ["bad_credentials"] * 5 + ["locked"] * 2
            assert seen[-1][1] == 900
            assert len({text for _, _, text in seen}) == 2


async def test_an_unknown_account_costs_as_much_time_as_a_known_one(desk: Box) -> None:
    """A ratio, and a generous one: the machine is shared. Without a hash it would be below a tenth."""
    async with running(desk) as box:
        await add(box, "desk-1")
        spent: dict[str, list[float]] = {"desk-1": [], "desk-9": []}
        for n in range(10):
            for name, times in spent.items():
                before = time.perf_counter()
                await box.code(name, WRONG, f"10.0.{n}.{len(times)}")
                times.append(time.perf_counter() - before)
        known, unknown = (statistics.median(times) for times in spent.values())
        assert 0.4 < unknown / known < 2.5


async def test_refusals_are_on_record_once_a_minute_for_each_source(desk: Box) -> None:
    clock = ManualClock()
    async with running(desk, clock) as box:
        await add(box, "desk-1")
        for _ in range(4):
            await box.code("desk-1", WRONG)
        await box.code(WRONG, WRONG, "192.168.1.8")
        first = {"code": "bad_credentials", "source": DESK, "account": "desk-1", "left_out": 0}
        other = {"code": "bad_credentials", "source": "192.168.1.8", "account": None, "left_out": 0}
        assert told(desk, "audit.denied") == [first, other]
        clock.advance(60_000)
        await box.code("desk-1", WRONG)
        await box.code("desk-1", WRONG)
        assert told(desk, "audit.denied")[2:] == [{**first, "left_out": 3}]
    assert told(desk, "audit.denied")[3:] == [{**first, "code": "locked"}], "told at the end"


async def test_many_sources_do_not_make_many_events(desk: Box) -> None:
    clock = ManualClock()
    async with running(desk, clock) as box:
        await add(box, "desk-1")
        for n in range(30):
            await box.code("nobody", WRONG, f"10.0.0.{n}")
        assert len(told(desk, "audit.denied")) == 10
    said = told(desk, "audit.denied")
    assert len(said) == 20
    assert sum(one["left_out"] + 1 for one in said) == 30, "and none is forgotten"
    assert said[-1]["source"] == "many"


async def test_what_the_disk_did_not_take_is_told_later(desk: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    async with running(desk, clock) as box:
        await add(box, "desk-1")

        def refuse(*_: Any, **__: Any) -> None:
            raise StoreRefused("store_full", "the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(Outbox, "append", refuse)
            assert await box.code("desk-1", WRONG) == "bad_credentials"
        assert told(desk, "audit.denied") == []
        clock.advance(60_000)
        for _ in range(4):
            await box.code("desk-1", WRONG)
        assert await box.code("desk-1", PASSWORD) == "locked", "it was counted all the same"
        assert told(desk, "audit.denied")[0]["left_out"] == 1


async def test_twenty_tries_at_once_are_no_more_than_one_after_another(desk: Box) -> None:
    async with running(desk) as box:
        await add(box, "desk-1")
        codes = await asyncio.gather(*(box.code("desk-1", WRONG) for _ in range(12)))
        assert sorted(codes) == ["bad_credentials"] * 5 + ["locked"] * 7


async def test_who_waits_too_long_is_told_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = Hasher(patience_s=0.05)
    async with hasher.turn():
        with pytest.raises(AccessRefused) as refused:
            async with hasher.turn():
                pass
    assert (refused.value.code, refused.value.retry_after_s) == ("busy", 5)
    monkeypatch.setattr(hashing, "MOST_WAITING", 0)
    with pytest.raises(AccessRefused):
        async with hasher.turn():
            pass


async def test_one_account_cannot_fill_the_record_by_signing_in(desk: Box) -> None:
    clock = ManualClock()
    async with running(desk, clock) as box:
        await add(box, "desk-1")
        for _ in range(keeper.SIGN_INS.burst):
            await box.access.sign_in("desk-1", PASSWORD, DESK)
        assert await box.code("desk-1", PASSWORD) == "too_many"
        clock.advance(keeper.SIGN_INS.step_ms)
        await box.access.sign_in("desk-1", PASSWORD, DESK)
    assert len(told(desk, "audit.login")) == keeper.SIGN_INS.burst + 1


async def test_a_session_ends_by_time_and_a_hand_on_the_clock_changes_nothing(desk: Box) -> None:
    clock = ManualClock()
    async with running(desk, clock) as box:
        await add(box, "desk-1")
        signed = await box.access.sign_in("desk-1", PASSWORD, DESK)
        clock.step(86_400_000 * 365)
        assert box.access.session(signed.cookie) is not None
        clock.step(-86_400_000 * 730)
        clock.advance(IDLE_MS - 1)
        assert box.access.session(signed.cookie) is not None
        clock.advance(IDLE_MS)
        assert box.access.session(signed.cookie) is None
        signed = await box.access.sign_in("desk-1", PASSWORD, DESK)
        for _ in range(ABSOLUTE_MS // (IDLE_MS // 2) - 1):
            clock.advance(IDLE_MS // 2)
            assert box.access.session(signed.cookie) is not None
        clock.advance(IDLE_MS // 2)
        assert box.access.session(signed.cookie) is None


async def test_a_page_that_is_only_open_keeps_no_session(desk: Box) -> None:
    clock = ManualClock()
    async with running(desk, clock) as box:
        await add(box, "desk-1")
        signed = await box.access.sign_in("desk-1", PASSWORD, DESK)
        for _ in range(14):
            clock.advance(60_000)
            assert box.access.session(signed.cookie, used=False) is not None
        clock.advance(60_000)
        assert box.access.session(signed.cookie, used=False) is None


async def test_a_browser_that_goes_away_leaves_nothing_half_done(desk: Box) -> None:
    async with running(desk) as box:
        await add(box, "desk-1")
        signed = await box.access.sign_in("desk-1", PASSWORD, DESK)
        asking = asyncio.create_task(box.access.accounts.disable(ADMIN, "desk-1"))
        for _ in range(4):
            await asyncio.sleep(0)  # it is on its way to the disk
        assert not asking.done()
        asking.cancel()
        await asyncio.wait([asking])
        await box.store.run(lambda _: None)  # what was on its way is there
        await asyncio.sleep(0.05)
        changes = [one["what"] for one in told(desk, "audit.config_changed")]
        assert changes == ["account_added", "account_disabled"]
        assert box.access.session(signed.cookie) is None, "memory is where the disk is"


async def test_changes_cannot_fill_the_record(desk: Box) -> None:
    clock = ManualClock()
    async with running(desk, clock) as box:
        await add(box, "desk-1")
        for _ in range(CHANGES_PACE.burst - 1):
            await box.access.accounts.enable(ADMIN, "desk-1")
        with pytest.raises(AccessRefused) as refused:
            await box.access.accounts.disable(ADMIN, "desk-1")
        assert (refused.value.code, refused.value.retry_after_s) == ("too_many", 60)
        clock.advance(60_000)
        await box.access.accounts.disable(ADMIN, "desk-1")


async def test_a_session_ends_with_what_it_rests_on(desk: Box) -> None:
    async with running(desk) as box:
        manage = box.access.accounts
        await add(box, "desk-1")

        async def cookie(password: str) -> str:
            return (await box.access.sign_in("desk-1", password, DESK)).cookie

        signed = await cookie(PASSWORD)
        await manage.disable(ADMIN, "desk-1")
        assert box.access.session(signed) is None
        await manage.enable(ADMIN, "desk-1")
        assert box.access.session(signed) is None, "and does not come back"
        signed = await cookie(PASSWORD)
        new = await manage.reset_password(ADMIN, "desk-1")
        assert box.access.session(signed) is None
        signed = await cookie(new)
        assert box.access.session(signed) is not None
        await manage.remove(ADMIN, "desk-1")
        assert box.access.session(signed) is None
        await add(box, "desk-1")
        assert box.access.session(signed) is None, "another one of the same name is somebody else"
        signed = await cookie(PASSWORD)
    async with running(desk) as box:
        assert box.access.session(signed) is None, "a restart signs everybody out"


async def test_the_oldest_session_goes_where_there_are_too_many(desk: Box) -> None:
    clock = ManualClock()
    async with running(desk, clock) as box:
        await add(box, "desk-1")
        cookies = []
        for _ in range(OF_ACCOUNT + 1):
            clock.advance(1000)
            cookies.append((await box.access.sign_in("desk-1", PASSWORD, DESK)).cookie)
        assert [box.access.session(one) is None for one in cookies] == [True] + [False] * OF_ACCOUNT
        account = box.access.accounts.book.accounts["desk-1"]
        for n in range(3 * IN_ALL):
            other = argon2_account(account, f"other-{n}")
            box.access._sessions.begin(other, DESK, clock.now().mono_ms)
        assert len(box.access._sessions) == IN_ALL


def argon2_account(account: Any, name: str) -> Any:
    from dataclasses import replace

    return replace(account, name=name)


async def test_an_own_password_is_changed_with_the_old_one(desk: Box) -> None:
    async with running(desk) as box:
        first = await box.access.accounts.add(ADMIN, "desk-1", Role.STAFF)
        signed = await box.access.sign_in("desk-1", first, DESK)
        assert signed.principal.must_change
        with pytest.raises(AccessRefused) as refused:
            await box.access.change_password(signed.principal, WRONG, PASSWORD, DESK)
        assert refused.value.code == "bad_credentials"
        with pytest.raises(AccessError) as wrong:
            await box.access.change_password(signed.principal, first, "password1234", DESK)
        assert wrong.value.code == "password_common"
        await box.access.change_password(signed.principal, first, PASSWORD, DESK)
        assert box.access.session(signed.cookie) is None
        signed = await box.access.sign_in("desk-1", PASSWORD, DESK)
        assert not signed.principal.must_change
    changes = told(desk, "audit.config_changed")
    assert [(one["what"], one["by"], one["via"]) for one in changes] == [
        ("account_added", "admin-1", "page"),
        ("account_password", "desk-1", "page"),
    ]


async def test_only_an_administrator_manages_and_the_last_one_stays(desk: Box) -> None:
    async with running(desk) as box:
        await add(box, "admin-1", Role.ADMIN)
        await add(box, "desk-1")
        staff = (await box.access.sign_in("desk-1", PASSWORD, DESK)).principal
        manage = box.access.accounts
        for refused in (
            lambda: manage.add(staff, "x-1", Role.ADMIN),
            lambda: manage.disable(staff, "admin-1"),
            lambda: manage.make_token(staff, "kiosk-1"),
            lambda: manage.reset_password(staff, "admin-1"),
        ):
            with pytest.raises(AccessError) as wrong:
                await refused()
            assert wrong.value.code == "not_admin"
        with pytest.raises(AccessError, match="only an administrator"):
            manage.all(staff)
        for last in (manage.disable(ADMIN, "admin-1"), manage.remove(ADMIN, "admin-1")):
            with pytest.raises(AccessError) as wrong:
                await last
            assert wrong.value.code == "last_admin"
        await add(box, "admin-2", Role.ADMIN)
        await manage.disable(ADMIN, "admin-1")
        assert [(one.name, one.disabled) for one in manage.all(ADMIN)] == [
            ("admin-1", True),
            ("admin-2", False),
            ("desk-1", False),
        ]


async def test_other_parameters_are_replaced_at_the_next_sign_in(
    desk: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(hashing, "_HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1))
        async with running(desk) as box:
            await add(box, "desk-1")
    async with running(desk) as box:
        assert "m=8192,t=1" in box.access.accounts.book.accounts["desk-1"].hash
        signed = await box.access.sign_in("desk-1", PASSWORD, DESK)
        assert box.access.session(signed.cookie) is not None
    async with running(desk) as box:
        assert "m=19456,t=2,p=1" in box.access.accounts.book.accounts["desk-1"].hash
        await box.access.sign_in("desk-1", PASSWORD, DESK)


async def test_a_kiosk_is_known_by_its_token_and_by_where_it_is(desk: Box) -> None:
    async with running(desk) as box:
        manage = box.access.accounts
        token = await manage.make_token(ADMIN, "kiosk-1")
        found = box.access.kiosk(token, "10.0.0.1")
        assert found is not None
        assert (found.role, found.name, found.csrf) == (Role.KIOSK, "kiosk-1", "")
        assert box.access.kiosk(token[:-1], "10.0.0.1") is None
        assert box.access.kiosk("", "10.0.0.1") is None
        newer = await manage.make_token(ADMIN, "kiosk-1", "192.168.1.0/24")
        assert box.access.kiosk(token, DESK) is None, "the older one is worth nothing"
        assert box.access.kiosk(newer, DESK) is not None
        assert box.access.kiosk(newer, f"::ffff:{DESK}") is not None
        for elsewhere in ("192.168.2.7", "::1", "testclient", ""):
            assert box.access.kiosk(newer, elsewhere) is None
        with pytest.raises(AccessError) as wrong:
            await manage.make_token(ADMIN, "kiosk-9")
        assert wrong.value.code == "kiosk_unknown"
    async with running(desk) as box:
        assert box.access.kiosk(newer, DESK) is not None
        box.access.accounts.kiosks = frozenset({"kiosk-2"})
        assert box.access.kiosk(newer, DESK) is None, "a kiosk that is not configured any more is nobody"
        box.access.accounts.kiosks = frozenset({"kiosk-1"})
        await box.access.accounts.revoke_token(ADMIN, "kiosk-1")
        assert box.access.kiosk(newer, DESK) is None
        assert box.access.accounts.tokens(ADMIN) == []


async def test_no_password_and_no_token_is_anywhere(desk: Box, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def all_of_it(box: Running) -> list[str]:
        await add(box, "desk-1")
        token = await box.access.accounts.make_token(ADMIN, "kiosk-1")
        signed = await box.access.sign_in("desk-1", PASSWORD, DESK)
        await box.code("desk-1", WRONG)
        await box.code(WRONG, WRONG)  # typed into the wrong field
        made = await box.access.accounts.reset_password(ADMIN, "desk-1")
        return [PASSWORD, WRONG, token, made, signed.cookie, signed.principal.csrf, repr(signed)]

    async with running(desk) as box:
        secrets = await all_of_it(box)
        assert not any(secret in secrets[-1] for secret in secrets[:-1])
        files = b"".join(one.read_bytes() for one in desk.store.parent.iterdir() if one.is_file())
        assert b"$argon2id$" in files, "what is looked at holds the newest rows"
        metrics = box.metrics.render().decode()
        logged = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
        for secret in secrets[:-1]:
            assert secret.encode() not in files
            assert secret not in logged
            assert secret not in metrics
