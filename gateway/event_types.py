"""The event types of the contract, first set: one table, read by ingest, store, uplink and receiver.

`urgent` types travel in the fast lanes. `major` is the version of the type's schema; a breaking
change of its data is a new major. A major above ours, or an unknown type, is
stored by the center as "not understood", never refused. Source: contract, 2, 3 and 6.
"""

from collections.abc import Mapping

TYPE_PREFIX = "cn.zhijiao."
SCHEMA_PREFIX = "urn:zhijiao:schema:"
URGENT_CLASSES = frozenset({"checkin", "alarm"})

_FIRST_SET = """
checkin: opened completed rejected abandoned pending_review missed unassessed
identity: card_read card_refused badge_read finger_matched finger_refused face_matched face_refused enrolled erased
tracker: fix status bound unbound approval_ended
alarm: raised cleared
presence: entered left
device: online offline fault replaced
clock: synced stepped
system: epoch_opened started stopping updated roster_applied range_lost key_rotated degraded rollcall_answered
audit: login logout denied config_changed exported viewed enrolled
"""

# Type without prefix -> major version of its schema.
TYPES: Mapping[str, int] = {
    f"{line.partition(':')[0]}.{verb}": 1
    for line in _FIRST_SET.strip().splitlines()
    for verb in line.partition(":")[2].split()
}
CLASSES = frozenset(name.partition(".")[0] for name in TYPES)


def event_class(name: str) -> str:
    """`identity` of `identity.card_read`."""
    return name.partition(".")[0]


def is_urgent(name: str) -> bool:
    """True for the classes that overtake a backlog."""
    return event_class(name) in URGENT_CLASSES
