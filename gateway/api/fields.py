"""What each field means, for the API description. A test compares this table with the classes."""

from collections.abc import Mapping

_CODE = "Stable code; its text stands in the message catalogue. Null while there is nothing to explain."
_DETAIL = "Cause and remedy for a technician, English; null while there is nothing to say"
_THIS_RUN = "since the gateway started"

FIELDS: Mapping[str, Mapping[str, str]] = {
    "Snapshot": {
        "org": "Six digits of the organisation",
        "gateway": "Id of this gateway",
        "version": "Version of the software",
        "demo": "True where devices and center are simulated",
        "started_ms": "When this run began",
        "level": "The whole gateway in one word",
        "ready": "True when events are taken and brought to disk",
        "devices": "The configured devices",
        "events": "The last events, newest first, at most 50",
        "buffer": "The durable store",
        "uplink": "The way to the center",
        "clock": "The clock and its quality",
        "health": "Why the gateway is not simply fine; empty when it is",
    },
    "DeviceView": {
        "id": "Id in topics and events",
        "kind": "Kind in the driver registry, e.g. `idcard.sam`",
        "state": "`online`, `offline`, `fault` or `unknown`",
        "since_ms": "Since when it is in this state",
        "port": "Port or address it is configured on",
        "model": "As the device reports it",
        "firmware": "As the device reports it",
        "serial": "As the device reports it",
        "code": _CODE,
        "detail": _DETAIL,
        "events_total": f"Events of this device {_THIS_RUN}",
        "noise_total": f"Pieces of bytes that were no frame, {_THIS_RUN}",
        "last_event_ms": "When its last event happened",
    },
    "EventView": {
        "epoch": "Epoch of the sequence, 8 hex digits",
        "seq": "Place in the epoch, contiguous from 1",
        "type": "Event type without the prefix `cn.zhijiao.`",
        "device": "Device that reported it",
        "time_ms": "When it happened, best knowledge",
        "stage": "`committed` on disk and signed; `sent` handed to the broker; `settled` covered by an "
        "acknowledgement; `rejected` stored by the center, its content refused",
        "settled_after_ms": "From commit to settled, for events settled in this run",
        "detail": "Code of a reason, e.g. `read_failed`; never a person's data",
    },
    "BufferView": {
        "epoch": "The open epoch",
        "last_seq": "The last sequence given in it",
        "backlog": "Events not settled yet",
        "oldest_unsettled_s": "Age of the oldest of them in seconds",
        "bytes_used": "Size on disk in bytes",
        "state": "`ok`, `store_full`, `store_readonly` or `store_io`",
        "committed_total": f"Events brought to disk {_THIS_RUN}",
        "settled_total": f"Events settled {_THIS_RUN}",
    },
    "UplinkView": {
        "state": "`online`, `connecting` or `offline`",
        "broker": "Broker as host:port",
        "tls": "True where the connection is encrypted",
        "mqtt": "`5` or `3.1.1`",
        "ack_mode": "`center`: settled means the center's signed acknowledgement; `broker`: only the broker's receipt",
        "since_ms": "Since when it is in this state",
        "last_ack_ms": "When the last acknowledgement was accepted",
        "in_flight": "Sent, not settled",
        "window": "How many may be in flight",
        "code": _CODE,
        "detail": _DETAIL,
    },
    "ClockView": {
        "now_ms": "The gateway's clock",
        "quality": "`synced`, `holdover` (was set, runs on) or `unsynced`",
        "error_ms": "Bound of its error",
        "uptime_ms": "Since the machine booted",
    },
    "HealthItem": {
        "code": "Stable code; its text stands in the message catalogue",
        "level": "How serious it is",
        "subject": "Device id, where it is about a device",
        "detail": _DETAIL,
    },
    "DeviceList": {"now_ms": "The gateway's clock", "devices": "The configured devices"},
    "EventList": {"now_ms": "The gateway's clock", "events": "Newest first"},
    "ReasonText": {
        "code": "Stable code",
        "level": "How serious it is",
        "subject": "Device id, where it is about a device",
        "text_zh": "What it is, Chinese",
        "text_en": "What it is, English",
        "todo_zh": "What to do, Chinese",
        "todo_en": "What to do, English",
        "detail": _DETAIL,
    },
    "Readiness": {
        "ready": "True when events are taken and brought to disk",
        "level": "The whole gateway in one word",
        "reasons": "Why it is not simply fine; may hold warnings while ready",
    },
    "Alive": {"status": "Always `alive`"},
}
