"""A number of inputs against one family, and several families at a time."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.fuzz.families import Part, parts_of
from tests.fuzz.trial import Count, Violation

KEPT_VIOLATIONS = 20  # of a family; what is broken once is broken often


@dataclass(slots=True)
class Found:
    """One input that broke something."""

    part: str
    number: int
    what: str
    hex: str

    def __str__(self) -> str:
        return f"{self.part} input {self.number}: {self.what}\n    {self.hex}"


@dataclass(slots=True)
class Result:
    """What came of a family."""

    family: str
    count: Count = field(default_factory=Count)
    seconds: float = 0.0
    violations: list[Found] = field(default_factory=list)

    @property
    def line(self) -> str:
        count = self.count
        speed = count.inputs / self.seconds if self.seconds else 0.0
        return (
            f"{self.family:<16}{count.inputs:>10}{count.frames:>10}{count.discarded:>10}{count.errors:>10}"
            f"{speed:>9.0f}/s"
        )


HEAD = f"{'family':<16}{'inputs':>10}{'frames':>10}{'noise':>10}{'errors':>10}{'':>11}"


def fuzz(family: str, inputs: int, seed: int) -> Result:
    """`inputs` of them in all, its decoders and its describer in turn."""
    return fuzz_parts(family, parts_of(family, seed), inputs)


def fuzz_parts(family: str, parts: Sequence[Part], inputs: int) -> Result:
    """The same with decoders that are given."""
    result, began = Result(family), time.process_time()
    for number in range(inputs):
        part = parts[number % len(parts)]
        one = part.inputs.make(number)
        try:
            part.trial.run(one, number // len(parts), result.count)
        except Violation as exc:
            result.count.inputs += 1
            result.violations.append(Found(part.name, number, str(exc), one.hex))
            if len(result.violations) >= KEPT_VIOLATIONS:
                break
    result.seconds = time.process_time() - began
    return result


def fuzz_all(families: Sequence[str], inputs: int, seed: int, *, workers: int) -> Iterator[Result]:
    """In the order in which they were named, each as soon as it and those before it are done."""
    if workers == 1:
        yield from (fuzz(family, inputs, seed) for family in families)
        return
    with ProcessPoolExecutor(min(workers, os.cpu_count() or 1)) as pool:
        jobs = [pool.submit(fuzz, family, inputs, seed) for family in families]
        yield from (job.result() for job in jobs)
