"""The center tells a box to renew its certificate or to take another event key: done, or refused with a reason."""

from pathlib import Path

import pytest

from gateway.config.enrolled import read_enrolled
from gateway.evidence.canonical import Json
from gateway.orders.identity import identity_orders
from gateway.provisioning import EnrolmentRefused
from gateway.uplink.command_message import Command, Refusal
from tests.gateway.enrolment_center import Center, enrol_box


def tell(_progress: dict[str, Json]) -> None:
    return


def command(name: str) -> Command:
    return Command(name, "01a200c6-4b38-7000-8000-000000000002", "session", 0, {})


async def until() -> str:
    return "2027-01-01T00:00:00.000Z"


async def refused() -> str:
    raise EnrolmentRefused("certificate_revoked", "the center has revoked this box")


async def test_another_event_key_waits_for_the_next_start_and_is_made_once(tmp_path: Path) -> None:
    center = Center(tmp_path / "center")
    async with center.open():
        enrolled = await enrol_box(tmp_path / "box", center.code())
    rotate = identity_orders(tmp_path / "box", enrolled.kid, until)["key-rotate"]
    first = await rotate(command("key-rotate"), tell)
    assert first["old"] == enrolled.kid != first["kid"]
    assert await rotate(command("key-rotate"), tell) == first
    facts = read_enrolled(tmp_path / "box")
    assert facts is not None
    assert facts.kid == enrolled.kid  # until then the old one signs


async def test_keys_of_an_administrator_are_not_rotated(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as told:
        await identity_orders(tmp_path, "gw-370102-01#1", until)["key-rotate"](command("key-rotate"), tell)
    assert (told.value.code, told.value.status) == ("not_enrolled", "rejected")


async def test_a_renewal_answers_until_when_or_why_not(tmp_path: Path) -> None:
    orders = identity_orders(tmp_path, "", until)
    assert await orders["cert-renew"](command("cert-renew"), tell) == {"until": "2027-01-01T00:00:00.000Z"}
    with pytest.raises(Refusal) as told:
        await identity_orders(tmp_path, "", refused)["cert-renew"](command("cert-renew"), tell)
    assert (told.value.code, told.value.status) == ("certificate_revoked", "failed")
