"""The pages of the door: signing in, one's own account, and what is not for the one who asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo

from gateway.view import Snapshot
from gateway.web import wording
from gateway.web.assets import Assets
from gateway.web.bar import Bar
from gateway.web.environment import templates
from gateway.web.messages import Catalogue, Lang, Speaker

# Codes that a page has words for; any other is told as `other`.
SAID = frozenset({"signed_out", "password_changed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why nobody was let in, or nothing was changed."""

    code: str
    wait_s: int | None = None


class DoorRenderer:
    """Small pages without scripts."""

    def __init__(self, catalogue: Catalogue, assets: Assets, zone: tzinfo) -> None:
        self._catalogue = catalogue
        self._assets = assets
        self._sign_in = templates(zone).get_template("sign_in.html")
        self._not_shown = templates(zone).get_template("not_shown.html")
        self._account = templates(zone).get_template("account.html")

    def sign_in(
        self, lang: Lang, *, next_path: str, name: str = "", said: str = "", refusal: Refusal | None = None
    ) -> str:
        """The form; `said` tells what has just happened, `refusal` why it did not work."""
        t = Speaker(self._catalogue, lang)
        return self._sign_in.render(
            self._context(t, refusal),
            bar=None,
            about=None,
            next_path=next_path,
            name=name,
            said=t(f"sign_in.{said}") if said in SAID else None,
        )

    def account(
        self, lang: Lang, bar: Bar, about: Snapshot, *, due: bool, refusal: Refusal | None = None
    ) -> str:
        """Change one's own password; `due`: it must be before anything else."""
        t = Speaker(self._catalogue, lang)
        return self._account.render(self._context(t, refusal), bar=bar, about=about, due=due)

    def not_shown(self, lang: Lang, status: int) -> str:
        """Why there is no page: the address, the role, or the gateway."""
        t = Speaker(self._catalogue, lang)
        why = {403: "role", 404: "address"}.get(status, "now")
        return self._not_shown.render(self._context(t, None), bar=None, about=None, reason=why)

    def _context(self, t: Speaker, refusal: Refusal | None) -> Mapping[str, object]:
        return {
            "t": t,
            "lang": t.lang,
            "assets": self._assets,
            "refusal": refusal,
            "said": None,
            "why": None if refusal is None else _why(refusal, t),
        }


def _why(refusal: Refusal, t: Speaker) -> str:
    wait = wording.duration(None if refusal.wait_s is None else refusal.wait_s * 1000, t)
    key = f"sign_in.refused.{refusal.code}"
    return t(key if t.find(key) is not None else "sign_in.refused.other", wait=wait, code=refusal.code)
