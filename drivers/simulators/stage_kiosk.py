"""A kiosk's two devices in one script: what both know, says `at` which of them it happens."""

import asyncio
from collections.abc import Mapping

from drivers.simulators.script import Act, Word, Words
from drivers.simulators.stage import Stage
from drivers.simulators.step import Step


def kiosk_stage(devices: Mapping[str, Stage]) -> Stage:
    """Of several devices, by the names that `at` gives them."""
    words: dict[str, Word] = {}
    for stage in devices.values():
        words.update(stage.words)
    for word in words:
        knowing = {name: stage.words for name, stage in devices.items() if word in stage.words}
        if len(knowing) > 1:
            words[word] = _at(word, knowing)

    async def serve() -> None:
        async with asyncio.TaskGroup() as group:
            for stage in devices.values():
                group.create_task(stage.serve(), name=f"simulated {stage.kind}")

    return Stage("kiosk", words, serve)


def _at(word: str, knowing: Mapping[str, Words]) -> Word:
    def happen(step: Step) -> Act:
        return knowing[step.word("at", knowing)][word](step)

    return happen
