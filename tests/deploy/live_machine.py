"""A machine to install on for real: this one's /usr, /etc and /var, with every change kept aside.

In a mount namespace with overlays, so the installer runs without --root. Only the service manager is
played, by a script that knows which releases start and which stay up; the booted original was tried by hand.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.broker import skip_or_fail
from tests.deploy.tools import DEPLOY, need_root, run, tool

# `broken` holds versions that never say READY, `fragile` those that die after it.
SYSTEMCTL = """\
#!/bin/sh
here={folder}
version=$(basename "$(readlink /usr/lib/zhijiao/venv)" | cut -d- -f1)
echo "$*" >> "$here/calls"
case "$*" in
"is-active --quiet zhijiao.service") [ -e "$here/running" ] ;;
"restart zhijiao.service")
    echo "$version" >> "$here/restarts"
    if grep -qx "$version" "$here/broken"; then rm -f "$here/running"; exit 1; fi
    : > "$here/running" ;;
"show --property=NRestarts --value zhijiao.service")
    if grep -qx "$version" "$here/fragile"; then wc -l < "$here/calls"; else echo 0; fi ;;
esac
"""


@dataclass
class LiveMachine:
    """Installed software and state survive from one call to the next, as on a disk."""

    folder: Path
    wheels: Path
    lock: Path

    def __post_init__(self) -> None:
        need_root("a mount namespace")
        self._unshare = tool("unshare", "util-linux")
        for name in ("usr", "etc", "var", "work", "bin"):
            (self.folder / name).mkdir(parents=True)
        for name in ("broken", "fragile", "restarts", "calls"):
            (self.folder / name).touch()
        self._program("systemctl", SYSTEMCTL.format(folder=self.folder))
        for name in ("udevadm", "journalctl"):
            self._program(name, "#!/bin/sh\n")

    def _program(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(text, encoding="ascii")
        path.chmod(0o755)

    def install(self, *options: str | Path) -> tuple[int, str]:
        """Run the installer; exit code and everything it said."""
        mounts = [
            f"mkdir -p {self.folder}/work/{name}; mount -t overlay overlay "
            f"-o lowerdir=/{name},upperdir={self.folder}/{name},workdir={self.folder}/work/{name} /{name}"
            for name in ("usr", "etc", "var")
        ]
        script = "\n".join(["set -e", "mount --make-rprivate /", *mounts, 'exec sh "$@"'])
        own = ("--python", sys.executable, "--observe", "0")
        command = (self._unshare, "--mount", "sh", "-c", script, "sh", DEPLOY / "install.sh", *own, *options)
        done = run(*command, env={"PATH": f"{self.folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
        if "mount" in done.stderr and "permission denied" in done.stderr.lower():
            skip_or_fail("a container that may mount", "(start it privileged)")
        return done.returncode, done.stdout + done.stderr

    def upgrade(self, wheel: Path) -> tuple[int, str]:
        """Install this release."""
        return self.install("--wheel", wheel, "--lock", self.lock, "--wheels", self.wheels)

    def begin(self) -> None:
        """What the technician does once the keys are there: systemctl start zhijiao."""
        (self.folder / "running").touch()

    def declare(self, kind: str, version: str) -> None:
        """Say how a version behaves: broken or fragile."""
        (self.folder / kind).write_text(f"{version}\n", encoding="ascii")

    @property
    def links(self) -> tuple[str, str]:
        """Versions that run now and that a rollback would bring."""
        found = []
        for name in ("venv", "previous"):
            link = self.folder / "usr/lib/zhijiao" / name
            found.append(link.readlink().name.split("-")[0] if link.is_symlink() else "")
        return found[0], found[1]

    def restarts(self) -> list[str]:
        """Versions the service was restarted with since the last call."""
        path = self.folder / "restarts"
        versions = path.read_text("ascii").split()
        path.write_text("", encoding="ascii")
        return versions

    def calls(self) -> list[str]:
        """What was asked of systemctl."""
        return (self.folder / "calls").read_text("ascii").splitlines()
