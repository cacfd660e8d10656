"""Code tables used on identity cards: sex (GB/T 2261.1) and ethnicity (GB/T 3304).

An unknown code never raises: a card with a code newer than this table must still be readable.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Sex(StrEnum):
    """GB/T 2261.1."""

    UNKNOWN = "0"
    MALE = "1"
    FEMALE = "2"
    NOT_STATED = "9"


SEX_LABELS: Mapping[Sex, str] = MappingProxyType(
    {Sex.UNKNOWN: "未知", Sex.MALE: "男", Sex.FEMALE: "女", Sex.NOT_STATED: "未说明"}
)

OTHER_ETHNICITY = "97"

ETHNICITIES: Mapping[str, str] = MappingProxyType(
    {
        "01": "汉",
        "02": "蒙古",
        "03": "回",
        "04": "藏",
        "05": "维吾尔",
        "06": "苗",
        "07": "彝",
        "08": "壮",
        "09": "布依",
        "10": "朝鲜",
        "11": "满",
        "12": "侗",
        "13": "瑶",
        "14": "白",
        "15": "土家",
        "16": "哈尼",
        "17": "哈萨克",
        "18": "傣",
        "19": "黎",
        "20": "傈僳",
        "21": "佤",
        "22": "畲",
        "23": "高山",
        "24": "拉祜",
        "25": "水",
        "26": "东乡",
        "27": "纳西",
        "28": "景颇",
        "29": "柯尔克孜",
        "30": "土",
        "31": "达斡尔",
        "32": "仫佬",
        "33": "羌",
        "34": "布朗",
        "35": "撒拉",
        "36": "毛南",
        "37": "仡佬",
        "38": "锡伯",
        "39": "阿昌",
        "40": "普米",
        "41": "塔吉克",
        "42": "怒",
        "43": "乌孜别克",
        "44": "俄罗斯",
        "45": "鄂温克",
        "46": "德昂",
        "47": "保安",
        "48": "裕固",
        "49": "京",
        "50": "塔塔尔",
        "51": "独龙",
        "52": "鄂伦春",
        "53": "赫哲",
        "54": "门巴",
        "55": "珞巴",
        "56": "基诺",
        "97": "其他",
        "98": "外国血统中国籍人士",
    }
)


def sex_of(code: str) -> Sex:
    """The sex for a code; unknown codes mean unknown."""
    return next((sex for sex in Sex if sex == code), Sex.UNKNOWN)


def sex_label(code: str) -> str:
    """男, 女, ... for a code."""
    return SEX_LABELS[sex_of(code)]


def ethnicity_label(code: str) -> str:
    """汉, 蒙古, ... for a code; unknown codes count as 其他. The caller keeps the code itself."""
    return ETHNICITIES.get(code, ETHNICITIES[OTHER_ETHNICITY])
