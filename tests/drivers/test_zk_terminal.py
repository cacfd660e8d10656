"""A terminal that comes by HTTP: heard or missed, taken or not, its own time and its own numbers."""

import asyncio
from ipaddress import ip_address

import pytest

from drivers.errors import DeviceMismatch, LinkLost, LinkUnavailable
from drivers.factors import Factor
from drivers.terminals import Punch, Terminal, Unreadable
from drivers.zk_terminal import BATCH, DONE, NOT_TAKEN, SILENT_S, ZkTerminal
from firmware_protocols.zk_adms.answers import parse_options
from firmware_protocols.zk_adms.requests import Request, parse
from tests.drivers.bench import RecordingHost, in_skipped_time

NOON_MS = 1_795_309_322_000


def built(host: RecordingHost, **settings: object) -> ZkTerminal:
    table = {"serial": "TEST001", "address": "10.1.2.0/28", "card_and_finger": 10, **settings}
    return ZkTerminal.build("terminal-1", table, host)


def ask(target: str = "getrequest?SN=TEST001", method: str = "POST") -> Request:
    path, _, query = target.partition("?")
    return parse(method, f"/iclock/{path}", query.encode())


RECORDS = ask("cdata?SN=TEST001&table=ATTLOG&Stamp=9999")


@in_skipped_time
async def test_it_is_ready_when_it_comes_and_lost_when_it_does_not() -> None:
    host = RecordingHost()
    driver = built(host)
    with pytest.raises(LinkUnavailable) as absent:
        await driver.run()
    assert (absent.value.code, host.readies) == ("not_heard", [])

    async def come() -> None:
        for _ in range(5):
            await asyncio.sleep(SILENT_S * 0.9)
            await driver.handle(ask(), b"", unread=0, now_ms=None)

    coming = asyncio.create_task(come())
    began = asyncio.get_running_loop().time()
    with pytest.raises(LinkLost) as lost:
        await driver.run()
    assert (lost.value.code, len(host.readies), host.readies[0].serial) == ("silent", 1, "TEST001")
    assert asyncio.get_running_loop().time() - began == pytest.approx(SILENT_S * 5.5)
    await coming


@in_skipped_time
async def test_what_it_kept_while_nobody_looked_is_taken_before_it_is_ready() -> None:
    host = RecordingHost()
    answer = await built(host).handle(RECORDS, b"1\t2026-11-27 08:30:00\t0\t10\t0\n", unread=0, now_ms=None)
    assert (answer.text, len(host.records)) == (b"OK: 1", 1)


@in_skipped_time
async def test_another_dialect_is_a_mismatch() -> None:
    host = RecordingHost()
    driver = built(host)
    running = asyncio.create_task(driver.run())
    await asyncio.sleep(1)
    foreign = ask("cdata?SN=TEST001&table=rtlog")
    assert await driver.handle(foreign, b"", unread=20, now_ms=None) == NOT_TAKEN
    with pytest.raises(DeviceMismatch) as caught:
        await running
    assert caught.value.code == "dialect"


@in_skipped_time
async def test_records_become_punches_in_utc_and_the_pair_is_the_configured_one() -> None:
    host = RecordingHost()
    body = (
        b"1\t2026-11-27 08:30:00\t0\t10\t0\t0\n2\t2026-11-27 08:30:01\t1\t1\t0\n"
        b"3\t2026-11-27 25:30:01\t1\t1\t0\n4\t2026-11-27 08:30:02\t0\t18\t0\n"
    )
    answer = await built(host).handle(RECORDS, body, unread=0, now_ms=None)
    assert answer.text == b"OK: 4"
    one, two, bad, four = host.records
    assert isinstance(one, Punch)
    assert isinstance(two, Punch)
    assert isinstance(four, Punch)
    assert (one.claimed_ms, one.second_factor) == (1_795_739_400_000, Factor.FINGER)
    assert (two.status, two.verify, two.second_factor, four.second_factor) == (1, 1, None, None)
    assert isinstance(bad, Unreadable)
    assert host.noises == {"record_time": len(b"3\t2026-11-27 25:30:01\t1\t1\t0")}
    assert "2026" not in repr(host.records)


@in_skipped_time
async def test_a_refusal_is_told_and_a_large_upload_goes_in_batches() -> None:
    host = RecordingHost()
    driver = built(host)
    body = b"".join(b"%d\t2026-11-27 08:30:00\t0\t1\t0\n" % n for n in range(2 * BATCH + 1))
    host.refusing = True
    assert await driver.handle(RECORDS, body, unread=0, now_ms=None) == NOT_TAKEN
    host.refusing = False
    assert (await driver.handle(RECORDS, body, unread=0, now_ms=None)).text == b"OK: %d" % (2 * BATCH + 1)
    assert len(host.records) == 2 * BATCH + 1


@in_skipped_time
async def test_strange_bodies_do_not_come_for_ever_and_are_counted() -> None:
    host = RecordingHost()
    driver = built(host)
    assert await driver.handle(ask("devicecmd?SN=TEST001"), b"junk", unread=0, now_ms=None) == DONE
    assert await driver.handle(ask("cdata?SN=TEST001&table=BIODATA"), b"", unread=9, now_ms=None) == DONE
    assert host.noises == {"result": 4, "refused_biometric": 9}
    assert driver.body_limit(ask("cdata?SN=TEST001&table=BIODATA")) == 0
    assert driver.body_limit(ask("cdata?SN=TEST001&table=OPERLOG")) == 0
    assert driver.body_limit(RECORDS) > 0


@pytest.mark.parametrize(
    ("zone", "said"), [("Asia/Shanghai", "8"), ("Asia/Urumqi", "6"), ("Asia/Kathmandu", "345")]
)
def test_the_zone_is_told_as_terminals_want_it(zone: str, said: str) -> None:
    driver = built(RecordingHost(), timezone=zone)
    for now_ms in (None, NOON_MS):
        answer = asyncio.run(
            driver.handle(ask("cdata?SN=TEST001&options=all", "GET"), b"", unread=0, now_ms=now_ms)
        )
        assert parse_options(answer.text)["TimeZone"] == said


def test_it_comes_from_its_own_addresses_only() -> None:
    driver = built(RecordingHost())
    assert isinstance(driver, Terminal)
    allowed = {
        text: driver.allows(ip_address(text)) for text in ("10.1.2.0", "10.1.2.15", "10.1.2.16", "::1")
    }
    assert allowed == {"10.1.2.0": True, "10.1.2.15": True, "10.1.2.16": False, "::1": False}
