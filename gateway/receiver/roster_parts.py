"""Rosters that wait for their gateways in a folder, and the parts of them that a gateway asks for.

    {folder}/{gateway}.roster     the file as the center signed it: head, pages, one line each

A request is answered for a gateway whose event key signed it, with that gateway's file, sealed for the key that it
names (`req/roster-part`, contract). The file may be replaced at any time: of another version nothing is answered,
and the gateway hears of the new one by its own announcement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from gateway.clock import iso_ms
from gateway.contract import messages
from gateway.errors import ContractError
from gateway.evidence import canonical, hpke, jws
from gateway.evidence.canonical import MAX_BYTES, Json
from gateway.evidence.jws import FindKey, b64url
from gateway.receiver.documents import checked

INFO = b"zhijiao/roster-part/1"
PART = 32 * 1024  # bytes of a page in one answer
MAX_FILE = 257 * (MAX_BYTES + 1)
SUFFIX = ".roster"


@dataclass(frozen=True, slots=True)
class PartRequest:
    """Which part of which page, and the key for which it is sealed."""

    reqid: str
    version: int
    page: int
    offset: int
    key: bytes


def read_part(payload: bytes, gateway: str, find_key: FindKey) -> PartRequest:
    """Verify and parse; raises `ContractError`."""
    message, _, _ = jws.open_message(payload, find_key)
    if (message.get("gw"), message.get("name")) != (gateway, "roster-part"):
        raise ContractError("foreign", "request is of another gateway or name")
    checked(messages.ASK_ROSTER_PART, message)
    version, page, offset = (int(str(message[name])) for name in ("version", "page", "offset"))
    return PartRequest(str(message["reqid"]), version, page, offset, bytes.fromhex(str(message["key"])))


class RosterFolder:
    """The folder. One file is kept in memory: a gateway asks for its parts one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: tuple[Path, tuple[int, int], int, list[bytes]] | None = None

    def answer(self, gateway: str, request: PartRequest, now_ms: int) -> dict[str, Json]:
        """What goes out, not yet signed; raises `ContractError` (no_roster, roster_part) and `OSError`."""
        version, pages = self._pages(gateway)
        if request.version != version or request.page >= len(pages):
            raise ContractError("no_roster", f"version {request.version} is not the one in the folder")
        page = pages[request.page]
        part = page[request.offset : request.offset + PART]
        if not part:
            raise ContractError("roster_part", f"page {request.page} ends before byte {request.offset}")
        place: Mapping[str, Json] = {
            "version": version,
            "page": request.page,
            "offset": request.offset,
            "size": len(page),
        }
        aad = "|".join([gateway, *map(str, place.values())]).encode()
        try:
            sealed = hpke.seal(part, X25519PublicKey.from_public_bytes(request.key), info=INFO, aad=aad)
        except ValueError as exc:
            raise ContractError("data", "key is no usable X25519 public key") from exc
        return {
            "v": 1,
            "gw": gateway,
            "name": "roster-part",
            "reqid": request.reqid,
            **place,
            "enc": b64url(sealed.enc),
            "ct": b64url(sealed.ct),
            "ts": iso_ms(now_ms),
        }

    def _pages(self, gateway: str) -> tuple[int, list[bytes]]:
        path = self._folder / f"{gateway}{SUFFIX}"
        try:
            found = path.stat()
        except FileNotFoundError as exc:
            raise ContractError(
                "no_roster", f"{path.name}: there is no such file in the folder of rosters"
            ) from exc
        mark = (found.st_mtime_ns, found.st_size)
        if self._kept is None or self._kept[:2] != (path, mark):
            if found.st_size > MAX_FILE:
                raise ContractError("no_roster", f"{path.name}: larger than a roster may be")
            head, *pages = path.read_bytes().removesuffix(b"\n").split(b"\n")
            version = canonical.parse(head).get("version")
            if not isinstance(version, int):
                raise ContractError("no_roster", f"{path.name}: its first line is no head of a roster")
            self._kept = (path, mark, version, pages)
        return self._kept[2], self._kept[3]


def head_of(file: bytes) -> str:
    """The line that `cmd/roster-sync` carries."""
    return file.partition(b"\n")[0].decode()
