"""A roster from the center over MQTT: announced by its signed head, fetched in parts that only we can open.

    cmd/roster-sync  args {"head": the signed head's line}
    req/roster-part  {"v","reqid","gw","name","version","page","offset","key","jws"}         signed with the event key
    res/roster-part  {"v","gw","name","reqid","version","page","offset","size","enc","ct","ts","jws"}
    plaintext        the page's bytes from `offset` on, at most PART bytes; `size` is the page's length
    HPKE             as sealed fields; info zhijiao/roster-part/1, aad gw|version|page|offset|size

`key` is a key of this fetch alone and never leaves memory, so what somebody recorded of it opens for nobody later.
The request is signed, because who may name a key may read the roster. A page is believed for its hash in the head.
Nothing is kept of a roster before all of it is here.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gateway.checkin.reading import read_head
from gateway.checkin.strict import RosterError
from gateway.errors import ContractError
from gateway.evidence import hpke, jws
from gateway.evidence.canonical import MAX_BYTES, Json
from gateway.evidence.jws import FindKey, from_b64url

INFO = b"zhijiao/roster-part/1"
PART = 32 * 1024  # bytes of a page in one answer; in base64, with what is around it, far below 64 KiB
ATTEMPTS = 3  # for one part: an answer may be lost with its connection

Ask = Callable[[Mapping[str, Json]], Awaitable[dict[str, Json]]]
Tell = Callable[[dict[str, Json]], None]


@dataclass(frozen=True, slots=True)
class Announced:
    """A head that the center signed: which pages there are."""

    line: bytes
    gateway: str
    version: int
    pages: Sequence[tuple[int, bytes]]  # persons, SHA-256


def announced(args: Mapping[str, Json], find_key: FindKey) -> Announced:
    """The head in the command's `args`; raises `ContractError`."""
    text = args.get("head")
    if not isinstance(text, str):
        raise ContractError("args", "roster-sync: `head` must be the line of the signed head")
    line = text.encode()
    members, _, _ = jws.open_message(line, find_key)
    head, _, _, marks, _ = read_head(members)
    return Announced(line, head.gateway, head.version, marks)


async def pull(roster: Announced, ask: Ask, failed: type[Exception], tell: Tell) -> bytes:
    """The signed file, head and pages; every page is the one that the head names.

    `failed` is what `ask` raises where nothing came; the last one is passed on. Raises `ContractError`.
    """
    key = X25519PrivateKey.generate()
    lines = [roster.line]
    for number, (_, digest) in enumerate(roster.pages):
        page = await _page(roster, number, key, ask, failed)
        if hashlib.sha256(page).digest() != digest:
            raise RosterError(
                "roster_page", f"page {number} is not the one that the head names; send it anew"
            )
        lines.append(page)
        tell({"pages": number + 1, "of": len(roster.pages)})
    return b"".join(line + b"\n" for line in lines)


async def _page(
    roster: Announced, number: int, key: X25519PrivateKey, ask: Ask, failed: type[Exception]
) -> bytes:
    found, size = bytearray(), 1
    while len(found) < size:
        wanted: dict[str, Json] = {
            "version": roster.version,
            "page": number,
            "offset": len(found),
            "key": key.public_key().public_bytes_raw().hex(),
        }
        part, size = _opened(roster, wanted, await _asked(ask, wanted, failed), key)
        found += part
    return bytes(found)


async def _asked(ask: Ask, wanted: Mapping[str, Json], failed: type[Exception]) -> dict[str, Json]:
    for _ in range(ATTEMPTS - 1):
        try:
            return await ask(wanted)
        except failed:
            continue
    return await ask(wanted)


def _opened(
    roster: Announced, wanted: Mapping[str, Json], answer: Mapping[str, Json], key: X25519PrivateKey
) -> tuple[bytes, int]:
    """A part, and how long its page is."""
    for name in ("version", "page", "offset"):
        if answer.get(name) != wanted[name]:
            raise ContractError("roster_part", f"the center answered for another {name} than was asked")
    size, enc, ct = answer.get("size"), answer.get("enc"), answer.get("ct")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= MAX_BYTES:
        raise ContractError("roster_part", f"a page of a roster has 1 to {MAX_BYTES} bytes")
    if not isinstance(enc, str) or not isinstance(ct, str):
        raise ContractError("roster_part", "enc and ct are missing")
    aad = part_aad(roster.gateway, roster.version, int(str(wanted["page"])), int(str(wanted["offset"])), size)
    part = hpke.unseal(hpke.Sealed(from_b64url(enc), from_b64url(ct)), key, info=INFO, aad=aad)
    if not part or int(str(wanted["offset"])) + len(part) > size:
        raise ContractError("roster_part", "the part is empty, or longer than its page")
    return part, size


def part_aad(gateway: str, version: int, page: int, offset: int, size: int) -> bytes:
    """What a part is bound to."""
    return f"{gateway}|{version}|{page}|{offset}|{size}".encode()
