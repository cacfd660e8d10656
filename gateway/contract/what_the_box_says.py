"""`data` of what is about the gateway itself: alarms, devices, clock, system, audit. Tables only."""

from collections.abc import Mapping

from gateway.contract.forms import (
    CLAIM,
    COUNT,
    DAY,
    DEVICE,
    EPOCH,
    HASH,
    HMAC,
    MONO,
    NAME,
    REF,
    TIME,
    Sequence,
)
from gateway.contract.shapes import Bool, Code, Known, ListOf, MapOf, Object, Shape, Text, Whole, nullable
from gateway.contract.what_people_do import ENROLMENT, EVENT, MODULE, STAFF_REASON, TEXT, TOLD, TRACKER

EPOCH_OPENED, RANGE_LOST = "system.epoch_opened", "system.range_lost"
PROFILES = ("intl",)  # what this center can verify
SEVERITIES = ("minor", "major", "critical")
KIND = Code(
    "strap_open", "case_tamper", "sos", "battery_low", "power_off", "fence", "signal_lost", "device_fault", "clock",
    "store_damaged", "store_full", "store_rollback", "chain_mismatch", "rejected", "duplicate_identity",
    "certificate", "not_delivered",
)  # fmt: skip
ABOUT = Text(
    most=128, wanted="what the alarm is about: a device, an epoch, a code, gateway, person/ and a reference"
)
SPAN = Object({"epoch": EPOCH, "from": Sequence(1), "to": Sequence(1)})

ALARM: Mapping[str, Object] = {
    "alarm.raised": Object(
        required={"kind": KIND},
        always={"about": ABOUT, "severity": Code(*SEVERITIES)},
        optional={
            "code": nullable(Code()), "refused": COUNT, "class": Code(), "reason": Code(), "epoch": EPOCH,
            "seq": Sequence(), "center": Sequence(), "local": Sequence(), "kid": Text(most=128), "issued_again": COUNT,
            "lost": ListOf(SPAN), "lost_ranges": COUNT, "kept": COUNT, "tail_unknown": Bool(), "rows": COUNT,
            "tracker": TRACKER, "sign": Code(), "silent_s": COUNT, "days_left": Whole(),
        },
        note="Which of the optional members stand there depends on kind.",
    ),
    "alarm.cleared": Object(required={"kind": KIND, "raised": EVENT}, always={"about": ABOUT}),
}  # fmt: skip

_AWAY = Object(always={"kind": Code(), "code": nullable(Code())})
DEVICES: Mapping[str, Object] = {
    "device.online": Object(always={"kind": Code(), "model": nullable(TOLD), "serial": nullable(TOLD)}),
    "device.offline": _AWAY,
    "device.fault": Object(
        always={"code": nullable(Code("unencodable", "unknown_slots", "foreign_address"))},
        optional={
            "kind": Code(), "cause": Code(), "event_type": Code(), "length": COUNT, "hmac": HMAC,
            "module": MODULE, "count": COUNT,
        },
    ),
    "device.replaced": Object(always={"was": MODULE, "now": MODULE, "voided": COUNT, "persons": COUNT}),
}  # fmt: skip

CLOCK: Mapping[str, Object] = {
    "clock.synced": Object(
        required={"source": Code("ntp", "center", "rtc"), "wall_ms": Whole(0), "mono_ms": MONO},
        always={"step_ms": Whole(), "error_ms": nullable(COUNT)},
    ),
    "clock.stepped": Object(always={"step_ms": Whole()}),
}

SYSTEM: Mapping[str, Object] = {
    EPOCH_OPENED: Object(
        {"reason": TEXT, "profile": Known(*PROFILES), "software": TEXT, "previous": nullable(CLAIM)},
        note="The first event of its epoch, and only there.",
    ),
    RANGE_LOST: Object(
        {"epoch": EPOCH, "from": Sequence(1), "to": Sequence(1), "reason": TEXT}, note="from is not above to."
    ),
    "system.started": Object(always={"software": TEXT, "passed": TIME}),
    "system.stopping": Object(),
    "system.updated": Object(note="Kept for updates over the network."),
    "system.key_rotated": Object(
        required={
            "old": NAME, "kid": NAME, "alg": Code("EdDSA"), "public": HASH,
            "proof": Text("[A-Za-z0-9_-]{86}", "a signature of the new key in base64url"), "epochs": ListOf(EPOCH),
        },
        note="From the event after it on the new key signs; the old one counts in `epochs` and up to here in this one.",
    ),
    "system.degraded": Object(always={"level": Code("normal", "degraded", "essential"), "reserve_bytes": Whole()}),
    "system.roster_applied": Object(
        always={
            "version": COUNT, "count": COUNT, "sha256": HASH, "issued": TIME, "expires": TIME,
            "expired": nullable(Bool()), "left_out": COUNT, "source": Code("file", "center"),
        }
    ),
    "system.rollcall_answered": Object(
        always={
            "rollcall": Text(most=64), "opened_by": NAME, "ended": Code("closed", "deadline"), "ended_by": NAME,
            "present": ListOf(REF), "absent": ListOf(REF), "unknown": ListOf(REF), "unanswered": ListOf(REF),
            "notes": MapOf(ListOf(REF)), "answered_by": ListOf(NAME),
        }
    ),
}  # fmt: skip

_ACCOUNT = Object(
    always={"account": NAME, "role": Code("staff", "technician", "auditor", "admin"), "source": TEXT}
)
_WHO: Mapping[str, Shape] = {"by": NAME}
AUDIT: Mapping[str, Object] = {
    "audit.login": _ACCOUNT,
    "audit.logout": _ACCOUNT,
    "audit.denied": Object(
        always={
            "code": Code("bad_credentials", "locked", "too_many", "busy", "no_accounts"), "source": TEXT,
            "account": nullable(NAME), "left_out": COUNT,
        }
    ),
    "audit.config_changed": Object(
        always={
            "what": Code(
                "account_added", "account_password", "kiosk_token_made", "device_added", "device_removed",
                "center_named", "network_tried", "network_kept", "network_undone", "settings_changed",
                "settings_rolled_back",
            ),
            "name": NAME, "role": nullable(Code()), "source": nullable(TEXT), **_WHO,
            "via": Code("command", "page", "center"), "uid": nullable(COUNT),
        },
        optional={
            "kind": nullable(Code()), "kiosk": nullable(DEVICE), "before": nullable(NAME), "settings": TEXT,
            "reason": nullable(Code()),
        },
    ),
    "audit.viewed": Object(
        always={**_WHO, "what": Code("person", "alarm")}, optional={"alarm": EVENT, "kind": KIND}
    ),
    "audit.exported": Object(
        always={"what": Code("day", "outbox")},
        optional={
            **_WHO, "day": DAY, "part": Code("duties", "visits"), "form": Code("csv", "print"), "rows": COUNT,
            "roster_version": nullable(COUNT),
            "ranges": ListOf(SPAN), "ranges_n": COUNT, "events": COUNT, "uid": COUNT, "machine_time": TIME,
        },
        note="what is day: an account took a day off the page. outbox: a user of the machine took events by command.",
    ),
    "audit.enrolled": Object(
        always={"outcome": Code("enrolled", "refused", "release"), **_WHO},
        optional={
            **ENROLMENT, "module": MODULE, "reason": Code(), "staff_reason": STAFF_REASON,
            "enrolments": ListOf(Text(most=64)),
        },
    ),
}  # fmt: skip
