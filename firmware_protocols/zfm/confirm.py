"""Confirm codes: the first byte of every reply, what it means and what to do about it.

The table is the whole knowledge; a code that is not in it gets a description that says so. Code 22 means
different things to the two families.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from firmware_protocols.zfm.family import Family


class Action(StrEnum):
    """What the host does next."""

    OK = "ok"  # done
    WAIT = "wait"  # no finger yet: look again
    PRESS_AGAIN = "press_again"  # the picture is poor: the person presses again
    NOBODY = "nobody"  # a clean answer: nobody of the library
    RETRY = "retry"  # the command was damaged on the line: send it again
    ACCESS = "access"  # password or address do not fit: tell the technician
    REFUSED = "refused"  # the library does not allow it: slot, space, duplicate
    REPORT = "report"  # not cured by a repeat: tell the technician
    FAULT = "fault"  # the module is unfit for use: alarm


ADVICE: Mapping[Action, str] = MappingProxyType(
    {
        Action.OK: "nothing to do",
        Action.WAIT: "lay a finger on the sensor",
        Action.PRESS_AGAIN: "clean or dry finger and sensor, press again flat and still (请擦净手指后重新按压)",
        Action.NOBODY: "nothing to do: this finger is not in the module's library",
        Action.RETRY: "sent again by itself; if it repeats, check cable, shielding and baud rate",
        Action.ACCESS: "check password and address of the module in the configuration",
        Action.REFUSED: "look which slots are taken; erase what is no longer needed",
        Action.REPORT: "not cured by a repeat: check that this model supports the command; note code and model",
        Action.FAULT: "module unfit for use: switch it off and on; if it stays, replace it",
    }
)


@dataclass(frozen=True, slots=True)
class Confirm:
    """One confirm code."""

    code: int
    name: str  # stable, fit for metrics and message catalogues
    meaning: str
    meaning_zh: str
    action: Action

    @property
    def advice(self) -> str:
        """What a technician or a person at the counter does."""
        return ADVICE[self.action]


OK = 0x00
DAMAGED = 0x01
NO_FINGER = 0x02
NO_MATCH = 0x08
NOT_FOUND = 0x09
MERGE_FAILED = 0x0A
WRONG_PASSWORD = 0x13
LIBRARY_FULL = 0x1F
PASSWORD_REQUIRED = 0x21
ALREADY_ENROLLED = 0x27
ECHO = 0x55
UNSUPPORTED = 0xFC

CONFIRMS: Mapping[int, Confirm] = MappingProxyType(
    {
        code: Confirm(code, name, meaning, zh, action)
        for code, name, meaning, zh, action in (
            (0x00, "ok", "ok", "成功", Action.OK),
            (0x01, "packet", "packet received with errors", "数据包接收错误", Action.RETRY),
            (0x02, "no_finger", "no finger on sensor", "传感器上没有手指", Action.WAIT),
            (0x03, "image_failed", "image failed", "录入指纹图像失败", Action.PRESS_AGAIN),
            (0x04, "dry", "image too dry", "指纹图像太干、太淡", Action.PRESS_AGAIN),
            (0x05, "wet", "image too wet", "指纹图像太湿、太糊", Action.PRESS_AGAIN),
            (0x06, "messy", "image too messy", "指纹图像太乱", Action.PRESS_AGAIN),
            (0x07, "few_features", "too few features", "特征点太少", Action.PRESS_AGAIN),
            (0x08, "no_match", "fingers do not match", "指纹不匹配", Action.NOBODY),
            (0x09, "not_found", "not found in the library", "没有搜索到指纹", Action.NOBODY),
            (0x0A, "merge", "features do not merge", "特征合并失败", Action.PRESS_AGAIN),
            (0x0B, "page_range", "page out of range", "地址序号超出指纹库范围", Action.REFUSED),
            (0x0C, "template_read", "template cannot be read", "读模板出错或无效", Action.REPORT),
            (0x0D, "upload_failed", "template upload failed", "上传特征失败", Action.REPORT),
            (0x0E, "data_refused", "cannot receive data packets", "不能接收后续数据包", Action.REPORT),
            (0x0F, "image_upload_failed", "image upload failed", "上传图像失败", Action.REPORT),
            (0x10, "delete_failed", "delete failed", "删除模板失败", Action.REPORT),
            (0x11, "empty_failed", "empty failed", "清空指纹库失败", Action.REPORT),
            (0x12, "sleep_failed", "sleep failed", "不能进入低功耗状态", Action.REPORT),
            (0x13, "wrong_password", "wrong password", "口令不正确", Action.ACCESS),
            (0x14, "reset_failed", "reset failed", "系统复位失败", Action.FAULT),
            (0x15, "no_image", "no valid image", "缓冲区内没有有效图像", Action.PRESS_AGAIN),
            (0x16, "upgrade_failed", "upgrade failed", "在线升级失败", Action.REPORT),
            (0x17, "residual_finger", "residual finger", "残留指纹或手指没有移动过", Action.PRESS_AGAIN),
            (0x18, "flash", "flash error", "读写FLASH出错", Action.FAULT),
            (0x19, "undefined", "undefined error, or random number failed", "未定义错误", Action.REPORT),
            (0x1A, "register", "no such register", "无效寄存器号", Action.REPORT),
            (0x1B, "register_value", "value not possible for the register", "寄存器内容错误", Action.REPORT),
            (0x1C, "notepad_page", "no such notepad page", "记事本页码错误", Action.REPORT),
            (0x1D, "port", "port operation failed", "端口操作失败", Action.REPORT),
            (0x1E, "auto_enrol_failed", "auto-enrol failed", "自动注册失败", Action.PRESS_AGAIN),
            (0x1F, "library_full", "library full", "指纹库满", Action.REFUSED),
            (0x20, "wrong_address", "wrong device address", "设备地址错误", Action.ACCESS),
            (0x21, "password_required", "password must be verified first", "须先验证口令", Action.ACCESS),
            (0x23, "template_empty", "template empty", "指纹模板为空", Action.REFUSED),
            (0x24, "library_empty", "library empty", "指纹库为空", Action.NOBODY),
            (0x25, "press_count", "bad number of presses", "录入次数设置错误", Action.REPORT),
            (0x26, "timeout", "timeout", "超时", Action.WAIT),
            (0x27, "already_enrolled", "already enrolled", "指纹已存在", Action.REFUSED),
            (0x28, "template_linked", "template is linked", "指纹模板有关联", Action.REFUSED),
            (0x29, "sensor_fault", "sensor fault", "传感器初始化失败", Action.FAULT),
            (0x31, "encryption_level", "not allowed at this encryption level", "功能与加密等级不匹配", Action.REPORT),
            (0x55, "echo", "module is there", "模块在线", Action.OK),
            (0xFC, "unsupported", "command not supported", "不支持的指令", Action.REPORT),
            (0xFD, "hardware", "hardware error", "硬件错误", Action.FAULT),
            (0xFE, "execution_failed", "execution failed", "指令执行失败", Action.REPORT),
        )
    }
)  # fmt: skip

_CODE_22: Mapping[Family, Confirm] = MappingProxyType(
    {
        Family.GROW: Confirm(0x22, "template_empty", "template empty", "指纹模板为空", Action.REFUSED),
        Family.SYNOCHIP: Confirm(0x22, "slot_not_empty", "slot not empty", "指纹模板非空", Action.REFUSED),
    }
)


def confirm_of(family: Family, code: int) -> Confirm:
    """The meaning of any code; unknown ones say so and ask for a report."""
    known = _CODE_22[family] if code == 0x22 else CONFIRMS.get(code)
    return known or Confirm(code, "unknown", f"unknown confirm code {code:02X}", "未知确认码", Action.REPORT)
