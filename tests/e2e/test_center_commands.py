"""A desk commands a running gateway: `zhijiao center command`, a real broker, the real receiver."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.checkin.signed_file import number_key_check, sign_roster
from gateway.demo.keys import ACK_KID, OPS_KID
from gateway.evidence.keys import load_signer
from tests.broker import Mosquitto, free_port
from tests.e2e.bench_center import GATEWAY, Center, center, stored_events
from tests.gateway import rosters

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


async def command(
    bench: Center, name: str, args: dict[str, Any] | None = None, *more: str
) -> tuple[int, list[Any]]:
    """Exit code, and what was said: one JSON object a line."""
    key, kid = (bench.keys.ack_key, ACK_KID) if name == "ping" else (bench.keys.ops_key, OPS_KID)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "center", "command", name, GATEWAY,
        "--broker", f"mqtt://127.0.0.1:{bench.broker.port}", "--sign-key", str(key), "--sign-kid", kid,
        "--args", json.dumps(args or {}), "--json", "--wait", "60", *more,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, [json.loads(line) for line in out.splitlines()]


def audited(bench: Center) -> list[tuple[str, str]]:
    """(what, name) of changed settings, as the center holds them."""
    found = []
    for row in stored_events(
        bench.db, "SELECT wire FROM event WHERE type = 'audit.config_changed' ORDER BY n"
    ):
        data = json.loads(bytes(row["wire"]))["data"]  # type: ignore[call-overload]
        found.append((data["what"], data["name"]))
    return found


async def test_a_desk_pings_sets_and_gets_back_what_cut_it_off(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        bench.start_receiver()
        bench.start_gateway()
        code, (answer,) = await command(bench, "ping")
        assert (code, answer["status"], set(answer["result"])) == (0, "done", {"ts", "mono", "clockq"})

        code, (on_the_way, answer) = await command(
            bench, "config-set", {"values": {"uplink.drain_cap_per_s": 50}}
        )
        assert (code, on_the_way["status"], answer["result"]["changed"]) == (
            0,
            "running",
            ["uplink.drain_cap_per_s"],
        )

        # A broker that is not there: the gateway leaves, finds nobody, and is back with the answer.
        gone = f"mqtt://127.0.0.1:{free_port()}"
        code, said = await command(bench, "config-set", {"values": {"uplink.broker": gone}, "trial_s": 10})
        assert (code, said[-1]["status"], said[-1]["error"]["code"]) == (1, "failed", "rolled_back")
        assert (await command(bench, "ping"))[0] == 0

        bench.kill_gateway()  # what was set outlives it
        bench.start_gateway()
        code, (answer,) = await command(bench, "config-get")
        assert answer["result"]["set"] == {"uplink.drain_cap_per_s": 50}
        assert answer["result"]["values"]["uplink.broker"] == f"mqtt://127.0.0.1:{mosquitto.port}"
        code, (answer,) = await command(
            bench, "rollcall", {"persons": ["nobody"], "deadline": "2020-01-01T00:00:00.000Z"}
        )
        assert (code, answer["status"]) == (1, "rejected")
        code, (answer,) = await command(bench, "wipe", {}, "--wait", "3")
        assert code == 2, "the operations key may not: nobody's word, so no answer"
        await bench.until(lambda: len(audited(bench)) == 3, "the audit at the center")
        assert audited(bench) == [
            ("settings_changed", "uplink.drain_cap_per_s"),
            ("settings_changed", "uplink.broker"),
            ("settings_rolled_back", "uplink.broker"),
        ]


async def test_a_roster_announced_from_the_desk_is_in_force_and_at_the_center(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        bench.rosters = tmp_path / "rosters"
        bench.rosters.mkdir()
        key = bytes.fromhex(bench.keys.hmac_key.read_text())
        head = rosters.head(gw=GATEWAY, number_key=number_key_check(key))
        signed = sign_roster(head, map(rosters.person, range(600)), load_signer(bench.keys.ops_key, OPS_KID))
        file = bench.rosters / f"{GATEWAY}.roster"
        bench.start_receiver()
        bench.start_gateway()
        file.write_bytes(signed)
        code, said = await command(bench, "roster-sync", {}, "--roster", str(file))
        assert (code, said[-1]["result"]["persons"]) == (0, 600), said
        assert [one["status"] for one in said[:-1]] == ["running"] * (len(said) - 1)
        await bench.until(lambda: len(applied(bench)) == 1, "the event at the center")
        assert (applied(bench)[0]["source"], applied(bench)[0]["count"]) == ("center", 600)


def applied(bench: Center) -> list[dict[str, Any]]:
    rows = stored_events(bench.db, "SELECT wire FROM event WHERE type = 'system.roster_applied' ORDER BY n")
    return [json.loads(bytes(row["wire"]))["data"] for row in rows]  # type: ignore[call-overload]
