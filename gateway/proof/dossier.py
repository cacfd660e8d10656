"""A dossier: chosen events and a page about them in one file that any browser opens and `zhijiao verify` checks.

    the page, in HTML, up to the line that begins the record
    <script type="application/x-zhijiao-dossier">
    event …            one line for each event: its exact signed bytes in base64; `context` where it is here for the
    context …          times of the others
    manifest …         canonical JSON in base64, signed by the center
    </script></body></html>

The manifest says who asked for what, the SHA-256 of the page and of the record, and what the center's whole record
looked like when the dossier was made: for an extract, only the center can say that nothing else was there. The
events themselves prove themselves with the gateways' keys, whatever the center says.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gateway.errors import ContractError
from gateway.evidence import canonical, jws
from gateway.evidence.canonical import Json
from gateway.evidence.jws import FindKey, Signer
from gateway.proof.choice import Chosen
from gateway.proof.flaws import Proof
from gateway.proof.judging import Extent, Judge, KeysOf, keys_among, pairings_in, rotations_in

KIND, VERSION = "zhijiao.dossier", 1
BEGIN = b'<script type="application/x-zhijiao-dossier">\n'
END = b"</script>\n</body>\n</html>\n"
MAX_MANIFEST = 4 * 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the file as a whole is not what the center made."""

    code: str
    what: str


@dataclass(slots=True)
class DossierCheck:
    """What came of verifying a dossier."""

    manifest: Mapping[str, Json] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    proof: Proof = field(default_factory=Proof)  # of the events in it: integrity and time
    events: int = 0
    context: int = 0


def record_lines(events: Iterable[Chosen]) -> bytes:
    """The lines of the events."""
    made = [
        (b"context " if event.context else b"event ") + base64.b64encode(event.wire) + b"\n"
        for event in events
    ]
    return b"".join(made)


def manifest_of(statement: Mapping[str, Json], page: bytes, lines: bytes) -> dict[str, Json]:
    """What the center signs: `statement`, and the digests of both parts."""
    return {
        **statement,
        "kind": KIND,
        "v": VERSION,
        "page_sha256": hashlib.sha256(page).hexdigest(),
        "record_sha256": hashlib.sha256(lines).hexdigest(),
        "record_bytes": len(lines),
    }


def assemble(page: bytes, lines: bytes, statement: Mapping[str, Json], signer: Signer) -> bytes:
    """The file. `page` is HTML that ends inside `body`."""
    signed = signer.sign_object(manifest_of(statement, page, lines))
    return page + BEGIN + lines + b"manifest " + base64.b64encode(signed) + b"\n" + END


def verify_dossier(content: bytes, keys_of: KeysOf, center: FindKey) -> DossierCheck:
    """Check page, events and statement. Never raises for anything that a file can hold."""
    check = DossierCheck()
    page, begin, rest = content.partition(BEGIN)
    if not begin or not rest.endswith(END):
        check.troubles.append(Trouble("cut_off", "the record in it is missing or cut off"))
    if rest.count(BEGIN):
        check.troubles.append(Trouble("form", "more than one record stands in it"))
    lines, found, manifest = rest.removesuffix(END).rpartition(b"manifest ")
    if not found:
        lines, manifest = manifest, b""
    _events(check, list(_wires(check, lines)), keys_of)
    _manifest(check, manifest, page, lines, center)
    return check


def is_dossier(head: bytes) -> bool:
    """Whether a file that begins so is worth reading as one."""
    return head.lstrip().lower().startswith(b"<!doctype html")


def _wires(check: DossierCheck, lines: bytes) -> Iterator[bytes]:
    for number, line in enumerate(lines.splitlines(), 1):
        word, _, text = line.partition(b" ")
        try:
            wire = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            wire = b""
        if word not in (b"event", b"context") or base64.b64encode(wire) != text:
            check.troubles.append(Trouble("form", f"line {number} of the record is no event"))
            continue
        check.context += word == b"context"
        check.events += word == b"event"
        yield wire


def _events(check: DossierCheck, wires: list[bytes], keys_of: KeysOf) -> None:
    succession = rotations_in(wires, keys_of)
    pairings = pairings_in(wires, keys_among(keys_of, succession))
    judge = Judge(keys_of, pairings, extent=Extent.CHOSEN, succession=succession)
    for wire in wires:
        judge.event(wire)
    check.proof = judge.finish()


def _manifest(check: DossierCheck, line: bytes, page: bytes, lines: bytes, center: FindKey) -> None:
    try:
        signed = base64.b64decode(line.removesuffix(b"\n"), validate=True)
        manifest = canonical.decode(signed, limit=MAX_MANIFEST)
        signature = str(manifest.pop("jws", ""))
        jws.verify(canonical.encode(manifest), signature, center)
    except (binascii.Error, ValueError) as exc:
        check.troubles.append(Trouble("statement", f"the center's statement cannot be read ({exc})"))
        return
    except ContractError as exc:
        check.troubles.append(Trouble("statement", f"the center's statement: {exc}"))
        return
    check.manifest = manifest
    expected = manifest_of({}, page, lines) | {"events": check.events, "context": check.context}
    for name, value in expected.items():
        if manifest.get(name) != value:
            what = {"page_sha256": "the page was changed", "record_sha256": "the events were changed"}
            text = what.get(name, f"{name} is not what the center signed")
            check.troubles.append(Trouble("altered", text))
