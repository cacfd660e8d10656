"""The pages about people's fingers and faces: a list, and one person with the enrolment that runs."""

import json
from collections.abc import Mapping, Sequence
from datetime import tzinfo

from gateway.checkin.enroller import EnrolView
from gateway.checkin.persons import CONSENT, PersonView
from gateway.view import Level, Snapshot
from gateway.web.assets import Assets
from gateway.web.bar import Bar
from gateway.web.environment import templates
from gateway.web.messages import Catalogue, Lang, Speaker
from gateway.web.times import Times

LABELS = tuple(
    f"{hand}_{finger}"
    for hand in ("right", "left")
    for finger in ("thumb", "index", "middle", "ring", "little")
)
REGIONS = ("person_enrolment", "person_templates")
TRACK = ("person", "check", "take", "verify", "keep")  # what staff see of the steps, in their order
_GOOD = frozenset({"enrolled", "known"})


class PersonsRenderer:
    """Templates and texts, loaded once."""

    def __init__(self, catalogue: Catalogue, assets: Assets, zone: tzinfo) -> None:
        self._assets = assets
        self._catalogue = catalogue
        self._templates, self._times = templates(zone), Times(zone)

    @property
    def version(self) -> str:
        """Of templates, texts and files together."""
        return self._assets.version

    def people(
        self, listed: Sequence[tuple[str, PersonView]], snapshot: Snapshot, bar: Bar, lang: Lang
    ) -> str:
        """The list; each person with the handle of their page."""
        return self._render("persons.html", snapshot, lang, bar=bar, listed=listed, address="")

    def person(
        self,
        one: PersonView,
        enrolment: EnrolView | None,
        snapshot: Snapshot,
        bar: Bar,
        lang: Lang,
        *,
        address: str,
    ) -> str:
        """One person's page."""
        t = Speaker(self._catalogue, lang)
        return self._render(
            "person.html",
            snapshot,
            lang,
            bar=bar,
            one=one,
            enrolment=enrolment,
            address=address,
            labels=LABELS,
            consent=CONSENT,
            regions=self.regions(one, enrolment, snapshot, lang),
            script_texts=json.dumps({"failed": t("persons.failed")}, ensure_ascii=False),
        )

    def regions(
        self, one: PersonView, enrolment: EnrolView | None, snapshot: Snapshot, lang: Lang
    ) -> dict[str, str]:
        """Inner HTML of what changes while the page is open, by element id."""
        return {
            name.replace("_", "-"): self._render(
                f"{name}.html", snapshot, lang, one=one, enrolment=enrolment, track=track(enrolment)
            )
            for name in REGIONS
        }

    def error(self, code: str, lang: Lang) -> str:
        """Why something was not done."""
        t = Speaker(self._catalogue, lang)
        return t.find(f"enrol_error.{code}") or t(f"store.{code}")

    def _render(self, template: str, snapshot: Snapshot, lang: Lang, **values: object) -> str:
        now_ms = snapshot.clock.now_ms
        context: Mapping[str, object] = {
            "s": snapshot,
            "t": Speaker(self._catalogue, lang),
            "lang": lang,
            "assets": self._assets,
            "moment": lambda at_ms: self._times.moment(at_ms, now_ms),
            "level_of": level_of,
        }
        return self._templates.get_template(template).render({**context, **values})


def level_of(enrolment: EnrolView) -> Level:
    """How an enrolment that has ended is shown."""
    outcome = "" if enrolment.ending is None else enrolment.ending.outcome
    if outcome in _GOOD:
        return Level.OK
    return Level.FAULT if outcome in {"refused", "not_stored"} else Level.ATTENTION


def track(enrolment: EnrolView | None) -> list[tuple[str, str]]:
    """(step, mark): done, now, open, or bad where it ended."""
    if enrolment is None:
        return []
    ended = enrolment.ending
    stage = {"tidy": "check"}.get(enrolment.stage, enrolment.stage)
    if ended is not None and ended.outcome == "enrolled":
        return [(step, "done") for step in TRACK]
    at = TRACK.index(stage) if stage in TRACK else -1
    return [
        (step, "done" if place < at else "now" if place == at and ended is None else "open")
        for place, step in enumerate(TRACK)
    ]
