"""A kiosk over a store that was salvaged: nobody is told that something counts of which nothing is left."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.checkin.facts import Outcome
from gateway.checkin.purposes import Purpose
from gateway.checkin.session import Stage
from tests.gateway.kiosk_world import ANNA, World, world


async def check_in(here: World) -> None:
    here.kiosk().touch(Purpose.REPORT)
    here.lay(ANNA)
    await here.stage(Stage.PROVING)
    here.modules["finger-1"].present(ANNA)
    await here.stage(Stage.SHOWN)


@pytest.mark.parametrize("lost", [False, True])
async def test_an_ending_that_a_salvage_lost_is_not_told_again(tmp_path: Path, *, lost: bool) -> None:
    async with world(tmp_path) as here:
        await check_in(here)
        await here.kill()
    if lost:
        with closing(sqlite3.connect(tmp_path / "events.db")) as db, db:
            db.execute("UPDATE event SET hash = zeroblob(32) WHERE n = (SELECT max(n) FROM event)")
    (tmp_path / "events.db.suspect").write_text("a test\n")
    async with world(tmp_path) as here:
        if not lost:
            await here.stage(Stage.SHOWN)
            shown = here.kiosk().view.shown
            assert shown is not None
            assert shown.outcome is Outcome.COMPLETED, "control: what is on disk is told"
            return
        here.lay(ANNA)
        await here.stage(Stage.CHOOSING)  # the kiosk works
        assert [kind for kind, _ in await here.events() if kind == "checkin.completed"] == []
        assert here.kiosk().endings._of == {}, "nothing counts, so nothing is told"
