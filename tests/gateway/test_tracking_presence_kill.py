"""kill -9, again and again, over the coming and going of two people: nothing is lost, invented or told twice."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.gateway.presence_lives import RULES, VISITS
from tests.gateway.test_tracking_presence_desk import BAND, OTHER, at_work


def lived(folder: Path, seed: int) -> int:
    """Play the story; how many lives it took."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.gateway.presence_lives", folder, str(seed)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def story(folder: Path) -> dict[str, list[str]]:
    """What the disk says of each of them."""
    told: dict[str, list[str]] = {"p-1": [], "p-2": []}
    with sqlite3.connect(folder / "events.db") as db:
        for (wire,) in db.execute("SELECT wire FROM event ORDER BY n"):
            event = json.loads(wire)
            if event["type"].startswith("cn.zhijiao.presence."):
                told[event["subject"].rpartition("/")[2]].append(event["type"].rpartition(".")[2])
    return told


def test_over_any_kill_each_coming_and_going_is_told_once(tmp_path: Path) -> None:
    lives = lived(tmp_path, seed=1)
    assert lives > 2 * VISITS, "killed more often than anybody came or went"
    assert story(tmp_path) == {"p-1": ["entered"], "p-2": ["entered", "left"] * VISITS}


async def test_it_would_be_seen_where_nothing_is_kept_beside_the_events(tmp_path: Path) -> None:
    """The control: one life forgets who was near, and the next tells again of somebody who stayed."""
    for _ in range(2):
        async with at_work(tmp_path, clean=False) as room:
            room.rules = RULES
            await room.listen(5, BAND, OTHER)
        with sqlite3.connect(tmp_path / "events.db") as db:
            assert db.execute("DELETE FROM state WHERE key LIKE 'here:%'").rowcount == 2
    assert await asyncio.to_thread(story, tmp_path) == {"p-1": ["entered"] * 2, "p-2": ["entered"] * 2}
