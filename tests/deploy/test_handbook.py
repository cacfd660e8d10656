"""The technician's handbook speaks of things that exist: reasons, exit codes, links, files, commands."""

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from gateway.cli.main import COMMANDS
from gateway.errors import ConfigError, GatewayError, StartError, StoreRefused
from gateway.evidence.keys import load_signer
from gateway.web.messages import load_catalogue
from tests.deploy.tools import DEPLOY, run, tool

HANDBOOK = (DEPLOY / "README.md").read_text("utf-8")
REPOSITORY = DEPLOY.parent


def shell_blocks() -> list[str]:
    return re.findall(r"^ *```sh\n(.*?)^ *```", HANDBOOK, re.MULTILINE | re.DOTALL)


def anchors() -> set[str]:
    """As a forge makes them from the headings."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", HANDBOOK, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_link_leads_to_a_heading() -> None:
    links = set(re.findall(r"\]\(#([^)]+)\)", HANDBOOK))
    assert len(links) > 10
    assert links <= anchors()


def test_every_reason_is_one_that_the_gateway_gives() -> None:
    known = {key.split(".")[1] for key, _ in load_catalogue().items() if key.startswith("health.")}
    table = HANDBOOK.split("| Reason |")[1].split("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    codes = {code for cell in rows for code in re.findall(r"`(\w+)`", cell)}
    assert len(codes) > 12
    assert codes <= known


def test_the_exit_codes_are_those_of_the_gateway() -> None:
    table = HANDBOOK.split("| Exit code |")[1].split("\n\n")[0]
    numbers = {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert numbers == {
        GatewayError.exit_code,
        ConfigError.exit_code,
        StartError.exit_code,
        StoreRefused.exit_code,
    }


def test_every_command_of_the_program_exists() -> None:
    used = {word for block in shell_blocks() for word in re.findall(r"(?:^|\s)zhijiao ([a-z]+)", block)}
    assert used <= set(COMMANDS)


@pytest.mark.parametrize("block", shell_blocks())
def test_every_shell_block_parses(tmp_path: Path, block: str) -> None:
    script = tmp_path / "block.sh"
    script.write_text(f"#!/bin/sh\n{block}", encoding="utf-8")
    done = run(tool("shellcheck", "shellcheck"), "--severity=error", script)
    assert done.returncode == 0, done.stdout


def test_every_file_of_the_repository_exists() -> None:
    named = set(re.findall(r"(?<![\w/])(?:deploy|mosquitto|tests)/[\w./-]+", HANDBOOK))
    assert "deploy/install.sh" in named
    missing = [name for name in named if not (REPOSITORY / name).exists() and not (DEPLOY / name).exists()]
    assert missing == []


def test_the_keys_made_by_the_handbook_are_ones_the_gateway_takes(tmp_path: Path) -> None:
    tool("openssl", "openssl")
    (block,) = (block for block in shell_blocks() if "genpkey" in block)
    for folder in ("keys", "tls"):
        (tmp_path / folder).mkdir()
    script = block.replace("/etc/zhijiao", str(tmp_path)).replace("/root", str(tmp_path))
    script = re.sub(r"^systemd-tmpfiles.*$", "", script, flags=re.MULTILINE)
    done = run("sh", "-euc", script)
    assert done.returncode == 0, done.stderr

    signer = load_signer(tmp_path / "keys/event-key.pem", "gw-370102-01#1")
    pem = serialization.load_pem_private_key((tmp_path / "keys/event-key.pem").read_bytes(), None)
    public = pem.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    assert signer.kid == "gw-370102-01#1"
    assert done.stdout.strip() == public.hex(), "what the center is given"
    assert len(bytes.fromhex((tmp_path / "keys/id-hmac.key").read_text("ascii").strip())) == 32
    request = run("openssl", "req", "-in", tmp_path / "gw-370102-01.csr", "-noout", "-verify", "-subject")
    assert "CN = gw-370102-01" in request.stdout
    for secret in ("keys/event-key.pem", "keys/id-hmac.key", "tls/client-key.pem"):
        assert (tmp_path / secret).stat().st_mode & 0o077 == 0
