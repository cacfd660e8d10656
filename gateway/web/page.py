"""The first page: rendered whole for the first paint, and again region by region while it is open.

One renderer for both, so that what arrives live can never look unlike what a reload would show.
"""

import json
from collections.abc import Mapping
from datetime import tzinfo
from functools import lru_cache

from markupsafe import Markup

from gateway.view import EventView, Snapshot
from gateway.web import present, wording
from gateway.web.assets import Assets
from gateway.web.bar import Bar
from gateway.web.environment import templates
from gateway.web.messages import Catalogue, Lang, Speaker
from gateway.web.times import Times

REGIONS = ("demo", "overall", "devices", "events", "uplink", "buffer", "clock")
EVENTS_SHOWN = 20  # two screens; the API gives all that the snapshot holds
ROWS_KEPT = 4 * EVENTS_SHOWN  # both languages, and each stage on the way


class PageRenderer:
    """Templates, texts and files, loaded once."""

    def __init__(self, catalogue: Catalogue, assets: Assets, zone: tzinfo) -> None:
        """`zone`: the center's; every time on the page is meant in it."""
        self.assets = assets
        self._times = Times(zone)
        self._catalogue = catalogue
        self._templates = templates(zone)
        self._regions = {name: self._templates.get_template(f"{name}.html") for name in REGIONS}
        self._page = self._templates.get_template("page.html")
        self._event = self._templates.get_template("event.html")
        # While events come in, all rows but the newest stay as they are; a small board should not render them again.
        self._event_row = lru_cache(maxsize=ROWS_KEPT)(self._rendered_row)

    def page(self, snapshot: Snapshot, lang: Lang, bar: Bar | None = None) -> str:
        """The whole document."""
        return self._page.render(
            self._context(snapshot, lang),
            assets=self.assets,
            bar=bar,
            title=self.title(snapshot, lang),
            script_texts=json.dumps(self._script_texts(lang), ensure_ascii=False),
            regions=self._rendered(snapshot, lang),
        )

    def regions(self, snapshot: Snapshot, lang: Lang) -> dict[str, str]:
        """Inner HTML of each region by its element id."""
        return self._rendered(snapshot, lang)

    def title(self, snapshot: Snapshot, lang: Lang) -> str:
        """The tab's title: the state first, for whoever has many tabs."""
        t = Speaker(self._catalogue, lang)
        return f"{t(f'level.{snapshot.level}')} · {snapshot.gateway} · {t('page.product')}"

    def _rendered(self, snapshot: Snapshot, lang: Lang) -> dict[str, str]:
        context = self._context(snapshot, lang)
        return {name: template.render(context) for name, template in self._regions.items()}

    def _rendered_row(self, event: EventView, lang: Lang, ack_mode: str, foreign: bool, day: str) -> Markup:  # noqa: FBT001
        t = Speaker(self._catalogue, lang)
        return Markup(  # noqa: S704 - made by the template, which escapes
            self._event.render(
                event=event,
                ack_mode=ack_mode,
                foreign=foreign,
                day=day,
                latency=wording.duration(event.settled_after_ms, t),
                t=t,
                present=present,
            )
        )

    def _context(self, snapshot: Snapshot, lang: Lang) -> Mapping[str, object]:
        t = Speaker(self._catalogue, lang)
        now = snapshot.clock.now_ms
        return {
            "s": snapshot,
            "t": t,
            "lang": lang,
            "present": present,
            "event_row": lambda event: self._event_row(
                event,
                lang,
                snapshot.uplink.ack_mode,
                event.epoch != snapshot.buffer.epoch,
                self._times.day_if_not_today(event.time_ms, now),
            ),
            "events_shown": EVENTS_SHOWN,
            "moment": lambda at_ms: self._times.moment(at_ms, now),
            "duration": lambda length_ms: wording.duration(length_ms, t),
            "zone": self._times.zone_name(now, lang),
            "zone_offset_ms": self._times.offset_ms(now),
            "weekday": self._times.weekday(now, t),
        }

    def _script_texts(self, lang: Lang) -> dict[str, str]:
        """What the script says by itself: only while the gateway cannot be asked."""
        t = Speaker(self._catalogue, lang)
        return {key: t(f"live.{key}") for key in ("on", "off", "age_s", "age_min", "age_h")}
