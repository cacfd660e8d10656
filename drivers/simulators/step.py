"""One step of a script, taken value by value; what nobody asked for is an error."""

from collections.abc import Callable, Collection, Mapping

from drivers.settings import nearest

LONGEST_TEXT = 64


class ScriptError(Exception):
    """A script that cannot be played; known before anything is.

    Codes: unreadable, too_long, empty, not_json, not_a_step, unknown_word, two_words, unknown_option,
    missing_option, wrong_type, out_of_range.
    """

    def __init__(self, code: str, at: str, what: str) -> None:
        super().__init__(f"{at}: {what}")
        self.code = code


class Step:
    """The object of one line."""

    def __init__(self, at: str, told: Mapping[str, object]) -> None:
        """`at`: file and line, for errors."""
        self._at = at
        self._told = told
        self.known: list[str] = []  # what was asked for

    def number(self, key: str, *, least: float, most: float, default: float | None = None) -> float:
        """A number between two limits."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error("wrong_type", f"'{key}' must be a number, not {shown(value)}")
        if not least <= value <= most:
            raise self._error("out_of_range", f"'{key}' must be {least:g} to {most:g}, not {shown(value)}")
        return float(value)

    def whole(self, key: str, *, least: int, most: int, default: int | None = None) -> int:
        """A whole number between two limits."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._error("wrong_type", f"'{key}' must be a whole number, not {shown(value)}")
        if not least <= value <= most:
            raise self._error("out_of_range", f"'{key}' must be {least} to {most}, not {shown(value)}")
        return value

    def word(self, key: str, allowed: Collection[str], default: str | None = None) -> str:
        """One of a few words."""
        value = self._take(key, default)
        if not isinstance(value, str):
            raise self._error("wrong_type", f"'{key}' must be a word, not {shown(value)}")
        if value not in allowed:
            known = ", ".join(sorted(allowed))
            near = nearest(value[:LONGEST_TEXT], allowed)
            raise self._error("out_of_range", f"'{key}' must be one of {known}, not {shown(value)}{near}")
        return value

    def text(self, key: str, letters: str) -> str:
        """A text of these letters, not empty."""
        value = self._take(key, None)
        if not isinstance(value, str):
            raise self._error("wrong_type", f"'{key}' must be a text, not {shown(value)}")
        if not 0 < len(value) <= LONGEST_TEXT or set(value) - set(letters):
            raise self._error("out_of_range", f"'{key}' must be 1 to {LONGEST_TEXT} of the letters {letters}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self._error("wrong_type", f"'{key}' must be true or false, not {shown(value)}")
        return value

    def place(self, key: str) -> tuple[float, float]:
        """Latitude and longitude in degrees."""
        value = self._take(key, None)
        if not isinstance(value, list) or len(value) != 2:
            raise self._error(
                "wrong_type", f"'{key}' must be a latitude and a longitude, like [36.65, 117.12]"
            )
        pair = Step(self._at, {"latitude": value[0], "longitude": value[1]})
        return (
            pair.number("latitude", least=-90, most=90),
            pair.number("longitude", least=-180, most=180),
        )

    def items(self, key: str) -> list[object]:
        """A list that is not empty."""
        value = self._take(key, None)
        if not isinstance(value, list) or not value:
            raise self._error("wrong_type", f"'{key}' must be a list of steps, not {shown(value)}")
        return value

    def finish(self, unknown: Callable[[str], tuple[str, str]]) -> None:
        """Refuse what was not taken; `unknown` gives code and text for it."""
        for key in self._told:
            if key not in self.known:
                raise self._error(*unknown(key))

    def _take(self, key: str, default: object) -> object:
        self.known.append(key)
        value = self._told.get(key, default)
        if value is None:
            raise self._error("missing_option", f"'{key}' is missing")
        return value

    def _error(self, code: str, what: str) -> ScriptError:
        return ScriptError(code, self._at, what)


def shown(value: object) -> str:
    """What stands in the script, fit for a terminal and not too long."""
    text = repr(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."
