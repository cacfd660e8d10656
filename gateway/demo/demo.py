"""The demo: broker, center, readers on ptys and the gateway, each its own process, as in a center.

The readers speak their real wire protocol through real serial ports; the gateway is `zhijiao run` with
a configuration file, and the center's side is `zhijiao receive`. The state folder keeps keys, store
and the center's database: started again, the demo goes on where it was.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.demo import broker
from gateway.demo.access import ensure_access
from gateway.demo.children import Child, zhijiao
from gateway.demo.keys import ACK_KID, DemoKeys
from gateway.demo.roster import UNEXPECTED, write_roster
from gateway.demo.show import Show
from gateway.errors import StartError

ORG, GATEWAY = "370102", "gw-370102-01"
PAGE_PORT = 8080

CONFIG = """\
# Written anew at each start of the demo.
[gateway]
org = "{org}"
id = "{gateway}"
state_dir = "{state}/gateway"
demo = true

[keys]
event_key_file = "{keys.event_key}"
event_kid = "{keys.event_kid}"
trust_file = "{keys.trust}"
id_hmac_key_file = "{keys.hmac_key}"

[store]
reserve_mib = 16

[uplink]
broker = "mqtt://{host}:{port}"

[api]
listen = "127.0.0.1:{page}"
"""

DEVICE = """
[[device]]
id = "{id}"
kind = "idcard.sam"
port = "{port}"
"""
KIOSK = """
[[device]]
id = "finger-1"
kind = "finger.zfm"
family = "grow"
port = "{port}"

[[kiosk]]
id = "kiosk-1"
devices = ["idcard-1", "finger-1"]
purpose = "report"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """How the demo is played."""

    state: Path
    readers: int = 2
    interval_s: float = 6.0  # seconds between two people at a reader
    bad: float = 0.1  # share of cards that cannot be read
    seconds: float | None = None  # end by itself after so long


async def play(options: DemoOptions, show: Show) -> None:
    """Run the demo until Ctrl-C; raises `StartError`."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    state = options.state.absolute()
    with _alone_in(state):
        async with contextlib.AsyncExitStack() as stack:
            await _start(options, state, show, stack, stop)
        show.title("ended; the state stays in " + str(options.state))


async def _start(
    options: DemoOptions, state: Path, show: Show, stack: contextlib.AsyncExitStack, stop: asyncio.Event
) -> None:
    keys = DemoKeys(state / "keys", GATEWAY)
    keys.ensure()
    chosen = broker.choose(state / "broker")
    show.title("智矫网关 · 演示    Zhijiao Gateway · demo")
    show.fact("broker", f"{chosen.name}, 127.0.0.1:{chosen.port}, this machine only")
    show.fact("state", f"{options.state}  (demo keys: a real center refuses them)")
    ports = {f"idcard-{n}": state / "ports" / f"idcard-{n}" for n in range(1, options.readers + 1)}
    config = _write_config(state, keys, chosen.port, ports)
    show.fact("roster", await _import_roster(state, keys, config, readers=options.readers))
    access = await asyncio.to_thread(ensure_access, state, keys, config)
    show.fact("sign in", access.sign_in)

    async def child(name: str, *command: str) -> Child:
        started = await Child.start(name, command, state)
        stack.push_async_callback(started.end)
        return started

    # Ended in reverse: the gateway says goodbye, the readers go, the center has acked, the broker goes last.
    brokers = await child("broker", *chosen.command)
    await _until_listening(chosen.port, brokers)
    receiver = await child("receiver", *_receive(keys, chosen.port, state))
    readers = [
        await child(name, *_far_end(seed, port, state, options))
        for seed, (name, port) in enumerate(ports.items(), start=1)
    ]
    gateway = await child("gateway", *zhijiao("run", "--config", str(config), "--watch"))
    show.fact("readers", ", ".join(f"{name} on {port}" for name, port in ports.items()))
    show.fact("stop", "Ctrl-C")
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_show_gateway(gateway, show, access.tokens)),
            group.create_task(_show_center(receiver, show)),
            *(group.create_task(_show_reader(reader, show)) for reader in readers),
            *(group.create_task(one.ended()) for one in (brokers, receiver, gateway, *readers)),
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(options.seconds):
                await stop.wait()
        show.title("stopping")
        for task in tasks:
            task.cancel()


def _far_end(seed: int, port: Path, state: Path, options: DemoOptions) -> tuple[str, ...]:
    """The first counter is a kiosk: whoever lays a card there also gives a finger."""
    habits = ("--seed", str(seed), "--interval", str(options.interval_s), "--bad", str(options.bad))
    if seed == 1:
        finger = ("--finger-port", str(_finger_port(state)))
        return zhijiao("simulate", "kiosk", "--port", str(port), *finger, *habits)
    return zhijiao("simulate", "idcard.sam", "--port", str(port), *habits)


def _finger_port(state: Path) -> Path:
    return state / "ports" / "finger-1"


async def _import_roster(state: Path, keys: DemoKeys, config: Path, *, readers: int) -> str:
    """Sign a roster as the center does and hand it over as a technician does; raises `StartError`."""
    file = state / "roster.jsonl"
    (state / "gateway").mkdir(exist_ok=True)
    persons = write_roster(file, keys, ORG, range(1, readers + 1), datetime.now(UTC))
    command = zhijiao("roster", "import", str(file), "--config", str(config))
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    if process.returncode:
        raise StartError(
            "roster", f"the demo's roster was refused: {errors.decode(errors='replace').strip()}"
        )
    return f"{persons} invented persons, signed and imported ({file.name}); one card in {UNEXPECTED} is not on it"


def _receive(keys: DemoKeys, port: int, state: Path) -> tuple[str, ...]:
    return zhijiao(
        *("receive", "--broker", f"mqtt://127.0.0.1:{port}", "--db", str(state / "center.db")),
        *("--trust", str(keys.trust), "--ack-key", str(keys.ack_key), "--ack-kid", ACK_KID),
        *("--demo", "--follow", "json"),
    )


def _write_config(state: Path, keys: DemoKeys, port: int, ports: dict[str, Path]) -> Path:
    (state / "ports").mkdir(exist_ok=True)
    page = PAGE_PORT if _is_free(PAGE_PORT) else 0
    text = CONFIG.format(
        org=ORG, gateway=GATEWAY, state=state, keys=keys, host=broker.HOST, port=port, page=page
    )
    text += "".join(DEVICE.format(id=name, port=path) for name, path in ports.items())
    text += KIOSK.format(port=_finger_port(state))
    path = state / "zhijiao.toml"
    path.write_text(text)
    return path


async def _show_gateway(gateway: Child, show: Show, tokens: Mapping[str, str]) -> None:
    async for line in gateway.lines():
        told = json.loads(line)
        if "page" in told:
            show.fact("page", told["page"])
            for kiosk, token in tokens.items():
                show.fact(kiosk, f"{told['page']}kiosk/pair#{token}")
            continue
        if "seq" not in told:
            continue
        text = f"#{told['seq']:<5} {told['type']:<24} {told['device']}"
        if told["stage"] != "committed":
            text += f"  {told['after_ms']} ms after commit"
        show.happened(told["stage"], text)


async def _show_center(receiver: Child, show: Show) -> None:
    async for line in receiver.lines():
        told = json.loads(line)
        if "seq" in told:
            text = (
                f"#{told['seq']:<5} {told['type']:<24} {told['outcome']}, verified, chain {told.get('chain')}"
            )
        else:
            text = f"{told['outcome']} {told.get('code', '')}"
        show.happened("center", text)


async def _show_reader(reader: Child, show: Show) -> None:
    async for line in reader.lines():
        show.happened("card", f"{reader.name}: {line}")


async def _until_listening(port: int, child: Child) -> None:
    ended = asyncio.ensure_future(child.ended())
    try:
        async with asyncio.timeout(15):
            while not ended.done():
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(broker.HOST, port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)
        ended.result()
    except TimeoutError as exc:
        raise StartError("no_broker", f"the broker does not listen on port {port} after 15 s") from exc
    finally:
        ended.cancel()


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), _bound(port):
        return True
    return False


@contextlib.contextmanager
def _bound(port: int) -> Iterator[None]:
    with socket.create_server((broker.HOST, port)):
        yield


@contextlib.contextmanager
def _alone_in(state: Path) -> Iterator[None]:
    """One demo per state folder."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise StartError("state", f"{state}: {exc.strerror}; choose another folder with --state") from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as exc:
        raise StartError(
            "state", f"{state}: a demo runs there already; end it or choose another folder with --state"
        ) from exc
    finally:
        os.close(lock)
