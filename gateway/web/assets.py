"""The static files, read once into memory, under an address that changes with their content.

The version covers templates and texts too: a page that stayed open over an update sees from it that it is old.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All static files and the version they make together."""

    version: str
    files: dict[str, Asset]

    def url(self, name: str) -> str:
        """Where the page finds a file. A name without a file is a mistake in a template."""
        if name not in self.files:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"


def load_assets() -> Assets:
    """Read `static/`; templates and texts only add to the version."""
    version = hashlib.sha256()
    files: dict[str, Asset] = {}
    sources = [*_HERE.glob("static/*"), *_HERE.glob("templates/*"), *_HERE.glob("locale/*")]
    for path in sorted(sources):
        content = path.read_bytes()
        version.update(path.name.encode() + b"\0" + hashlib.sha256(content).digest())
        if path.parent.name == "static":
            files[path.name] = Asset(content=content, media_type=_MEDIA_TYPES[path.suffix])
    return Assets(version=version.hexdigest()[:12], files=files)
