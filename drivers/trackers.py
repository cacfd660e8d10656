"""Wearables that report by themselves, over a dock, a network connection or the air: one conversation for each line.

The families are a table. A driver hands over what was heard and sends the device's answer only when that is on
disk: a tracker that was not answered keeps its record and sends it again.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
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

# Families whose makers differ in a table -> that table: the names that `model` may have in the configuration.
MODELS: Mapping[str, str] = MappingProxyType({"jt808": "firmware_protocols.jt808.models:MODELS"})
STANDARD = "standard"


class ConversationType(Protocol):
    """What stands behind each line of the table."""

    def __call__(self) -> Conversation:
        """A conversation on a line that was just opened."""
        ...


def conversation_type(family: str, model: str | None = None) -> ConversationType:
    """The conversation of a family of the table; with a model, as its devices of that name speak."""
    found = _at(FAMILIES[family])
    return cast("ConversationType", found if model is None else partial(found, model))


def models_of(family: str) -> Collection[str]:
    """The models of a family; none where all speak alike."""
    return cast("Mapping[str, object]", _at(MODELS[family])) if family in MODELS else ()


def _at(entry: str) -> Callable[..., object]:
    module, _, name = entry.partition(":")
    return cast("Callable[..., object]", getattr(import_module(module), name))
