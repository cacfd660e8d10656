"""What a kiosk's screen says beside its sessions."""

from zoneinfo import ZoneInfo

from gateway.checkin.purposes import Purpose
from gateway.checkin.screen import KioskView
from gateway.web.kiosk_screen import Around, Screens
from gateway.web.messages import load_catalogue


def test_a_kiosk_at_which_somebody_is_enrolled_asks_for_no_card() -> None:
    """A card laid there is that of the person to be enrolled, and begins nothing."""
    screens, around = Screens(load_catalogue()), Around(zone=ZoneInfo("Asia/Shanghai"), now_ms=0)
    assert screens.of(KioskView(), Purpose.REPORT, around).kind == "idle"
    lent = screens.of(KioskView(lent=True), Purpose.REPORT, around)
    assert lent.kind == "closed"
    assert lent.pictures == ()
