"""JSON Schema (2020-12) of every message, made of the tables that the receiver judges by."""

from gateway.contract.attributes import EVENT, GENESIS_HEX
from gateway.contract.event_data import DATA, EPOCH_OPENED
from gateway.contract.messages import CHANNELS
from gateway.envelope import sequence
from gateway.event_types import SCHEMA_PREFIX, TYPE_PREFIX, TYPES
from gateway.evidence.canonical import Json

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FIRST = sequence(1)


def event_schema(name: str) -> dict[str, Json]:
    """An event of this type (without prefix), all of it."""
    properties: dict[str, Json] = {member: shape.schema() for member, shape in EVENT.members.items()}
    opens = name == EPOCH_OPENED
    properties["type"] = {"const": TYPE_PREFIX + name}
    properties["dataschema"] = {"const": f"{SCHEMA_PREFIX}{name}:{TYPES[name]}"}
    properties["sequence"] = {
        **EVENT.members["sequence"].schema(),
        **({"const": FIRST} if opens else {"not": {"enum": [sequence(0), FIRST]}}),
    }
    properties["prevhash"] = {
        **EVENT.members["prevhash"].schema(),
        **({"const": GENESIS_HEX} if opens else {"not": {"const": GENESIS_HEX}}),
    }
    properties["data"] = DATA[name].schema()
    return {"title": name, "type": "object", "properties": properties, "required": list(EVENT.required)}


def message_schema(channel: str) -> dict[str, Json]:
    """A message of `messages.CHANNELS`."""
    return {"title": CHANNELS[channel].title, **CHANNELS[channel].published.schema()}


def stand_alone(schema: dict[str, Json], urn: str, example: Json) -> dict[str, Json]:
    """A schema as a file of its own."""
    return {"$schema": DIALECT, "$id": urn, **schema, "examples": [example]}
