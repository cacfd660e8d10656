"""An account on a gateway of a test, made by the command, and a session of it: being on the box is no sign-in."""

import http.client
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

PASSWORD = "invented words for one test"


def add_account(config: Path, folder: Path, role: str = "technician") -> None:
    """An account named after its role, beside a running gateway or before its first start."""
    secret = folder / "account-password"
    secret.touch(0o600)
    secret.write_text(PASSWORD + "\n")
    command = [sys.executable, "-m", "gateway", "user", "add", role, "--role", role]
    subprocess.run(
        [*command, "--password-file", str(secret), "--config", str(config)],
        check=True,
        timeout=60,
        capture_output=True,
    )


def session_of(port: int, role: str = "technician") -> dict[str, str]:
    """The header of a browser in which it has signed in; raises `ConnectionRefusedError` where it is not let in."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        form = urlencode({"name": role, "password": PASSWORD})
        line.request("POST", "/sign-in", form, {"Content-Type": "application/x-www-form-urlencoded"})
        with line.getresponse() as answer:
            given = answer.getheader("Set-Cookie")
            if answer.status != 303 or given is None:
                raise ConnectionRefusedError(f"signing in was answered {answer.status}")
            return {"Cookie": given.partition(";")[0]}
    finally:
        line.close()
