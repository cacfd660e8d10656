"""Killed at any step an enrolment leaves the old state or the new one, and the same code goes on from there."""

import asyncio
import sys
from pathlib import Path

from gateway.config.enrolled import current_identity, read_enrolled
from gateway.evidence.keys import load_signer
from tests.gateway.enrolment_center import Center, enrol_box

MOST_STEPS = 26


async def test_killed_at_every_durable_step_and_repeated(tmp_path: Path) -> None:
    center, boxes = Center(tmp_path / "center"), tmp_path / "boxes"
    boxes.mkdir()
    names = [f"gw-370102-{number:02d}" for number in range(MOST_STEPS)]
    codes = [center.code(name) for name in names]
    (tmp_path / "codes").write_text("\n".join(codes))
    outcomes: list[str] = []
    async with center.open():
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("dying_box.py")),
            str(boxes),
            str(tmp_path / "codes"),
            cwd=Path(__file__).parents[2],
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert await child.wait() == 0
        for number, (name, code) in enumerate(zip(names, codes, strict=True)):
            box = boxes / str(number)
            before = read_enrolled(box)  # raises where it is neither old nor new
            outcomes.append("lived" if (box / "lived").exists() else "old" if before is None else "new")
            again = await enrol_box(box, code, gateway=name)
            signer = load_signer(current_identity(box) / "event-key.pem", again.kid)
            assert signer.kid == again.kid
            assert before is None or before.kid == again.kid
            assert not (box / "identity" / "pending").exists()
            kept = sorted(path.name for path in (box / "identity").iterdir())
            assert kept[0] == ".lock"
            assert [name for name in kept if name.startswith("g-")] == [current_identity(box).resolve().name]
            assert not [name for name in kept if name.endswith(".new")]
            assert known(center, name) == {again.kid}, f"killed at step {number}"
    assert {"old", "new", "lived"} == set(outcomes), outcomes


def known(center: Center, gateway: str) -> set[str]:
    return {kid for one in center.registrar.standings() if one.gateway == gateway for kid in one.kids}
