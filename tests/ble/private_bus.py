"""A throw-away D-Bus daemon in the role of the system bus. Needs `dbus-daemon`, no root."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <servicedir>{folder}</servicedir>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow receive_sender="*" eavesdrop="true"/>
    <allow send_type="method_call"/>
    {policy}
  </policy>
</busconfig>
"""
NOBODY_MAY_ASK_BLUEZ = '<deny send_destination="org.bluez" send_type="method_call"/>'


class PrivateBus:
    """`with PrivateBus():` everything in this process that wants the system bus gets this one."""

    def __init__(self, policy: str = "", *, starts_bluez: str | None = None) -> None:
        """`starts_bluez`: what D-Bus runs where somebody asks for bluetoothd and there is none."""
        # A socket's path has at most 107 bytes: pytest's tmp_path is too long.
        self._folder = Path(tempfile.mkdtemp(prefix="bus-"))
        self._policy = policy
        self._daemon: subprocess.Popen[str] | None = None
        self._before: str | None = None
        if starts_bluez is not None:
            service = f"[D-BUS Service]\nName=org.bluez\nExec={starts_bluez}\nUser=root\n"
            (self._folder / "org.bluez.service").write_text(service)
        self.address = f"unix:path={self._folder}/s"

    def __enter__(self) -> Self:
        self._before = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = self.address
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._before is None:
            del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
        else:
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = self._before
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        config = self._folder / "bus.conf"
        config.write_text(
            _CONFIG.format(socket=f"{self._folder}/s", folder=self._folder, policy=self._policy)
        )
        self._daemon = subprocess.Popen(
            ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--print-address=1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it complains about limits it may not raise
            text=True,
        )
        assert self._daemon.stdout is not None
        assert self._daemon.stdout.readline().strip(), "dbus-daemon did not start"

    def stop(self) -> None:
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(10)
            assert self._daemon.stdout is not None
            self._daemon.stdout.close()
            self._daemon = None
