"""What the description says of signing in: pages instead of problem documents, and forms."""

from collections.abc import Mapping
from typing import Any

from gateway.access.model import Role
from gateway.api.problems import MEDIA_TYPE, Responses, documented

_HTML = {"text/html": {"example": '<!doctype html><html lang="zh-CN">…</html>'}}

PAGE: Responses = {200: {"content": _HTML}}
# The same form again, which says why; or the problem document of a door in front of it.
REFUSED_PAGES: Responses = {
    status: {
        "description": text,
        "content": _HTML
        | {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": documented(status)[status]["content"][MEDIA_TYPE]["example"],
            }
        },
    }
    for status, text in {
        400: "A field is empty, or the new password is not taken",
        401: "The account or the password is wrong",
        403: "The form was sent by a page of another origin, or this is not for the one who asks",
        429: "Too many tries; `Retry-After` says how long to wait",
        503: "Not now: the store takes nothing, or another password is being checked",
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
