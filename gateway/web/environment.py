"""The templates of all pages, with one set of filters; loaded once for a zone."""

from datetime import tzinfo
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.web import wording
from gateway.web.times import Times, iso

_TEMPLATES = Path(__file__).parent / "templates"


def environment(zone: tzinfo) -> Environment:
    """Strict: a name that a template does not get is an error, and everything is escaped."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    times = Times(zone)
    made.filters.update(
        time_of_day=times.time_of_day,
        minute=times.minute,
        full=times.full,
        date=times.day,
        iso=iso,
        size=wording.size,
        number=wording.number,
    )
    return made


@lru_cache(maxsize=2)
def templates(zone: tzinfo) -> Environment:
    """The one that pages share."""
    return environment(zone)
