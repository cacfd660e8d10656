"""What beacons are called, and which advertisement is found under which name."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.beacons import EDDYSTONE_UUID, beacon_name, names_of
from drivers.links.ble_advert import Advert

ADDRESS = "F0:F1:F2:F3:F4:01"
UUID = "f7826da6-4fa2-4e98-8024-bc5b71e0893e"
IBEACON = bytes.fromhex("0215" + UUID.replace("-", "") + "0064" + "0007" + "c5")
ALT = "be" * 16 + "00010002"
NAMESPACE, INSTANCE = "edd1ebeac04e5defa017", "0bdb87539b67"


def advert(manufacturer: dict[int, bytes] | None = None, service: dict[str, bytes] | None = None) -> Advert:
    return Advert(
        address=ADDRESS,
        rssi=-60,
        heard_at=1.0,
        manufacturer_data=manufacturer or {},
        service_data=service or {},
    )


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("ble:f0:f1:f2:f3:f4:01", f"ble:{ADDRESS}"),
        (f"ibeacon:{UUID.upper()}:100:007", f"ibeacon:{UUID}:100:7"),
        (f"ibeacon:{UUID}:65535:0", f"ibeacon:{UUID}:65535:0"),
        (f"altbeacon:{ALT.upper()}", f"altbeacon:{ALT}"),
        (f"eddystone:{NAMESPACE.upper()}:{INSTANCE}", f"eddystone:{NAMESPACE}:{INSTANCE}"),
        ("R16H-000017", None),
        ("13812345678", None),
        ("ble:F0F1F2F3F401", None),
        ("ble:hand-7", None),
        (f"ibeacon:{UUID}:65536:0", None),
        (f"ibeacon:{UUID}:1", None),
        ("altbeacon:00", None),
        (f"eddystone:{NAMESPACE}", None),
        ("", None),
    ],
)
def test_a_name_has_one_form_and_other_wearables_have_none(written: str, name: str | None) -> None:
    assert beacon_name(written) == name
    assert name is None or re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", written), "a roster may have it as an id"


@pytest.mark.parametrize(
    ("heard", "name"),
    [
        (advert(), f"ble:{ADDRESS}"),
        (advert({0x004C: IBEACON}), f"ibeacon:{UUID}:100:7"),
        (advert({0x0118: bytes.fromhex("beac" + ALT + "c500")}), f"altbeacon:{ALT}"),
        (
            advert(service={EDDYSTONE_UUID: bytes.fromhex("00ee" + NAMESPACE + INSTANCE)}),
            f"eddystone:{NAMESPACE}:{INSTANCE}",
        ),
    ],
)
def test_an_advertisement_is_found_under_its_names(heard: Advert, name: str) -> None:
    found = list(names_of(heard))
    assert name in found
    assert [beacon_name(one) for one in found] == found, "a name is in its one form already"


def test_an_eddystone_eid_names_nobody() -> None:
    """It changes within hours: bound to a person it would be somebody else's soon, and his own never again."""
    eid = bytes.fromhex("30ee" + "0102030405060708")
    assert list(names_of(advert(service={EDDYSTONE_UUID: eid}))) == [f"ble:{ADDRESS}"]
    for text in ("eid:0102030405060708", "eddystone:0102030405060708", "eddystone-eid:0102030405060708"):
        assert beacon_name(text) is None


@given(st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=30)), st.binary(max_size=30))
def test_whatever_comes_is_called_something_and_nothing_breaks(
    manufacturer: dict[int, bytes], service: bytes
) -> None:
    for name in names_of(advert(manufacturer, {EDDYSTONE_UUID: service})):
        assert beacon_name(name) == name


@given(st.text(max_size=70))
def test_any_text_is_a_name_or_none(text: str) -> None:
    name = beacon_name(text)
    assert name is None or beacon_name(name) == name
