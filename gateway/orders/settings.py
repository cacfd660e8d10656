"""`config-get` and `config-set`: settings that the center changes live, and that go back by themselves.

A change is on disk with its audit event before it is applied, and on trial until the center answers a question that
was asked after it, over a new connection where the broker was changed. Where it does not answer in time, and at a start
in the middle of a trial, what was set before is in force again, and that is an event too.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from gateway.config import Config
from gateway.errors import ContractError, StoreRefused
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact
from gateway.orders.from_center import NAMES, NOTE, FromCenter, Values, in_force, laid_over
from gateway.store.reading import open_for_reading
from gateway.uplink.command_message import Command, Refusal
from gateway.uplink.commands import Run, Tell

log = logging.getLogger(__name__)

TRIAL_S, SHORTEST_S, LONGEST_S = 300, 10, 3600  # how long the center may take to answer after a change
LOOK_EVERY_S = 1.0


class Records(Protocol):
    """Where events go together with what they speak of."""

    async def store(
        self, facts: Sequence[Fact], device: str, /, *, note: tuple[str, str | None] | None = None
    ) -> object:
        """All or nothing; raises `StoreRefused`."""
        ...


class Settings:
    """What the center has set. `config` is the file's, before anything of it was laid over."""

    def __init__(
        self,
        config: Config,
        kept: FromCenter,
        *,
        records: Records,
        apply: Callable[[Config], Awaitable[None]],
        answers: Callable[[], Awaitable[bool]],
        keep: Callable[[str], Awaitable[None]],
    ) -> None:
        """`apply`: make a configuration the one in force; `answers`: whether the center answers a question now.

        `keep`: the note alone, durable when it returns.
        """
        self._config = config
        self._kept = kept
        self._records = records
        self._apply = apply
        self._answers = answers
        self._keep = keep
        self._subject = f"gateway/{config.gateway.id}"

    def by_name(self) -> dict[str, Run]:
        """For the uplink."""
        return {"config-get": self._get, "config-set": self._set}

    @property
    def any(self) -> bool:
        """Whether the center has set anything."""
        return bool(self._kept.values or self._kept.trial)

    async def started(self) -> None:
        """After a start: what was on trial when the gateway ended is not in force; say so. Raises `StoreRefused`."""
        if self._kept.trial is not None:
            await self._go_back(self._kept.trial, sorted(_changed(self._kept.trial, self._kept.values)))

    async def _get(self, _command: Command, _tell: Tell) -> dict[str, Json]:
        now = in_force(laid_over(self._config, self._kept.values))
        return {"values": now, "file": in_force(self._config), "set": dict(self._kept.values)}

    async def _set(self, command: Command, tell: Tell) -> dict[str, Json]:
        before = self._kept.values
        after, trial_s = _asked(command.args, before)
        config = laid_over(self._config, after)
        changed = sorted(_changed(before, after))
        if not changed:
            return {"changed": [], "values": in_force(config)}
        await self._record("settings_changed", changed, FromCenter(after, trial=before))
        await self._apply(config)
        tell({"changed": list[Json](changed), "trial_s": trial_s})
        if not await self._answered_within(trial_s):
            await self._go_back(before, changed)
            raise Refusal(
                "rolled_back",
                f"the center did not answer for {trial_s} s after the change; what was set before is in force again",
                status="failed",
            )
        self._kept = FromCenter(after)
        await self._keep(self._kept.as_text())
        log.info("settings of the center in force", extra={"settings": ", ".join(changed)})
        return {"changed": list[Json](changed), "values": in_force(config)}

    async def _answered_within(self, trial_s: float) -> bool:
        end_s = time.monotonic() + trial_s
        while not await self._answers():
            if time.monotonic() >= end_s:
                return False
            await asyncio.sleep(LOOK_EVERY_S)
        return True

    async def _go_back(self, before: Values, changed: Sequence[str]) -> None:
        """Applied even where the store takes nothing: the note still says trial, and the next start goes back too."""
        log.warning("settings of the center taken back", extra={"settings": ", ".join(changed)})
        await self._apply(laid_over(self._config, before))
        try:
            await self._record("settings_rolled_back", changed, FromCenter(before))
        except StoreRefused as exc:
            log.warning("taking back of settings not stored", extra={"code": exc.code})

    async def _record(self, what: str, changed: Sequence[str], kept: FromCenter) -> None:
        data: dict[str, Json] = {
            "what": what, "name": ", ".join(changed), "role": None, "source": None, "by": "center", "via": "center",
            "uid": None,
        }  # fmt: skip
        fact = Fact("audit.config_changed", self._subject, data, restricted=False)
        await self._records.store([fact], "gateway", note=(NOTE, kept.as_text()))
        self._kept = kept


def kept_in(store: Path, config: Config) -> FromCenter:
    """What the store remembers; before the store serves. What does not fit this release any more is left alone."""
    with open_for_reading(store) as reading:
        kept = FromCenter.read(reading.state().get(NOTE))
    try:
        laid_over(config, kept.at_a_start)
    except ContractError as exc:
        facts = {"code": exc.code, "cause": str(exc)}
        log.error("settings of the center do not fit, the file's count", extra=facts)  # noqa: TRY400
        return FromCenter()
    return kept


def _asked(args: dict[str, Json], before: Values) -> tuple[dict[str, Json], int]:
    """(values after, seconds of trial); raises `ContractError`."""
    values, trial_s = args.get("values"), args.get("trial_s", TRIAL_S)
    if not isinstance(values, dict) or not values:
        raise ContractError(
            "args",
            f"config-set: `values` must name settings, each with a value or null; these: {', '.join(NAMES)}",
        )
    if isinstance(trial_s, bool) or not isinstance(trial_s, int) or not SHORTEST_S <= trial_s <= LONGEST_S:
        raise ContractError("args", f"config-set: `trial_s` must be {SHORTEST_S} to {LONGEST_S}")
    after = {**before, **values}
    for name in values:
        if name not in NAMES:
            raise ContractError(
                "unknown_setting", f"{name[:64]} cannot be set from the center; these can: {', '.join(NAMES)}"
            )
    return {name: value for name, value in after.items() if value is not None}, trial_s


def _changed(before: Values, after: Values) -> set[str]:
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}
