"""A real PostgreSQL for tests: on a Unix socket in a folder of its own, as an unprivileged user, one per process.

    with PostgresServer() as server:
        ...server.url("some_schema")...     # a schema of its own, made on the way
        server.stop(); server.start()       # the same folder

Debian's `postgresql`; a machine without it skips the test and names the package, but fails it when CI=true.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tests.broker import skip_or_fail

USER = "nobody"  # who runs it when the tests are root: PostgreSQL refuses root
ROLE = "center"
START_S = 60.0
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "32MB",
    "max_connections": "40",
    "log_min_messages": "warning",
}


def programs() -> Path:
    """Where its programs are; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    other = shutil.which("initdb")
    if other is None:
        skip_or_fail("postgresql", "postgresql")
    return Path(other).parent


class PostgresServer:
    """One cluster."""

    def __init__(self, **settings: str) -> None:
        self._bin = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has at most 107 bytes
        self._settings = SETTINGS | settings
        self._process: subprocess.Popen[bytes] | None = None
        self._user: dict[str, Any] = {}
        if os.getuid() == 0:
            owner = pwd.getpwnam(USER)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self._user = {"user": USER, "group": owner.pw_gid, "extra_groups": []}
        made = subprocess.run(
            [
                *(self._bin / "initdb", "--no-sync", "--auth=trust", f"--username={ROLE}"),
                *("--encoding=UTF8", "--locale=C", "-D", self.folder / "data"),
            ],
            capture_output=True, text=True, cwd="/", check=False, **self._user,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr

    def start(self) -> Self:
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.folder / "data", "-k", self.folder, *options],
                stdout=log, stderr=log, cwd="/", **self._user,
            )  # fmt: skip
        end = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, self.log_text()[-2000:]
            assert time.monotonic() < end, self.log_text()[-2000:]
            time.sleep(0.02)
        return self

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: fast, whoever is connected is cut off. SIGQUIT: as after a crash."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(30)

    def url(self, schema: str) -> str:
        """For `--db`: a schema that is made here where it is new."""
        self.run(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        return f"{self.root_url}&options={quote(f'-csearch_path={schema}')}"

    @property
    def root_url(self) -> str:
        """The database itself."""
        return f"postgresql:///postgres?host={self.folder}&user={ROLE}"

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement of a test's own."""
        import psycopg

        with psycopg.connect(self.root_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def log_text(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGQUIT)  # nobody needs its last checkpoint
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.root_url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
