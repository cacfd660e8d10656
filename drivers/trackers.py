"""Wearables that report by themselves, over a dock, a network connection or the air: one conversation for each line.

The families are a table. A driver hands over what was heard and sends the device's answer only when that is on
disk: a tracker that was not answered keeps its record and sends it again.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Protocol, cast

from firmware_protocols.tracking import Conversation

# Family -> the class of its conversation; imported when a device of it is configured.
FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "gt06": "firmware_protocols.gt06.conversation:Gt06Conversation",
        "h02": "firmware_protocols.h02.conversation:H02Conversation",
        "jt808": "firmware_protocols.jt808.conversation:Jt808Conversation",
        "laipac": "firmware_protocols.laipac.conversation:LaipacConversation",
        "minifinder2": "firmware_protocols.minifinder2.conversation:Minifinder2Conversation",
        "pt60": "firmware_protocols.pt60.conversation:Pt60Conversation",
        "r16h": "firmware_protocols.r16h.conversation:R16hConversation",
        "topin": "firmware_protocols.topin.conversation:TopinConversation",
        "trv": "firmware_protocols.trv.conversation:TrvConversation",
        "watch": "firmware_protocols.watch.conversation:WatchConversation",
        "wristband-yx": "firmware_protocols.wristband_yx.conversation:WristbandYxConversation",
        "xexun2": "firmware_protocols.xexun2.conversation:Xexun2Conversation",
    }
)


class ConversationType(Protocol):
    """What stands behind each line of the table."""

    def __call__(self) -> Conversation:
        """A conversation on a line that was just opened."""
        ...


def conversation_type(family: str) -> ConversationType:
    """The conversation of a family of the table."""
    module, _, name = FAMILIES[family].partition(":")
    return cast("ConversationType", getattr(import_module(module), name))
