"""The file of what was changed on the page: beside the configuration, written whole, read with errors that help."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import ConfigFileError, load_without_files
from gateway.config.added import ADDED_FILE, Added, read_added, standing_at, told, write_added

BASE = """
[gateway]
org = "370102"
id = "gw-370102-01"
state_dir = "{state}"
[[device]]
id = "idcard-1"
kind = "idcard.sam"
port = "/dev/a"
[[device]]
id = "finger-1"
kind = "finger.zfm"
port = "/dev/f"
[[kiosk]]
id = "kiosk-1"
devices = ["idcard-1", "finger-1"]
[[kiosk]]
id = "kiosk-2"
devices = []
terminal = true
"""


@pytest.fixture
def box(tmp_path: Path) -> Path:
    path = tmp_path / "zhijiao.toml"
    path.write_text(BASE.format(state=tmp_path))
    return path


def test_without_the_file_the_configuration_counts(box: Path) -> None:
    assert [one.id for one in load_without_files(box).devices] == ["idcard-1", "finger-1"]


def test_an_entry_takes_the_place_of_a_device_and_of_where_it_stands(box: Path) -> None:
    entries = [
        Added(id="idcard-1", kind="idcard.sam", settings={"port": "/dev/b"}, kiosk="kiosk-2"),
        Added(id="finger-1", removed=True),
        Added(
            id="face-1", kind="face.efaa_xor16", settings={"port": "/dev/c", "baud": 115200}, kiosk="kiosk-1"
        ),
    ]
    write_added(box.with_name(ADDED_FILE), told(entries))
    config = load_without_files(box)
    assert {one.id: one.settings.get("port") for one in config.devices} == {
        "idcard-1": "/dev/b",
        "face-1": "/dev/c",
    }
    assert [standing_at(config.kiosks, one) for one in ("idcard-1", "finger-1", "face-1")] == [
        "kiosk-2",
        None,
        "kiosk-1",
    ]
    assert config.devices[0].source == box.with_name(ADDED_FILE)


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ('[[device]]\nid = "x"\nkind = "idcard.san"\n', "unknown_kind", 'did you mean "idcard.sam"'),
        ('[[device]]\nid = "kiosk-1"\nkind = "idcard.sam"\n', "duplicate", "kiosk already"),
        ('[[device]]\nid = "x"\nkind = "idcard.sam"\nkiosk = "kiosk-3"\n', "unknown_kiosk", "did you mean"),
        ('[[device]]\nid = "x"\n', "bad_value", ":1: "),
        ('[[device]]\nid = "x"\nremoved = true\nkind = "idcard.sam"\n', "bad_value", ":1: "),
        ('[[device]]\nid = "x"\nremoved = true\n[[device]]\nid = "x"\nremoved = true\n', "bad_value", ":4: "),
        ("[[device]\n", "syntax", "not TOML"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(box: Path, text: str, code: str, says: str) -> None:
    box.with_name(ADDED_FILE).write_text(text)
    with pytest.raises(ConfigFileError) as told:
        load_without_files(box)
    assert told.value.code == code
    assert ADDED_FILE in str(told.value)
    assert says in str(told.value)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=20)
VALUES = st.one_of(TEXT, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.lists(TEXT, max_size=3))
KEYS = st.from_regex(r"[a-z_]{1,12}", fullmatch=True).filter(
    lambda key: key not in {"id", "kind", "kiosk", "removed"}
)
ENTRIES = st.one_of(
    st.builds(
        Added,
        id=st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True),
        kind=st.just("idcard.sam"),
        settings=st.dictionaries(KEYS, VALUES, max_size=4),
        kiosk=st.none() | st.just("kiosk-1"),
    ),
    st.builds(Added, id=st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True), removed=st.just(value=True)),
)


@given(st.lists(ENTRIES, max_size=4, unique_by=lambda one: one.id))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, entries: list[Added]) -> None:
    path = tmp_path_factory.mktemp("added") / ADDED_FILE
    write_added(path, told(entries))
    assert list(read_added(path)) == entries
    assert [one.name for one in path.parent.iterdir()] == [ADDED_FILE], "nothing is left beside it"
