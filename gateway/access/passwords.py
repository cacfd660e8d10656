"""Which passwords are taken: long ones that are not the first to be tried (NIST SP 800-63B, 3.1.1).

No rules about capitals and signs: they make passwords worse to remember and hardly harder to guess.
"""

import secrets
import unicodedata
from functools import cache
from importlib.resources import files

from gateway.access.errors import AccessError

SHORTEST = 12  # characters
LONGEST = 128
FEWEST_DIFFERENT = 5
_PIECES = 3
_SEQUENCES = (
    "0123456789" * 3,
    "abcdefghijklmnopqrstuvwxyz" * 2,
    "qwertyuiopasdfghjklzxcvbnm",
    "1qaz2wsx3edc4rfv5tgb",
)
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
_GROUPS, _GROUP = 4, 5  # 20 of 31 signs: 99 bits


def normal(password: str) -> str:
    """One form for what looks the same: an input method may send full-width letters."""
    return unicodedata.normalize("NFKC", password)


def new_password(password: str, account: str) -> str:
    """The normal form of a password that may be used; raises `AccessError` (password_*)."""
    text = normal(password)
    if len(text) < SHORTEST:
        raise AccessError("password_short", f"the password is too short: at least {SHORTEST} characters")
    if len(text) > LONGEST or any(unicodedata.category(one) in {"Cc", "Cs", "Cn"} for one in text):
        raise AccessError(
            "password_form", f"a password has at most {LONGEST} characters and no control characters"
        )
    lower = text.casefold()
    if len(lower.replace(account.casefold(), "")) < SHORTEST - 4:
        raise AccessError(
            "password_name", "the password is little more than the account's name; choose another"
        )
    if _is_common(lower):
        raise AccessError(
            "password_common",
            "the password is among the first to be tried; four unrelated words are a good one",
        )
    return text


def generated() -> str:
    """A password to be written down once, typed without doubt: `k7mfa-…`, 99 bits."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def _is_common(lower: str) -> bool:
    if len(set(lower)) < FEWEST_DIFFERENT or any(lower in row or lower in row[::-1] for row in _SEQUENCES):
        return True
    return _is_made_of(lower, _PIECES)


def _is_made_of(text: str, pieces: int) -> bool:
    """Whether it is at most so many common pieces in a row."""
    if not text:
        return True
    if not pieces:
        return False
    return any(
        text[:end] in _common() and _is_made_of(text[end:], pieces - 1) for end in range(1, len(text) + 1)
    )


@cache
def _common() -> frozenset[str]:
    text = files("gateway.access").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
