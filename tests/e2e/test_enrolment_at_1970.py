"""A box whose clock says 1970 is enrolled by its code alone; nobody has to set a clock first."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from gateway.config.enrolled import read_enrolled
from tests.drills.wrong_clock import WrongClock
from tests.gateway.enrolment_center import GATEWAY, Center

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

ORDINARY = """
import socket, ssl, sys, time
context = ssl.create_default_context(cafile=sys.argv[1])
print(int(time.time()))
try:
    context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[2]))), server_hostname="localhost")
except ssl.SSLCertVerificationError as exc:
    print(exc.verify_message)
"""


async def said_by(env: dict[str, str], *command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **env},
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_the_clock_of_the_box_needs_no_setting(tmp_path: Path) -> None:
    center, clock = Center(tmp_path / "center"), WrongClock(tmp_path)
    (tmp_path / "box").mkdir()
    config = tmp_path / "zhijiao.toml"
    config.write_text(f'[gateway]\nstate_dir = "{tmp_path}/box"\n')
    async with center.open():
        # The control: by the rules of everybody else this box could not speak to its center.
        ca = str(center.home.folder / "ca.pem")
        _, said = await said_by(clock.env, "-c", ORDINARY, ca, str(center.port))
        seconds, _, why = said.partition("\n")
        assert int(seconds) < 1000
        assert "not yet valid" in why
        code, said = await said_by(
            clock.env, "-m", "gateway", "enroll", center.code(), "--config", str(config)
        )
    assert code == 0, said
    found = read_enrolled(tmp_path / "box")
    assert found is not None
    assert found.gateway == GATEWAY
