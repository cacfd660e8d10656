"""The running gateway looks after its certificate: renews in time, says what is wrong, and goes on."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import CertificateTime, ManualClock
from gateway.config.enrolled import EnrolledFacts, current_identity
from gateway.evidence.canonical import Json
from gateway.identity_care import CertificateCare
from gateway.metrics import Metrics
from tests.gateway.enrolment_center import GATEWAY, Center, enrol_box

DAY = timedelta(days=1)


@dataclass
class HeardAlarms:
    """What an alarm room would be told."""

    standing: dict[str, dict[str, Json]] = field(default_factory=dict)

    async def raise_(self, kind: str, subject: str, data: dict[str, Json]) -> None:
        self.standing[f"{kind}/{subject}"] = data

    async def clear(self, kind: str, subject: str) -> None:
        self.standing.pop(f"{kind}/{subject}", None)


@dataclass
class Cared:
    """A box with its care, at a time that the test sets."""

    center: Center
    box: Path
    known: CertificateTime | None = None
    clock: ManualClock = field(default_factory=ManualClock)
    alarms: HeardAlarms = field(default_factory=HeardAlarms)
    metrics: Metrics = field(default_factory=Metrics)
    renewed: list[EnrolledFacts] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.care = CertificateCare(
            self.box,
            current_identity(self.box) / "client.pem",
            clock=self.clock,
            time=lambda: self.known,
            alarms=self.alarms,  # type: ignore[arg-type]  # its two methods are all that is used
            metrics=self.metrics,
            renewed=self.renewed.append,
        )

    def at(self, ahead: timedelta) -> None:
        """The clock of the box shows this, and is right."""
        self.clock.advance(int((datetime.now(UTC) + ahead).timestamp() * 1000) - self.clock.now().wall_ms)

    @property
    def left_days(self) -> float:
        return self.metrics.registry.get_sample_value("zhijiao_certificate_left_seconds") / 86_400  # type: ignore[operator]


@pytest.fixture
async def cared(tmp_path: Path) -> Cared:
    center = Center(tmp_path / "center")
    async with center.open():
        await enrol_box(tmp_path / "box", center.code())
    return Cared(center, tmp_path / "box")


def certificate(cared: Cared) -> bytes:
    return (current_identity(cared.box) / "client.pem").read_bytes()


async def test_young_it_is_left_alone(cared: Cared) -> None:
    before = certificate(cared)
    cared.at(50 * DAY)
    await cared.care.look()
    assert certificate(cared) == before
    assert 39 < cared.left_days < 41
    assert cared.alarms.standing == {}


async def test_at_two_thirds_it_is_renewed_and_the_uplink_told(cared: Cared) -> None:
    before = certificate(cared)
    cared.at(61 * DAY)
    async with cared.center.open():
        await cared.care.look()
    assert certificate(cared) != before
    assert [facts.gateway for facts in cared.renewed] == [GATEWAY]
    assert cared.alarms.standing == {}


async def test_a_center_that_is_away_is_asked_again_not_at_once_and_the_last_days_alarm(cared: Cared) -> None:
    cared.at(61 * DAY)
    await cared.care.look()
    await cared.care.look()
    assert (
        cared.metrics.registry.get_sample_value("zhijiao_certificate_renewals_total", {"result": "failed"})
        == 1
    )
    assert cared.alarms.standing == {}
    cared.at(80 * DAY)
    await cared.care.look()
    told = cared.alarms.standing["certificate/gateway"]
    assert told["reason"] == "server_refused"
    assert told["days_left"] in {9, 10}


async def test_a_revoked_box_says_so_at_once(cared: Cared) -> None:
    cared.center.registrar.revoke(GATEWAY, keep_event_keys=False)
    cared.at(61 * DAY)
    async with cared.center.open():
        await cared.care.look()
    assert cared.alarms.standing["certificate/gateway"]["reason"] == "certificate_revoked"
    assert cared.renewed == []


async def test_a_clock_that_nobody_vouches_for_renews_and_expires_nothing(cared: Cared) -> None:
    cared.known = CertificateTime(int(datetime.now(UTC).timestamp() * 1000), passed_only=True)
    before = certificate(cared)
    cared.at(4000 * DAY)
    async with cared.center.open():
        await cared.care.look()
    assert certificate(cared) != before
    assert cared.alarms.standing == {}
    assert cared.left_days > 80


async def test_a_certificate_that_cannot_be_read_is_an_alarm_and_no_end(cared: Cared) -> None:
    file = current_identity(cared.box) / "client.pem"
    file.chmod(0o600)
    file.write_text("nothing")
    await cared.care.look()
    assert cared.alarms.standing["certificate/gateway"]["reason"] == "unreadable"
    assert math.isnan(cared.left_days)


async def test_one_that_an_administrator_laid_down_is_watched_only(cared: Cared, tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    own.write_bytes(certificate(cared))
    cared.care = CertificateCare(
        cared.box,
        own,
        clock=cared.clock,
        time=lambda: None,
        alarms=cared.alarms,  # type: ignore[arg-type]
        metrics=cared.metrics,
        renewed=cared.renewed.append,
    )
    cared.at(85 * DAY)
    async with cared.center.open():
        await cared.care.look()
    assert cared.renewed == []
    assert cared.alarms.standing["certificate/gateway"]["reason"] == "soon"
