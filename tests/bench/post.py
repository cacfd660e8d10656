"""A check-in by POST, answered after the commit, beside a bare POST of the same web framework.

The gateway has no route for check-ins yet, so the route stands here, over the product's own ingest and
store: a validated body becomes an event, and 201 is sent when it is on disk. Both run in turn as a
process of their own, asked by the same clients over kept-alive connections.
"""

import asyncio
import http.client
import subprocess
import sys
import threading
import time
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from gateway.clock import SystemClock
from gateway.demo.keys import DemoKeys
from gateway.evidence.canonical import Json
from gateway.evidence.keys import load_signer
from gateway.ingest.ingest import Ingest
from gateway.ingest.sealing import Sealer
from gateway.metrics import Metrics
from gateway.store.opening import StoreSettings
from gateway.store.store import open_store
from tests.bench.plan import Plan, median
from tests.bench.report import Row, at_least
from tests.broker import HOST, free_port, wait_port
from tests.e2e.bench_center import GATEWAY, ORG

CLIENTS = 8
BODY = b'{"purpose":"report","method":"card","kiosk":"kiosk-1","note":"' + b"x" * 230 + b'"}'


class CheckIn(BaseModel):
    """What a kiosk would say."""

    purpose: str
    method: str
    kiosk: str
    note: str


BARE, COMMIT = "bare FastAPI", "ours with commit"


def post(plan: Plan) -> list[Row]:
    """POSTs/s from 8 kept-alive clients: answered at once, and answered after the commit."""
    found = plan.rounds_of([BARE, COMMIT], lambda name: _ask(plan, name))
    ours, bare = median(found, COMMIT, "rate") or 0, median(found, BARE, "rate")
    return [
        at_least("check-in POST with commit (route of the bench)", ours, bare, 0.4, unit="/s", peer_name=BARE)
    ]


def _ask(plan: Plan, name: str) -> dict[str, float]:
    folder, port = plan.fresh(), free_port()
    folder.mkdir()
    command = [sys.executable, "-m", "tests.bench.post", str(port), str(folder), name]
    with subprocess.Popen(command) as server:
        try:
            wait_port(port)
            _clients(port, 0.5)
            return {"rate": _clients(port, plan.seconds)}
        finally:
            server.terminate()


def _clients(port: int, seconds: float) -> float:
    counts, end = [0] * CLIENTS, time.monotonic() + seconds

    def ask(client: int) -> None:
        line = http.client.HTTPConnection(HOST, port, timeout=30)
        while time.monotonic() < end:
            line.request("POST", "/checkin", BODY, {"Content-Type": "application/json"})
            answer = line.getresponse()
            answer.read()
            if answer.status != 201:
                raise RuntimeError(f"POST answered {answer.status}")
            counts[client] += 1
        line.close()

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


async def _ingest(folder: Path) -> Ingest:
    """The product's durable path, without devices and uplink."""
    keys = DemoKeys(folder / "keys", GATEWAY)
    keys.ensure()
    clock = SystemClock()
    signer = load_signer(keys.event_key, keys.event_kid)
    settings = StoreSettings(path=folder / "events.db", org=ORG, gateway=GATEWAY, reserve_mib=8)
    store = await open_store(settings, signer, clock.now())
    sealer = Sealer(GATEWAY, bytes.fromhex(keys.hmac_key.read_text()), None)
    ingest = Ingest(store, clock, sealer, Metrics(), GATEWAY)
    await store.start(clock.now(), lambda kind, data: ingest.draft(kind, data, clock.now()))
    return ingest


async def _serve(port: int, folder: Path, name: str) -> None:
    app = FastAPI()
    ingest = await _ingest(folder)

    async def bare(body: CheckIn) -> dict[str, str]:
        return {"id": body.purpose}

    async def committed(body: CheckIn) -> dict[str, str]:
        data: dict[str, Json] = {"code": body.purpose, "method": body.method, "note": body.note}
        stored = await ingest.record("device.fault", data, device=body.kiosk)
        if stored is None:
            raise RuntimeError("the store refused")
        return {"id": stored.id}

    route = committed if name == COMMIT else bare
    app.add_api_route("/checkin", route, methods=["POST"], status_code=201)
    config = uvicorn.Config(app, host=HOST, port=port, http="h11", log_level="warning", access_log=False)
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
