"""Accounts and kiosk tokens by commands in processes of their own, beside a real gateway and without one."""

import asyncio
import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.access_box import PASSWORD, access_box, told
from tests.gateway.technicians_box import Box

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    return access_box(tmp_path)


async def zhijiao(desk: Box, *words: object, fd: int | None = None) -> subprocess.CompletedProcess[str]:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "gateway", *map(str, words), "--config", str(desk.config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        pass_fds=() if fd is None else (fd,),
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


@asynccontextmanager
async def gateway(desk: Box) -> AsyncIterator[asyncio.subprocess.Process]:
    with (desk.folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "run", "--config", str(desk.config), "--watch"),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            while b"system.started" not in await process.stdout.readline():
                pass
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.communicate()


async def accounts(desk: Box) -> dict[str, Any]:
    listed = await zhijiao(desk, "user", "list", "--json")
    return {one["name"]: one for one in json.loads(listed.stdout)["accounts"]}


async def test_commands_beside_a_gateway_and_without_one(desk: Box) -> None:
    made = await zhijiao(desk, "user", "add", "admin-1", "--role", "admin", "--generate", "--json")
    assert json.loads(made.stdout)["result"] == "next_start"
    generated = json.loads(made.stdout)["password"]
    assert await accounts(desk) == {}
    async with gateway(desk) as process:
        async with asyncio.timeout(20):
            while "admin-1" not in await accounts(desk):
                pass
        reader, writer = os.pipe()
        os.write(writer, PASSWORD.encode() + b"\n")
        os.close(writer)
        words = ("user", "add", "desk-1", "--role", "staff", "--password-file", f"/dev/fd/{reader}")
        added = await zhijiao(desk, *words, fd=reader)
        os.close(reader)
        assert added.returncode == 0, added.stderr
        assert "the running gateway has taken it" in added.stdout
        assert (await accounts(desk))["desk-1"]["role"] == "staff"
        token = await zhijiao(desk, "kiosk", "token", "kiosk-1", "--json")
        assert json.loads(token.stdout)["result"] == "taken"
        process.kill()
        await process.wait()
    disabled = await zhijiao(desk, "user", "disable", "desk-1", "--json")
    assert json.loads(disabled.stdout)["result"] == "next_start"
    async with gateway(desk):
        async with asyncio.timeout(20):
            while not (await accounts(desk))["desk-1"]["disabled"]:
                pass
        kiosks = await zhijiao(desk, "kiosk", "list", "--json")
        assert [one["kiosk"] for one in json.loads(kiosks.stdout)["tokens"]] == ["kiosk-1"]
    changes = [(one["what"], one["name"]) for one in told(desk, "audit.config_changed")]
    assert changes == [
        ("account_added", "admin-1"),
        ("account_added", "desk-1"),
        ("kiosk_token_made", "kiosk-1"),
        ("account_disabled", "desk-1"),
    ]
    seen = b"".join(one.read_bytes() for one in desk.store.parent.iterdir() if one.is_file())
    seen += (desk.folder / "log").read_bytes()
    for secret in (generated, PASSWORD, json.loads(token.stdout)["token"]):
        assert secret.encode() not in seen


def on_a_terminal(desk: Box, *answers: str) -> tuple[int, str]:
    """What a person sees who is asked for a password."""
    pid, leader = pty.fork()
    if pid == 0:
        words = ("user", "add", "desk-1", "--role", "staff", "--config", str(desk.config))
        os.execv(sys.executable, [sys.executable, "-m", "gateway", *words])  # noqa: S606
    seen = b""
    left = list(answers)
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:
            break
        seen += chunk
        if chunk.endswith(b": ") and left:
            os.write(leader, left.pop(0).encode() + b"\n")
    os.close(leader)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()


async def test_a_password_is_asked_for_twice_and_never_shown(desk: Box) -> None:
    code, seen = await asyncio.to_thread(on_a_terminal, desk, PASSWORD, "another one, mistyped")
    assert (code, "[password_differs]" in seen) == (78, True)
    code, seen = await asyncio.to_thread(on_a_terminal, desk, PASSWORD, PASSWORD)
    assert code == 0, seen
    assert "口令" in seen
    assert PASSWORD not in seen
    assert "Traceback" not in seen
