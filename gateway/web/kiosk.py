"""The kiosk's pages: rendered whole for the first paint, and again region by region while the page is open."""

import json
from collections.abc import Mapping
from datetime import tzinfo

from gateway.web.assets import Assets
from gateway.web.environment import environment
from gateway.web.kiosk_screen import Around, Line, Screens, ScreenView
from gateway.web.messages import Catalogue

REGIONS = ("top", "screen")


class KioskRenderer:
    """Templates, texts and files, loaded once."""

    def __init__(self, catalogue: Catalogue, assets: Assets, zone: tzinfo) -> None:
        self.assets = assets
        self.screens = Screens(catalogue)
        self._templates = environment(zone)
        self._templates.globals["say"] = self.screens.say
        self._regions = {name: self._templates.get_template(f"kiosk_{name}.html") for name in REGIONS}

    def page(self, screen: ScreenView, around: Around, *, voice: bool) -> str:
        """The whole document."""
        return self._templates.get_template("kiosk.html").render(
            assets=self.assets,
            regions=self.regions(screen, around),
            voice=voice,
        )

    def regions(self, screen: ScreenView, around: Around) -> dict[str, str]:
        """Inner HTML of each region by its element id."""
        time, day = self.screens.clock(around)
        context: Mapping[str, object] = {"screen": screen, "time": time, "day": day, "center": around.center}
        return {name: template.render(context) for name, template in self._regions.items()}

    def update(self, regions: Mapping[str, str]) -> str:
        """What the page's stream carries."""
        return json.dumps({"version": self.assets.version, "regions": regions}, ensure_ascii=False)

    def pair(self) -> str:
        """The page that takes a kiosk's token."""
        return self._templates.get_template("kiosk_pair.html").render(assets=self.assets)

    def receipt(self, rows: list[tuple[Line, Line]], number: str) -> str:
        """回执: the page that is printed."""
        return self._templates.get_template("kiosk_receipt.html").render(
            assets=self.assets, rows=rows, number=number
        )
