"""Every word the pages of staff can say has a text, and every state a shape of its own."""

import re
from pathlib import Path

import pytest

from gateway.access.model import Role
from gateway.checkin.due import Reason, State
from gateway.checkin.facts import Outcome
from gateway.checkin.purposes import Purpose
from gateway.checkin.rollcall import Answer, Note
from gateway.checkin.roster import Method
from gateway.checkin.session import Stage
from gateway.ingest.alarms import SEVERITY
from gateway.web import staff_present as sp
from gateway.web.day_table import COLUMNS, Part
from gateway.web.messages import load_catalogue

TEMPLATES = Path(__file__).parents[2] / "gateway" / "web" / "templates"
KEYS = [
    *(f"duty_state.{one}" for one in State),
    *(f"duty_reason.{one}" for one in Reason),
    *(f"staff_purpose.{one}" for one in Purpose),
    *(f"visit_outcome.{one}" for one in Outcome if one is not Outcome.NOT_STORED),
    *(f"visit_method.{one}" for one in Method),
    *(f"kiosk_stage.{one}" for one in Stage),
    *(f"rollcall_answer.{one}" for one in Answer),
    *(f"rollcall_note.{one}" for one in Note),
    *(f"role.{one}" for one in Role),
    *(f"staff_reason.{one}" for one in (*sp.VOUCH_REASONS, *sp.REVIEW_REASONS, *sp.ENTRY_REASONS)),
    *(f"alarm_severity.{one}" for one in SEVERITY.values()),
    *(f"health.{one}{end}" for one in SEVERITY for end in ("", ".do")),
    *(f"export.{one}" for one in Part),
    *(f"export_column.{one}" for part in Part for one in COLUMNS[part]),
]


@pytest.mark.parametrize("key", sorted(set(KEYS)))
def test_every_word_has_a_text(key: str) -> None:
    assert key in load_catalogue()


def test_every_state_has_a_place_a_level_and_an_outline_that_is_its_own() -> None:
    assert set(sp.ORDER) == set(sp.LEVELS) == set(State)
    shapes = (TEMPLATES / "staff_shapes.html").read_text(encoding="utf-8")
    outlines = dict(re.findall(r'<symbol id="duty-(\w+)"[^>]*>(.*?)</symbol>', shapes))
    assert set(outlines) == set(State)
    assert len(set(outlines.values())) == len(State)
