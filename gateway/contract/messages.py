"""Everything but events that crosses the line, by topic below `cc/v1/{org}/{gw}`. Tables only.

Down, the center signs; what a gateway does with a message that differs is said in docs/contract.md. Up, `info` alone
is signed: of the others the broker's access list says who spoke.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.contract.forms import (
    CLAIM,
    COUNT,
    DEVICE,
    EPOCH,
    GATEWAY,
    HASH,
    JWS,
    MONO,
    NAME,
    ORG,
    PLACE,
    TIME,
    UUID7,
    VERSION,
    Sequence,
)
from gateway.contract.shapes import (
    Anything,
    Bool,
    Code,
    Exactly,
    ListOf,
    Object,
    OneOf,
    Shape,
    Text,
    Whole,
    more,
    nullable,
)
from gateway.evidence.canonical import MAX_BYTES

STATES = ("online", "offline", "lost")
ANSWERS = ("accepted", "running", "done", "failed", "rejected", "expired", "interrupted")
MOST_EPOCHS, MOST_RANGES, MOST_REJECTED = 8, 256, 64
MOST_ANSWERED = 1024  # ranges of one kind in an answer to a resend
LABEL = nullable(Text(least=0))

# -- up ------------------------------------------------------------------------------------------------------

INFO = Object(
    required={"v": VERSION, "gw": GATEWAY, "org": ORG, "session": NAME, "ts": TIME, "epochs": ListOf(CLAIM)},
    always={
        "versions": Object(always={"software": Text(), "contract": Whole(1)}),
        "profile": Code("intl"),
        "capabilities": ListOf(Code("ping", "resend", "roster-sync", "sealed")),
        "devices": ListOf(Object({"id": DEVICE}, always={"kind": Code(), "model": LABEL, "firmware": LABEL})),
        "keys": ListOf(Object({"kid": Text()}, always={"alg": Code("EdDSA"), "public": HASH})),
    },
)
STATUS = Object(
    required={
        "v": VERSION, "state": OneOf(STATES), "session": NAME, "ts": TIME, "epoch": EPOCH, "last_seq": Sequence(),
        "acked": Sequence(), "backlog": COUNT, "ack_mode": Text(),
    },
    always={"oldest_unacked_s": Whole(), "clockq": Code("synced", "holdover", "unsynced"), "mqtt": Code("5", "3.1.1")},
)  # fmt: skip
DEVICE_STATUS = Object(
    required={"v": VERSION, "state": Code("online", "offline", "fault"), "since": TIME},
    always={"model": LABEL, "firmware": LABEL},
)
ASK_ACK = Object({"v": VERSION})
ASK_REJECTED = Object({"v": VERSION, "reqid": NAME, "epoch": EPOCH, "from": PLACE})
ASK_ROSTER_PART = Object(
    {
        "v": VERSION, "reqid": Text("[0-9a-f-]{36}", "a UUID"), "gw": GATEWAY, "name": Exactly("roster-part"),
        "version": Whole(1), "page": Whole(0), "offset": Whole(0), "key": HASH,
    },
    note="key is an X25519 public key in lower-case hex, made for this fetch alone.",
)  # fmt: skip
ASK_TIME = Object({"v": VERSION, "reqid": NAME, "mono": MONO})

# -- down ----------------------------------------------------------------------------------------------------

RANGES = ListOf(ListOf(Sequence(1), least=2, most=2), most=MOST_RANGES)
REFUSAL = Object({"seq": Sequence(1), "code": Text()}, always={"msg": Text(least=0)})
EPOCH_ACK = Object(
    {
        "epoch": EPOCH, "upto": Sequence(), "head": HASH, "sack": RANGES, "lost": RANGES, "rejected_n": COUNT,
        "rejected": ListOf(REFUSAL, MOST_REJECTED),
        "blocked": nullable(Object({"seq": Sequence(1), "code": Code("unknown_kid")})),
    },
    note="In a range, the first is not above the second.",
)  # fmt: skip
ACK = Object(
    {"v": VERSION, "gw": GATEWAY, "epochs": ListOf(EPOCH_ACK, MOST_EPOCHS), "ts": TIME},
    note="Retained. The epochs are the newest that are open.",
)
_ANSWER = Object({"v": VERSION, "gw": GATEWAY, "reqid": NAME, "ts": TIME})
TELL_REJECTED = more(
    _ANSWER,
    {
        "name": Exactly("rejected"), "epoch": EPOCH, "rejected": ListOf(REFUSAL, MOST_REJECTED), "more": Bool(),
    },
)  # fmt: skip
TELL_TIME = more(_ANSWER, {"name": Exactly("time"), "mono": MONO})
TELL_ROSTER_PART = more(
    _ANSWER,
    {
        "name": Exactly("roster-part"), "version": Whole(1), "page": Whole(0), "offset": Whole(0), "size": Whole(1),
        "enc": Text("[A-Za-z0-9_-]{43}", "an encapsulated X25519 key in base64url"),
        "ct": Text("[A-Za-z0-9_-]+", "ciphertext in base64url", most=MAX_BYTES),
    },
)  # fmt: skip
_COMMAND = Object(
    {"v": VERSION, "gw": GATEWAY, "cmdid": UUID7, "session": NAME, "expires": TIME},
    always={"issued": TIME, "by": NAME},
)
PING = more(_COMMAND, {"name": Exactly("ping"), "args": Object()})
RESEND = more(
    _COMMAND,
    {
        "name": Exactly("resend"),
        "args": Object(
            {"epoch": EPOCH, "from": Sequence(1), "to": Sequence(1)}, note="from is not above to."
        ),
    },
)
OTHER_COMMAND = more(_COMMAND, {"name": Text("[a-z-]{1,64}", "the name of a command"), "args": Object()})

# -- and what became of it, up -------------------------------------------------------------------------------

_ERROR = nullable(
    Object({"code": Code("unsupported", "session", "malformed")}, always={"msg": Text(least=0)})
)


def _response(result: Shape) -> Object:
    return Object(
        {"v": VERSION, "cmdid": UUID7, "status": OneOf(ANSWERS)}, always={"result": result, "error": _ERROR}
    )


PONG = _response(nullable(Object({"ts": TIME, "mono": MONO}, always={"clockq": Code("synced", "holdover")})))
_RANGES = ListOf(ListOf(Sequence(1), least=2, most=2), most=MOST_ANSWERED)
RESENT = _response(nullable(Object(optional={"sent": _RANGES, "unavailable": _RANGES, "next": Sequence(1)})))
OTHER_RESPONSE = _response(Anything())


class Way(StrEnum):
    """Who speaks."""

    UP = "up"  # the gateway
    DOWN = "down"  # the center


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic below `cc/v1/{org}/{gw}` and what is said on it."""

    topic: str
    way: Way
    message: Object  # without its signature
    title: str
    retained: bool = False

    @property
    def signed(self) -> bool:
        """Whether it carries the `jws` of whoever speaks. Of what a gateway says, only SIGNED_UP does."""
        return self.way is Way.DOWN or self.topic in SIGNED_UP

    @property
    def published(self) -> Object:
        """The whole message."""
        return more(self.message, {"jws": JWS}) if self.signed else self.message


SIGNED_UP = frozenset({"info", "req/roster-part"})
CHANNELS: Mapping[str, Channel] = {
    "info": Channel("info", Way.UP, INFO, "Birth document", retained=True),
    "status": Channel("status", Way.UP, STATUS, "State and high-water mark; also the will", retained=True),
    "device_status": Channel("dev/{dev}/status", Way.UP, DEVICE_STATUS, "State of one device", retained=True),
    "ack": Channel("ack", Way.DOWN, ACK, "What the center holds", retained=True),
    "req_ack": Channel("req/ack", Way.UP, ASK_ACK, "Asks for an ack"),
    "req_rejected": Channel("req/rejected", Way.UP, ASK_REJECTED, "Asks which events were refused"),
    "res_rejected": Channel("res/rejected", Way.DOWN, TELL_REJECTED, "A page of refusals"),
    "req_roster_part": Channel(
        "req/roster-part", Way.UP, ASK_ROSTER_PART, "Asks for a part of a page of the roster"
    ),
    "res_roster_part": Channel(
        "res/roster-part", Way.DOWN, TELL_ROSTER_PART, "That part, sealed for the gateway"
    ),
    "req_time": Channel("req/time", Way.UP, ASK_TIME, "Asks what time it is"),
    "res_time": Channel("res/time", Way.DOWN, TELL_TIME, "The center's time"),
    "cmd_ping": Channel("cmd/ping", Way.DOWN, PING, "Is anybody there"),
    "rsp_ping": Channel("rsp/ping", Way.UP, PONG, "The gateway's clocks"),
    "cmd_resend": Channel("cmd/resend", Way.DOWN, RESEND, "Send a range again"),
    "rsp_resend": Channel("rsp/resend", Way.UP, RESENT, "What is sent again, and what is not here any more"),
    "cmd": Channel("cmd/{name}", Way.DOWN, OTHER_COMMAND, "Every other command"),
    "rsp": Channel("rsp/{name}", Way.UP, OTHER_RESPONSE, "What became of a command"),
}
