"""Terminals over real HTTP and a real store: taken means on disk, repeats are one fact, strangers get nothing."""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from drivers.errors import DeviceFault
from drivers.simulators.terminal import SimulatedTerminal, TerminalFaults
from firmware_protocols.zk_adms import answers
from firmware_protocols.zk_adms.records import to_line
from firmware_protocols.zk_adms.requests import BIOMETRIC_TABLES
from gateway.clock import ClockQuality, ManualClock
from gateway.errors import StoreRefused
from gateway.ingest.sealing import unseal
from gateway.store.database import StoreDamaged
from gateway.store.store import Store
from tests.gateway.store_fixtures import GATEWAY
from tests.gateway.terminal_bench import CENTER, SERIAL, Listener, listener

CANARY = b"CANARYcanary0123456789TEMPLATE"


def terminal(bench: Listener, serial: str = SERIAL) -> SimulatedTerminal:
    return SimulatedTerminal("127.0.0.1", bench.port, serial)


def local(bench: Listener, ago_s: int = 0) -> datetime:
    """Now by the clock of a terminal in China."""
    moment = datetime.fromtimestamp(bench.clock.wall_ms / 1000, UTC) + timedelta(hours=8, seconds=-ago_s)
    return moment.replace(tzinfo=None, microsecond=0)


async def test_a_record_is_ok_when_it_is_on_disk_and_counts_by_the_roster(tmp_path: Path) -> None:
    async with listener(tmp_path) as bench:
        far = terminal(bench)
        assert await far.hello()
        assert far.options["TransFlag"] == "TransData AttLog"
        far.punch("1", verify=10, at=local(bench))
        far.punch("1", verify=1, at=local(bench, 1))
        far.punch("77", verify=10, at=local(bench))
        told = await far.send_records(b"".join(far.memory))
        assert (told.status, told.text) == (200, b"OK: 3")
        assert bench.reasons() == ["counted", "one_factor", "unknown_person"]
        counted, _, unknown = bench.events()
        assert counted["subject"] == "person/p-boris"
        assert (counted["deviceid"], counted["data"]["terminal"]) == ("kiosk-1", "terminal-1")
        assert counted["id"][14] == "8", "the identity is derived"
        opened = unseal(unknown["data"]["sealed"], CENTER, gateway=GATEWAY, event_id=unknown["id"])
        assert opened == {"pin": "77"}
        assert bench.task.view.events_total == 3


async def test_a_terminal_comes_moves_and_goes_while_the_gateway_listens(tmp_path: Path) -> None:
    async with listener(tmp_path) as bench:
        far, driver = terminal(bench), bench.drivers.pop("terminal-1")
        assert not await far.hello(), "it is not on the list yet"
        bench.drivers["terminal-1"] = driver
        assert await far.hello()
        bench.kiosk = replace(bench.kiosk, devices=())
        far.punch("1", verify=10, at=local(bench))
        assert (await far.send_records(b"".join(far.memory))).text == b"OK: 1"
        (counted,) = bench.events()
        assert counted["deviceid"] == "terminal-1", "it stands at no kiosk"
        bench.drivers.clear()
        assert not await far.hello()


async def test_a_repeat_in_whatever_pieces_stores_nothing_twice(tmp_path: Path) -> None:
    async with listener(tmp_path) as bench:
        far = terminal(bench)
        lines = [to_line(str(n % 5), local(bench, n), 0, 10) for n in range(450)]
        assert (await far.send_records(b"".join(lines))).text == b"OK: 450"
        for part in (lines, lines[100:300], lines[:1] * 3, lines[::-1]):
            told = await far.send_records(b"".join(part))
            assert told.text == b"OK: %d" % len(part)
        assert len(bench.events()) == 450
        assert len({event["id"] for event in bench.events()}) == 450


async def test_a_store_that_forgets_would_double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above."""
    monkeypatch.setattr("gateway.store.records.known", lambda _ids: set())
    monkeypatch.setattr("gateway.store.records.add", lambda _stored, _device: None)
    async with listener(tmp_path) as bench:
        for _ in range(2):
            await terminal(bench).send_records(to_line("1", local(bench), 0, 10))
        assert len(bench.events()) == 2


async def test_at_once_from_two_connections_is_still_one_fact(tmp_path: Path) -> None:
    async with listener(tmp_path) as bench:
        body = b"".join(to_line("1", local(bench, n), 0, 10) for n in range(250))
        told = await asyncio.gather(*(terminal(bench).send_records(body) for _ in range(4)))
        assert [one.text for one in told] == [b"OK: 250"] * 4
        assert len(bench.events()) == 250


async def test_what_the_disk_refuses_is_not_taken_and_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second commit of an upload fails: what the first took is not doubled by the repeat."""
    async with listener(tmp_path) as bench:
        far = terminal(bench)
        far.batch = 500
        for n in range(450):
            far.punch("1", 10, at=local(bench, n))
        real, calls = Store.run, 0

        async def failing(self: Store, fn: object, **kw: object) -> object:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise StoreRefused("store_full", "no room")
            return await real(self, fn, **kw)  # type: ignore[arg-type]

        monkeypatch.setattr(Store, "run", failing)
        assert not await far.upload()
        assert (far.refusals, far.taken, len(bench.events())) == ([503], 0, 200)
        shown, lost = bench.ingest.refusal, bench.ingest.refused
        assert shown is not None, "the page shows that the disk takes nothing"
        assert lost == 0, "and nothing is lost by it"
        assert await far.upload()
        assert (far.taken, len(bench.events())) == (450, 450)


async def test_a_damaged_store_rises_in_the_core_and_nothing_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listener(tmp_path) as bench:
        watching = asyncio.create_task(bench.door.until_damaged())

        async def torn(_store: Store, _fn: object, **_kw: object) -> None:
            raise StoreDamaged("a page is torn")

        monkeypatch.setattr(Store, "run", torn)
        far = terminal(bench)
        far.punch("1", 10, at=local(bench))
        assert not await far.upload()
        assert far.refusals == [503]
        with pytest.raises(StoreDamaged):
            await asyncio.wait_for(watching, 5)


async def test_a_bad_line_is_told_once_and_the_others_count(tmp_path: Path) -> None:
    async with listener(tmp_path) as bench:
        far = terminal(bench)
        good = to_line("1", local(bench), 0, 10)
        body = b"1\t0000-00-00 00:00:00\t0\t10\t0\n" + good + b"\xff\xfe 4711\n"
        for _ in range(3):
            assert (await far.send_records(body)).text == b"OK: 3"
        assert sorted(bench.reasons()) == ["counted", "unreadable_record", "unreadable_record"]
        assert bench.metric("device_frames_discarded_total", device="terminal-1", reason="record_time") > 0
        assert b"4711" not in bench.written()


async def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    async with listener(tmp_path) as bench:
        far = terminal(bench)
        for n in range(40):
            far.punch("1", 10, at=local(bench, n))
        for _ in range(5):
            await far.send_cut(b"".join(far.memory))
        await asyncio.sleep(0.2)
        assert bench.events() == []
        assert await far.upload()
        assert len(bench.events()) == 40


@pytest.mark.parametrize("in_2000", [True, False], ids=["never set", "kept for a day"])
async def test_an_old_record_waits_for_staff_at_the_time_it_claims(tmp_path: Path, *, in_2000: bool) -> None:
    async with listener(tmp_path) as bench:
        far = terminal(bench)
        at = datetime.fromisoformat("2000-01-01 08:30:00") if in_2000 else local(bench, 86_400)
        far.punch("1", 10, at=at)
        assert await far.upload()
        (event,) = bench.events()
        assert event["data"]["reason"] == "offline_record"
        assert event["data"]["device_time"] == (at - timedelta(hours=8)).isoformat() + ".000Z"
        assert event["time"] == event["recordedtime"], "our own time is when it came"


# -- strangers -------------------------------------------------------------------------------------------


async def test_a_serial_number_that_is_not_listed_is_refused_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with listener(tmp_path) as bench:
        far = terminal(bench, "STRANGER-4711")
        far.punch("1", 10, at=local(bench))
        with caplog.at_level(logging.WARNING, "gateway.terminals"):
            for _ in range(20):
                assert not await far.upload()
        assert set(far.refusals) == {403}
        assert not await far.hello()
        assert bench.metric("terminal_refused_total", reason="serial") == 21
        assert (bench.events(), bench.events("device.")) == ([], [])
        assert len(caplog.records) == 1, "a line in ten seconds"
        assert "4711" not in caplog.text
        bench.seconds = 10.0
        await far.upload()
        assert len([r for r in caplog.records if r.name == "gateway.terminals"]) == 2


async def test_a_listed_number_from_a_foreign_address_is_refused_and_told_seldom(tmp_path: Path) -> None:
    async with listener(tmp_path, address="10.1.2.0/28") as bench:
        far = terminal(bench)
        far.punch("1", 10, at=local(bench))
        for second in range(0, 1300, 10):
            bench.seconds = float(second)
            assert not await far.upload()
        assert set(far.refusals) == {403}
        assert [event["data"]["code"] for event in bench.events("device.")] == ["foreign_address"] * 3
        assert bench.events() == []


async def test_nothing_else_is_on_this_listener(tmp_path: Path) -> None:
    async with (
        listener(tmp_path) as bench,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{bench.port}") as client,
    ):
        for path in (
            "/",
            "/metrics",
            "/healthz",
            "/api/v1/status",
            "/openapi.json",
            "/docs",
            "/live",
            "/static/a/b",
        ):
            answer = await client.get(path, params={"SN": SERIAL})
            assert (answer.status_code, answer.text) == (404, "ERROR\n"), path
        assert (await client.put("/iclock/cdata", params={"SN": SERIAL})).status_code == 405
        assert (await client.get("/iclock/whatever", params={"SN": SERIAL})).text == "OK"
        assert bench.metric("terminal_refused_total", reason="request") == 8


# -- what nobody may look into ---------------------------------------------------------------------------


@pytest.mark.parametrize("table", sorted({*BIOMETRIC_TABLES, "OPERLOG", "USERINFO", "whatever"}))
async def test_a_body_that_nobody_asked_for_is_dropped_unseen_and_not_sent_for_ever(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, table: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with listener(tmp_path) as bench:
            far = terminal(bench)
            told = await far.send_template(table, CANARY * 5000)
            assert (told.status, told.text) == (200, b"OK")
            far.punch("1", 10, at=local(bench))
            assert await far.upload()
            reason = "refused_biometric" if table in BIOMETRIC_TABLES else "refused_personal"
            assert bench.metric("device_frames_discarded_total", device="terminal-1", reason=reason) == 1
            assert CANARY not in bench.written()
            assert CANARY.decode() not in repr(bench.task.view)
    assert CANARY not in b"".join(one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())
    assert CANARY.decode() not in caplog.text


async def test_a_canary_would_be_found(tmp_path: Path) -> None:
    """The control: what is kept is found where the test above looks."""
    async with listener(tmp_path) as bench:
        await bench.ingest.record("device.fault", {"code": CANARY.decode()}, device="terminal-1")
        assert CANARY in bench.written()


async def test_a_template_among_the_records_is_not_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with listener(tmp_path) as bench:
        with caplog.at_level(logging.DEBUG):
            await terminal(bench).send_records(b"FP PIN=1\tFID=0\tSize=9\tTMP=" + CANARY + b"\n")
        assert bench.reasons() == ["unreadable_record"]
        assert CANARY not in bench.written()
        assert CANARY.decode() not in caplog.text


async def test_a_body_beyond_every_bound_is_refused(tmp_path: Path) -> None:
    async with listener(tmp_path) as bench, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{bench.port}/iclock/cdata?SN={SERIAL}&table=ATTLOG"
        answer = await client.post(url, content=b"1" * ((1 << 20) + 1))
        assert answer.status_code == 413
        answer = await client.post(url, content=b"\n" * 20_001)
        assert answer.status_code == 413
        assert bench.events() == []


# -- time ------------------------------------------------------------------------------------------------


async def test_the_time_is_told_only_while_somebody_vouches_for_it(tmp_path: Path) -> None:
    clock = ManualClock()
    async with listener(tmp_path, clock=clock) as bench:
        far = terminal(bench)
        told = await far.ask()
        assert parsedate_to_datetime(told.headers["date"]).timestamp() == clock.wall_ms // 1000
        told = await far.send("GET", f"rtdata?SN={SERIAL}&type=time")
        count = int(told.text.partition(b"=")[2].partition(b",")[0])
        assert answers.decode_time(count) == local(bench) - timedelta(hours=8)
        assert told.text.endswith(b",ServerTZ=+0800")
        clock.set_quality(ClockQuality.UNSYNCED)
        assert "date" not in (await far.ask()).headers
        assert (await far.send("GET", f"rtdata?SN={SERIAL}&type=time")).text == b"OK"


# -- a terminal's life -----------------------------------------------------------------------------------


async def test_a_door_controller_s_dialect_is_told_and_nothing_of_it_taken(tmp_path: Path) -> None:
    async with listener(tmp_path) as bench:
        serving = asyncio.create_task(bench.task._serve_once(bench.driver))
        far = terminal(bench)
        await far.hello()
        await asyncio.sleep(0)
        told = await far.send("POST", f"cdata?SN={SERIAL}&table=rtlog", b"time=2026-11-27 08:30:00\tpin=1\n")
        assert told.status == 503
        await asyncio.wait_for(serving, 5)
        assert (bench.task.view.state, bench.task.view.code) == ("fault", "dialect")


async def test_orders_and_facts_of_the_terminal(tmp_path: Path) -> None:
    async with listener(tmp_path) as bench:
        far = terminal(bench)
        registry = await far.send(
            "POST", f"registry?SN={SERIAL}", b"~DeviceName=SpeedFace,FirmVer=ZAM180-1.1"
        )
        assert registry.text.startswith(b"RegistryCode=")
        for target in ("devicecmd", "ping", "push"):
            assert (await far.send("POST", f"{target}?SN={SERIAL}", b"ID=1&Return=0&CMD=INFO")).status == 200
        assert (await far.ask()).text == b"OK"
        assert (await far.send("POST", f"devicecmd?SN={SERIAL}", b"junk")).text == b"OK"
        bench.driver._heard.clear()
        serving = asyncio.create_task(bench.driver.run())
        await far.ask()
        async with asyncio.timeout(5):
            while bench.task.view.state != "online":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        serving.cancel()
        assert (bench.task.view.model, bench.task.view.firmware) == ("SpeedFace", "ZAM180-1.1")
        assert bench.task.view.serial == SERIAL


async def test_people_are_forgotten_when_the_terminal_says_so(tmp_path: Path) -> None:
    async with listener(tmp_path) as bench:
        far = terminal(bench)
        asked = asyncio.create_task(bench.driver.forget({7, 9}))
        await asyncio.sleep(0)
        await far.ask()
        assert await asyncio.wait_for(asked, 5) == {7, 9}
        assert sorted(far.forgotten) == ["7", "9"]
        assert (await far.ask()).text == b"OK", "an order that was answered is over"


@pytest.mark.parametrize("faults", [TerminalFaults(disobeys=-1002), TerminalFaults(deaf=True)])
async def test_what_a_terminal_does_not_confirm_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: TerminalFaults
) -> None:
    monkeypatch.setattr("drivers.zk_terminal.FORGET_S", 0.3)
    async with listener(tmp_path) as bench:
        far = terminal(bench)
        far.faults = faults
        asked = asyncio.create_task(bench.driver.forget({7}))
        await asyncio.sleep(0)
        order = (await far.ask()).text
        assert order.endswith(b":DATA DELETE USERINFO PIN=7\n")
        assert (await far.ask()).text == b"OK", "not asked twice within half a minute"
        with pytest.raises(DeviceFault) as told:
            await asyncio.wait_for(asked, 5)
        assert told.value.code == "not_erased"
        assert "PIN" not in str(told.value), "no person's number in a message"
        late = b"ID=%s&Return=0&CMD=DATA" % order.split(b":")[1]
        again = asyncio.create_task(bench.driver.forget({9}))
        await asyncio.sleep(0)
        await far.send("POST", f"devicecmd?SN={SERIAL}", late)
        assert (
            bench.metric("device_frames_discarded_total", device="terminal-1", reason="strange_result") == 1.0
        )
        with pytest.raises(DeviceFault):
            await asyncio.wait_for(again, 5)
