"""The page of the first run: name, network, devices, the way to the province, and what is still missing."""

import json
from collections.abc import Mapping
from datetime import tzinfo

from gateway.network.trial import reached_over
from gateway.setup.first_run import FirstRun
from gateway.view import Snapshot
from gateway.web import present
from gateway.web.assets import Assets
from gateway.web.bar import Bar
from gateway.web.environment import templates
from gateway.web.messages import Catalogue, Lang, Speaker

REGIONS = ("setup_steps", "setup_name", "setup_network", "setup_province")
PROVINCE = ("trust", "uplink", "roster")  # steps that the enrolment with the province makes


class SetupRenderer:
    """Templates and texts, loaded once."""

    def __init__(self, catalogue: Catalogue, assets: Assets, zone: tzinfo) -> None:
        self._assets = assets
        self._catalogue = catalogue
        self._templates = templates(zone)

    @property
    def version(self) -> str:
        """Of templates, texts and files together."""
        return self._assets.version

    def page(self, first_run: FirstRun, snapshot: Snapshot, bar: Bar, lang: Lang, reached_at: str) -> str:
        """All of it. `reached_at`: the address of this machine at which the browser reaches it."""
        t = Speaker(self._catalogue, lang)
        view = first_run.network.view
        one = next((each for each in view.interfaces if each.addresses), None) or next(
            iter(view.interfaces), None
        )
        return self._render(
            "setup.html",
            first_run,
            snapshot,
            lang,
            reached_at,
            bar=bar,
            regions=self.regions(first_run, snapshot, lang, reached_at),
            script_texts=json.dumps({"failed": t("console.failed")}, ensure_ascii=False),
            first=one,
        )

    def regions(self, first_run: FirstRun, snapshot: Snapshot, lang: Lang, reached_at: str) -> dict[str, str]:
        """Inner HTML of what changes while the page is open, by element id."""
        return {
            name.replace("_", "-"): self._render(f"{name}.html", first_run, snapshot, lang, reached_at)
            for name in REGIONS
        }

    def error(self, code: str, lang: Lang) -> str:
        """Why something was not done."""
        t = Speaker(self._catalogue, lang)
        return t.find(f"setup_error.{code}") or t.find(f"store.{code}") or t("setup_error.network_refused")

    def _render(
        self,
        template: str,
        first_run: FirstRun,
        snapshot: Snapshot,
        lang: Lang,
        reached_at: str,
        **values: object,
    ) -> str:
        network, steps = first_run.network.view, first_run.steps(snapshot)
        tried = None
        if network.trial is not None:
            tried = next((one for one in network.interfaces if one.name == network.trial.interface), None)
        context: Mapping[str, object] = {
            "s": snapshot,
            "first_run": first_run,
            "network": network,
            "may_keep": tried is not None and reached_over(reached_at, tried),
            "steps": steps,
            "province": [one for one in steps if one.code in PROVINCE],
            "t": Speaker(self._catalogue, lang),
            "lang": lang,
            "assets": self._assets,
            "present": present,
        }
        return self._templates.get_template(template).render({**context, **values})
