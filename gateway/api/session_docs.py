"""What the description says of signing in: pages instead of problem documents, and forms."""

from collections.abc import Mapping
from typing import Any

from gateway.access.model import Role
from gateway.api.problems import Responses

_HTML = {"text/html": {"example": '<!doctype html><html lang="zh-CN">…</html>'}}

PAGE: Responses = {200: {"content": _HTML}}
SEE_OTHER: Responses = {303: {"content": {"text/html": {"example": ""}}}}
# The same form again, which says why.
REFUSED_PAGES: Responses = {
    status: {"description": text, "content": _HTML}
    for status, text in {
        401: "The account or the password is wrong",
        403: "The form was sent by a page of another origin",
        429: "Too many tries; `Retry-After` says how long to wait",
        503: "Nobody can sign in now: the store takes nothing, or another password is being checked",
    }.items()
}
ME: Responses = {
    200: {
        "content": {
            "application/json": {
                "example": {"role": Role.TECHNICIAN, "name": "wei", "csrf": "q3R…", "must_change": False}
            }
        }
    }
}


def _form(fields: Mapping[str, str]) -> dict[str, Any]:
    properties = {
        name: {"type": "string", "maxLength": 256, "description": text} for name, text in fields.items()
    }
    required = [name for name in fields if name not in ("next", "csrf")]
    schema = {"type": "object", "properties": properties, "required": required}
    return {
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": schema}},
        }
    }


SIGN_IN_FORM = _form(
    {"name": "The account", "password": "Its password", "next": "Where to go: a path of this gateway"}
)
ACCOUNT_FORM = _form(
    {
        "csrf": "The session's token, where no header carries it",
        "old": "The password until now",
        "new": "The new one",
        "again": "The new one again",
    }
)
