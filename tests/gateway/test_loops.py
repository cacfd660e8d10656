"""The loop of the long-running commands: uvloop where it is there, asyncio's own where it is not."""

import asyncio
import sys
from importlib import reload

import pytest

from gateway import loops


async def kind() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_the_loop_in_c_is_used_where_it_is_installed() -> None:
    assert loops.run(kind()).startswith("uvloop")


def test_without_it_everything_runs_on_asyncio_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)  # as if it were not installed
    try:
        reload(loops)
        assert loops.run(kind()).startswith("asyncio")
    finally:
        monkeypatch.undo()
        reload(loops)


def test_what_the_program_raises_comes_out() -> None:
    async def fail() -> None:
        raise LookupError("out")

    with pytest.raises(LookupError, match="out"):
        loops.run(fail())
