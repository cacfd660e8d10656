"""The center's page: how each gateway stands. Read-only, without scripts; it loads itself again."""

from datetime import tzinfo

from gateway.receiver.overview import Overview, shown
from gateway.web import wording
from gateway.web.assets import Assets
from gateway.web.environment import templates
from gateway.web.messages import Catalogue, Lang, Speaker

RELOAD_S = 15


class CenterRenderer:
    """Template, texts and files, loaded once."""

    def __init__(self, catalogue: Catalogue, assets: Assets, zone: tzinfo) -> None:
        self.assets = assets
        self._catalogue = catalogue
        self._page = templates(zone).get_template("center.html")

    def page(self, found: Overview, lang: Lang) -> str:
        """The whole document."""
        t = Speaker(self._catalogue, lang)
        return self._page.render(
            found=found,
            gateways=list(shown(found.gateways, found.at_ms)),
            assets=self.assets,
            lang=lang,
            t=t,
            here="/?",
            about=None,
            bar=None,
            live=False,
            reload_s=RELOAD_S,
            age=lambda at_ms: wording.duration(max(0, found.at_ms - at_ms), t),
            span=lambda seconds: wording.duration(seconds * 1000, t),
        )

    def trouble(self, code: str, lang: Lang) -> str:
        """What is shown while the record cannot be read."""
        t = Speaker(self._catalogue, lang)
        return t("center.unreadable", code=code)
