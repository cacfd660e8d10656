"""Test code: Debian's own NetworkManager and polkit, in a network and mount namespace of their own, on a private bus.

One wired interface, eth0, with the other end of its cable in the same namespace. Its profile is a file, as an
administrator's is. Needs root; nothing of this machine's own network is touched.
"""

import os
import pwd
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Self

from tests.ble.private_bus import PrivateBus
from tests.deploy.tools import DEPLOY, need_root, tool

# Users that Debian has: the bus is outside and asks who they are. Inside, the first is called zhijiao.
SERVICE_UID = pwd.getpwnam("games").pw_uid
STRANGER_UID = pwd.getpwnam("nobody").pw_uid
UUID = "0b7c9a3e-6f5d-4a58-9d0f-3c6a5b1e2d4c"
PROFILE = f"""[connection]
id=office
uuid={UUID}
type=ethernet
interface-name=eth0

[ipv4]
method=manual
address1=192.168.77.5/24,192.168.77.1
dns=192.168.77.1;
dns-search=office.example;

[ipv6]
method=disabled
"""
CONFIG = """[main]
plugins=keyfile
auth-polkit=true
dns=none
rc-manager=unmanaged
dhcp=internal
no-auto-default=*
[device]
match-device=interface-name:wall
managed=0
[keyfile]
path={profiles}
"""
MACHINE = """
set -eu
mount --make-rprivate /
for each in /run/NetworkManager /var/lib/NetworkManager; do mkdir -p $each; mount -t tmpfs tmpfs $each; done
mount --bind {rules} /usr/share/polkit-1/rules.d
mount --bind {passwd} /etc/passwd
mount -t sysfs -o ro sysfs /sys      # as in a container: there is no udev to wait for
ip link set lo up
ip link add eth0 type veth peer name wall
ip addr add 192.168.77.9/24 dev wall   # somebody else of the office
ip link set wall up
/usr/lib/polkit-1/polkitd --no-debug > {log}.polkit 2>&1 &
exec {daemon} --debug --config={config} --config-dir={nowhere} --system-config-dir={nowhere} \
    --intern-config={intern} > {log} 2>&1
"""


class Machine:
    """`with Machine(folder):` the daemon of `bus_address` has eth0. It can be ended as by a power cut."""

    def __init__(self, folder: Path) -> None:
        need_root("a network namespace")
        self._unshare = tool("unshare", "util-linux")
        self._daemon = tool("NetworkManager", "network-manager")
        tool("polkitd", "polkitd") if not Path("/usr/lib/polkit-1/polkitd").exists() else None
        self._folder, self._bus = folder, PrivateBus()
        self.profiles = folder / "profiles"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bus_address(self) -> str:
        return self._bus.address

    def disk(self) -> str:
        """The profile as it would be after a power cut."""
        (path,) = self.profiles.glob("*.nmconnection")
        return path.read_text("utf-8")

    def __enter__(self) -> Self:
        self.profiles.mkdir()
        profile = self.profiles / "office.nmconnection"
        profile.write_text(PROFILE, "utf-8")
        profile.chmod(0o600)
        rules = self._folder / "rules"
        rules.mkdir()
        (rules / "50-zhijiao.rules").write_bytes((DEPLOY / "polkit/50-zhijiao.rules").read_bytes())
        rules.chmod(0o755)
        for parent in (self._folder, *self._folder.parents):
            if str(parent).startswith("/tmp/pytest"):
                parent.chmod(0o755)
        users = Path("/etc/passwd").read_text("utf-8")
        (self._folder / "passwd").write_text(
            f"zhijiao:x:{SERVICE_UID}:{SERVICE_UID}::/nonexistent:/usr/sbin/nologin\n{users}", "utf-8"
        )
        (self._folder / "nm.conf").write_text(CONFIG.format(profiles=self.profiles), "utf-8")
        self._bus.__enter__()
        Path(self.bus_address.partition("=")[2]).parent.chmod(0o755)
        self.power_on()
        return self

    def __exit__(self, *_: object) -> None:
        self.power_cut()
        self._bus.__exit__()

    def power_on(self) -> None:
        script = MACHINE.format(
            rules=shlex.quote(str(self._folder / "rules")),
            passwd=shlex.quote(str(self._folder / "passwd")),
            log=shlex.quote(str(self._folder / "nm.log")),
            daemon=self._daemon,
            config=shlex.quote(str(self._folder / "nm.conf")),
            # Of its own: the daemon replaces this file, and whoever names /dev/null here has none afterwards.
            intern=shlex.quote(str(self._folder / "intern.conf")),
            nowhere=shlex.quote(str(self._folder / "nowhere")),
        )
        self._process = subprocess.Popen(
            [
                self._unshare,
                "--net",
                "--mount",
                "sh",
                "-c",
                script,
            ],
            start_new_session=True,
        )

    def power_cut(self) -> None:
        """Everything in memory is gone: processes, interfaces, what lay in /run."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
            time.sleep(0.1)  # the bus hears of it

    def permissions(self, uid: int) -> dict[str, str]:
        """What another user may do, as the daemon says it after asking polkit: yes, auth or no."""
        told = subprocess.run(
            [tool("nmcli", "network-manager"), "-t", "general", "permissions"],
            user=uid,
            group=uid,
            extra_groups=[],
            env={
                "DBUS_SYSTEM_BUS_ADDRESS": self.bus_address,
                "LC_ALL": "C.UTF-8",
                "PATH": os.environ["PATH"],
            },
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return dict(line.rsplit(":", 1) for line in told.stdout.splitlines())
