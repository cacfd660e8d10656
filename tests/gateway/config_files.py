"""A configuration with its key files in a folder of their own."""

from dataclasses import dataclass
from pathlib import Path

IDENTITY = '[gateway]\norg = "370102"\nid = "gw-370102-01"\n'
KEYS = """\
[keys]
event_key_file = "keys/event-key.pem"
trust_file = "keys/trust.json"
id_hmac_key_file = "keys/id-hmac.key"
"""


@dataclass(frozen=True)
class ConfigFolder:
    """Where the file and its keys are."""

    path: Path

    @property
    def file(self) -> Path:
        return self.path / "zhijiao.toml"

    def write(self, text: str) -> Path:
        self.file.write_text(text, encoding="utf-8")
        return self.file

    def write_complete(self, text: str = "") -> Path:
        """As `write`, with an identity and good keys before `text`."""
        return self.write(IDENTITY + KEYS + text)

    def add_secret(self, name: str, mode: int = 0o600) -> Path:
        path = self.path / "keys" / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text("canary-7f3a91")
        path.chmod(mode)
        return path


def folder(path: Path) -> ConfigFolder:
    made = ConfigFolder(path)
    for name in ("event-key.pem", "trust.json", "id-hmac.key"):
        made.add_secret(name)
    return made
