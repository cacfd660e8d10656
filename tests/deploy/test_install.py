"""The installer does what the README says, twice over with one result, and leaves the site's files alone.

It runs as it is, with real pip, real virtual environments and systemd's own tools, into an empty root.
"""

import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.tools import DEPLOY, need_root, run, tool
from tests.deploy.wheels import dependency, gateway_wheel

pytestmark = pytest.mark.timeout(900)  # real virtual environments: seconds each, minutes on a busy machine
INSTALL = DEPLOY / "install.sh"
APP = Path("usr/lib/zhijiao")
UNIT = "/usr/lib/systemd/system/zhijiao.service"
SITE = {
    "etc/zhijiao/zhijiao.toml": "[gateway]\norg = '370102'\n",
    "etc/zhijiao/keys/event-key.pem": "invented",
    "etc/udev/rules.d/61-zhijiao-ports.rules": "# ours\n",
    "etc/systemd/system/zhijiao.service.d/10-addresses.conf": "[Service]\n",
    "var/lib/zhijiao/events.db": "events",
}


@dataclass
class Box:
    """An empty root file system, and what is on the technician's stick."""

    root: Path
    stick: Path
    lock: Path

    def install(self, wheel: Path, *options: str | Path) -> tuple[int, str]:
        """Run the installer; exit code and everything it said."""
        sources = (
            "--wheel",
            wheel,
            "--lock",
            self.lock,
            "--wheels",
            self.lock.parent,
            "--python",
            sys.executable,
        )
        done = run("sh", INSTALL, "--root", self.root, *sources, *options)
        return done.returncode, done.stdout + done.stderr

    def roll_back(self) -> tuple[int, str]:
        done = run("sh", INSTALL, "--rollback", "--root", self.root, "--python", sys.executable)
        return done.returncode, done.stdout + done.stderr

    def running_release(self) -> str:
        """What the installed command says of itself."""
        return run(self.root / APP / "venv/bin/zhijiao").stdout.strip()

    def releases(self) -> set[str]:
        """Versions on the disk."""
        return {folder.name.split("-")[0] for folder in (self.root / APP / "releases").iterdir()}

    def state(self) -> dict[str, tuple[int, int, int, bytes]]:
        """Mode, owner, group and content of everything, but for Python's own caches."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            if "__pycache__" in path.parts:
                continue
            about = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            if path.is_symlink():
                content = str(path.readlink()).encode()
            found[str(path.relative_to(self.root))] = (about.st_mode, about.st_uid, about.st_gid, content)
        return found


def empty_box(folder: Path) -> Box:
    need_root("the installer gives files to users")
    tool("systemd-sysusers", "systemd")
    tool("systemctl", "systemd")
    return Box(folder / "root", folder / "stick", dependency(folder / "wheels"))


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """Nothing installed yet."""
    return empty_box(tmp_path)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Box:
    """Release 1.0.0, shared, because a build takes seconds: tests with it show that nothing changes."""
    box = empty_box(tmp_path_factory.mktemp("installed"))
    code, said = box.install(gateway_wheel(box.stick, "1.0.0"))
    assert code == 0, said
    return box


@pytest.fixture
def unchanged(installed: Box) -> Iterator[Box]:
    """The same box; whatever the test does, it is as before afterwards and runs."""
    before = installed.state()
    yield installed
    assert installed.state() == before
    assert installed.running_release() == "release 1.0.0"


def test_a_second_run_changes_nothing(unchanged: Box) -> None:
    code, said = unchanged.install(gateway_wheel(unchanged.stick, "1.0.0"))
    assert code == 0, said


def test_a_build_cut_off_by_a_power_cut_is_begun_again(unchanged: Box) -> None:
    (release,) = (unchanged.root / APP / "releases").iterdir()
    (release / ".complete").unlink()
    (release / "bin/zhijiao").write_bytes(b"#!/bin/false\n")
    code, said = unchanged.install(gateway_wheel(unchanged.stick, "1.0.0"))
    assert code == 0, said


def test_a_dependency_with_another_hash_is_not_installed(unchanged: Box) -> None:
    (wheel,) = unchanged.lock.parent.glob("*.whl")
    genuine = wheel.read_bytes()
    wheel.write_bytes(genuine + b"\0")
    code, said = unchanged.install(gateway_wheel(unchanged.stick, "1.1.0"))
    wheel.write_bytes(genuine)
    assert code == 1
    assert "DO NOT MATCH THE HASHES" in said
    assert "nothing has changed" in said


def test_a_release_that_cannot_start_never_takes_over(unchanged: Box) -> None:
    code, said = unchanged.install(gateway_wheel(unchanged.stick, "1.1.0", works=False))
    assert code == 1
    assert "broken release" in said
    assert "nothing has changed" in said


def test_everything_has_its_place_owner_and_mode(installed: Box) -> None:
    ids = {
        line.split(":")[0]: int(line.split(":")[2])
        for line in (installed.root / "etc/passwd").read_text("ascii").splitlines()
    }
    own, root = ids["zhijiao"], 0
    for path, mode, owner in (
        ("usr/lib/systemd/system/zhijiao.service", 0o644, root),
        ("usr/lib/systemd/journald.conf.d/zhijiao.conf", 0o644, root),
        ("usr/lib/udev/rules.d/60-zhijiao.rules", 0o644, root),
        ("usr/share/polkit-1/rules.d/50-zhijiao.rules", 0o644, root),
        ("usr/lib/zhijiao/releases", 0o755, root),
        ("usr/share/doc/zhijiao/README.md", 0o644, root),
        ("etc/zhijiao", 0o750, root),
        ("etc/zhijiao/zhijiao.toml", 0o640, root),
        ("etc/zhijiao/keys", 0o750, root),
        ("var/lib/zhijiao", 0o700, own),
    ):
        about = (installed.root / path).stat()
        assert (oct(stat.S_IMODE(about.st_mode)), about.st_uid) == (oct(mode), owner), path
    assert (installed.root / "etc/zhijiao/zhijiao.toml").stat().st_gid == own
    for path, target in (
        ("etc/systemd/system/multi-user.target.wants/zhijiao.service", UNIT),
        ("usr/bin/zhijiao", "../lib/zhijiao/venv/bin/zhijiao"),
    ):
        assert str((installed.root / path).readlink()) == target


def test_the_service_can_change_none_of_the_program(installed: Box) -> None:
    loose = [
        path
        for path in (installed.root / "usr").rglob("*")
        if not path.is_symlink() and (path.stat().st_uid != 0 or path.stat().st_mode & 0o022)
    ]
    assert loose == []
    (release,) = (installed.root / APP / "releases").iterdir()
    assert not list(release.glob("lib/*/site-packages/pip*")), "no installer where the service can import it"


def test_upgrades_keep_what_belongs_to_the_site_and_can_be_taken_back(box: Box) -> None:
    code, said = box.roll_back()
    assert code == 1
    assert "no release to go back to" in said
    assert box.install(gateway_wheel(box.stick, "1.0.0"))[0] == 0
    for name, text in SITE.items():
        (box.root / name).parent.mkdir(parents=True, exist_ok=True)
        (box.root / name).write_text(text, encoding="ascii")
    key = box.root / "etc/zhijiao/keys/event-key.pem"
    key.chmod(0o644)  # as copied by hand

    for version in ("1.1.0", "1.2.0"):
        code, said = box.install(gateway_wheel(box.stick, version))
        assert code == 0, said
        assert box.running_release() == f"release {version}"
    assert {name: (box.root / name).read_text("ascii") for name in SITE} == SITE
    assert stat.S_IMODE(key.stat().st_mode) == 0o400

    assert box.releases() == {"1.1.0", "1.2.0"}, "one to run and one to go back to"
    for version in ("1.1.0", "1.2.0", "1.1.0"):
        code, said = box.roll_back()
        assert code == 0, said
        assert box.running_release() == f"release {version}"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--lock", "/dev/null"), "no such file"),
        (("--lock", str(DEPLOY / "install.sh")), "holds no hashes"),
        (("--wheel", "/absent.whl"), "no such wheel"),
        (("--wheels", "/absent"), "no such folder"),
        (("--python", "/bin/false"), "older than 3.11"),
        (("--frobnicate",), "usage:"),
        (("--root",), "--root needs a value"),
    ],
)
def test_wrong_use_is_told_and_changes_nothing(box: Box, options: tuple[str, ...], complaint: str) -> None:
    code, said = box.install(gateway_wheel(box.stick, "1.0.0"), *options)
    assert code != 0
    assert complaint in said
    assert not (box.root / APP / "releases").exists()


def test_the_installer_is_clean_for_shellcheck() -> None:
    done = run(tool("shellcheck", "shellcheck"), INSTALL)
    assert done.returncode == 0, done.stdout
