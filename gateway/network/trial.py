"""A change of the box's address: tried for some minutes, and kept only by somebody who reaches the box at the new one.

    free ── begin ──► applying ── the interface is up ──► waiting ── keep ──► free, with the new settings
                          └────── undo, or time is up ───────┴──────────────► free, with those before

What is tried is in the memory of NetworkManager alone, under a checkpoint of its own. The store remembers the trial
with the event that tells of it: whatever ends this process or the power in between, the next start puts back what
was, or, where somebody had decided to keep it, makes that hold (docs/decisions/0023).
"""

import asyncio
import contextlib
import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, Protocol, Self

from gateway.errors import ContractError, StoreRefused
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact
from gateway.network.interface import Interface, NetworkTrouble
from gateway.network.ipv4 import Ipv4

log = logging.getLogger(__name__)

TRIAL: Final = "network_trial"  # state: what is being tried, or is to be made to hold
TRIAL_S = 180.0  # to plug over, open the page at the new address and sign in
BACKSTOP_S = 10  # later than that the daemon goes back by itself
UP_S = 50.0  # for an interface to come up; DHCP is given 45 by NetworkManager
DOWN_S = 3.0  # an interface that is neither up nor on its way for so long does not come
LOOK_S = 0.5
AGAIN_S = 10.0
TRYING, KEEPING = "trying", "keeping"


class Daemon(Protocol):
    """What is asked of NetworkManager; `gateway.network.daemon` says more. All raise `NetworkTrouble`."""

    async def interfaces(self) -> Sequence[Interface]:
        """The wired ones."""
        ...

    async def put(self, one: Interface, wanted: Ipv4, *, durable: bool) -> None:
        """Use these settings."""
        ...

    async def save(self, one: Interface) -> None:
        """To disk."""
        ...

    async def checkpoint(self, one: Interface, timeout_s: int) -> str:
        """Remember how it is."""
        ...

    async def holds(self, checkpoint: str) -> bool:
        """Whether it is remembered still."""
        ...

    async def keep(self, checkpoint: str) -> None:
        """Forget how it was."""
        ...

    async def roll_back(self, checkpoint: str) -> None:
        """As it was."""
        ...


class Records(Protocol):
    """Where facts go."""

    async def store(
        self, facts: Sequence[Fact], device: str, *, notes: Mapping[str, str | None] | None = None
    ) -> object:
        """On disk when it returns, facts and notes together. Raises `StoreRefused`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the store remembers of a trial."""

    phase: str  # trying, keeping
    interface: str
    before: str  # `Ipv4.as_text`
    wanted: str
    by: str
    via: str
    checkpoint: str
    boot: str
    uid: int | None = None  # of the user of the machine, where a command asked

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Raises `ValueError`, `TypeError`, `KeyError` for what is none."""
        kept = cls(**json.loads(text))
        Ipv4.from_text(kept.before), Ipv4.from_text(kept.wanted)
        return kept

    def as_text(self) -> str:
        """Inverse."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialView:
    """How a trial goes."""

    interface: str
    before: Ipv4
    wanted: Ipv4
    by: str
    up: bool  # the interface has come up with it
    left_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkView:
    """What is known of the network."""

    interfaces: Sequence[Interface] = ()
    trouble: str | None = None  # code: why nothing is known
    trial: TrialView | None = None
    ended: str | None = None  # code: how the last trial of this run ended


class Network:
    """The network of one gateway, for its technician. Refusals are `ContractError`s and `NetworkTrouble`s."""

    def __init__(
        self,
        load: Callable[[], Daemon],
        *,
        records: Records,
        noted: Callable[[], Awaitable[str | None]],
        forget: Callable[[], Awaitable[None]],
        gateway: str,
        boot: str,
        changed: Callable[[], None],
        trial_s: float = TRIAL_S,
    ) -> None:
        """`load` the way to the daemon, which takes a moment and is done when somebody asks.

        `noted`: the text that is stored under `TRIAL`; `forget` it, which raises `StoreRefused`. `boot`: which start
        of the machine this is; `changed`: people should look again.
        """
        self._load = load
        self._loaded: Daemon | None = None
        self._records, self._noted, self._forget = records, noted, forget
        self._subject = f"gateway/{gateway}"
        self._boot = boot
        self.changed = changed
        self._trial_s = trial_s
        self._view = NetworkView()
        self._trial: Kept | None = None
        self._up = False
        self._due_s = 0.0
        self._one = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._work = asyncio.Event()  # something that the store remembers is to be made to hold

    # -- what is shown ----------------------------------------------------------------------------------

    @property
    def view(self) -> NetworkView:
        """What was known when somebody looked last, and how a trial goes now."""
        trial = self._trial
        if trial is None:
            return self._view
        shown = TrialView(
            interface=trial.interface,
            before=Ipv4.from_text(trial.before),
            wanted=Ipv4.from_text(trial.wanted),
            by=trial.by,
            up=self._up,
            left_s=max(0, round(self._due_s - _now_s())),
        )
        return replace(self._view, trial=shown)

    async def look(self) -> NetworkView:
        """Ask the daemon; where it does not answer the view says so."""
        try:
            found = await (await self._daemon()).interfaces()
        except NetworkTrouble as exc:
            self._view = replace(self._view, interfaces=(), trouble=exc.code)
        else:
            self._view = replace(self._view, interfaces=found, trouble=None)
        return self.view

    # -- what is done -----------------------------------------------------------------------------------

    async def begin(
        self, by: str, *, interface: str, wanted: Ipv4, via: str = "page", uid: int | None = None
    ) -> None:
        """Try these settings. Codes: trial_running, unknown_interface, no_profile, secured, no_change, those of
        `NetworkTrouble` and of `StoreTrouble`: then nothing has changed."""
        await _to_its_end(self._begin(by, interface, wanted, via, uid), "network trial begins")

    async def keep(self, by: str, *, reached_at: str) -> None:
        """Keep what is tried. `reached_at`: the address of this machine at which the one who decides reaches it.

        Codes: no_trial, not_up, not_over_new, those of `NetworkTrouble` and of `StoreTrouble`.
        """
        await _to_its_end(self._keep(by, reached_at), "network kept")

    async def undo(self, by: str) -> None:
        """Back to what was. Codes: no_trial."""

        async def undo() -> None:
            async with self._one:
                await self._end(self._running(), "undone", by)

        await _to_its_end(undo(), "network trial undone")

    async def close(self) -> None:
        """The gateway stops: nobody could keep a trial any more."""
        async with self._one:
            if self._trial is not None:
                await self._end(self._trial, "stopped")

    async def run(self) -> None:
        """What an earlier run left open, until it is done; then what this one could not bring to its end."""
        self._work.set()
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                async with self._one:
                    if self._trial is None:
                        await self._take_up()
            except (NetworkTrouble, StoreRefused) as exc:
                log.warning("network not put right yet", extra={"code": exc.code, "cause": str(exc)})
                await asyncio.sleep(AGAIN_S)
                self._work.set()

    # -- how --------------------------------------------------------------------------------------------

    async def _begin(self, by: str, interface: str, wanted: Ipv4, via: str, uid: int | None) -> None:
        async with self._one:
            if self._trial is not None or await self._noted() is not None:
                raise ContractError("trial_running", "another change is being tried; keep or undo it first")
            one = await self._interface(interface)
            if one.profile is None or one.configured is None:
                raise ContractError("no_profile", "the interface has no settings yet; plug its cable in")
            if one.secured:
                raise ContractError("secured", "its settings hold secrets (802.1X); change them with nmcli")
            if one.configured == wanted and one.online:
                raise ContractError("no_change", "the interface has these settings already")
            backstop_s = round(UP_S + self._trial_s) + BACKSTOP_S
            checkpoint = await (await self._daemon()).checkpoint(one, backstop_s)
            trial = Kept(
                phase=TRYING, interface=interface, before=one.configured.as_text(), wanted=wanted.as_text(),
                by=by, via=via, checkpoint=checkpoint, boot=self._boot, uid=uid,
            )  # fmt: skip
            try:
                await self._record("network_tried", trial, by)
            except BaseException:
                await (await self._daemon()).keep(checkpoint)  # nothing has changed
                raise
            self._trial, self._up = trial, False
            self._due_s = _now_s() + UP_S + self._trial_s
            self._view = replace(self._view, ended=None)
            try:
                await (await self._daemon()).put(one, wanted, durable=False)
            except NetworkTrouble:
                await self._end(trial, "refused")
                raise
            self._watching = asyncio.get_running_loop().create_task(self._watch(trial), name="network trial")
        self.changed()

    async def _watch(self, trial: Kept) -> None:
        """Until it is kept or undone, or time is up."""
        began_s = coming_s = _now_s()
        while self._trial is trial:
            await asyncio.sleep(LOOK_S)
            one = await self._seen(trial)
            if one is None or one.coming:
                coming_s = _now_s()
            reason = self._judged(one, began_s, coming_s)
            if reason is not None:
                async with self._one:
                    if self._trial is trial:
                        await self._end(trial, reason)
            self.changed()

    async def _seen(self, trial: Kept) -> Interface | None:
        """The interface now; None: nobody tells."""
        await self.look()
        return next((each for each in self._view.interfaces if each.name == trial.interface), None)

    def _judged(self, one: Interface | None, began_s: float, coming_s: float) -> str | None:
        """Why it is to end now; None: it goes on. `coming_s`: when it was last up or on its way."""
        now_s = _now_s()
        if not self._up and one is not None and one.online:
            self._up, self._due_s = True, now_s + self._trial_s
        if not self._up and (now_s - coming_s > DOWN_S or now_s - began_s > UP_S):
            return "not_up"
        return "not_kept" if now_s >= self._due_s else None

    async def _keep(self, by: str, reached_at: str) -> None:
        async with self._one:
            trial = self._running()
            one = await self._interface(trial.interface)
            if not self._up or not one.online:
                raise ContractError("not_up", "the interface is not up yet; wait a moment")
            if not reached_over(reached_at, one):
                raise ContractError("not_over_new", "open this page at the new address and keep it there")
            kept = replace(trial, phase=KEEPING)
            await self._record("network_kept", kept, by)
            self._trial, self._view = None, replace(self._view, ended="kept")
            try:
                await self._make_hold(kept)
            except (NetworkTrouble, StoreRefused):
                self._work.set()  # decided and on record: it is done as soon as the daemon lets it
                raise
        await self.look()
        self.changed()

    async def _end(self, trial: Kept, reason: str, by: str | None = None) -> None:
        """Back to what was, and say so."""
        try:
            await self._put_back(trial)
            await self._record("network_undone", trial, by or trial.by, reason, done=True)
        except (NetworkTrouble, StoreRefused) as exc:
            log.warning("network not put back yet", extra={"code": exc.code, "cause": str(exc)})
            self._trial, self._view = None, replace(self._view, ended="pending")
            self._work.set()
        else:
            log.info("network settings put back", extra={"reason": reason})
            self._trial, self._view = None, replace(self._view, ended=reason)
        self.changed()

    async def _take_up(self) -> None:
        """What the store remembers, without a trial that runs."""
        text = await self._noted()
        if text is None:
            return
        try:
            trial = Kept.from_text(text)
        except (ValueError, TypeError, KeyError):
            log.error("trial of the network not readable; nothing is done")  # noqa: TRY400 - it may be damage
            await self._forget()
            return
        if trial.phase == KEEPING:
            await self._make_hold(trial)
        else:
            await self._put_back(trial)
            await self._record("network_undone", trial, trial.by, "interrupted", done=True)
            self._view = replace(self._view, ended="interrupted")
        self.changed()

    async def _put_back(self, trial: Kept) -> None:
        if trial.boot != self._boot:
            return  # the machine has started anew: what was tried is gone with its memory
        with contextlib.suppress(NetworkTrouble):  # the daemon was restarted, or has gone back by itself
            await (await self._daemon()).roll_back(trial.checkpoint)
        before = Ipv4.from_text(trial.before)
        one = await self._interface(trial.interface)
        if one.configured != before:
            await (await self._daemon()).put(one, before, durable=True)

    async def _make_hold(self, trial: Kept) -> None:
        wanted = Ipv4.from_text(trial.wanted)
        if await (await self._daemon()).holds(trial.checkpoint):
            await (await self._daemon()).keep(trial.checkpoint)
        one = await self._interface(trial.interface)
        if one.configured == wanted:
            await (await self._daemon()).save(one)
        else:
            await (await self._daemon()).put(one, wanted, durable=True)
        await self._forget()
        log.info("network settings kept", extra={"interface": trial.interface})

    async def _record(
        self, what: str, trial: Kept, by: str, reason: str | None = None, *, done: bool = False
    ) -> None:
        data: dict[str, Json] = {
            "what": what, "name": trial.interface, "role": None, "source": None, "by": by, "via": trial.via,
            "uid": trial.uid, "settings": Ipv4.from_text(trial.wanted).told(), "reason": reason,
        }  # fmt: skip
        fact = Fact("audit.config_changed", self._subject, data, restricted=False)
        await self._records.store([fact], "gateway", notes={TRIAL: None if done else trial.as_text()})

    async def _daemon(self) -> Daemon:
        if self._loaded is None:
            self._loaded = await asyncio.to_thread(self._load)
        return self._loaded

    def _running(self) -> Kept:
        if self._trial is None:
            raise ContractError("no_trial", "nothing is being tried; it was undone, or kept already")
        return self._trial

    async def _interface(self, name: str) -> Interface:
        one = next((each for each in await (await self._daemon()).interfaces() if each.name == name), None)
        if one is None:
            raise NetworkTrouble("unknown_interface", f"there is no wired interface {name}")
        return one


def reached_over(reached_at: str, one: Interface) -> bool:
    """At an address that the interface has now; or at this machine itself, where nobody can be locked out."""
    try:
        number = ipaddress.ip_address(reached_at)
    except ValueError:
        return False
    number = getattr(number, "ipv4_mapped", None) or number
    return number.is_loopback or number in {each.ip for each in one.addresses}


def _now_s() -> float:
    return asyncio.get_running_loop().time()


async def _to_its_end(work: Awaitable[None], name: str) -> None:
    """Whoever asked for it may be gone: with a new address he is."""

    async def carry_out() -> None:
        await work

    await asyncio.shield(asyncio.get_running_loop().create_task(carry_out(), name=name))


def network_manager() -> Daemon:
    """Loaded when somebody asks for the network: a few MB that few boxes need in months."""
    from gateway.network.daemon import NetworkManager

    return NetworkManager()
