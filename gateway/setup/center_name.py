"""The name of the center, as people call it: on the kiosk, on the pages, in the report. The box is known by its id.

Given in the first run, by a page or a command; a change is an event, and the store remembers the name with it.
"""

import asyncio
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

from gateway.errors import ContractError
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact

CENTER_NAME: Final = "center_name"  # state: the name
LONGEST = 30  # characters; more do not fit on a kiosk's head


class Records(Protocol):
    """Where facts go."""

    async def store(
        self, facts: Sequence[Fact], device: str, *, notes: Mapping[str, str | None] | None = None
    ) -> object:
        """On disk when it returns, facts and notes together. Raises `StoreRefused`."""
        ...


def fitting(text: str) -> str:
    """A name as it is kept. Raises `ContractError` (bad_center_name)."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not 0 < len(name) <= LONGEST or not name.isprintable():
        raise ContractError(
            "bad_center_name", f"1 to {LONGEST} characters on one line, like 历城区智慧矫正中心"
        )
    return name


class CenterName:
    """The name of one center; `now` is None until it has one."""

    def __init__(
        self,
        *,
        records: Records,
        noted: Callable[[], Awaitable[str | None]],
        gateway: str,
    ) -> None:
        """`noted`: the text that is stored under `CENTER_NAME`."""
        self.now: str | None = None
        self.changed: Callable[[], None] = lambda: None  # people should look again
        self._records, self._noted = records, noted
        self._subject = f"gateway/{gateway}"
        self._one = asyncio.Lock()

    async def load(self) -> None:
        """What is kept."""
        self.now = await self._noted()

    async def give(
        self,
        by: str,
        text: str,
        *,
        via: str = "page",
        uid: int | None = None,
        notes: Mapping[str, str | None] | None = None,
    ) -> None:
        """Call it so from now on; nothing where it is called so. `notes` are kept with it.

        Raises `ContractError` (bad_center_name) and `StoreRefused`.
        """
        name = fitting(text)
        async with self._one:
            if name == self.now and not notes:
                return
            data: dict[str, Json] = {
                "what": "center_named", "name": name, "role": None, "source": None,
                "by": by, "via": via, "uid": uid, "before": self.now,
            }  # fmt: skip
            fact = Fact("audit.config_changed", self._subject, data, restricted=False)
            await self._records.store([fact], "gateway", notes={CENTER_NAME: name, **(notes or {})})
            self.now = name
        self.changed()
