"""The demo's roster: the persons of the simulated cards, signed by the demo's own operations key."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path

from drivers.simulators.fingerprint import MODULE_BATCH
from drivers.simulators.kiosk import MODULE_SERIAL, STRANGER
from drivers.simulators.people import people
from gateway.checkin.signed_file import number_key_check, sign_roster
from gateway.clock import iso_ms
from gateway.demo.keys import OPS_KID, DemoKeys
from gateway.evidence.canonical import Json
from gateway.evidence.keys import load_signer
from gateway.ingest.sealing import Sealer

OF_EACH_READER = 40  # persons; whoever comes after them is not on the roster
UNEXPECTED = STRANGER  # every so many is left out: somebody unknown comes to every counter
_WINDOWS: list[Json] = [["00:00", "24:00"]]  # a demo may be started at night


def write_roster(path: Path, keys: DemoKeys, org: str, seeds: Sequence[int], now: datetime) -> int:
    """Write the signed file, its version rising with the time; how many persons are in it."""
    hmac_key = bytes.fromhex(keys.hmac_key.read_text().strip())
    persons = list(_persons(Sealer(keys.gateway, hmac_key, None), keys.gateway, seeds, now.date()))
    wall_ms = int(now.timestamp() * 1000)
    head: dict[str, Json] = {
        "org": org,
        "gw": keys.gateway,
        "version": wall_ms,
        "issued": iso_ms(wall_ms),
        "expires": iso_ms(wall_ms + 30 * 86_400_000),
        "number_key": number_key_check(hmac_key),
        "calendar": {
            "from": f"{now.year}-01-01",
            "to": f"{now.year + 1}-12-31",
            "holidays": [],
            "workdays": [],
        },
    }
    path.write_bytes(sign_roster(head, persons, load_signer(keys.ops_key, OPS_KID)))
    return len(persons)


def _reference(slot: int) -> dict[str, Json]:
    """The finger that the first counter's module holds."""
    module = f"{MODULE_BATCH}-{(MODULE_SERIAL % 1).decode()}"
    return {"method": "finger", "module": module, "slot": slot, "enrolment": f"demo-{slot:04d}"}


def _persons(sealer: Sealer, gateway: str, seeds: Sequence[int], today: date) -> Iterator[dict[str, Json]]:
    numbers: set[str] = set()
    cards = [card for seed in seeds for card in islice(people(seed), OF_EACH_READER)]
    for place, card in enumerate(cards):
        serial = place + 1
        number = sealer.number_hash(card.id_number)
        if serial % UNEXPECTED == 0 or number in numbers:
            continue
        numbers.add(number)
        yield {
            "ref": f"demo-{serial:04d}",
            "number_hmac": number,
            "name": f"测*{serial}",
            "unit": f"demo-{serial % 3 + 1}",
            "class": "ordinary",
            "since": (today - timedelta(days=30)).isoformat(),
            "until": (today + timedelta(days=335)).isoformat(),
            "responsible": gateway,
            "protected": serial % 11 == 0,
            "methods": ["finger", "staff"],
            "schedule": {
                "repeat": "weekly",
                "days": [*sorted({today.isoweekday(), serial % 7 + 1})],
                "windows": _WINDOWS,
                "grace_min": 0,
                "day_off": "keep",
            },
            "leave": [],
            "references": [] if place >= OF_EACH_READER else [_reference(place + 1)],
            "trackers": [],
        }
