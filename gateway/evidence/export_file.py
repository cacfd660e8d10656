"""An exported range of events: a file that can be verified offline, years later, with the public key alone.

    line 1 … count    the exact wire bytes of one event each, in the order of the store
    last line         the manifest: canonical JSON, signed with the gateway's event key where that was at hand

    {"kind":"zhijiao.export","v":1,"org","gw","created","software","bytes","sha256","count",
     "epochs":[{"epoch","from","to","count","head"}…],"keys":[{"kid","alg":"EdDSA","public"}…],"jws"}

`bytes` and `sha256` are those of everything before the manifest's line; `head` is the hash of an epoch's
last event here. Where `count` is less than `to`-`from`+1, the gateway did not hold the rest (purged).
The keys are for orientation: whoever verifies must have the key from somewhere else.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from gateway.errors import ContractError
from gateway.evidence import canonical, jws
from gateway.evidence.canonical import Json
from gateway.evidence.chain import Link, check_successor, prove
from gateway.evidence.jws import FindKey, Signer
from gateway.evidence.succession import Succession

KIND, VERSION = "zhijiao.export", 1
MAX_MANIFEST = 4 * 1024 * 1024  # bytes; a line per epoch, and an epoch per power cut
MOST_LISTED = 64  # findings
_MANIFEST = b'{"bytes":'  # its first member; an event has none of that name


@dataclass(slots=True)
class Span:
    """One epoch in a file."""

    epoch: str
    first: int
    last: int
    count: int
    head: str

    @property
    def missing(self) -> int:
        """Sequences between its ends that are not in the file."""
        return self.last - self.first + 1 - self.count

    def as_json(self) -> dict[str, Json]:
        """Its line of the manifest."""
        return {
            "epoch": self.epoch,
            "from": self.first,
            "to": self.last,
            "count": self.count,
            "head": self.head,
        }


@dataclass(slots=True)
class _Summary:
    """What both sides count."""

    spans: list[Span] = field(default_factory=list)
    count: int = 0
    size: int = 0  # bytes
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, link: Link) -> None:
        self.count += 1
        if not self.spans or self.spans[-1].epoch != link.epoch:
            self.spans.append(Span(link.epoch, link.seq, link.seq, 0, link.hash))
        span = self.spans[-1]
        span.last, span.head = link.seq, link.hash
        span.count += 1

    def feed(self, line: bytes) -> None:
        self.size += len(line)
        self.digest.update(line)


class Writer:
    """Writes events and, at the end, the manifest."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._summary = _Summary()
        self._whose: tuple[str, str] | None = None

    @property
    def spans(self) -> list[Span]:
        """What is in so far."""
        return self._summary.spans

    @property
    def count(self) -> int:
        """Events written."""
        return self._summary.count

    def add(self, link: Link, wire: bytes) -> None:
        """One event, proven by the caller."""
        self._whose = self._whose or (link.org, link.gateway)
        self._summary.add(link)
        line = wire + b"\n"
        self._summary.feed(line)
        self._file.write(line)

    def finish(
        self, *, created: str, software: str, keys: Mapping[str, bytes], signer: Signer | None
    ) -> dict[str, Json]:
        """Write the manifest and return it; nothing may be added afterwards."""
        org, gateway = self._whose or ("", "")
        manifest: dict[str, Json] = {
            "kind": KIND,
            "v": VERSION,
            "org": org,
            "gw": gateway,
            "created": created,
            "software": software,
            "bytes": self._summary.size,
            "sha256": self._summary.digest.hexdigest(),
            "count": self._summary.count,
            "epochs": [span.as_json() for span in self._summary.spans],
            "keys": [{"kid": kid, "alg": jws.ALG, "public": raw.hex()} for kid, raw in keys.items()],
        }
        line = canonical.encode(manifest) if signer is None else signer.sign_object(manifest)
        self._file.write(line + b"\n")
        return manifest


@dataclass(slots=True)
class FileFinding:
    """The same thing about one line or several, one after another; line 0 is the file itself."""

    first: int
    last: int
    code: str
    what: str


@dataclass(slots=True)
class FileCheck:
    """What came of verifying a file."""

    gateway: str = ""
    created: str = ""
    unsigned: bool = False  # the manifest: then nobody vouches for the ends of the range
    named_keys: list[tuple[str, str]] = field(
        default_factory=list
    )  # (kid, public) that the file itself names
    summary: _Summary = field(default_factory=_Summary)
    findings: list["FileFinding"] = field(default_factory=list)
    finding_count: int = 0

    @property
    def spans(self) -> list[Span]:
        """The epochs found."""
        return self.summary.spans

    @property
    def missing(self) -> int:
        """Sequences that the file does not hold, as its manifest says too."""
        return sum(span.missing for span in self.spans)

    def add(self, line: int, code: str, what: str) -> None:
        """Count a finding, and list it among the first."""
        self.finding_count += 1
        last = self.findings[-1] if self.findings else None
        if last is not None and (last.last, last.code, last.what) == (line - 1, code, what):
            last.last = line
        elif len(self.findings) < MOST_LISTED:
            self.findings.append(FileFinding(line, line, code, what))


def verify_file(
    file: BinaryIO,
    find_key: FindKey,
    progress: Callable[[int], object],
    succession: Succession | None = None,
) -> FileCheck:
    """Check every event, every link and the manifest, in constant memory; `progress` gets bytes read.

    `succession`: which keys have handed over, hence where each counts.
    """
    succession = succession or Succession()
    check = FileCheck()
    before: Link | None = None
    whose: tuple[str, str] | None = None
    manifest: bytes | None = None
    for number, line in enumerate(_lines(file), 1):
        if manifest is not None:
            check.add(number, "after_manifest", "something stands behind the manifest")
            break
        if line.startswith(_MANIFEST):
            manifest = line
            continue
        check.summary.feed(line)
        progress(check.summary.size)
        try:
            link = prove(line.removesuffix(b"\n"), find_key)
            succession.check_place(link.gateway, link.kid, link.epoch, link.seq)
            check.summary.add(link)
            check_successor(link, before)
            before = link
        except ContractError as exc:
            before = None
            check.add(number, exc.code, str(exc))
            continue
        whose = whose or (link.org, link.gateway)
        if (link.org, link.gateway) != whose:
            check.add(number, "foreign", "an event of another gateway")
    if manifest is None:
        check.add(0, "no_manifest", "the manifest is missing: the file was cut off")
    else:
        _check_manifest(check, manifest, find_key, whose)
    return check


def event_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file that are, or should be, events; without their ends, in constant memory."""
    return (line.removesuffix(b"\n") for line in _lines(file) if not line.startswith(_MANIFEST))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MAX_MANIFEST + 1):
        yield line


def _check_manifest(check: FileCheck, line: bytes, find_key: FindKey, whose: tuple[str, str] | None) -> None:
    number = check.summary.count + check.finding_count + 1
    try:
        manifest = canonical.decode(line.removesuffix(b"\n"), limit=MAX_MANIFEST)
        signature = manifest.pop("jws", None)
        check.unsigned = signature is None
        check.gateway, check.created = str(manifest.get("gw")), str(manifest.get("created"))
        check.named_keys = _named_keys(manifest.get("keys"))
        if signature is not None:
            jws.verify(canonical.encode(manifest), str(signature), find_key)
    except ContractError as exc:
        check.add(number, exc.code, f"manifest: {exc}")
        return
    if manifest.get("kind") != KIND or manifest.get("v") != VERSION:
        check.add(number, "manifest", "the manifest is of another kind or version")
        return
    found: dict[str, Json] = {
        "org": whose[0] if whose else "",
        "gw": whose[1] if whose else "",
        "count": check.summary.count,
        "bytes": check.summary.size,
        "sha256": check.summary.digest.hexdigest(),
        "epochs": [span.as_json() for span in check.spans],
    }
    for name, value in found.items():
        if manifest.get(name) != value:
            check.add(number, "manifest", f"the manifest's {name} is not that of the events")


def _named_keys(value: Json) -> list[tuple[str, str]]:
    entries = value if isinstance(value, list) else []
    return [(str(e.get("kid")), str(e.get("public"))) for e in entries if isinstance(e, dict)]
