"""The message catalogue: every text a person reads, Chinese first, by a stable key.

`locale/zh.po` and `locale/en.po` are the only places where such texts stand: gettext files, read by Babel, that any
translator's tool opens. The key is the msgid. A text may have a second one below the key `<key>.do`: what to do
about it. A code the catalogue does not know is shown as the code itself, never as an error: a newer driver may
report what this page has no words for yet.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from babel.messages.pofile import read_po

LOCALE_FOLDER = Path(__file__).parent / "locale"


class Lang(StrEnum):
    """Languages of the page. The first one is shown unless a person chose the other."""

    ZH = "zh"
    EN = "en"

    @property
    def other(self) -> "Lang":
        """The language to switch to."""
        return Lang.EN if self is Lang.ZH else Lang.ZH

    @property
    def tag(self) -> str:
        """BCP 47 tag for HTML; for Chinese it also chooses the mainland glyph shapes."""
        return "zh-CN" if self is Lang.ZH else "en"


@dataclass(frozen=True, slots=True)
class Text:
    """One text in both languages."""

    zh: str
    en: str

    def in_(self, lang: Lang) -> str:
        """The text in one language."""
        return self.zh if lang is Lang.ZH else self.en


class Catalogue:
    """Texts by key."""

    def __init__(self, texts: Mapping[str, Text]) -> None:
        self._texts = dict(texts)

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def items(self) -> Iterator[tuple[str, Text]]:
        """Every key with its text."""
        yield from self._texts.items()

    def find(self, lang: Lang, key: str) -> str | None:
        """The text, or None where the catalogue has none."""
        text = self._texts.get(key)
        return None if text is None else text.in_(lang)

    def say(self, lang: Lang, key: str, **values: object) -> str:
        """The text with its values filled in; for an unknown key the code, which is the key without its family."""
        text = self._texts.get(key)
        if text is None:
            return key.partition(".")[2] or key
        return text.in_(lang).format_map(values) if values else text.in_(lang)


@dataclass(frozen=True, slots=True)
class Speaker:
    """A catalogue in one language; templates call it `t`."""

    catalogue: Catalogue
    lang: Lang

    def __call__(self, key: str, **values: object) -> str:
        """The text in this language."""
        return self.catalogue.say(self.lang, key, **values)

    def other(self, key: str) -> str:
        """The text in the other language, for the second line below the first."""
        return self.catalogue.say(self.lang.other, key)

    def find(self, key: str) -> str | None:
        """The text in this language, or None where there is none."""
        return self.catalogue.find(self.lang, key)


def _read(lang: Lang) -> dict[str, str]:
    """Texts of one language by key. One that a translator marked as doubtful (fuzzy) counts as missing."""
    with (LOCALE_FOLDER / f"{lang}.po").open("rb") as file:
        found = read_po(file, abort_invalid=True)
    return {
        str(one.id): one.string
        for one in found
        if one.id and not one.fuzzy and isinstance(one.string, str) and one.string.strip()
    }


@lru_cache(maxsize=1)
def load_catalogue() -> Catalogue:
    """The catalogue shipped with this package; read once. `ValueError` where a language lacks a text."""
    zh, en = _read(Lang.ZH), _read(Lang.EN)
    halves = sorted(zh.keys() ^ en.keys())
    if halves:
        raise ValueError(
            f"{', '.join(halves)}: in one language only; give both {LOCALE_FOLDER.name}/zh.po and en.po"
        )
    return Catalogue({key: Text(zh=text, en=en[key]) for key, text in zh.items()})
