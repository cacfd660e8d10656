"""What a person comes for. The names are the contract's; what people read stands in the catalogue."""

from enum import StrEnum


class Purpose(StrEnum):
    """Purpose of a check-in (contract, 6)."""

    REPORT = "report"  # 报到
    STUDY_IN = "study_in"  # 学习签到
    STUDY_OUT = "study_out"  # 学习签退
    SERVICE_IN = "service_in"  # 公益活动签到
    SERVICE_OUT = "service_out"  # 公益活动签退
    LEAVE = "leave"  # 请假外出
    RETURN = "return"  # 销假
    ENROL = "enrol"  # 信息采集
