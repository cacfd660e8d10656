"""`python -m gateway.contract docs/contract` writes what is committed there; a test compares both.

asyncapi.json           AsyncAPI 3: topics, operations, schemas, examples
schemas/NAME.json       JSON Schema 2020-12 of each type of event, and of each other message
examples/events.jsonl   the wire bytes of an invented chain, an event of each type on a line
examples/messages.jsonl the same of every other message: {"channel","topic","wire"}
examples/trust.json     the public keys to them, as a trust file
"""

import json
import sys
from pathlib import Path

from gateway.contract import asyncapi, examples
from gateway.contract.messages import CHANNELS
from gateway.contract.schemas import event_schema, message_schema, stand_alone
from gateway.event_types import SCHEMA_PREFIX, TYPE_PREFIX, TYPES
from gateway.evidence.canonical import Json
from gateway.evidence.keys import trust_document


def files() -> dict[str, str]:
    """Every file by its path below the folder."""
    events = [event.wire.decode() for event in examples.chain()]
    made = {"asyncapi.json": _text(asyncapi.document())}
    for example in map(json.loads, events):
        name = example["type"].removeprefix(TYPE_PREFIX)
        urn = f"{SCHEMA_PREFIX}{name}:{TYPES[name]}"
        made[f"schemas/{name}.json"] = _text(stand_alone(event_schema(name), urn, example))
    lines = []
    for channel, wire in examples.messages().items():
        schema = stand_alone(message_schema(channel), f"urn:zhijiao:message:{channel}:1", json.loads(wire))
        made[f"schemas/{channel}.json"] = _text(schema)
        topic = asyncapi.ROOT + CHANNELS[channel].topic
        lines.append(
            json.dumps({"channel": channel, "topic": topic, "wire": wire.decode()}, ensure_ascii=False)
        )
    made["examples/events.jsonl"] = "".join(f"{line}\n" for line in events)
    made["examples/messages.jsonl"] = "".join(f"{line}\n" for line in lines)
    made["examples/trust.json"] = trust_document(examples.TRUSTED, demo=True)
    return made


def write(folder: Path) -> None:
    """Write them all, and take away what is none of them."""
    made = files()
    for path in folder.rglob("*.json*"):
        if path.relative_to(folder).as_posix() not in made:
            path.unlink()
    for name, text in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _text(document: dict[str, Json]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
