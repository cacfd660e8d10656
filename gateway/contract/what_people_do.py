"""`data` of what is about people: check-ins, identity, wearables, presence. Tables only.

A member that stands under `always` is sent by every gateway of today, which a test holds against the producers.
Few members are `required`: an event that lacks another one is still a fact, and to refuse a check-in hides it.
"""

from collections.abc import Mapping

from gateway.contract.forms import (
    COUNT,
    DAY,
    DEVICE,
    HMAC,
    NAME,
    REF,
    SEALED,
    TIME,
)
from gateway.contract.shapes import (
    Bool,
    Code,
    ListOf,
    MapOf,
    Object,
    OneOf,
    Shape,
    Text,
    Whole,
    nullable,
)

PURPOSES = ("report", "study_in", "study_out", "service_in", "service_out", "leave", "return", "enrol")
PURPOSE = OneOf(PURPOSES)
METHOD = Code("finger", "face", "staff")
TEXT = Text()
EVENT = Text(most=128, wanted="the id of an event")
SESSION_ID = Text(most=128, wanted="the id of a session: one person at one kiosk")
STAFF_REASON = Text(
    most=512, wanted="a reason of staff: a word of the list, or that word, a colon and a text"
)
# Words of devices: a strange one is no reason to refuse what happened.
TRACKER = Text(least=0, wanted="the name of a wearable, as it tells it")
MODULE = Text(wanted="the serial number of a module")
TOLD = Text(least=0, wanted="as a device tells it")
ROSTER: Mapping[str, Shape] = {"roster_version": COUNT, "roster_age_s": Whole()}
DUTY: Mapping[str, Shape] = {
    "counts_as": Code("on_time", "late", "early", "outside", "not_due"),
    "duty_day": DAY,
    "late_arrival_of": EVENT,
}
TERMINAL: Mapping[str, Shape] = {  # of a record out of an attendance terminal's memory
    "terminal": DEVICE,
    "module": MODULE,
    "slot": COUNT,
    "device_time": TIME,
    "device_time_ago_ms": nullable(Whole()),
    "verify": Whole(),
    "status": Whole(),
    "fault": Code(),
    "length": COUNT,
    "hmac": HMAC,
    "sealed": SEALED,
    "why": Code("no_key"),
}
STAFF: Mapping[str, Shape] = {"staff": NAME, "staff_reason": STAFF_REASON, "review_of": EVENT}
SESSION: Mapping[str, Shape] = {"session": SESSION_ID, "kiosk": DEVICE}
ENDING: Mapping[str, Shape] = {**SESSION, "card_event": EVENT, **ROSTER}
SAID: Mapping[str, Shape] = {  # of a duty that nobody came for
    "nominal": ListOf(DAY, least=1),
    "roster_version": COUNT,
    "roster_age_s": Whole(),
}
COVERAGE: Mapping[str, Shape] = {"window_s": COUNT, "available_s": COUNT, "longest_gap_s": COUNT}
FOUND: Mapping[str, Shape] = {"module": MODULE, "slot": COUNT, "score": nullable(Whole())}
ENROLMENT: Mapping[str, Shape] = {
    "enrolment": Text(most=64, wanted="the id of an enrolment"),
    "method": METHOD,
    "kiosk": nullable(DEVICE),
    "device": DEVICE,
    "by": NAME,
}
REPORTED_BY: Mapping[str, Shape] = {"reported_by": DEVICE}
AT_KIOSK: Mapping[str, Shape] = {**SESSION, "purpose": PURPOSE, **REPORTED_BY}

CHECKIN: Mapping[str, Object] = {
    "checkin.opened": Object(always={**SESSION, "card_event": EVENT}, optional={"purpose": PURPOSE}),
    "checkin.completed": Object(
        required={"purpose": PURPOSE},
        always={"method": METHOD},
        optional={
            **ENDING, **DUTY, **TERMINAL, **STAFF,
            "reenrol": Bool(), "entered_by": NAME, "occurred": TIME, "entry": Text(most=128),
        },
        note="By hand it has no session and no kiosk, but entered_by, occurred and entry.",
    ),
    "checkin.rejected": Object(
        always={"reason": Code("not_the_same_person", "factor_failed", "supervision_ended", "review_refused")},
        optional={
            **ENDING, **STAFF, "purpose": PURPOSE, "method": METHOD, "card": REF, "factor": REF, "tries": COUNT,
        },
    ),
    "checkin.abandoned": Object(
        always={**SESSION, "reason": Code("timeout", "cancelled", "another_card", "stopped", "cut_off")},
        optional={
            "purpose": PURPOSE, "card_event": EVENT, **ROSTER,
            "stage": Code("waiting", "choosing", "proving", "storing"),
        },
    ),
    "checkin.pending_review": Object(
        always={"session": SESSION_ID, "reason": Code("no_roster", "unknown_person", "roster_expired")},
        optional={**ENDING, **TERMINAL, "purpose": PURPOSE, "method": METHOD},
    ),
    "checkin.missed": Object(required={"day": DAY}, always={**SAID, **COVERAGE}),
    "checkin.unassessed": Object(required={"day": DAY}, always={**SAID, "reason": Code()}, optional=COVERAGE),
}  # fmt: skip

IDENTITY: Mapping[str, Object] = {
    "identity.card_read": Object(
        always={
            "medium": Code("id_card"), "card_type": Code("resident", "hmt", "foreigner_2017", "foreigner_2023"),
            "number_hmac": HMAC, "check_digit_ok": nullable(Bool()), "text_repaired": Bool(), "sealed": SEALED,
        },
        optional={"why": Code("no_key"), **REPORTED_BY},
        note="sealed holds id_number, name, valid_from and valid_to.",
    ),
    "identity.card_refused": Object(
        always={"medium": Code("id_card"), "reason": Code("card_auth", "read_failed", "no_reply", "line_noise")},
        optional={"status": Whole(), "length": COUNT, "sha256": HMAC, **REPORTED_BY},
    ),
    "identity.badge_read": Object(
        always={
            "medium": Code("badge"), "format": Code("wiegand26", "bits", "text"), "length": COUNT,
            "number_hmac": HMAC, "sealed": SEALED,
        },
        optional={"why": Code("no_key")},
        note="sealed holds number: the digits 0 and 1 of its bits, or its characters. Nobody's: no check-in.",
    ),
    "identity.finger_matched": Object(always={**SESSION, **FOUND}, optional=AT_KIOSK),
    "identity.face_matched": Object(always={**SESSION, **FOUND}, optional=AT_KIOSK),
    "identity.finger_refused": Object(
        always={"reason": Code("unknown", "poor", "unassigned", "known_as_another"), "kiosk": nullable(DEVICE)},
        optional={**FOUND, **ENROLMENT, **AT_KIOSK, "kiosk": nullable(DEVICE), "other": REF},
    ),
    "identity.face_refused": Object(
        always={"reason": Code("unknown", "poor", "liveness", "known_as_another"), "kiosk": nullable(DEVICE)},
        optional={**FOUND, **ENROLMENT, **AT_KIOSK, "kiosk": nullable(DEVICE), "other": REF},
    ),
    "identity.enrolled": Object(
        always={
            **ENROLMENT, "module": MODULE, "slot": COUNT, "consent": Text(most=64),
            "identified_by": Code("card", "staff"),
        },
        optional={"staff_reason": STAFF_REASON, "label": Text(most=64)},
    ),
    "identity.erased": Object(
        always={
            "module": MODULE, "slots": ListOf(COUNT), "enrolments": ListOf(Text(most=64)),
            "reason": Code("staff", "supervision_ended", "left_out", "replaced", "missing", "cut_off"),
        },
        optional={
            "requested": TIME, "requested_by": nullable(NAME), "done": TIME, "gone_before": Bool(),
            "confirmed_by": Code("terminal"), "by": NAME,
        },
    ),
}  # fmt: skip

_BINDING = Object(always={"tracker": TRACKER, "approved_until": DAY})
_NEAR: Mapping[str, Shape] = {"tracker": TRACKER, "source": Code("beacon"), "signed": Bool()}
_SIGNAL: Mapping[str, Shape] = {"signal": Code("strong", "fair", "weak")}

WEARABLES: Mapping[str, Object] = {
    "tracker.fix": Object(
        always={
            "tracker": TRACKER, "valid": Bool(), "source": Code("satellites", "network", "beacon"),
            "archived": Bool(), "device_time": nullable(TIME), "time_believed": Bool(), "sealed": SEALED,
        },
        optional={"satellites": COUNT, "why": Code("no_key")},
        note="sealed holds lat_e7, lon_e7 (WGS-84) and where known altitude_cm, speed_cms, course_cdeg.",
    ),
    "tracker.status": Object(
        always={"tracker": TRACKER, "kind": TOLD, "standing": MapOf(Bool()), "moments": ListOf(Code())},
        optional={"battery_pct": Whole(), "charging": Bool(), "battery_hours": Whole()},
    ),
    "tracker.bound": _BINDING,
    "tracker.unbound": _BINDING,
    "tracker.approval_ended": _BINDING,
    "presence.entered": Object(always=_NEAR, optional=_SIGNAL),
    "presence.left": Object(always={**_NEAR, "silent_s": COUNT, "quiet": Bool()}, optional=_SIGNAL),
}  # fmt: skip
