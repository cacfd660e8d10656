"""The final table: one row per measure, ours beside a peer of the same minute, and what was aimed at."""

import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line. `ok` is None where nothing is aimed at or the peer did not run."""

    measure: str
    ours: str
    peer: str = ""
    ratio: str = ""
    goal: str = ""
    ok: bool | None = None


def at_most(measure: str, ours: float, peer: float | None, share: float, *, unit: str, peer_name: str) -> Row:
    """Ours shall be at most this share of the peer's."""
    return _against(measure, ours, peer, share, unit=unit, peer_name=peer_name, most=True)


def at_least(
    measure: str, ours: float, peer: float | None, share: float, *, unit: str, peer_name: str
) -> Row:
    """Ours shall be at least this share of the peer's."""
    return _against(measure, ours, peer, share, unit=unit, peer_name=peer_name, most=False)


def limit(measure: str, ours: float, most: float, *, unit: str, beside: str = "") -> Row:
    """Ours shall be at most so much."""
    return Row(
        measure=measure, ours=_figure(ours, unit), peer=beside, goal=f"<= {most:g} {unit}", ok=ours <= most
    )


def fact(measure: str, ours: str, peer: str = "") -> Row:
    """A figure without a goal."""
    return Row(measure=measure, ours=ours, peer=peer)


def _against(
    measure: str, ours: float, peer: float | None, share: float, *, unit: str, peer_name: str, most: bool
) -> Row:
    goal = f"{'<=' if most else '>='} {share:g} x"
    if not peer:
        return Row(measure=measure, ours=_figure(ours, unit), peer=f"{peer_name}: {NOT_RUN}", goal=goal)
    ratio = ours / peer
    return Row(
        measure=measure,
        ours=_figure(ours, unit),
        peer=f"{peer_name}: {_figure(peer, unit)}",
        ratio=f"{ratio:.3g}",
        goal=goal,
        ok=ratio <= share if most else ratio >= share,
    )


def _figure(value: float, unit: str) -> str:
    if value >= 100:
        return f"{value:,.0f} {unit}"
    return f"{value:.{2 if value < 10 else 1}f} {unit}"


def table(rows: Sequence[Row]) -> str:
    """As a Markdown table whose columns also line up in a terminal."""
    cells = [("measure", "ours", "peer", "ratio", "goal", "ok")]
    for row in rows:
        verdict = {True: "yes", False: "NO", None: ""}[row.ok]
        cells.append((row.measure, row.ours, row.peer, row.ratio, row.goal, verdict))
    widths = [max(len(line[column]) for line in cells) for column in range(6)]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def conditions(fsync: float, folder: Path) -> str:
    """Date, machine and versions, as the head of the table."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith(("model name", "Model"))
        ),
        platform.machine(),
    )
    disk = subprocess.run(
        ["df", "--output=fstype,source", folder], capture_output=True, text=True, check=False
    )
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("paho-mqtt", "peewee", "cryptography", "fastapi", "pyserial")
    )
    now = dt.datetime.now(dt.UTC)
    return "\n".join(
        [
            f"date      {now:%Y-%m-%d %H:%M} UTC, load {os.getloadavg()[0]:.1f} before the first round",
            f"machine   {os.cpu_count()} x {cpu}, Linux {platform.release()}, {' '.join(disk.stdout.split()[2:])}",
            f"disk      one 4 KiB write and fsync takes {fsync:.2f} ms here (median of 200)",
            f"versions  Python {platform.python_version()}, {versions}",
        ]
    )
