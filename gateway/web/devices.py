"""The technician's pages: the devices with a search, one device with its test and history, the report on paper."""

import json
from collections.abc import Mapping, Sequence
from datetime import tzinfo

from drivers.forms import form_of, kinds_with_a_form
from gateway.devices.console import Console
from gateway.devices.history import Change
from gateway.devices.live_test import TestView
from gateway.view import DeviceView, Level, Snapshot
from gateway.web import present
from gateway.web.assets import Assets
from gateway.web.bar import Bar
from gateway.web.environment import templates
from gateway.web.messages import Catalogue, Lang, Speaker
from gateway.web.times import Times

LIST_REGIONS = ("console_list", "console_search", "console_found")
DEVICE_REGIONS = ("console_state", "console_test", "console_instead")
CHANGE_LEVELS = {"online": Level.OK, "offline": Level.ATTENTION, "fault": Level.FAULT}


class DevicesRenderer:
    """Templates and texts, loaded once."""

    def __init__(self, catalogue: Catalogue, assets: Assets, zone: tzinfo) -> None:
        self._assets = assets
        self._catalogue = catalogue
        self._templates, self._times = templates(zone), Times(zone)

    @property
    def version(self) -> str:
        """Of templates, texts and files together."""
        return self._assets.version

    def devices(self, console: Console, snapshot: Snapshot, bar: Bar, lang: Lang) -> str:
        """All of them."""
        return self._page("console.html", console, snapshot, lang, bar=bar, device=None)

    def device(
        self,
        console: Console,
        device: str,
        changes: Sequence[Change] | None,
        snapshot: Snapshot,
        bar: Bar,
        lang: Lang,
    ) -> str:
        """One of them. `changes` None: the store could not be read."""
        return self._page(
            "console_device.html", console, snapshot, lang, bar=bar, device=device, changes=changes
        )

    def new(self, console: Console, kind: str, snapshot: Snapshot, bar: Bar, lang: Lang) -> str:
        """The form of a kind that no search finds; of no kind, the choice of one."""
        chosen = kind if form_of(kind) else ""
        return self._render(
            "console_new.html",
            console,
            snapshot,
            lang,
            bar=bar,
            kind=chosen,
            kinds=kinds_with_a_form(),
            fields=[(one, "") for one in form_of(chosen)],
            ports=[one.name for one in console.searched().ports],
            script_texts=self._script_texts(lang),
        )

    def report(self, console: Console, snapshot: Snapshot, by: str, lang: Lang) -> str:
        """What is signed when the box is handed over."""
        return self._render("console_report.html", console, snapshot, lang, by=by, judged=judged)

    def regions(
        self, console: Console, snapshot: Snapshot, lang: Lang, device: str | None = None
    ) -> dict[str, str]:
        """Inner HTML of what changes while the page is open, by element id."""
        view = None if device is None else _view(console, device)
        if device is not None and view is None:
            return {}
        wanted: Sequence[str] = LIST_REGIONS if device is None else DEVICE_REGIONS
        values: Mapping[str, object] = {} if device is None else {"one": view}
        return {
            name.replace("_", "-"): self._render(f"{name}.html", console, snapshot, lang, **values)
            for name in wanted
        }

    def error(self, code: str, lang: Lang) -> str:
        """Why something was not done."""
        t = Speaker(self._catalogue, lang)
        return t.find(f"console_error.{code}") or t.find(f"store.{code}") or t("console_error.settings")

    def _page(
        self,
        template: str,
        console: Console,
        snapshot: Snapshot,
        lang: Lang,
        *,
        device: str | None,
        **values: object,
    ) -> str:
        found = None if device is None else _view(console, device)
        return self._render(
            template,
            console,
            snapshot,
            lang,
            one=found,
            regions=self.regions(console, snapshot, lang, device),
            script_texts=self._script_texts(lang),
            fields=() if device is None else console.form(device),
            kind="" if found is None else found.kind,
            ports=[one.name for one in console.searched().ports],
            change_levels=CHANGE_LEVELS,
            **values,
        )

    def _script_texts(self, lang: Lang) -> str:
        t = Speaker(self._catalogue, lang)
        return json.dumps({"failed": t("console.failed")}, ensure_ascii=False)

    def _render(
        self, template: str, console: Console, snapshot: Snapshot, lang: Lang, **values: object
    ) -> str:
        now_ms = snapshot.clock.now_ms
        context: Mapping[str, object] = {
            "s": snapshot,
            "console": console,
            "t": Speaker(self._catalogue, lang),
            "lang": lang,
            "assets": self._assets,
            "present": present,
            "moment": lambda at_ms: self._times.moment(at_ms, now_ms),
        }
        return self._templates.get_template(template).render({**context, **values})


def _view(console: Console, device: str) -> DeviceView | None:
    return next((view for view in console.views() if view.id == device), None)


def judged(view: DeviceView, test: TestView | None) -> tuple[Level, str]:
    """What a test of a device says of it, for the report: level and key of the word."""
    if test is None:
        return Level.UNKNOWN, "untested"
    if test.running:
        return Level.UNKNOWN, "running"
    if view.state != "online" or test.received == 0:
        return Level.FAULT, "failed"
    if test.wrong:
        return Level.ATTENTION, "disturbed"
    return Level.OK, "passed"
