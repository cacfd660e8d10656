"""What is lost: killed again and again with nobody to send to, and on a line that falls silent."""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.bench.ours import OurGateway
from tests.bench.plan import BRIDGE, NAIVE, OURS, TB_MQTT, TB_SERIAL, Plan, side_by_side
from tests.bench.report import NOT_RUN, Row, fact
from tests.bench.rig import Rig

KILLS = 10
RATE = 100.0  # events/s
SILENT_S = 30.0
SILENT_RATE = 50.0
KEEPALIVE_S = 10
HEAL_S = 90.0
READY_S = 60.0
_PLACE = re.compile(rb'"sequence":"(\d{16})","source":"[^"]*/e/([0-9a-f]{8})"')


@dataclass(frozen=True, slots=True)
class Loss:
    """What a drill came to."""

    taken: int  # confirmed to somebody; on a serial line of a peer, read
    lost: int
    note: str = ""

    def __str__(self) -> str:
        return f"{self.lost} of {self.taken} ({self.lost / max(1, self.taken):.0%}){self.note}"


def kill9(plan: Plan) -> list[Row]:
    """`kill -9` ten times at 100 events/s, nobody to send to; then the line comes back."""
    names = plan.there(OURS, TB_MQTT, BRIDGE, NAIVE)
    work: dict[str, Callable[[], Loss]] = {name: partial(_kill, plan, name) for name in names}
    return _rows(f"kill -9 x{KILLS}, nobody to send to: lost", side_by_side(work, plan.say))


def silent(plan: Plan) -> list[Row]:
    """A line that stays up and carries nothing for 30 s."""
    names = plan.there(OURS, TB_MQTT, BRIDGE)
    noticed: list[float] = []
    work: dict[str, Callable[[], Loss]] = {name: partial(_silence, plan, name, noticed) for name in names}
    losses = side_by_side(work, plan.say)
    most = 1.5 * KEEPALIVE_S
    return [
        *_rows(f"line silent for {SILENT_S:.0f} s: lost", losses),
        Row(
            measure=f"silence noticed (keep-alive {KEEPALIVE_S} s)",
            ours=f"{noticed[0]:.1f} s" if noticed else "not noticed",
            goal=f"<= {most:g} s",
            ok=bool(noticed) and noticed[0] <= most,
        ),
    ]


def _rows(measure: str, losses: dict[str, Loss]) -> list[Row]:
    ours = losses[OURS]
    peers = [name for name in losses if name != OURS]
    first = f"{TB_MQTT}: {losses.get(TB_MQTT, NOT_RUN)}"
    rows = [Row(measure=measure, ours=str(ours), peer=first, goal="0", ok=ours.lost == 0)]
    return rows + [
        fact("", "", f"{name}: {losses[name]}") for name in peers if name not in (TB_MQTT, TB_SERIAL)
    ]


def _kill(plan: Plan, name: str) -> Loss:
    chance = random.Random(1)
    system = OurGateway(plan.fresh(), receipts=True) if name == OURS else plan.make(name)
    with Rig(plan.fresh(), system, line=True) as rig:
        rig.warm()
        rig.line("down")
        time.sleep(1)
        read: set[int] = set()
        for _ in range(KILLS):
            sent = rig.source.send(seconds=chance.uniform(1, 3), rate=RATE)
            system.kill()
            unread = rig.source.forget_unread()
            read |= set(sent[: len(sent) - unread])
            rig.start()
            _until_ready(rig)
        rig.line("up")
        if isinstance(system, OurGateway):
            return _loss_of_ours(rig, system, read)
        taken = rig.source.confirmed or read
        return Loss(len(taken), len(rig.wait_for(taken, HEAL_S)))


def _until_ready(rig: Rig) -> None:
    end = time.monotonic() + READY_S
    while not rig.source.ready(rig.system.pid):
        if time.monotonic() > end:
            raise RuntimeError(f"{rig.system.name}: takes nothing {READY_S:g} s after its start")
        time.sleep(0.01)
    time.sleep(0.5)  # the connector may be there before what stands behind it


def _loss_of_ours(rig: Rig, system: OurGateway, read: set[int]) -> Loss:
    """Confirmed is what the receipts say: COMMIT returned. What was read and not confirmed is said."""
    confirmed = {(receipt.epoch, receipt.seq) for receipt in system.receipts()}
    end, missing = time.monotonic() + HEAL_S, confirmed
    while missing and time.monotonic() < end:
        rig.wait(0.2)
        missing = confirmed - {_place(message) for message in rig.arrivals.messages}
    system.verify(rig.arrivals.messages)
    unconfirmed = len(read - rig.arrivals.at.keys())
    return Loss(len(confirmed), len(missing), f"; {unconfirmed} in the midst of a kill, confirmed to nobody")


def _place(message: bytes) -> tuple[str, int]:
    found = _PLACE.search(message)
    if found is None:
        raise ValueError("an event without a place")
    return found[2].decode(), int(found[1])


def _silence(plan: Plan, name: str, noticed: list[float]) -> Loss:
    ours = OurGateway(plan.fresh(), uplink=f"keepalive_s = {KEEPALIVE_S}") if name == OURS else None
    system = ours or plan.make(name)
    with Rig(plan.fresh(), system, line=True) as rig:
        rig.warm()
        sent = set(rig.source.send(seconds=3, rate=SILENT_RATE))
        rig.wait(0.5)
        since = ours.log.stat().st_size if ours else 0
        rig.line("silent")
        began = time.time()
        sent |= set(rig.source.send(seconds=SILENT_S, rate=SILENT_RATE))
        if ours and (said := ours.said("uplink offline", since)) is not None:
            noticed.append(said - began)
        rig.line("down")
        time.sleep(1)
        rig.line("up")
        sent |= set(rig.source.send(seconds=3, rate=SILENT_RATE))
        taken = (sent & rig.source.confirmed) if rig.source.confirmed else sent
        return Loss(len(taken), len(rig.wait_for(taken, HEAL_S)))
