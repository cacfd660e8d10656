"""drivers/README.md, "Adding a device", done: in a copy of the packages, with no file changed but those it names.

The smallest family and kind there are lie in `adding/` as they would lie in the packages.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDING = Path(__file__).with_name("adding")
MODEL = {"firmware_protocols/jt808/models.py": '        "door-band": Model({0: Sign.DOOR}, MOMENTS),\n'}
FAMILY = {"firmware_protocols/families.py": '        "tally": "firmware_protocols.tally.describe",\n'}
KIND = {"drivers/registry.py": '        "tally.hand": "drivers.tally_counter:TallyCounter",\n'}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages, and the tests' own helpers."""
    for name in ("drivers", "firmware_protocols"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests" / "drivers").mkdir(parents=True)
    for helper in ("tests/devices_table.py", "tests/drivers/bench.py"):
        shutil.copy(ROOT / helper, tmp_path / helper)
    return tmp_path


def add_files(copy: Path, *folders: str) -> list[str]:
    """Those of `adding/`; which they were."""
    found = [one for folder in folders for one in sorted((ADDING / folder).rglob("*.py.txt"))]
    for one in found:
        place = copy / one.relative_to(ADDING).with_suffix("")
        place.parent.mkdir(exist_ok=True)
        shutil.copy(one, place)
    return [one.stem for one in found]


def add_lines(copy: Path, lines: Mapping[str, str]) -> None:
    """At the end of the last table of each file."""
    for name, line in lines.items():
        text = (copy / name).read_text("utf-8")
        head, end, tail = text.rpartition("    }\n)")
        assert end, f"{name} has no table"
        (copy / name).write_text(head + line + end + tail, "utf-8")


def prove(copy: Path, what: str) -> subprocess.CompletedProcess[str]:
    """Run the proof in the copy; nothing of this checkout is imported there."""
    program = (ADDING / f"prove_{what}.py.txt").read_text("utf-8")
    guard = "import drivers, os; assert drivers.__file__.startswith(os.getcwd()), drivers.__file__\n"
    return subprocess.run(
        [sys.executable, "-c", guard + program],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_model_is_one_line_of_one_file(copy: Path) -> None:
    add_lines(copy, MODEL)
    told = prove(copy, "model")
    assert told.stdout == "listed, configured, decoded, served\n", told.stderr


def test_a_family_is_its_folder_and_one_line(copy: Path) -> None:
    assert add_files(copy, "firmware_protocols") == ["__init__.py", "describe.py", "frames.py"]
    add_lines(copy, FAMILY)
    told = prove(copy, "family")
    assert told.stdout == "listed, decoded, explained\n", told.stderr


def test_a_kind_is_a_driver_a_far_end_and_one_line(copy: Path) -> None:
    add_files(copy, "firmware_protocols")
    assert add_files(copy, "drivers") == ["tally.py", "tally_counter.py"]
    add_lines(copy, KIND)
    told = prove(copy, "kind")
    assert told.stdout == "listed, configured, served\n", told.stderr


@pytest.mark.parametrize("what", ["model", "family", "kind"])
def test_without_its_lines_it_is_not_there(copy: Path, what: str) -> None:
    add_files(copy, "firmware_protocols", "drivers")
    assert prove(copy, what).returncode != 0


def test_the_guide_names_every_file_that_is_touched() -> None:
    guide = (
        (ROOT / "drivers" / "README.md")
        .read_text("utf-8")
        .split("## Adding a device", 1)[1]
        .split("\n## ", 1)[0]
    )
    for name in (*MODEL, *FAMILY, *KIND):
        assert name in guide
