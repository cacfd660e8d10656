"""The center's ack, read: believed only when signed with the ack key, for this gateway, in this form.

Numbers are bounded before anything is done with them: what cannot be a sequence makes the ack one that
is not believed, never one that ends the process.
"""

from dataclasses import dataclass

from gateway.errors import ContractError
from gateway.evidence import jws
from gateway.evidence.canonical import Json
from gateway.evidence.jws import FindKey

MAX_EPOCHS = 8
MAX_RANGES = 256
MAX_REJECTED = 64  # in an ack at most 16, on a page of `res/rejected` 64
SEQUENCE_DIGITS = 16
MAX_SEQUENCE = 10**SEQUENCE_DIGITS - 1
MAX_CODE, MAX_MESSAGE = 64, 256  # characters kept of a refusal
_HASH_DIGITS = 64
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that the center stored and refused for its content."""

    seq: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class EpochAck:
    """What the center says of one epoch."""

    epoch: str
    upto: int  # 0: nothing
    head: str  # hexadecimal
    sack: tuple[tuple[int, int], ...]
    lost: tuple[tuple[int, int], ...]
    rejected_n: int
    rejected: tuple[Rejection, ...]
    blocked: str | None

    @property
    def last(self) -> int:
        """The highest sequence that the center says it has."""
        return max((self.upto, *(last for _, last in self.sack)))

    @property
    def proven_at(self) -> int:
        """The sequence that `head` is the hash of: the highest up to `upto` that is not declared lost."""
        seq = self.upto
        for first, last in sorted(self.lost, reverse=True):
            if first <= seq <= last:
                seq = first - 1
        return seq


@dataclass(frozen=True, slots=True)
class Ack:
    """A believed ack."""

    epochs: tuple[EpochAck, ...]
    kid: str  # of the key that signed it
    ts: str  # when, by the center's clock: in the one written form, so text order is time order


def open_ack(wire: bytes, gateway: str, find_key: FindKey) -> Ack:
    """Verify and parse; raises `ContractError` (not_jcs, unsigned, signature, foreign, malformed, ...)."""
    message, kid, _ = jws.open_message(wire, find_key)
    if message.get("gw") != gateway:
        raise ContractError("foreign", "ack is for another gateway")
    epochs, ts = message.get("epochs"), message.get("ts")
    if message.get("v") != 1 or not isinstance(epochs, list) or len(epochs) > MAX_EPOCHS:
        raise ContractError("malformed", "ack is not of version 1 or names too many epochs")
    return Ack(tuple(_epoch(entry) for entry in epochs), kid, ts if isinstance(ts, str) else "")


def read_ack(wire: bytes, gateway: str, find_key: FindKey) -> tuple[EpochAck, ...]:
    """What a believed ack says of epochs; raises as `open_ack` does."""
    return open_ack(wire, gateway, find_key).epochs


def _epoch(entry: Json) -> EpochAck:
    if not isinstance(entry, dict):
        raise ContractError("malformed", "ack holds an epoch that is not an object")
    try:
        blocked = entry["blocked"]
        return EpochAck(
            epoch=read_text(entry["epoch"]),
            upto=read_sequence(entry["upto"], least=0),
            head=_hash(entry["head"]),
            sack=_ranges(entry["sack"]),
            lost=_ranges(entry["lost"]),
            rejected_n=_count(entry["rejected_n"]),
            rejected=read_rejections(entry["rejected"]),
            blocked=read_text(blocked["code"])[:MAX_CODE] if isinstance(blocked, dict) else None,
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise ContractError("malformed", f"ack holds an epoch that cannot be read: {exc}") from exc


def read_rejections(value: Json) -> tuple[Rejection, ...]:
    """A list of refusals; raises `TypeError`, `ValueError` or `KeyError`."""
    if not isinstance(value, list) or len(value) > MAX_REJECTED:
        raise TypeError(f"rejected is not a list of at most {MAX_REJECTED}")
    return tuple(_rejection(one) for one in value)


def _rejection(entry: Json) -> Rejection:
    if not isinstance(entry, dict):
        raise TypeError("rejection is not an object")
    return Rejection(
        read_sequence(entry["seq"]),
        read_text(entry["code"])[:MAX_CODE],
        read_text(entry.get("msg", ""))[:MAX_MESSAGE],
    )


def _ranges(value: Json) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, list) or len(value) > MAX_RANGES:
        raise TypeError(f"ranges are not a list of at most {MAX_RANGES}")
    return tuple(read_range(pair) for pair in value)


def read_range(pair: Json) -> tuple[int, int]:
    """`[from, to]`, both included; raises `TypeError` or `ValueError`."""
    if not isinstance(pair, list) or len(pair) != 2:
        raise TypeError("a range is not a pair")
    first, last = read_sequence(pair[0]), read_sequence(pair[1])
    if first > last:
        raise ValueError("a range runs backwards")
    return first, last


def read_sequence(value: Json, *, least: int = 1) -> int:
    """16 digits of text, or a JSON integer; raises `TypeError` or `ValueError`."""
    if isinstance(value, str):
        if len(value) != SEQUENCE_DIGITS or not (value.isascii() and value.isdigit()):
            raise ValueError("a sequence is not 16 digits")
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("a sequence is neither text nor integer")
    if not least <= value <= MAX_SEQUENCE:
        raise ValueError("a sequence is out of range")
    return value


def _hash(value: Json) -> str:
    text = read_text(value)
    if len(text) != _HASH_DIGITS or not _HEX.issuperset(text):
        raise ValueError("head is not a SHA-256 in hexadecimal digits")
    return text


def read_text(value: Json) -> str:
    """Text; raises `TypeError`."""
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


def _count(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("a count is no number from 0 on")
    return value
