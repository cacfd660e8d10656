"""The access list names every gateway's own topics, and nothing that is not clearly a gateway gets one."""

from pathlib import Path

import pytest

from tests.deploy.center import make_acl

EXPECTED = """\
# Made by make_acl.py; changes are lost. Everything not listed is denied.

# The receiver of the center: all branches, both ways.
user center
topic readwrite cc/#

user gw-370102-01
topic write cc/v1/370102/gw-370102-01/info
topic write cc/v1/370102/gw-370102-01/status
topic write cc/v1/370102/gw-370102-01/dev/+/status
topic write cc/v1/370102/gw-370102-01/evt/#
topic write cc/v1/370102/gw-370102-01/rsp/#
topic write cc/v1/370102/gw-370102-01/req/#
topic read cc/v1/370102/gw-370102-01/ack
topic read cc/v1/370102/gw-370102-01/cmd/#
topic read cc/v1/370102/gw-370102-01/res/#
topic read cc/v1/370102/gw-370102-01/status
"""


def test_a_gateway_gets_exactly_its_own_topics(tmp_path: Path) -> None:
    assert make_acl("# Lixia\n\n gw-370102-01  # ground floor\n", folder=tmp_path) == (0, EXPECTED, "")


def test_no_pattern_leaves_the_organisation_open(tmp_path: Path) -> None:
    _, text, _ = make_acl("gw-370102-01\ngw-371482-03\n", folder=tmp_path)
    assert "pattern" not in text
    assert "%u" not in text
    assert "cc/v1/371482/gw-371482-03/evt/#" in text
    assert text.count("cc/v1/+") == 0


def test_a_monitor_reads_figures_only(tmp_path: Path) -> None:
    _, text, _ = make_acl("gw-370102-01", "--monitor", "watcher", folder=tmp_path)
    assert "user watcher\ntopic read $SYS/#\n" in text


@pytest.mark.parametrize(
    ("gateways", "options", "complaint"),
    [
        ("gw-370102-01\ngw-3701-02", (), "line 2: 'gw-3701-02' is not a gateway id"),
        ("gw-370102-01\n#", ("--center", "gw-370102-01"), "that no gateway has"),
        ("gw-370102-01", ("--center", "a b"), "certificate name"),
        ("gw-370102-01", ("--center", "x\nuser y"), "certificate name"),
        ("gw-370102-01", ("--center", "x", "--monitor", "x"), "two accounts"),
        ("gw-370102-+", (), "is not a gateway id"),
        ("gw-370102-01/#", (), "is not a gateway id"),
        ("gw-370102-٠١", (), "is not a gateway id"),
        ("\n# none yet\n", (), "no gateway in the list"),
        ("gw-370102-01\n\ngw-370102-01", (), "line 3: gw-370102-01 already stands in line 1"),
    ],
)
def test_a_bad_list_makes_no_access_list_at_all(
    tmp_path: Path, gateways: str, options: tuple[str, ...], complaint: str
) -> None:
    code, text, told = make_acl(gateways, *options, folder=tmp_path)
    assert (code, text) == (2, "")
    assert complaint in told


def test_a_missing_list_is_told(tmp_path: Path) -> None:
    code, text, told = make_acl("", str(tmp_path / "absent"), folder=tmp_path)
    assert (code, text) == (2, "")
    assert "absent" in told


def test_each_worker_of_the_center_has_an_account(tmp_path: Path) -> None:
    code, text, _ = make_acl("gw-370102-01", "--center", "center-a", "--center", "center-b", folder=tmp_path)
    assert code == 0
    accounts = [line for line in text.splitlines() if line.startswith("user center")]
    assert accounts == ["user center-a", "user center-b"]
    assert text.count("topic readwrite cc/#") == 2
    code, text, told = make_acl("gw-370102-01", "--center", "x", "--center", "x", folder=tmp_path)
    assert (code, text) == (2, "")
    assert "of its own" in told
