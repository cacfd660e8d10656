"""The templates of all pages, with one set of filters; loaded once."""

from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.web import wording

_TEMPLATES = Path(__file__).parent / "templates"


@lru_cache(maxsize=1)
def templates() -> Environment:
    """Strict: a name that a template does not get is an error, and everything is escaped."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        time_of_day=wording.time_of_day,
        date=wording.date,
        iso=wording.iso,
        size=wording.size,
        number=wording.number,
    )
    return environment
