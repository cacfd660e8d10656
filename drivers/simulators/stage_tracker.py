"""What can happen to a simulated wearable: it moves, its strap, its battery, an alarm. Words: README.md."""

from drivers.simulators.script import Act, Words
from drivers.simulators.stage import Socket, Stage, fault_word, unplug_word
from drivers.simulators.step import Step
from drivers.simulators.tracker import Part, SimulatedTracker
from drivers.simulators.tracker_families import FAULTS
from drivers.simulators.wire import Port
from firmware_protocols.tracking import Sign

OFF, ON = "off", "on"


def tracker_stage(kind: str, tracker: SimulatedTracker, port: Port) -> Stage:
    """Of any family; what its frames cannot say, its scripts cannot either."""
    socket = Socket(tracker, port)
    parts = {str(part): part for part in Part}
    return Stage(
        kind,
        {
            **_moving(tracker),
            **(_strap(tracker) if tracker.terminal.tells_strap else {}),
            **fault_word(tracker.faults, FAULTS, parts, str(Part.RECORD)),
            **unplug_word(socket),
        },
        socket.serve,
        kept=lambda: len(tracker.kept),
    )


def _moving(tracker: SimulatedTracker) -> Words:
    def fix(step: Step) -> Act:
        lat, lon = step.place("fix")
        speed_kmh = step.number("speed_kmh", least=0, most=250, default=0)
        course = step.number("course", least=0, most=359, default=0)
        valid = step.flag("valid", default=True)

        async def move() -> None:
            tracker.lat, tracker.lon = lat, lon
            tracker.speed_kmh, tracker.course, tracker.valid = speed_kmh, course, valid
            tracker.take_fix()

        return move

    def alarm(step: Step) -> Act:
        signs = {sign.name.lower(): sign for sign in tracker.terminal.says - {Sign.STRAP_OPEN}}
        sign = signs[step.word("alarm", signs)]

        async def tell() -> None:
            tracker.take_fix(moments={sign})

        return tell

    def battery(step: Step) -> Act:
        pct = step.whole("battery", least=0, most=100)

        async def run_down() -> None:
            tracker.battery_pct = pct
            tracker.beat()

        return run_down

    return {"fix": fix, "alarm": alarm, "battery": battery}


def _strap(tracker: SimulatedTracker) -> Words:
    def strap(step: Step) -> Act:
        worn = step.word("strap", (OFF, ON)) == ON

        async def put() -> None:
            tracker.worn = worn
            says_moment = not worn and Sign.STRAP_OPEN in tracker.terminal.says
            tracker.take_fix(moments={Sign.STRAP_OPEN} if says_moment else ())

        return put

    return {"strap": strap}
