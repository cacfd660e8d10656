"""The demo's roster is a roster like any other, and the simulated cards are on it."""

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from drivers.simulators.people import people
from gateway.checkin.signed_file import number_key_check, open_roster
from gateway.demo.keys import OPS_KID, DemoKeys
from gateway.demo.roster import OF_EACH_READER, write_roster
from gateway.evidence.keys import Role, load_trust
from gateway.ingest.sealing import Sealer

GATEWAY = "gw-370102-01"


def test_most_simulated_cards_are_on_it_and_some_are_not(tmp_path: Path) -> None:
    keys = DemoKeys(tmp_path / "keys", GATEWAY)
    keys.ensure()
    now = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)
    count = write_roster(tmp_path / "roster.jsonl", keys, "370102", (1, 2), now)
    hmac_key = bytes.fromhex(keys.hmac_key.read_text())
    roster = open_roster(
        (tmp_path / "roster.jsonl").read_bytes(),
        org="370102",
        gateway=GATEWAY,
        find_key=load_trust(keys.trust, allow_demo=True).find(Role.OPERATIONS),
        number_key=number_key_check(hmac_key),
    )
    assert len(roster.persons) == count
    sealer = Sealer(GATEWAY, hmac_key, None)
    cards = [card for seed in (1, 2) for card in islice(people(seed), OF_EACH_READER)]
    found = [roster.of_number(bytes.fromhex(sealer.number_hash(card.id_number))) for card in cards]
    assert 0.7 * len(cards) < sum(one is not None for one in found) < len(cards)


def test_a_demo_of_an_earlier_release_gets_the_key_and_keeps_the_others(tmp_path: Path) -> None:
    keys = DemoKeys(tmp_path, GATEWAY)
    keys.ensure()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    keys.ensure()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    keys.ops_key.unlink()
    keys.ensure()
    kids = [key.kid for key in load_trust(keys.trust, allow_demo=True).everybody()]
    assert kids.count(OPS_KID) == 1
    assert keys.event_key.read_bytes() == before[keys.event_key]
    assert keys.ops_key.read_bytes() != before[keys.ops_key]
