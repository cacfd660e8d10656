"""The table of devices in drivers/README.md, read out of registry, drivers, codecs and vectors.

    python -m tests.devices_table            print it
    python -m tests.devices_table --write    put it into drivers/README.md

Nothing in it is written by hand: the device is the heading of its family in firmware_protocols/README.md, links and
reports are what the driver's module imports, hands over and answers, and how well a kind is proven is counted in the
vectors. Only a peer written by others is named here, beside the test that runs it.
"""

import argparse
import ast
import inspect
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

from drivers import events, terminals
from drivers.registry import REGISTRY, driver_type
from drivers.simulators.tracker_families import FAMILIES as SIMULATED
from drivers.tracker_line import TrackerFamily, TrackerLine
from drivers.trackers import conversation_type
from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.families import FAMILIES
from firmware_protocols.tracking import Heard, Order

ROOT = Path(__file__).parents[1]
README = ROOT / "drivers" / "README.md"
BEGIN = "<!-- made by python -m tests.devices_table --write -->\n"
END = "<!-- end of the table -->\n"
VALUES: Mapping[Order, int | str] = {Order.INTERVAL: 60, Order.TEXT: "报到"}
NOW = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)

# Software of others that talks to driver or simulated far end -> the test in which it does.
PEERS: Mapping[str, Mapping[str, str]] = {
    "finger.zfm": {
        "pyfingerprint": "tests/drivers/test_fingerprint_clients.py",
        "adafruit_fingerprint": "tests/drivers/test_fingerprint_clients.py",
    },
    "reader.osdp": {"libosdp": "tests/drivers/test_osdp_peer.py"},
}
# What a driver imports to be reached.
LINKS = {
    "wired": "serial, port server",
    "place_on": "serial, port server; several on one line",
    "line_to": "serial, port server, Bluetooth LE",
    "Listener": "TCP, it calls",
    "radio_of_the_loop": "Bluetooth LE",
}
ORIGINS = {
    "captured": "captured",
    "published": "published by others",
    "independent-implementation": "made by others' software",
    "documented": "documented",
    "assembled": "assembled by us",
}
RUNGS = ("1 documents", "2 frames of others", "3 and a peer of others", "4 own hardware")
HEADER = ("device", "kind", "family", "link", "proven with", "reports", "obeys", "rung")
ASIDE = {"run", "build", "talk", "handle", "allows", "body_limit"}  # of the gateway, not of a person


def rows() -> list[tuple[str, ...]]:
    """A row for each kind, then one for each family that only a codec knows."""
    served = [_row(kind) for kind in sorted(REGISTRY)]
    named = {family for row in served for family in re.findall(r"`([^`]+)`", row[2])}
    rest = sorted(title for title in titles() if title not in named)
    return served + [_codec_row(family) for family in rest]


def titles() -> Mapping[str, str]:
    """Family -> what it is for, by the headings of firmware_protocols/README.md."""
    text = (ROOT / "firmware_protocols" / "README.md").read_text("utf-8")
    found: dict[str, str] = {}
    for names, title in re.findall(r"^## ([^:\n]+): (.+?)(?: \[[CSUR]\])?$", text, re.MULTILINE):
        found |= {name: title for name in re.split(r", | and ", names.replace("`", "")) if name in FAMILIES}
    return found


def _row(kind: str) -> tuple[str, ...]:
    families = families_of(kind)
    counted, peers = vectors_of(families), tuple(PEERS.get(kind, ()))
    return (
        titles()[families[0]],
        f"`{kind}`",
        ", ".join(f"`{one}`" for one in families),
        links_of(kind),
        _proven(counted, peers, far_end_of(kind)),
        ", ".join(reports_of(kind)) or "–",
        ", ".join(obeys_of(kind)) or "–",
        rung(counted, peers),
    )


def _codec_row(family: str) -> tuple[str, ...]:
    counted = vectors_of((family,))
    proven = _proven(counted, (), far_end="") or "worked examples"
    return titles()[family], "–", f"`{family}`", "–", proven, "codec only", "–", rung(counted, ())


def _modules(kind: str) -> Iterator[ast.Module]:
    """The driver's file, and those whose names begin as its does: idcard_reader, idcard_events."""
    path = ROOT / (REGISTRY[kind].partition(":")[0].replace(".", "/") + ".py")
    stem = path.stem.partition("_")[0]
    for one in [path, *path.parent.glob(f"{stem}_*.py")]:
        yield ast.parse(one.read_text("utf-8"))


def _imports(kind: str) -> set[str]:
    return {
        node.module
        for tree in _modules(kind)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
    }


def _tracker(kind: str) -> str | None:
    """Its family, of a wearable."""
    found: object = driver_type(kind)
    return found.family if isinstance(found, TrackerFamily) else None


def families_of(kind: str) -> tuple[str, ...]:
    """Every reading of the bytes that the driver speaks, the plainest first."""
    tracker = _tracker(kind)
    if tracker is not None:
        return (tracker,)
    if kind == "beacon.ble":  # what it hears is told by the advertisement, in a file that others read, too
        return ("ble-adv",)
    folders = {name.split(".")[1] for name in _imports(kind) if re.match(r"firmware_protocols\.\w+\.", name)}
    found = [name for name, entry in FAMILIES.items() if entry.split(".")[1] in folders - {"gb11643"}]
    return tuple(sorted(found, key=lambda one: (len(one), one)))


def links_of(kind: str) -> str:
    """How it is reached."""
    names = {
        alias.name
        for tree in _modules(kind)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    http = ["HTTP, it calls"] if "drivers.terminals" in _imports(kind) else []
    return "; ".join([*(text for name, text in LINKS.items() if name in names), *http])


def _driver_class(kind: str) -> type:
    found: Any = driver_type(kind)
    return found if isinstance(found, type) else TrackerLine


def _asked(kind: str) -> dict[str, Any]:
    """The questions and orders that its driver takes, with what each returns."""
    methods = inspect.getmembers(_driver_class(kind), inspect.iscoroutinefunction)
    return {
        name: get_type_hints(method)["return"]
        for name, method in methods
        if not name.startswith("_") and name not in ASIDE
    }


def reports_of(kind: str) -> list[str]:
    """What it hands over by itself, then what it answers when it is asked."""
    names = {node.id for tree in _modules(kind) for node in ast.walk(tree) if isinstance(node, ast.Name)}
    by_itself = [*get_args(events.DeviceEvent), *get_args(terminals.Record)]
    found = [one.__name__ for one in by_itself if one.__name__ in names]
    tracker = _tracker(kind)
    if tracker is not None:
        found += _told_by(tracker)
    for answer in _asked(kind).values():
        found += [
            f"{one.__name__} (asked)"
            for one in get_args(answer) or (answer,)
            if getattr(one, "__module__", "").startswith("drivers.")
        ]
    return list(dict.fromkeys(found))


def _told_by(family: str) -> list[str]:
    """What the vectors of a wearable carry."""
    found: Counter[str] = Counter()
    signs: set[str] = set()
    for data in _frames(family):
        conversation = conversation_type(family)()
        for heard in [*conversation.feed(data, NOW), *conversation.flush()]:
            for report in heard.reports if isinstance(heard, Heard) else ():
                found["position"] += report.fix is not None
                found["battery"] += report.battery_pct is not None
                signs |= {str(one) for one in report.alarms}
    told = [name for name, count in found.items() if count]
    return told + [f"alarm {one}" for one in sorted(signs)]


def obeys_of(kind: str) -> list[str]:
    """What its driver does when told; of a wearable, what its codec can say and no driver sends yet."""
    tracker = _tracker(kind)
    if tracker is None:
        return sorted(_asked(kind))
    known = ", ".join(order for order in Order if _can(tracker, order))
    return [f"codec alone: {known}"] if known else []


def _can(family: str, order: Order) -> bool:
    conversation = conversation_type(family)()
    for data in _frames(family):
        list(conversation.feed(data, NOW))
    try:
        conversation.order(order, VALUES.get(order), NOW)
    except LocalProtocolError as exc:
        return exc.code not in {"unsupported", "not_known"}
    return True


@cache
def _entries() -> Sequence[tuple[str, str, dict[str, Any]]]:
    """Family, origin and entry of every vector."""
    return list(_read())


def _read() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in sorted((ROOT / "tests" / "vectors" / "identity").glob("*.json")):
        for entry in json.loads(path.read_text("utf-8"))["vectors"]:
            yield entry["protocol"], entry.get("origin", "assembled"), entry
    for path in sorted((ROOT / "tests" / "vectors" / "trackers").glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        for entry in document.get("vectors", []) + document.get("ble", []):
            family = entry.get("protocol") or {
                "adv-bad": "ble-adv",
                "adv": "ble-adv",
                "gatt": "ble-gatt",
            }.get(entry["kind"], entry["kind"])
            yield family.replace("_", "-"), "published" if "source" in entry else "assembled", entry


def vectors_of(families: tuple[str, ...]) -> Counter[str]:
    """How many vectors there are, by their origin."""
    return Counter(origin for family, origin, _ in _entries() if family in families)


def _frames(family: str) -> list[bytes]:
    found = [entry for name, _, entry in _entries() if name == family]
    return [bytes.fromhex(one["hex"]) if "hex" in one else one["text"].encode() for one in found]


def far_end_of(kind: str) -> str:
    """Whether something here plays the device."""
    tracker = _tracker(kind)
    return "own far end" if tracker is None or tracker in SIMULATED else ""


def _proven(counted: Counter[str], peers: tuple[str, ...], far_end: str) -> str:
    told = [f"{counted[origin]} {words}" for origin, words in ORIGINS.items() if counted[origin]]
    return "; ".join([*told, *(f"peer {one}" for one in peers), *([far_end] if far_end else [])])


def rung(counted: Counter[str], peers: tuple[str, ...]) -> str:
    """How far up: nothing here has climbed to the last one."""
    recorded = counted["captured"] + counted["published"] > 0
    return RUNGS[recorded + bool(recorded and peers)]


def table() -> str:
    """As Markdown."""
    lines = [HEADER, tuple("---" for _ in HEADER), *rows()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def put(text: str) -> str:
    """`text` with the table of today between its marks."""
    head, _, rest = text.partition(BEGIN)
    _, found, tail = rest.partition(END)
    if not found:
        raise LookupError(f"{README}: the marks of the table are missing")
    return head + BEGIN + "\n" + table() + "\n" + END + tail


def main() -> int:
    """Print or write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        README.write_text(put(README.read_text("utf-8")), "utf-8")
    else:
        print(table(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
