"""The bar on top of every page of somebody who signed in: who it is, where the role leads, the way out.

A page includes `bar.html` and hands it a `Bar` as `bar`. A new page stands in `PAGES`, in the order of the bar.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from gateway.access.model import PEOPLE, Principal, Role


@dataclass(frozen=True, slots=True)
class Page:
    """A page that roles are led to. Shown only where the application has it."""

    path: str
    key: str  # of its name in the catalogue
    roles: frozenset[Role]


PAGES = (
    Page("/staff", "bar.staff", frozenset({Role.STAFF, Role.ADMIN, Role.AUDITOR})),
    Page("/staff/entry", "entry.title", frozenset({Role.STAFF, Role.ADMIN})),
    Page("/staff/rollcall", "rollcall.title", frozenset({Role.STAFF, Role.ADMIN, Role.AUDITOR})),
    Page("/staff/persons", "bar.persons", frozenset({Role.STAFF, Role.ADMIN})),
    Page("/setup", "bar.setup", frozenset({Role.TECHNICIAN, Role.ADMIN})),
    Page("/devices", "bar.devices", frozenset({Role.TECHNICIAN, Role.ADMIN})),
    Page("/evidence", "bar.evidence", frozenset({Role.AUDITOR, Role.ADMIN})),
    Page("/", "bar.status", PEOPLE),
)
# Where each role begins; who is not named here, or whose page is not there, begins at the status.
SETS_UP = frozenset({Role.TECHNICIAN, Role.ADMIN})
FIRST = {Role.STAFF: "/staff", Role.AUDITOR: "/evidence"}


@dataclass(frozen=True, slots=True)
class Link:
    """One way that the bar shows."""

    path: str
    key: str
    here: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """What the bar says."""

    name: str
    role: Role
    csrf: str = field(repr=False)
    links: tuple[Link, ...]
    path: str  # of the page it stands on


class Bars:
    """Makes them. `paths` are the pages that the application has; given once it is complete."""

    def __init__(self, paths: Collection[str] = ()) -> None:
        self.paths = frozenset(paths)
        self.setting_up: Callable[[], bool] = lambda: False  # the first run is not over

    def of(self, who: Principal, path: str) -> Bar:
        """For somebody on a page."""
        pages = list(self._pages(who.role))
        here = next((page.path for page in pages if page.path == path), None)
        if here is None:  # a page below one of the bar's: the nearest
            above = [page.path for page in pages if page.path != "/" and path.startswith(f"{page.path}/")]
            here = max(above, key=len, default=None)
        links = tuple(Link(page.path, page.key, page.path == here) for page in pages)
        return Bar(name=who.name, role=who.role, csrf=who.csrf, links=links, path=path)

    def first(self, role: Role) -> str:
        """Where somebody begins after signing in."""
        path = FIRST.get(role, "/")
        if role in SETS_UP and self.setting_up():
            path = "/setup"
        return path if path in self.paths else "/"

    def _pages(self, role: Role) -> Iterable[Page]:
        return (page for page in PAGES if role in page.roles and page.path in self.paths)
