"""The message numbers, with the names that the makers' own headers use.

Leaves out: firmware update (40 to 44, F6), log upload (60, 61) and enrolment from a photo (F7) beyond their names;
nothing here speaks them.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

FIRST_COMMAND = 0x10  # below it the module speaks


class MsgId(IntEnum):
    """A message of either direction."""

    REPLY = 0x00
    NOTE = 0x01
    IMAGE = 0x02

    RESET = 0x10
    GETSTATUS = 0x11
    VERIFY = 0x12
    ENROLL = 0x13
    SNAPIMAGE = 0x16
    GETSAVEDIMAGE = 0x17
    UPLOADIMAGE = 0x18
    ENROLL_SINGLE = 0x1D
    DELUSER = 0x20
    DELALL = 0x21
    GETUSERINFO = 0x22
    FACERESET = 0x23
    GET_ALL_USERID = 0x24
    ENROLL_ITG = 0x26
    GET_VERSION = 0x30
    START_OTA = 0x40
    STOP_OTA = 0x41
    GET_OTA_STATUS = 0x42
    OTA_HEADER = 0x43
    OTA_PACKET = 0x44
    INIT_ENCRYPTION = 0x50
    CONFIG_BAUDRATE = 0x51
    SET_RELEASE_ENC_KEY = 0x52
    SET_DEBUG_ENC_KEY = 0x53
    GET_LOGFILE = 0x60
    UPLOAD_LOGFILE = 0x61
    GET_SN = 0x93
    READ_UVC = 0xB0
    SET_UVC = 0xB1
    SET_THRESHOLD_LEVEL = 0xD4
    POWERDOWN = 0xED
    UPGRADE_FW = 0xF6
    ENROLL_WITH_PHOTO = 0xF7
    DEMO_MODE = 0xFE


PICTURES = frozenset({MsgId.IMAGE, MsgId.ENROLL_WITH_PHOTO})  # their data is somebody's face

LABELS_ZH: Mapping[MsgId, str] = MappingProxyType(
    {
        MsgId.REPLY: "应答",
        MsgId.NOTE: "主动上报",
        MsgId.IMAGE: "图像数据",
        MsgId.RESET: "停止当前任务并待机",
        MsgId.GETSTATUS: "查询状态",
        MsgId.VERIFY: "人脸识别",
        MsgId.ENROLL: "交互式录入",
        MsgId.SNAPIMAGE: "抓拍图像",
        MsgId.GETSAVEDIMAGE: "查询图像大小",
        MsgId.UPLOADIMAGE: "上传图像",
        MsgId.ENROLL_SINGLE: "单帧录入",
        MsgId.DELUSER: "删除用户",
        MsgId.DELALL: "删除全部用户",
        MsgId.GETUSERINFO: "查询用户信息",
        MsgId.FACERESET: "清除录入状态",
        MsgId.GET_ALL_USERID: "查询全部用户编号",
        MsgId.ENROLL_ITG: "综合录入",
        MsgId.GET_VERSION: "查询版本",
        MsgId.START_OTA: "开始升级",
        MsgId.STOP_OTA: "停止升级",
        MsgId.GET_OTA_STATUS: "查询升级状态",
        MsgId.OTA_HEADER: "升级包信息",
        MsgId.OTA_PACKET: "升级数据",
        MsgId.INIT_ENCRYPTION: "初始化加密",
        MsgId.CONFIG_BAUDRATE: "设置波特率",
        MsgId.SET_RELEASE_ENC_KEY: "设置量产密钥",
        MsgId.SET_DEBUG_ENC_KEY: "设置调试密钥",
        MsgId.GET_LOGFILE: "查询日志大小",
        MsgId.UPLOAD_LOGFILE: "上传日志",
        MsgId.GET_SN: "查询序列号",
        MsgId.READ_UVC: "读取UVC参数",
        MsgId.SET_UVC: "设置UVC参数",
        MsgId.SET_THRESHOLD_LEVEL: "设置安全等级",
        MsgId.POWERDOWN: "准备断电",
        MsgId.UPGRADE_FW: "升级固件",
        MsgId.ENROLL_WITH_PHOTO: "照片录入",
        MsgId.DEMO_MODE: "演示模式",
    }
)


def name_of(msg_id: int) -> str:
    """The maker's name, or one that says that the number is not known."""
    return MsgId(msg_id).name if msg_id in LABELS_ZH else f"UNKNOWN_{msg_id:02X}"
