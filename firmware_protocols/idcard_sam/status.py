"""What the third status byte (SW3) of a reply means and what to do about it.

The table is the whole knowledge; a code that is not in it gets a description that says so.
Leaves out: SW1 and SW2, which are 00 00 in every reply known (messages.py refuses others).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Action(StrEnum):
    """What the host does next."""

    OK = "ok"  # done; the reply carries what was asked for
    EMPTY = "empty"  # done; the card has no such item
    IDLE = "idle"  # nothing on the reader: poll again
    REPRESENT = "represent"  # ask the person to lift the card and lay it down again
    RETRY = "retry"  # the request was damaged on the line: send it again
    REPORT = "report"  # not cured by a repeat: tell the technician
    FAULT = "fault"  # the reader is unfit for use: alarm


@dataclass(frozen=True, slots=True)
class Status:
    """One value of SW3."""

    code: int
    name: str  # stable, fit for metrics and message catalogues
    meaning: str
    meaning_zh: str
    action: Action

    @property
    def advice(self) -> str:
        """What a technician or a person at the counter does."""
        return ADVICE[self.action]


ADVICE: Mapping[Action, str] = MappingProxyType(
    {
        Action.OK: "nothing to do",
        Action.EMPTY: "nothing to do: this card does not carry the item",
        Action.IDLE: "lay a card on the reader",
        Action.REPRESENT: "lift the card, lay it down again and keep it still (请将身份证拿起后重新放置)",
        Action.RETRY: "sent again by itself; if it repeats, check cable, shielding and baud rate",
        Action.REPORT: "not cured by a repeat: check that this model supports the command; note code and SAM id",
        Action.FAULT: "reader unfit for use: switch it off and on; if it stays, replace it and note the SAM id",
    }
)

OK = 0x90
CARD_FOUND = 0x9F
NO_CONTENT = 0x91
NO_CARD = 0x80

STATUSES: Mapping[int, Status] = MappingProxyType(
    {
        status.code: status
        for status in (
            Status(OK, "ok", "done", "操作成功", Action.OK),
            Status(CARD_FOUND, "card_found", "card found", "寻找证卡成功", Action.OK),
            Status(NO_CONTENT, "no_content", "the card has no such item", "证卡中此项无内容", Action.EMPTY),
            Status(
                0x10,
                "request_checksum",
                "request arrived with a wrong checksum",
                "接收数据校验和错",
                Action.RETRY,
            ),
            Status(
                0x11, "request_length", "request arrived with a wrong length", "接收数据长度错", Action.RETRY
            ),
            Status(0x21, "command", "unknown command or parameter", "接收命令错误", Action.REPORT),
            Status(0x23, "no_permission", "no permission for this operation", "越权操作", Action.REPORT),
            Status(
                0x24, "unrecognised", "error that the reader does not name", "无法识别的错误", Action.REPORT
            ),
            Status(
                0x31,
                "card_rejects_sam",
                "card could not authenticate the SAM",
                "证卡认证SAM失败",
                Action.REPRESENT,
            ),
            Status(
                0x32,
                "sam_rejects_card",
                "SAM could not authenticate the card",
                "SAM认证证卡失败",
                Action.REPRESENT,
            ),
            Status(0x33, "verification", "information verification error", "信息验证错误", Action.REPRESENT),
            Status(0x40, "card_type", "unknown card type", "无法识别的卡类型", Action.REPRESENT),
            Status(0x41, "read_failed", "card read failed", "读证卡操作失败", Action.REPRESENT),
            Status(0x47, "random_number", "random number failed", "取随机数失败", Action.REPORT),
            Status(
                0x60,
                "sam_self_test",
                "SAM self-test failed, it takes no commands",
                "SAM自检失败",
                Action.FAULT,
            ),
            Status(0x66, "sam_not_authorised", "SAM not authorised", "SAM没经过授权", Action.FAULT),
            Status(NO_CARD, "no_card", "no card found", "寻找证卡失败", Action.IDLE),
            Status(0x81, "select_failed", "card selection failed", "选取证卡失败", Action.REPRESENT),
        )
    }
)


def status_of(sw3: int) -> Status:
    """The status of any value; unknown ones say so and ask for a report."""
    known = STATUSES.get(sw3)
    return known or Status(sw3, "unknown", f"unknown status {sw3:02X}", "未知状态", Action.REPORT)
