"""The contract as an AsyncAPI 3 document, from where the center stands: it receives what gateways send."""

import json
from collections.abc import Mapping

from gateway.contract import examples
from gateway.contract.example_events import GATEWAY, ORG
from gateway.contract.messages import CHANNELS, Way
from gateway.contract.schemas import event_schema, message_schema
from gateway.event_types import CLASSES, TYPES, event_class
from gateway.evidence.canonical import Json

VERSION = "1.0.0"  # of the contract; a new major is a new topic root
ROOT = "cc/v1/{org}/{gw}/"
DESCRIPTION = """\
What a gateway and its center say to each other over MQTT (5 or 3.1.1, QoS 1 everywhere).
The words to it: docs/contract.md; from connecting to a verified event in a database: docs/integrate.md.

Every wire form is JSON of at most 64 KiB; signed ones are canonical (RFC 8785) and carry `jws`, a detached JWS
(EdDSA) over their canonical form without it. Members that a schema does not name come from a newer gateway: keep the
message, do not refuse it. `x-always` names what every gateway of this version sends, whether it is required or not.
Patterns are ECMA-262: in Python use a validator that reads them so, or a `$` lets a last line feed pass.
"""
_PARAMETERS: Mapping[str, Json] = {
    "org": {"description": "Six digits, for ever", "examples": [ORG]},
    "gw": {"description": "Name of the gateway, gw-{org}-{nn}", "examples": [GATEWAY]},
    "dev": {"description": "Name of a device", "examples": ["idcard-1"]},
    "name": {"description": "Name of a command that has no channel of its own", "examples": ["log-pull"]},
}


def document() -> dict[str, Json]:
    """The whole document."""
    channels: dict[str, Json] = {}
    operations: dict[str, Json] = {}
    messages: dict[str, Json] = {}
    schemas: dict[str, Json] = {}
    shown = {event["type"].rpartition("zhijiao.")[2]: event for event in map(json.loads, _events())}
    for name in TYPES:
        schemas[name] = event_schema(name)
        messages[name] = _message(name, "application/cloudevents+json", shown[name])
    for one in sorted(CLASSES):
        key = f"evt_{one}"
        channels[key] = _channel(f"evt/{one}", [name for name in TYPES if event_class(name) == one])
        operations[key] = _operation(key, Way.UP, retained=False)
    for key, wire in examples.messages().items():
        schemas[key] = message_schema(key)
        messages[key] = _message(key, "application/json", json.loads(wire))
        channels[key] = _channel(CHANNELS[key].topic, [key])
        operations[key] = _operation(key, CHANNELS[key].way, retained=CHANNELS[key].retained)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Zhijiao Gateway (智矫网关): the contract with the center",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "center": {
                "host": "broker.example.org:8883",
                "protocol": "secure-mqtt",
                "description": "The center's broker: TLS, and the certificate's common name is client id and user.",
                "security": [
                    {"type": "X509", "description": "Client certificate of the gateway or the center"}
                ],
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def _events() -> list[bytes]:
    return [event.wire for event in examples.chain()]


def _message(key: str, content_type: str, example: Json) -> dict[str, Json]:
    return {
        "name": key,
        "contentType": content_type,
        "payload": {"$ref": f"#/components/schemas/{key}"},
        "examples": [{"name": "invented", "payload": example}],
    }


def _channel(topic: str, messages: list[str]) -> dict[str, Json]:
    address = ROOT + topic
    return {
        "address": address,
        "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in messages},
        "parameters": {name: one for name, one in _PARAMETERS.items() if f"{{{name}}}" in address},
    }


def _operation(channel: str, way: Way, *, retained: bool) -> dict[str, Json]:
    return {
        "action": "receive" if way is Way.UP else "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "bindings": {"mqtt": {"qos": 1, "retain": retained, "bindingVersion": "0.2.0"}},
    }
