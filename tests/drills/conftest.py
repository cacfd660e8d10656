"""What every drill needs: its size, one line with its counts at the end, and an honest count of what did not run."""

import os
from collections.abc import Callable, Generator

import pytest

LINES = pytest.StashKey[list[str]]()
NOT_RUN = "not run: "


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LINES] = []


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say the drill's counts; printed below the results, captured or not."""
    lines = request.config.stash[LINES]
    return lambda line: lines.append(f"{request.node.name}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if report.nodeid.startswith("tests/drills/")
    ]
    if not (config.stash[LINES] or skipped):
        return
    terminalreporter.section("drills")
    for line in config.stash[LINES]:
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"drills not run on this machine: {len(skipped)}")
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.write_line(f"  {report.nodeid}: {reason}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI_FULL=1 a drill that cannot run is a failure."""
    report = yield
    if report.skipped and os.environ.get("CI_FULL") == "1" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"CI_FULL=1 and {NOT_RUN}{report.longrepr}"
    return report
