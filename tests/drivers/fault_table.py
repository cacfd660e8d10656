"""Each way a reply can be spoilt, and exactly what the gateway must hear of it. Played on memory and on ptys."""

from dataclasses import dataclass

from drivers.events import CardRead, CardRefused
from drivers.simulators.cards import cards
from drivers.simulators.faults import Fault, FaultKind
from drivers.simulators.idcard import SPOILING
from firmware_protocols.idcard_sam.commands import Command
from firmware_protocols.idcard_sam.text_block import CardLayout
from tests.drivers.bench import Bench

CARD = next(cards(seed=11, layouts=[CardLayout.RESIDENT]))
RECORD_FRAME = 1295  # bytes of the reply that carries a card
HEADER = 7


@dataclass(frozen=True)
class FaultCase:
    """`reason` None: the card is read all the same. `noise`: bytes by reason; "*" where the split may differ."""

    kind: FaultKind
    on: Command
    reason: str | None
    length: int | None = None
    noise: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} on {self.on.value}"


FAULTS = (
    FaultCase(FaultKind.NOISE_BEFORE, Command.SAM_STATUS, None, noise=(("noise", len(SPOILING.noise)),)),
    FaultCase(FaultKind.NOISE_BEFORE, Command.FIND_CARD, None, noise=(("noise", len(SPOILING.noise)),)),
    FaultCase(FaultKind.NOISE_BEFORE, Command.READ_CARD, None, noise=(("noise", len(SPOILING.noise)),)),
    FaultCase(
        FaultKind.NOISE_INSIDE,
        Command.READ_CARD,
        "frame",
        RECORD_FRAME + len(SPOILING.noise),
        (("*", RECORD_FRAME + len(SPOILING.noise)),),
    ),
    FaultCase(
        FaultKind.CUT, Command.READ_CARD, "frame", RECORD_FRAME // 2, (("truncated", RECORD_FRAME // 2),)
    ),
    FaultCase(FaultKind.CUT, Command.SELECT_CARD, "frame", 9, (("truncated", 9),)),
    FaultCase(FaultKind.CUT, Command.FIND_CARD, None, noise=(("truncated", 7),)),
    FaultCase(FaultKind.CHECKSUM, Command.READ_CARD, "frame", RECORD_FRAME, (("checksum", RECORD_FRAME),)),
    FaultCase(FaultKind.CHECKSUM, Command.SAM_ID, None, noise=(("checksum", 27),)),
    FaultCase(FaultKind.MUTE, Command.SELECT_CARD, "no_reply"),
    FaultCase(FaultKind.MUTE, Command.READ_CARD, "no_reply"),
    FaultCase(
        FaultKind.HUGE,
        Command.READ_CARD,
        "frame",
        RECORD_FRAME,
        (("length", HEADER), ("noise", RECORD_FRAME - HEADER)),
    ),
    FaultCase(FaultKind.TWICE, Command.READ_CARD, None, noise=(("unsolicited", RECORD_FRAME),)),
    FaultCase(FaultKind.LATE, Command.FIND_CARD, None, noise=(("unsolicited", 15),)),
)


async def check_fault(bench: Bench, case: FaultCase) -> None:
    """Spoil one reply while a card lies there; then the next person's card is read as if nothing had been."""
    bench.reader.faults.add(Fault(case.kind, case.on))
    bench.reader.present(CARD)
    await bench.until_events(1)
    (event,) = bench.host.events
    if case.reason is None:
        assert isinstance(event, CardRead)
    else:
        assert isinstance(event, CardRefused)
        assert (event.reason, event.status, event.length) == (case.reason, None, case.length)
        assert (event.sha256 is not None) == (case.length is not None and case.length >= 1024)
    bench.reader.lift()
    await bench.until_looked(4)
    bench.reader.present(next(cards(seed=12)))
    await bench.until_events(2)
    assert isinstance(bench.host.events[1], CardRead)
    if case.noise and case.noise[0][0] == "*":
        assert bench.host.noises.total() == case.noise[0][1]
    else:
        assert bench.host.noises == dict(case.noise)
