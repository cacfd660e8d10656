"""`zhijiao center …` and `zhijiao enroll`, as center and technician give them."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.registrar import web
from gateway.registrar.home import Home
from gateway.registrar.registrar import Registrar
from tests.broker import HOST, free_port
from tests.gateway.technicians_box import zhijiao

GATEWAY = "gw-370102-01"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    port = free_port()
    made = zhijiao(
        *("center", "init", "--home", tmp_path / "center", "--registrar", f"localhost:{port}"),
        *("--broker", "mqtts://localhost:8883"),
    )
    assert made.code == 0, made.err
    return tmp_path / "center"


@contextlib.contextmanager
def registrar_of(folder: Path) -> Iterator[None]:
    """On a loop and thread of its own: the commands run one themselves."""
    home, ready = Home.load(folder), threading.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await web.serve(home, Registrar(home), HOST, home.port, ready=lambda _port: ready.set())

    task = loop.create_task(serve())
    thread = threading.Thread(target=loop.run_until_complete, args=(task,))
    thread.start()
    assert ready.wait(20)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "box").mkdir()
    path = tmp_path / "zhijiao.toml"
    path.write_text(f'[gateway]\nstate_dir = "{tmp_path}/box"\n')
    return path


def test_from_an_empty_folder_to_an_enrolled_box(home: Path, config: Path) -> None:
    code = zhijiao("center", "token", GATEWAY, "--home", home, "--json").json["code"]
    with registrar_of(home):
        told = zhijiao("enroll", code, "--config", config)
    assert told.code == 0, told.err
    assert f"{GATEWAY} of 370102" in told.out
    assert code.rpartition("/")[2] not in told.out + told.err
    listed = zhijiao("center", "list", "--home", home)
    assert f"ok  {GATEWAY}" in listed.out
    assert zhijiao("center", "list", "--home", home, "--ids").out == f"{GATEWAY}\n"
    doctor = zhijiao("doctor", "--config", config)
    assert f"gateway {GATEWAY} of 370102" in doctor.out
    assert "own certificate  valid until" in doctor.out


def test_a_refusal_is_one_line_with_a_code(home: Path, config: Path) -> None:
    first = zhijiao("center", "token", GATEWAY, "--home", home, "--json").json["code"]
    zhijiao("center", "token", GATEWAY, "--home", home)
    with registrar_of(home):
        told = zhijiao("enroll", first, "--config", config)
        as_json = zhijiao("enroll", first, "--config", config, "--json")
    assert told.code == 1
    assert told.err.startswith("zhijiao: the center has withdrawn this code")
    assert told.err.endswith("[token_withdrawn]\n")
    assert as_json.json["error"]["code"] == "token_withdrawn"


def test_the_configuration_and_the_code_must_mean_the_same_box(home: Path, config: Path) -> None:
    code = zhijiao("center", "token", GATEWAY, "--home", home, "--json").json["code"]
    config.write_text(config.read_text() + 'id = "gw-370102-02"\norg = "370102"\n')
    told = zhijiao("enroll", code, "--config", config)
    assert told.code == 78
    assert "[other_gateway]" in told.err


def test_revoke_asks_and_then_ends_it(home: Path, config: Path) -> None:
    code = zhijiao("center", "token", GATEWAY, "--home", home, "--json").json["code"]
    with registrar_of(home):
        zhijiao("enroll", code, "--config", config)
    assert zhijiao("center", "token", GATEWAY, "--home", home).err.endswith("[still_enrolled]\n")
    assert "[usage]" in zhijiao("center", "revoke", GATEWAY, "--home", home, "--json").out.replace(
        '"code": "usage"', "[usage]"
    )
    told = zhijiao("center", "revoke", GATEWAY, "--home", home, "--yes")
    assert told.code == 0
    assert "1 certificates" in told.out
    assert f"--  {GATEWAY}  revoked" in zhijiao("center", "list", "--home", home).out
    done = zhijiao("center", "list", "--home", home, "--audit", "--json").json["audit"]
    assert [line["what"] for line in done] == ["code_issued", "enrolled", "revoked"]
    assert "enrolled" in zhijiao("center", "list", "--home", home, "--audit").out
    assert zhijiao("center", "revoke", "gw-370102-77", "--home", home, "--yes").err.endswith(
        "[unknown_gateway]\n"
    )


def test_a_center_is_made_once_and_its_certificates_follow(home: Path, tmp_path: Path) -> None:
    again = zhijiao(
        *("center", "init", "--home", home, "--registrar", "localhost", "--broker", "mqtts://localhost")
    )
    assert again.err.endswith("[center_exists]\n")
    out = tmp_path / "out"
    out.mkdir()
    assert zhijiao("center", "certificate", "--home", home, "--server", "mq2.example", "--out", out).code == 0
    assert zhijiao("center", "certificate", "--home", home, "--client", "monitor", "--out", out).code == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "monitor.crt",
        "monitor.key",
        "server.crt",
        "server.key",
    ]
    told = zhijiao("center", "certificate", "--home", home, "--client", GATEWAY, "--out", out)
    assert told.err.endswith("[usage]\n")


def test_without_a_center_the_commands_say_how_to_make_one(tmp_path: Path) -> None:
    for command in ("token", "revoke"):
        told = zhijiao("center", command, GATEWAY, "--home", tmp_path / "none")
        assert told.code == 78
        assert "zhijiao center init" in told.err
