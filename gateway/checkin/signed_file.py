"""The roster as the center signs it: a head that names every page by its hash, and the pages.

    line 1    {"v":1,"kind":"roster",…,"count","pages":[{"count","sha256"}…],"jws"}     signed by center-ops
    line 2…   {"page":0,"persons":[…]}                                                  one line for each page

Each line is canonical JSON (RFC 8785) of at most 64 KiB, ended by one line feed: the same head and the
same pages travel over MQTT. One signature covers all of it; a page is believed for its hash alone, so it
can be checked when it comes. The digest of a roster is the SHA-256 of the signed bytes of its head.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gateway.checkin.reading import MAJOR, MINOR, MOST_PAGES, PersonReader, read_head
from gateway.checkin.roster import Person, Roster
from gateway.checkin.strict import RosterError
from gateway.evidence import canonical, jws
from gateway.evidence.canonical import MAX_BYTES, Json
from gateway.evidence.jws import FindKey, Signer

MAX_FILE = (MOST_PAGES + 1) * (MAX_BYTES + 1)  # bytes
PAGE_ROOM = MAX_BYTES - 1024  # bytes of persons in a page that we write
_NUMBER_KEY = b"zhijiao/number-key/1"


def number_key_check(hmac_key: bytes) -> str:
    """16 hex digits by which two sides see that they hash ID numbers with the same key; they tell nothing of it."""
    return hmac.digest(hmac_key, _NUMBER_KEY, hashlib.sha256)[:8].hex()


def open_roster(data: bytes, *, org: str, gateway: str, find_key: FindKey, number_key: str) -> Roster:
    """Verify and read a signed roster; raises `ContractError` (the signature's codes, or `RosterError`)."""
    head_wire, pages = split(data)
    members, _, payload = jws.open_message(head_wire, find_key)
    return _read(members, payload, pages, org=org, gateway=gateway, number_key=number_key)


def reopen_roster(data: bytes, *, org: str, gateway: str, number_key: str) -> Roster:
    """Read a roster that was verified before and kept under seal: whose key signed it is not asked again."""
    head_wire, pages = split(data)
    members, _, payload = jws.parts(head_wire)
    return _read(members, payload, pages, org=org, gateway=gateway, number_key=number_key)


def _read(
    members: dict[str, Json],
    payload: bytes,
    pages: Sequence[bytes],
    *,
    org: str,
    gateway: str,
    number_key: str,
) -> Roster:
    head, told_key, count, marks, tally = read_head(members)
    if (head.org, head.gateway) != (org, gateway):
        raise RosterError("roster_foreign", "roster is for another gateway; ask the center for this one's")
    if told_key != number_key:
        raise RosterError(
            "roster_number_key",
            "roster was made with another key for ID numbers, nobody would be found in it; enrol anew, "
            "or have the center issue it with this gateway's key",
        )
    if len(pages) != len(marks):
        raise RosterError(
            "roster_page", f"{len(pages)} pages where the head names {len(marks)}; fetch it anew"
        )
    reader = PersonReader(tally)
    persons: list[Person] = []
    for number, (page, (expected, digest)) in enumerate(zip(pages, marks, strict=True)):
        if hashlib.sha256(page).digest() != digest:
            raise RosterError(
                "roster_page", f"page {number} is not the one that the head names; fetch it anew"
            )
        found = reader.read_page(canonical.decode(page), number)
        if len(found) != expected:
            raise RosterError(
                "roster_page", f"page {number} holds another number of persons than the head says"
            )
        persons += found
    if len(persons) != count:
        raise RosterError("roster_page", "the pages hold another number of persons than the head says")
    return Roster(head, persons, digest=hashlib.sha256(payload).digest(), left_out=tally.left_out)


def split(data: bytes) -> tuple[bytes, list[bytes]]:
    """Head and pages; raises `RosterError` (roster_too_large, roster_form)."""
    if len(data) > MAX_FILE:
        raise RosterError("roster_too_large", f"roster of {len(data)} bytes; at most {MAX_FILE} are allowed")
    if not data.endswith(b"\n"):
        raise RosterError("roster_form", "the last line has no end: the file was cut off, fetch it anew")
    lines = data[:-1].split(b"\n")
    if len(lines) > MOST_PAGES + 1:
        raise RosterError("roster_too_large", f"{len(lines)} lines; at most {MOST_PAGES + 1} are allowed")
    return lines[0], lines[1:]


def sign_roster(head: Mapping[str, Json], persons: Iterable[Mapping[str, Json]], signer: Signer) -> bytes:
    """The center's half: the file, with `v`, `kind`, `minor`, `count` and `pages` added to `head`."""
    marks: list[Json] = []
    pages: list[bytes] = []
    count = 0
    for number, page in enumerate(_paged(persons)):
        wire = canonical.encode({"page": number, "persons": page})
        marks.append({"count": len(page), "sha256": hashlib.sha256(wire).hexdigest()})
        pages.append(wire)
        count += len(page)
    whole: dict[str, Json] = {"v": MAJOR, "minor": MINOR, "kind": "roster", **head, "count": count}
    return b"".join(line + b"\n" for line in (signer.sign_object({**whole, "pages": marks}), *pages))


def _paged(persons: Iterable[Mapping[str, Json]]) -> Iterator[list[Json]]:
    page: list[Json] = []
    size = 0
    for person in persons:
        length = len(canonical.encode(person)) + 1
        if page and size + length > PAGE_ROOM:
            yield page
            page, size = [], 0
        page.append(dict(person))
        size += length
    if page:
        yield page
