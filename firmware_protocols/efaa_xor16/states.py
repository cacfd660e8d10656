"""What a FACE_STATE note says of the face in the picture, and the directions that enrolment asks for.

The table is the whole knowledge. 16 to 24 come from an LK derivative; one source, the order within them as listed
there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag
from types import MappingProxyType


class Direction(IntFlag):
    """Which way the face looks; also the mask of those taken in so far."""

    UNDEFINED = 0x00
    MIDDLE = 0x01
    RIGHT = 0x02
    LEFT = 0x04
    DOWN = 0x08
    UP = 0x10


FIVE = (Direction.MIDDLE, Direction.RIGHT, Direction.LEFT, Direction.DOWN, Direction.UP)
COMPLETE = 0x1F  # all five are taken in


@dataclass(frozen=True, slots=True)
class FaceState:
    """One value of the state field."""

    code: int
    name: str  # stable
    meaning: str
    meaning_zh: str
    to_person: str = ""  # what the person is told; empty where there is nothing to do


FACE_STATES: Mapping[int, FaceState] = MappingProxyType(
    {
        state.code: state
        for state in (
            FaceState(0, "NORMAL", "face in place", "人脸正常"),
            FaceState(1, "NO_FACE", "no face in the picture", "未检测到人脸", "look into the camera"),
            FaceState(2, "TOO_HIGH", "face at the upper edge", "人脸太靠上", "move down a little"),
            FaceState(3, "TOO_LOW", "face at the lower edge", "人脸太靠下", "move up a little"),
            FaceState(4, "TOO_LEFT", "face at the left edge", "人脸太靠左", "move to the middle"),
            FaceState(5, "TOO_RIGHT", "face at the right edge", "人脸太靠右", "move to the middle"),
            FaceState(6, "TOO_FAR", "face too far", "人脸距离太远", "come closer"),
            FaceState(7, "TOO_CLOSE", "face too close", "人脸距离太近", "step back"),
            FaceState(8, "EYEBROW_OCCLUSION", "brows covered", "眉毛遮挡", "uncover your brows"),
            FaceState(9, "EYE_OCCLUSION", "eyes covered", "眼睛遮挡", "uncover your eyes"),
            FaceState(10, "FACE_OCCLUSION", "face covered", "脸部遮挡", "uncover your face"),
            FaceState(
                11, "DIRECTION_ERROR", "face turned the wrong way", "人脸方向错误", "turn as you were asked"
            ),
            FaceState(12, "EYES_OPEN", "eyes open, in the mode for closed eyes", "闭眼模式检测到睁眼"),
            FaceState(13, "EYES_CLOSED", "eyes closed", "闭眼", "open your eyes"),
            FaceState(14, "EYES_UNKNOWN", "cannot tell whether the eyes are open", "无法判定睁闭眼"),
            FaceState(16, "LIBRARY_MISMATCH", "LK: not like the enrolled face", "LK：与底库不符"),
            FaceState(
                17, "LOW_QUALITY", "LK: picture too poor", "LK：图像质量低", "stand still in even light"
            ),
            FaceState(18, "LIVENESS_3D", "LK: 3D check for a living face failed", "LK：3D活体失败"),
            FaceState(19, "LIVENESS_2D", "LK: 2D check for a living face failed", "LK：2D活体失败"),
            FaceState(20, "POSE_20", "LK: turned too far, limit 20", "LK：姿态超限", "look straight ahead"),
            FaceState(21, "POSE_21", "LK: turned too far, limit 21", "LK：姿态超限", "look straight ahead"),
            FaceState(22, "POSE_22", "LK: turned too far, limit 22", "LK：姿态超限", "look straight ahead"),
            FaceState(23, "POSE_23", "LK: turned too far, limit 23", "LK：姿态超限", "look straight ahead"),
            FaceState(24, "HIGH_SIMILARITY", "LK: much like another enrolled face", "LK：相似度过高"),
        )
    }
)


def state_of(code: int) -> FaceState:
    """The entry of any value; unknown ones say so."""
    known = FACE_STATES.get(code)
    return known or FaceState(code, f"UNKNOWN_{code}", f"unknown state {code}", "未知状态")
