"""A gateway that is killed again and again while people come and go: presence, from what is heard to the disk.

    python -m tests.gateway.presence_lives FOLDER SEED

Each life is a process of its own (a fork, for the sake of the seconds that imports take), which opens the store as
it was left, listens, and ends by SIGKILL at a moment drawn from SEED. The people do not wait meanwhile: the next life
begins some seconds later in the same story. Two of three lives are to die within the second in which somebody is
due: before, over or after the commit. Prints how many lives there were.
"""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path

from drivers.listening import BeaconRules
from tests.gateway.test_tracking_presence_desk import BAND, OTHER, at_work

RULES = BeaconRules(left_after_s=8.0, calm_s=5.0)
VISIT_S, VISITS = 60, 5  # the second person: so long near, so long away
END_S = 2 * VISIT_S * VISITS
LIFE_S = (12, 28)  # seconds of the story, longer than it takes to be gone
COMMIT_S = 0.004  # about as long as the commit takes: the kill comes before, over or after it


def near(second: int) -> tuple[str, ...]:
    """Who is heard in this second of the story: the first person always."""
    return (BAND, OTHER) if second % (2 * VISIT_S) < VISIT_S else (BAND,)


async def live(folder: Path, second: int, asked: int, told: int) -> None:
    """Listen from this second on, for one each time that it is asked to, and tell when it was taken."""
    async with at_work(folder) as room:
        room.rules = RULES
        while os.read(asked, 1):
            await room.listen(1, *near(second))
            second += 1
            os.write(told, b".")


def one_life(folder: Path, second: int, dice: random.Random) -> int:
    """From this second until it is killed, or the story ends; the second after it."""
    asked, ask = os.pipe()
    hear, told = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(ask)
        os.close(hear)
        asyncio.run(live(folder, second, asked, told))
        os._exit(0)
    os.close(asked)
    os.close(told)
    last = last_second(second, dice)
    while second < last:
        os.write(ask, b".")
        if not os.read(hear, 1):
            raise RuntimeError("a life ended by itself")
        second += 1
    if last < END_S:
        os.write(ask, b".")
        time.sleep(dice.random() * COMMIT_S)
        os.kill(pid, signal.SIGKILL)
    for end in (ask, hear):
        os.close(end)
    os.waitpid(pid, 0)
    return second + 1


def last_second(second: int, dice: random.Random) -> int:
    """When it will be killed: most often when somebody is due, the third time that he is heard or the eighth not."""
    last = second + dice.randint(*LIFE_S)
    if dice.random() < 2 / 3:
        last = max(last - last % VISIT_S + dice.choice((2, 7, 8)), second + LIFE_S[0])
    return min(last, END_S)


def main() -> None:
    folder, dice = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
    second, lives = 0, 0
    while second < END_S:
        second = one_life(folder, second, dice)
        lives += 1
        second += dice.randint(0, 2)
    sys.stdout.write(f"{lives}\n")


if __name__ == "__main__":
    main()
