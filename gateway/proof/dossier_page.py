"""What a prosecutor reads in a dossier: what was asked, three answers, every event in words, how to check it.

Made from the catalogue of all pages and one template; it loads nothing and runs nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from gateway.errors import ContractError
from gateway.evidence.canonical import Json
from gateway.proof.choice import Chosen, Wanted
from gateway.proof.flaws import Proof
from gateway.receiver.unseal import Unsealer
from gateway.web.environment import environment
from gateway.web.messages import Lang, Speaker, load_catalogue
from gateway.web.staff_present import evidence
from gateway.web.times import Times

# Members of `data` that say what happened, in the order in which they are read; the rest stands below as recorded.
TOLD = (
    "purpose", "method", "counts_as", "duty_day", "day", "reason", "kind", "severity", "outcome", "code", "staff",
    "entered_by", "by", "staff_reason", "occurred", "kiosk", "terminal", "tracker", "module", "slot", "reported_by",
)  # fmt: skip
_MORE_FAMILIES = {
    "purpose": ("staff_purpose",),
    "method": ("visit_method",),
    "counts_as": ("dossier_counts",),
    "severity": ("alarm_severity",),
    "kind": ("reason", "health"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One event as it is read."""

    number: int
    event: Chosen
    name: str
    told: Sequence[tuple[str, str]]  # label, value
    opened: Sequence[tuple[str, str]]  # what was sealed for the center; empty where it was not opened
    sealed: bool
    rest: Mapping[str, Json]

    @property
    def place(self) -> str:
        """`gw-370102-01 · 5f0c2a91 · 17`."""
        return f"{self.event.gw} · {self.event.epoch} · {self.event.seq}"


@dataclass(frozen=True, slots=True)
class Subject:
    """What the dossier is about."""

    wanted: Wanted
    by: str  # who asked for it, as given by hand
    case: str  # number of the file it belongs to, as given by hand
    made_ms: int
    kid: str  # of the key that signs it
    fingerprint: str  # of that key


def page(
    subject: Subject,
    events: Iterable[Chosen],
    proof: Proof,
    *,
    zone: tzinfo,
    lang: Lang,
    unsealer: Unsealer | None,
) -> bytes:
    """The HTML up to the end of what is shown. Raises `ContractError` (sealed) where a key does not open a field."""
    speaker, times = Speaker(load_catalogue(), lang), Times(zone)
    chosen = [event for event in events if not event.context]
    rows = list(_rows(chosen, speaker, times, unsealer))
    text = environment(zone).get_template("dossier.html").render(
        t=speaker, lang=lang, s=subject, rows=rows, proof=proof, times=times,
        opened=unsealer is not None, persons=sorted({one.gw for one in chosen}),
    )  # fmt: skip
    return text.encode() + b"\n"


def _rows(events: Iterable[Chosen], t: Speaker, times: Times, unsealer: Unsealer | None) -> Iterator[Row]:
    for number, event in enumerate(events, 1):
        data, name = event.data, _type(event)
        sealed = isinstance(data.get("sealed"), dict)
        yield Row(
            number=number,
            event=event,
            name=t.find(f"event.{name}") or name,
            told=list(_told(data, TOLD, t, times)),
            opened=_opened(event, t, times, unsealer) if sealed and unsealer is not None else (),
            sealed=sealed,
            rest={key: value for key, value in data.items() if key not in TOLD and key != "sealed"},
        )


def _told(
    data: Mapping[str, Json], members: Iterable[str], t: Speaker, times: Times
) -> Iterator[tuple[str, str]]:
    for key in members:
        value = data.get(key)
        if value is None or isinstance(value, (dict, list)):
            continue
        said = None
        for family in _MORE_FAMILIES.get(key, ()):
            said = said or (t.find(f"{family}.{value}") if isinstance(value, str) else None)
        label = t.find(f"dossier_key.{key}") or t.find(f"evidence_key.{key}") or key
        yield label, said or evidence(key, value, t, times)


def _opened(event: Chosen, t: Speaker, times: Times, unsealer: Unsealer | None) -> Sequence[tuple[str, str]]:
    if unsealer is None:
        return ()
    event_id = event.message.get("id")
    sealed = event.data.get("sealed")
    if not isinstance(event_id, str) or not isinstance(sealed, dict):
        raise ContractError("sealed", "event holds no sealed field")
    plain = unsealer.open_field(sealed, event.gw, event_id)
    return list(_told(plain, sorted(plain), t, times))


def _type(event: Chosen) -> str:
    name = event.message.get("type")
    return name.removeprefix("cn.zhijiao.") if isinstance(name, str) else ""
