"""What holds for every file: it says what it is, stays small, links to what exists, names no foreign place."""

import ast
import re
import subprocess
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from drivers.registry import REGISTRY, driver_type

ROOT = Path(__file__).parents[2]
LONGEST = 450  # lines; a table may be longer, logic may not
TEXT = {
    ".py",
    ".md",
    ".toml",
    ".lock",
    ".in",
    ".sh",
    ".service",
    ".conf",
    ".rules",
    ".html",
    ".js",
    ".css",
    "",
}


def tracked(*suffixes: str) -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [
        ROOT / name
        for name in names.splitlines()
        if (ROOT / name).suffix in suffixes and (ROOT / name).exists()
    ]


@pytest.fixture(scope="module", autouse=True)
def _in_a_checkout() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not run: not a git checkout")


def test_every_module_says_what_it_is() -> None:
    silent = [path for path in tracked(".py") if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_source_files_stay_small() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in tracked(".py")
        if "tests" not in path.parts and (count := len(path.read_text().splitlines())) > LONGEST
    }
    assert long == {}


def test_lock_files_name_no_registry_and_hash_everything() -> None:
    for path in tracked(".lock"):
        text = path.read_text()
        assert not re.search(r"https?://|index-url|find-links", text), path.name
        pinned = re.findall(r"^[A-Za-z0-9_.-]+==", text, re.MULTILINE)
        assert len(pinned) > 10
        for block in re.split(r"\n(?=[A-Za-z0-9])", text.strip()):
            assert "--hash=sha256:" in block, block.splitlines()[0]


def test_the_locks_hold_what_the_project_asks_for() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {
        "runtime": project["dependencies"],
        "demo": project["dependencies"] + project["optional-dependencies"]["demo"],
        "dev": project["dependencies"] + project["optional-dependencies"]["dev"],
    }
    versions: dict[str, set[str]] = {}
    for name, requirements in wanted.items():
        text = (ROOT / "requirements" / f"{name}.lock").read_text().lower()
        for requirement in requirements:
            package = re.split(r"[<>=;\[ ]", requirement)[0].lower()
            assert f"\n{package}==" in f"\n{text}", f"{package} is not in {name}.lock: make lock"
        for pin in re.findall(r"^([a-z0-9_.-]+)==([^ ;\\]+)", text, re.MULTILINE):
            versions.setdefault(pin[0], set()).add(pin[1])
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_links_of_the_documents_lead_somewhere() -> None:
    dead = [
        f"{path.relative_to(ROOT)} -> {target}"
        for path in tracked(".md")
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text())
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert dead == []


def test_the_readme_names_commands_that_exist() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for name in ("README.md", "README.zh.md", "CONTRIBUTING.md"):
        for command in re.findall(r"^make ([a-z-]+)", (ROOT / name).read_text(), re.MULTILINE):
            assert command in targets, f"{name}: make {command}"


def test_no_driver_can_ask_for_a_fingerprint() -> None:
    for path in (ROOT / "drivers").rglob("*.py"):
        if "simulators" not in path.parts:
            text = path.read_text()
            assert "READ_CARD_WITH_FINGERPRINT" not in text, path
            assert "with_fingerprint" not in text, path


def test_every_registered_kind_of_device_has_its_driver() -> None:
    for kind in REGISTRY:
        assert callable(driver_type(kind).build)


def test_the_three_names_are_ours_alone() -> None:
    """Another distribution with a package of one of these names would overwrite ours."""
    owners = packages_distributions()
    for name in ("gateway", "drivers", "firmware_protocols"):
        assert set(owners.get(name, ["zhijiao-gateway"])) == {"zhijiao-gateway"}, name


MARKS = {"e2e": "tests/e2e", "ui": "tests/ui", "drill": "tests/drills"}


@pytest.mark.parametrize("mark", MARKS)
def test_a_marked_test_lies_in_its_folder_and_none_there_is_unmarked(mark: str) -> None:
    """The parts of `make test` go by folder: what lay elsewhere would run nowhere, or at the wrong time."""
    written = re.compile(rf"^pytestmark = .*pytest\.mark\.{mark}\b", re.MULTILINE)
    files = [one for one in tracked(".py") if one.name.startswith("test_")]
    marked = {one for one in files if re.search(rf"pytest\.mark\.{mark}\b", one.read_text(encoding="utf-8"))}
    wholly = {one for one in files if written.search(one.read_text(encoding="utf-8"))}
    inside = {one for one in files if one.is_relative_to(ROOT / MARKS[mark])}
    assert marked - inside - {Path(__file__)} == set()
    assert inside - wholly == set()
