"""An invented event of each type: subject, device and data. Nobody here lives."""

import hashlib
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.contract.event_data import EPOCH_OPENED
from gateway.envelope import GATEWAY_DEVICE
from gateway.evidence.canonical import Json
from gateway.evidence.succession import rotation_data

ORG, GATEWAY, EPOCH, BEFORE = "370102", "gw-370102-01", "5f0c2a91", "0b7d4e13"
BOOT = "87389cf03c0f4376b8caa195260ea502"
START_MS, START_MONO_MS = 1_795_309_322_000, 123_455_331  # 2026-11-22T01:02:02.000Z
STEP_MS = 5_000  # between two events
PERSON, OTHER, KIOSK = "p-370102-0001", "p-370102-0002", "kiosk-1"
MODULE, TRACKER = "ZFM-00A1B2", "R16H-000017"
SESSION = "01a200c6-44c0-7000-8000-0000000000aa"
TIME = "2026-11-22T01:02:02.000Z"


def event_id(number: int) -> str:
    """Of the event with this number, or of whatever else needs one."""
    return f"01a200c6-4000-7000-8000-{number:012x}"


def hash_of(what: str) -> str:
    """A hash like any other."""
    return hashlib.sha256(what.encode()).hexdigest()


_NEXT_KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(hash_of("zhijiao test gateway key 2")))
SEALED: Json = {
    "kid": "center-seal#1",
    "enc": "l2r3vnO2gNDVaHvAcXGJAOHrKgFHjMvMYtWGmQnZ2kA",
    "ct": "cm5vdGhpbmcgaXMgaW4gaGVyZSB0aGF0IGFueWJvZHkgY291bGQgcmVhZA",
}
_ROSTER: dict[str, Json] = {"roster_version": 7, "roster_age_s": 86_400}
_AT: dict[str, Json] = {"session": SESSION, "kiosk": KIOSK, "purpose": "report"}
_FOUND: dict[str, Json] = {"module": MODULE, "slot": 17, "score": 143}
_ENROLMENT: dict[str, Json] = {
    "enrolment": "e-0001", "method": "finger", "module": MODULE, "kiosk": KIOSK, "device": "finger-1", "by": "desk-1",
}  # fmt: skip
_ACCOUNT: dict[str, Json] = {"account": "desk-1", "role": "staff", "source": "192.0.2.17"}
_BOUND: dict[str, Json] = {"tracker": TRACKER, "approved_until": "2026-12-31"}
_NEAR: dict[str, Json] = {
    "tracker": "ble:F0:F1:F2:F3:F4:01",
    "source": "beacon",
    "signed": False,
    "signal": "fair",
}
_DUTY: dict[str, Json] = {
    "day": "2026-11-16", "nominal": ["2026-11-16"], **_ROSTER, "window_s": 21_600,
}  # fmt: skip

# Type -> (subject, device, data). A subject that is a person makes the event restricted.
EVENTS: Mapping[str, tuple[str, str, dict[str, Json]]] = {
    EPOCH_OPENED: (
        f"gateway/{GATEWAY}", GATEWAY_DEVICE,
        {
            "reason": "restored", "profile": "intl", "software": "0.1.0",
            "previous": {"epoch": BEFORE, "last_seq": 4711, "last_hash": hash_of("the epoch before")},
        },
    ),
    "system.range_lost": (
        f"gateway/{GATEWAY}", GATEWAY_DEVICE, {"epoch": BEFORE, "from": 4700, "to": 4703, "reason": "restored"},
    ),
    "system.started": (f"gateway/{GATEWAY}", GATEWAY_DEVICE, {"software": "0.1.0", "passed": TIME}),
    "system.stopping": (f"gateway/{GATEWAY}", GATEWAY_DEVICE, {}),
    "system.updated": (f"gateway/{GATEWAY}", GATEWAY_DEVICE, {}),
    "system.degraded": (
        f"gateway/{GATEWAY}", GATEWAY_DEVICE, {"level": "degraded", "reserve_bytes": 8_388_608},
    ),
    "system.roster_applied": (
        f"gateway/{GATEWAY}", GATEWAY_DEVICE,
        {
            "version": 7, "count": 4, "sha256": hash_of("roster 7"), "issued": "2026-11-20T08:00:00.000Z",
            "expires": "2027-01-31T16:00:00.000Z", "expired": False, "left_out": 0, "source": "file",
        },
    ),
    "system.rollcall_answered": (
        f"gateway/{GATEWAY}", GATEWAY_DEVICE,
        {
            "rollcall": event_id(0xCA11), "opened_by": "desk-1", "ended": "closed", "ended_by": "desk-1",
            "present": [PERSON], "absent": [OTHER], "unknown": [], "unanswered": [], "notes": {"ill": [OTHER]},
            "answered_by": ["desk-1"],
        },
    ),
    "clock.synced": (
        f"gateway/{GATEWAY}", GATEWAY_DEVICE,
        {"source": "ntp", "wall_ms": START_MS, "mono_ms": str(START_MONO_MS), "step_ms": 0, "error_ms": 12},
    ),
    "clock.stepped": (f"gateway/{GATEWAY}", GATEWAY_DEVICE, {"step_ms": -90_000}),
    "device.online": ("device/idcard-1", "idcard-1", {"kind": "idcard.sam", "model": None, "serial": None}),
    "device.offline": ("device/idcard-1", "idcard-1", {"kind": "idcard.sam", "code": "port_missing"}),
    "device.fault": ("device/idcard-1", "idcard-1", {"kind": "idcard.sam", "code": "no_reply"}),
    "device.replaced": ("device/finger-1", "finger-1", {"was": "ZFM-000001", "now": MODULE, "voided": 3, "persons": 2}),
    "identity.card_read": (
        "device/idcard-1", "idcard-1",
        {
            "medium": "id_card", "card_type": "resident", "number_hmac": hash_of("an invented number"),
            "check_digit_ok": True, "text_repaired": False, "sealed": SEALED,
        },
    ),
    "identity.card_refused": (
        "device/idcard-1", "idcard-1", {"medium": "id_card", "reason": "card_auth", "status": 49},
    ),
    "identity.badge_read": (
        "device/door-1", "door-1",
        {
            "medium": "badge", "format": "wiegand26", "length": 26,
            "number_hmac": hash_of("the bits of an invented badge"), "sealed": SEALED,
        },
    ),
    "checkin.opened": (f"person/{PERSON}", KIOSK, {**_AT, "card_event": event_id(16)}),
    "identity.finger_matched": (f"person/{PERSON}", KIOSK, {**_AT, **_FOUND}),
    "identity.finger_refused": (f"person/{PERSON}", KIOSK, {**_AT, "reason": "poor"}),
    "identity.face_matched": (f"person/{PERSON}", KIOSK, {**_AT, "module": "EF-77", "slot": 3, "score": None}),
    "identity.face_refused": (f"person/{PERSON}", KIOSK, {**_AT, "reason": "liveness"}),
    "checkin.completed": (
        f"person/{PERSON}", KIOSK,
        {
            **_AT, "card_event": event_id(16), **_ROSTER, "method": "finger", "counts_as": "on_time",
            "duty_day": "2026-11-22",
        },
    ),
    "checkin.rejected": (
        f"person/{PERSON}", KIOSK,
        {
            **_AT, "card_event": event_id(16), **_ROSTER, "reason": "not_the_same_person", "card": PERSON,
            "factor": OTHER, "method": "finger",
        },
    ),
    "checkin.abandoned": (f"person/{PERSON}", KIOSK, {**_AT, **_ROSTER, "reason": "timeout", "stage": "proving"}),
    "checkin.pending_review": (
        f"device/{KIOSK}", KIOSK, {**_AT, "card_event": event_id(16), **_ROSTER, "reason": "unknown_person"},
    ),
    "checkin.missed": (
        f"person/{OTHER}", GATEWAY_DEVICE, {**_DUTY, "available_s": 21_600, "longest_gap_s": 0},
    ),
    "checkin.unassessed": (
        f"person/{OTHER}", GATEWAY_DEVICE,
        {**_DUTY, "reason": "not_available", "available_s": 3_600, "longest_gap_s": 18_000},
    ),
    "identity.enrolled": (
        f"person/{PERSON}", KIOSK,
        {**_ENROLMENT, "slot": 17, "consent": "2026-01", "identified_by": "card", "label": "right_index"},
    ),
    "identity.erased": (
        f"person/{PERSON}", "finger-1",
        {
            "module": MODULE, "slots": [17], "enrolments": ["e-0001"], "reason": "staff", "requested": TIME,
            "requested_by": "desk-1", "done": TIME, "gone_before": False,
        },
    ),
    "tracker.bound": (f"person/{PERSON}", GATEWAY_DEVICE, _BOUND),
    "tracker.fix": (
        f"person/{PERSON}", "trackers-1",
        {
            "tracker": TRACKER, "valid": True, "source": "satellites", "archived": False, "device_time": TIME,
            "time_believed": True, "satellites": 9, "sealed": SEALED,
        },
    ),
    "tracker.status": (
        f"person/{PERSON}", "trackers-1",
        {
            "tracker": TRACKER, "kind": "heartbeat", "standing": {"strap_open": False}, "moments": [],
            "battery_pct": 71, "charging": False, "battery_hours": 52,
        },
    ),
    "tracker.approval_ended": (f"person/{PERSON}", GATEWAY_DEVICE, _BOUND),
    "tracker.unbound": (f"person/{PERSON}", GATEWAY_DEVICE, _BOUND),
    "presence.entered": (f"person/{PERSON}", "ble-1", _NEAR),
    "presence.left": (f"person/{PERSON}", "ble-1", {**_NEAR, "silent_s": 120, "quiet": False}),
    "alarm.raised": (
        f"person/{PERSON}", GATEWAY_DEVICE,
        {
            "kind": "strap_open", "about": f"person/{PERSON}", "severity": "critical", "tracker": TRACKER,
            "sign": "strap_open",
        },
    ),
    "alarm.cleared": (
        f"person/{PERSON}", GATEWAY_DEVICE, {"kind": "strap_open", "about": f"person/{PERSON}", "raised": event_id(38)},
    ),
    "audit.login": (f"gateway/{GATEWAY}", GATEWAY_DEVICE, _ACCOUNT),
    "audit.logout": (f"gateway/{GATEWAY}", GATEWAY_DEVICE, _ACCOUNT),
    "audit.denied": (
        f"gateway/{GATEWAY}", GATEWAY_DEVICE,
        {"code": "bad_credentials", "source": "192.0.2.66", "account": None, "left_out": 4},
    ),
    "audit.config_changed": (
        f"gateway/{GATEWAY}", GATEWAY_DEVICE,
        {
            "what": "device_added", "name": "finger-1", "role": None, "source": None, "by": "tech-1", "via": "page",
            "uid": None, "kind": "fingerprint.zfm", "kiosk": KIOSK,
        },
    ),
    "audit.viewed": (f"person/{OTHER}", GATEWAY_DEVICE, {"by": "desk-1", "what": "person"}),
    "audit.exported": (
        f"gateway/{GATEWAY}", GATEWAY_DEVICE,
        {
            "by": "desk-1", "what": "day", "day": "2026-11-21", "part": "duties", "form": "csv", "rows": 12,
            "roster_version": 7,
        },
    ),
    "audit.enrolled": (f"person/{PERSON}", KIOSK, {**_ENROLMENT, "outcome": "enrolled"}),
    # The last one: after it the key that signs these counts no more.
    "system.key_rotated": (
        f"gateway/{GATEWAY}", GATEWAY_DEVICE,
        rotation_data(GATEWAY, f"{GATEWAY}#1", f"{GATEWAY}#3f9a01bc", _NEXT_KEY, [BEFORE]),
    ),
}  # fmt: skip
