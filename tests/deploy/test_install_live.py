"""On a machine in service: a release that does not come up gives way to the one before, by itself."""

from pathlib import Path

import pytest

from tests.deploy.live_machine import LiveMachine
from tests.deploy.wheels import dependency, gateway_wheel

pytestmark = pytest.mark.timeout(900)  # real virtual environments: seconds each, minutes on a busy machine


@pytest.fixture
def machine(tmp_path: Path) -> LiveMachine:
    lock = dependency(tmp_path / "wheels")
    return LiveMachine(tmp_path / "machine", lock.parent, lock)


def test_a_first_install_starts_nothing_and_says_what_comes_next(
    machine: LiveMachine, tmp_path: Path
) -> None:
    code, said = machine.upgrade(gateway_wheel(tmp_path, "1.0.0"))
    assert code == 0, said
    assert machine.links == ("1.0.0", "")
    assert machine.restarts() == []
    assert "systemctl start zhijiao" in said
    calls = machine.calls()
    assert calls.index("daemon-reload") < calls.index("--quiet enable zhijiao.service")
    assert (machine.folder / "usr/lib/systemd/system/zhijiao.service").exists()


def test_upgrades_restart_the_service_and_fall_back(machine: LiveMachine, tmp_path: Path) -> None:
    assert machine.upgrade(gateway_wheel(tmp_path, "1.0.0"))[0] == 0
    machine.begin()

    code, said = machine.upgrade(gateway_wheel(tmp_path, "1.1.0"))
    assert code == 0, said
    assert (machine.links, machine.restarts()) == (("1.1.0", "1.0.0"), ["1.1.0"])

    code, said = machine.upgrade(gateway_wheel(tmp_path, "1.1.0"))
    assert (code, machine.restarts()) == (0, []), "nothing changed, so nobody is disturbed"

    machine.declare("broken", "1.2.0")
    code, said = machine.upgrade(gateway_wheel(tmp_path, "1.2.0"))
    assert code == 1
    assert "went back to release 1.1.0" in said
    assert (machine.links, machine.restarts()) == (("1.1.0", "1.0.0"), ["1.2.0", "1.1.0"])

    machine.declare("fragile", "1.3.0")
    code, said = machine.upgrade(gateway_wheel(tmp_path, "1.3.0"))
    assert code == 1
    assert (machine.links, machine.restarts()) == (("1.1.0", "1.0.0"), ["1.3.0", "1.1.0"])

    code, said = machine.install("--rollback")
    assert code == 0, said
    assert (machine.links, machine.restarts()) == (("1.0.0", "1.1.0"), ["1.0.0"])


def test_when_neither_release_stays_up_the_technician_is_told_where_to_read(
    machine: LiveMachine, tmp_path: Path
) -> None:
    assert machine.upgrade(gateway_wheel(tmp_path, "1.0.0"))[0] == 0
    machine.begin()
    (machine.folder / "broken").write_text("1.0.0\n1.1.0\n", encoding="ascii")
    code, said = machine.upgrade(gateway_wheel(tmp_path, "1.1.0"))
    assert code == 1
    assert "does not stay up either: see 'An upgrade failed' in the README" in said
