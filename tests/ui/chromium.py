"""Where the machine's own Chromium is, and how to start it without a screen."""

import os
import shutil

INSTALL = "chromium is not installed: apt-get install --no-install-recommends chromium fonts-noto-cjk"

# --no-sandbox only where the tests run as root, which Chromium refuses otherwise; /dev/shm is small in containers.
LAUNCH_ARGS = [
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--lang=zh-CN",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]


def chromium_path() -> str | None:
    """The installed browser, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")
