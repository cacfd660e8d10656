"""What the result byte of a reply means and what to do about it.

The table is the whole knowledge; a number that is not in it gets an entry that says so. `maker_name` is that of
the makers' headers without its MR_. Numbers of the LK derivatives whose meaning nobody has published say that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Action(StrEnum):
    """What the host does next."""

    OK = "ok"  # done
    RETRY = "retry"  # the module was busy or stopped: abort what runs, ask again
    PERSON = "person"  # tell the person in front of the camera
    REPORT = "report"  # not cured by a repeat: tell the technician
    FAULT = "fault"  # the module is unfit for use: alarm


@dataclass(frozen=True, slots=True)
class Result:
    """One value of the result byte."""

    code: int
    name: str  # stable, fit for metrics and message catalogues
    maker_name: str
    meaning: str
    meaning_zh: str
    action: Action
    to_person: str = ""  # what the person in front of the camera is told, where it concerns them

    @property
    def advice(self) -> str:
        """What a technician or a person at the counter does."""
        return self.to_person or ADVICE[self.action]


ADVICE: Mapping[Action, str] = MappingProxyType(
    {
        Action.OK: "nothing to do",
        Action.RETRY: "aborted and asked again by itself; if it repeats, switch the module off and on",
        Action.PERSON: "look into the camera again (请正对摄像头重试)",
        Action.REPORT: "not cured by a repeat: check that this model knows the command; note code and version",
        Action.FAULT: "module unfit for use: switch it off and on; if it stays, replace it and note its serial",
    }
)

SUCCESS, REJECTED, ABORTED, UNKNOWN_USER, FULL, ALREADY_ENROLLED = 0, 1, 2, 8, 9, 10
LIVENESS, TIMEOUT, ENCRYPTION_REQUIRED = 12, 13, 21

_UNPUBLISHED = (27, 28, 29, 34, 37, 38, 43, 44, 101, 102)

RESULTS: Mapping[int, Result] = MappingProxyType(
    {
        result.code: result
        for result in (
            Result(SUCCESS, "ok", "SUCCESS", "done", "成功", Action.OK),
            Result(
                REJECTED,
                "rejected",
                "REJECTED",
                "refused: busy, or (some firmware, after VERIFY) a face that is not enrolled",
                "模组拒绝该命令",
                Action.RETRY,
            ),
            Result(ABORTED, "aborted", "ABORTED", "stopped by RESET", "算法已终止", Action.RETRY),
            Result(4, "camera", "FAILED4_CAMERA", "camera did not open", "相机打开失败", Action.FAULT),
            Result(
                5,
                "unknown_reason",
                "FAILED4_UNKNOWNREASON",
                "error without a name",
                "未知错误",
                Action.REPORT,
            ),
            Result(6, "parameter", "FAILED4_INVALIDPARAM", "invalid parameter", "无效的参数", Action.REPORT),
            Result(7, "memory", "FAILED4_NOMEMORY", "out of memory", "内存不足", Action.FAULT),
            Result(
                UNKNOWN_USER,
                "unknown_user",
                "FAILED4_UNKNOWNUSER",
                "not enrolled in this module",
                "没有已录入的用户",
                Action.PERSON,
                "not recognised: look straight into the camera, or have the face enrolled (未识别，请正对摄像头)",
            ),
            Result(
                FULL,
                "full",
                "FAILED4_MAXUSER",
                "no room for another face",
                "超过最大用户数量",
                Action.REPORT,
            ),
            Result(
                ALREADY_ENROLLED,
                "already_enrolled",
                "FAILED4_FACEENROLLED",
                "this face is enrolled already",
                "人脸已录入",
                Action.PERSON,
                "this face is enrolled already (该人脸已录入)",
            ),
            Result(
                LIVENESS,
                "liveness",
                "FAILED4_LIVENESSCHECK",
                "not a living face",
                "活体检测失败",
                Action.PERSON,
                "stand still in even light, without cover, and try again (请在光线均匀处重试)",
            ),
            Result(
                TIMEOUT,
                "timeout",
                "FAILED4_TIMEOUT",
                "nobody fit to recognise within the time",
                "录入或识别超时",
                Action.PERSON,
                "step in front of the camera and try again (请站到摄像头前重试)",
            ),
            Result(
                14,
                "authorisation",
                "FAILED4_AUTHORIZATION",
                "the module's licence chip refuses",
                "加密芯片授权失败",
                Action.FAULT,
            ),
            Result(
                15,
                "camera_view",
                "FAILED4_CAMERAFOV",
                "camera view test failed",
                "视场测试失败",
                Action.FAULT,
            ),
            Result(
                16,
                "camera_quality",
                "FAILED4_CAMERAQUA",
                "camera quality test failed (LK derivatives use the number otherwise)",
                "图像质量测试失败",
                Action.FAULT,
            ),
            Result(
                17,
                "camera_structure",
                "FAILED4_CAMERASTRU",
                "camera structure test failed",
                "结构测试失败",
                Action.FAULT,
            ),
            Result(
                18, "boot_timeout", "FAILED4_BOOT_TIMEOUT", "start took too long", "启动超时", Action.FAULT
            ),
            Result(
                19, "read_file", "FAILED4_READ_FILE", "reading its store failed", "读文件失败", Action.FAULT
            ),
            Result(
                20, "write_file", "FAILED4_WRITE_FILE", "writing its store failed", "写文件失败", Action.FAULT
            ),
            Result(
                ENCRYPTION_REQUIRED,
                "encryption_required",
                "FAILED4_NO_ENCRYPT",
                "the module wants encrypted messages",
                "通信协议未加密",
                Action.REPORT,
            ),
            Result(
                23,
                "no_rgb_image",
                "FAILED4_NO_RGBIMAGE",
                "no colour image ready",
                "RGB图像未就绪",
                Action.REPORT,
            ),
            Result(24, "photo_large", "FAILED4_JPGPHOTO_LARGE", "photo too large", "照片过大", Action.REPORT),
            Result(25, "photo_small", "FAILED4_JPGPHOTO_SMALL", "photo too small", "照片过小", Action.REPORT),
            *(
                Result(
                    code,
                    f"lk_{code}",
                    f"LK_{code}",
                    f"{code} of an LK derivative; its meaning is not published",
                    "LK扩展结果，含义未公开",
                    Action.REPORT,
                )
                for code in _UNPUBLISHED
            ),
        )
    }
)


def result_of(code: int) -> Result:
    """The entry of any value; unknown ones say so and ask for a report."""
    known = RESULTS.get(code)
    unknown = f"UNKNOWN_{code}"
    return known or Result(code, "unknown", unknown, f"unknown result {code}", "未知结果", Action.REPORT)
