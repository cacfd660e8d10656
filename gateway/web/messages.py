"""The message catalogue: every text a person reads, Chinese first, by a stable key.

`messages.toml` is the only place where such texts stand. A text may have a second one below the key `<key>.do`:
what to do about it. A code the catalogue does not know is shown as the code itself, never as an error: a newer
driver may report what this page has no words for yet.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

CATALOGUE_FILE = Path(__file__).parent / "messages.toml"


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


def _flatten(table: Mapping[str, object], prefix: str) -> Iterator[tuple[str, Text]]:
    zh, en = table.get("zh"), table.get("en")
    if isinstance(zh, str) and isinstance(en, str):
        yield prefix, Text(zh=zh, en=en)
    elif zh is not None or en is not None:
        raise ValueError(f"{CATALOGUE_FILE.name}: {prefix} has one language only; give both zh and en")
    for name, below in table.items():
        if isinstance(below, dict):
            yield from _flatten(below, f"{prefix}.{name}" if prefix else name)


@lru_cache(maxsize=1)
def load_catalogue() -> Catalogue:
    """The catalogue shipped with this package; read once."""
    with CATALOGUE_FILE.open("rb") as file:
        return Catalogue(dict(_flatten(tomllib.load(file), "")))
