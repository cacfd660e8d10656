"""What a gateway asks on `req/{name}`, and the answers on `res/{name}`. Pure; signed by whoever sends them.

    req/ack        {"v":1}                                    -> the ack, on its own topic
    req/rejected   {"v":1,"reqid","epoch","from":16 digits}   -> at most 64 refusals from there on
    req/time       {"v":1,"reqid","mono":ms as text}          -> the center's time, answered at once

A malformed request is counted and answered with nothing. So many a second, per gateway: the rest is
counted and dropped, so that asking can never keep events waiting.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.clock import iso_ms
from gateway.contract import messages
from gateway.envelope import sequence
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.receiver import data_rules
from gateway.receiver.acks import MAX_REASON
from gateway.receiver.documents import checked

LISTED = 64  # refusals in one answer
BURST = 20  # requests of one gateway that are answered at once
PER_S = 2.0  # and then so many a second


@dataclass(frozen=True, slots=True)
class RejectedRequest:
    """Which refusals of an epoch, from where on."""

    reqid: str
    epoch: str
    first: int


@dataclass(frozen=True, slots=True)
class TimeRequest:
    """What time is it; `mono` comes back as it was sent."""

    reqid: str
    mono: str


def read_rejected(payload: bytes) -> RejectedRequest:
    """Parse; raises `ContractError`."""
    message = checked(messages.ASK_REJECTED, canonical.parse(payload))
    return RejectedRequest(
        str(message["reqid"]), str(message["epoch"]), data_rules.seq(message["from"], "from")
    )


def read_time(payload: bytes) -> TimeRequest:
    """Parse; raises `ContractError`."""
    message = checked(messages.ASK_TIME, canonical.parse(payload))
    return TimeRequest(str(message["reqid"]), str(message["mono"]))


def rejected_answer(
    gateway: str, request: RejectedRequest, found: Sequence[tuple[int, str, str]], now_ms: int
) -> dict[str, Json]:
    """`found`: (sequence, code, message), ascending, one more than `LISTED` where there are more."""
    listed: list[Json] = [
        {"seq": sequence(seq), "code": code, "msg": text[:MAX_REASON]} for seq, code, text in found[:LISTED]
    ]
    return {
        "v": 1,
        "gw": gateway,
        "name": "rejected",
        "reqid": request.reqid,
        "epoch": request.epoch,
        "rejected": listed,
        "more": len(found) > LISTED,
        "ts": iso_ms(now_ms),
    }


def time_answer(gateway: str, request: TimeRequest, now_ms: int) -> dict[str, Json]:
    """The time at which this was called."""
    return {
        "v": 1,
        "gw": gateway,
        "name": "time",
        "reqid": request.reqid,
        "mono": request.mono,
        "ts": iso_ms(now_ms),
    }


class Allowance:
    """How many requests of each gateway are still answered. Ask only for gateways that are known."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}  # gateway -> (requests, as of)

    def take(self, gateway: str, now_s: float) -> bool:
        """One more request; False when it must be dropped."""
        left, since = self._left.get(gateway, (float(BURST), now_s))
        left = min(BURST, left + (now_s - since) * PER_S)
        self._left[gateway] = (left - 1 if left >= 1 else left, now_s)
        return left >= 1
