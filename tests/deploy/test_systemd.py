"""The unit is valid, hardened and free of the known traps; users, folders and journal are as written.

The files are checked by systemd's own programs, unchanged, inside a small copy of a root file system.
Each check has a control: the same check on a spoilt copy must fail.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.tools import DEPLOY, need_root, run, tool

SYSTEMD = DEPLOY / "systemd"
UNIT = SYSTEMD / "zhijiao.service"
PROGRAM = "usr/lib/zhijiao/venv/bin/zhijiao"
MAX_EXPOSURE = 20  # tenths: 2.0
HARDENING = re.compile(
    r"^(NoNewPrivileges|CapabilityBoundingSet|AmbientCapabilities|Protect|Private|Restrict|Lock|Memory"
    r"DenyWrite|Keyring|RemoveIPC|SystemCall|DevicePolicy|DeviceAllow|UMask).*\n",
    re.MULTILINE,
)


def unit_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith(("#", ";"))]


def exposure(folder: Path, text: str) -> tuple[int, dict[str, str]]:
    """Exit code of `systemd-analyze security` for this unit text, and its findings by setting."""
    (folder / UNIT.name).write_text(text, encoding="utf-8")
    command = (tool("systemd-analyze", "systemd"), "security", "--offline=true", "--no-pager")
    done = run(*command, f"--threshold={MAX_EXPOSURE}", "--json=short", folder / UNIT.name)
    findings = json.loads(done.stdout)
    return done.returncode, {finding["name"]: finding["description"] for finding in findings}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system with this machine's units, ours, and an executable where ours is installed."""
    units = tmp_path / "root/usr/lib/systemd/system"
    shutil.copytree("/usr/lib/systemd/system", units, symlinks=True)
    shutil.copy(UNIT, units)
    program = tmp_path / "root" / PROGRAM
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n", encoding="ascii")
    program.chmod(0o755)
    return tmp_path / "root"


def verify(root: Path) -> str:
    """What systemd has to say against the unit; empty means nothing. Its exit code ignores warnings."""
    analyze = tool("systemd-analyze", "systemd")
    done = run(analyze, "verify", "--man=no", f"--root={root}", UNIT.name)
    return done.stderr + ("" if done.returncode == 0 else f"exit {done.returncode}")


def test_systemd_accepts_the_unit_without_a_warning(root: Path) -> None:
    assert verify(root) == ""


def test_systemd_accepts_the_unit_with_the_address_list(root: Path) -> None:
    drop_in = root / "etc/systemd/system/zhijiao.service.d/10-addresses.conf"
    drop_in.parent.mkdir(parents=True)
    shutil.copy(SYSTEMD / "zhijiao.service.d/10-addresses.conf.example", drop_in)
    assert verify(root) == ""
    drop_in.write_text("[Service]\nIPAddressAllow=broker.example\n", encoding="ascii")
    assert "10-addresses.conf" in verify(root)  # it was read, and a name is no address


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda text: text.replace("ProtectHome=yes", "ProtectHomes=yes"), "'ProtectHomes'"),
        (lambda text: text.replace("WatchdogSec=30", "WatchdogSec=soon"), ": soon"),
        (lambda text: text.replace("/venv/bin/zhijiao run", "/venv/bin/absent run"), "is not executable"),
        (lambda text: text.replace("adjtimex clock_adjtime ", "adjust_time "), "adjust_time"),
    ],
    ids=["unknown key", "bad value", "no program", "unknown system call"],
)
def test_control_a_spoilt_unit_is_not_accepted(
    root: Path, spoil: Callable[[str], str], complaint: str
) -> None:
    unit = root / "usr/lib/systemd/system" / UNIT.name
    unit.write_text(spoil(unit.read_text("utf-8")), encoding="utf-8")
    assert complaint in verify(root)


def test_exposure_is_at_most_two(tmp_path: Path) -> None:
    code, findings = exposure(tmp_path, UNIT.read_text("utf-8"))
    assert code == 0
    assert len(findings) > 60, "systemd-analyze assessed next to nothing"


def test_control_exposure_without_hardening_is_too_high(tmp_path: Path) -> None:
    text = UNIT.read_text("utf-8")
    bare, removed = HARDENING.subn("", text)
    assert removed > 25
    code, _ = exposure(tmp_path, bare)
    assert code != 0


def test_the_service_may_read_the_state_of_the_kernel_clock(tmp_path: Path) -> None:
    """Denied, every event would claim an unknown clock. The order of the filter lines decides."""
    text = UNIT.read_text("utf-8")
    lines = unit_lines(text)
    assert not [line for line in lines if line.startswith("ProtectClock=")]
    assert exposure(tmp_path, text)[1]["SystemCallFilter=~@clock"].endswith("(e.g. adjtimex is allowed)")

    allow = "SystemCallFilter=adjtimex clock_adjtime clock_adjtime64"
    first_filter = "SystemCallFilter=@system-service"
    assert allow in lines
    too_early = text.replace(f"{allow}\n", "").replace(first_filter, f"{allow}\n{first_filter}")
    assert "not included" in exposure(tmp_path, too_early)[1]["SystemCallFilter=~@clock"]


def test_the_unit_keeps_what_the_gateway_counts_on() -> None:
    lines = unit_lines(UNIT.read_text("utf-8"))
    for wanted in (
        "Type=notify",
        "WatchdogSec=30",
        "Restart=always",
        "RestartSec=2",
        "StartLimitIntervalSec=0",
        "Environment=ZHIJIAO_BOOT_ID=%b",
        "StateDirectory=zhijiao",
        "ExecStart=/usr/lib/zhijiao/venv/bin/zhijiao run --config /etc/zhijiao/zhijiao.toml",
    ):
        assert wanted in lines
    assert lines.index("StartLimitIntervalSec=0") < lines.index("[Service]"), "it is a [Unit] setting"


def test_check_ins_wait_for_neither_network_nor_clock() -> None:
    ordering = [
        line for line in unit_lines(UNIT.read_text("utf-8")) if re.match("After|Wants|Requires", line)
    ]
    assert ordering
    assert not [line for line in ordering if "online" in line or "time-sync" in line]


def test_serial_adapters_are_the_only_devices() -> None:
    lines = unit_lines(UNIT.read_text("utf-8"))
    allowed = {line.split("=")[1] for line in lines if line.startswith("DeviceAllow=")}
    assert allowed == {f"char-tty{kind} rw" for kind in ("USB", "ACM", "AMA", "S")}
    assert "DevicePolicy=closed" in lines
    assert not [line for line in lines if line.startswith("PrivateDevices=")], "it hides serial adapters"


def test_user_folders_and_keys_get_their_owners(tmp_path: Path) -> None:
    need_root("systemd-tmpfiles gives files to another user")
    for kind in ("sysusers.d", "tmpfiles.d"):
        shutil.copytree(SYSTEMD / kind, tmp_path / "usr/lib" / kind)
    careless = tmp_path / "etc/zhijiao/keys/event-key.pem"  # as left by scp
    careless.parent.mkdir(parents=True)
    careless.write_text("not a key", encoding="ascii")
    careless.chmod(0o644)

    sysusers, tmpfiles = tool("systemd-sysusers", "systemd"), tool("systemd-tmpfiles", "systemd")
    for _ in range(2):  # the second time nothing may change
        assert run(sysusers, f"--root={tmp_path}").returncode == 0
        assert run(tmpfiles, f"--root={tmp_path}", "--create").returncode == 0

    passwd = (tmp_path / "etc/passwd").read_text("ascii").splitlines()
    assert len(passwd) == 1
    name, _, uid, gid, _, home, shell = passwd[0].split(":")
    assert (name, home, shell) == ("zhijiao", "/var/lib/zhijiao", "/usr/sbin/nologin")
    groups = dict(line.split(":")[::3] for line in (tmp_path / "etc/group").read_text("ascii").splitlines())
    assert groups == {"zhijiao": "", "dialout": "zhijiao", "bluetooth": "zhijiao"}
    own, root = (int(uid), int(gid)), (0, int(gid))
    for path, mode, owner in (
        ("etc/zhijiao", 0o750, root),
        ("etc/zhijiao/keys", 0o750, root),
        ("etc/zhijiao/tls", 0o750, root),
        ("etc/zhijiao/keys/event-key.pem", 0o400, own),
        ("var/lib/zhijiao", 0o700, own),
    ):
        stat = (tmp_path / path).stat()
        assert (stat.st_mode & 0o7777, (stat.st_uid, stat.st_gid)) == (mode, owner), path


def test_the_journal_settings_are_known_to_journald() -> None:
    journald = Path("/usr/lib/systemd/systemd-journald")
    if not journald.exists():
        tool("systemd-journald", "systemd")
    known = set(re.findall(rb"Journal\.(\w+)\0", journald.read_bytes()))
    lines = unit_lines((SYSTEMD / "journald.conf.d/zhijiao.conf").read_text("utf-8"))
    assert lines[0] == "[Journal]"
    settings = {line.split("=")[0] for line in lines[1:]}
    assert {"SystemMaxUse", "Storage", "RateLimitBurst"} <= settings
    assert {name.encode() for name in settings} <= known
    assert b"SystemMaxUses" not in known  # the control
