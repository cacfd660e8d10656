"""Topics as the center reads them: who speaks, and on which channel. Below `cc/v1/{org}/{gw}`."""

import re
from dataclasses import dataclass

ORG_FORM = "[0-9]{6}"
GATEWAY_FORM = f"gw-{ORG_FORM}-[0-9]{{2}}"
# The gateway's name holds its org: a message cannot be filed under another center.
_TOPIC = re.compile(rf"cc/v1/({ORG_FORM})/(gw-\1-[0-9]{{2}})/(.{{1,200}})", re.ASCII)

SUBSCRIPTIONS = (
    "cc/v1/+/+/evt/#",
    "cc/v1/+/+/info",
    "cc/v1/+/+/status",
    "cc/v1/+/+/req/#",
    "cc/v1/+/+/rsp/#",
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of one gateway."""

    org: str
    gateway: str
    channel: str  # `evt`, `info`, `status`, `req`, ...
    name: str  # what follows: the class of an event, the name of a request

    def sibling(self, rest: str) -> str:
        """Another topic of the same gateway."""
        return root(self.org, self.gateway) + rest


def parse(text: str) -> Topic | None:
    """The parts of a topic; None when it is not one of the contract."""
    match = _TOPIC.fullmatch(text)
    if match is None:
        return None
    channel, _, name = match[3].partition("/")
    return Topic(match[1], match[2], channel, name)


def gateway_of(text: str) -> str:
    """The gateway of a topic; nothing where it is not one of the contract."""
    match = _TOPIC.fullmatch(text)
    return "" if match is None else match[2]


def root(org: str, gateway: str) -> str:
    """What all topics of a gateway begin with, up to and with the slash."""
    return f"cc/v1/{org}/{gateway}/"


def of_gateway(gateway: str, rest: str) -> str:
    """A topic of a gateway, whose name holds its org."""
    return root(gateway[3:9], gateway) + rest


def ack_topic(org: str, gateway: str) -> str:
    """Where this gateway's acks go, retained."""
    return f"{root(org, gateway)}ack"
