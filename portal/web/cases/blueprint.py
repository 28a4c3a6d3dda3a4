"""The blueprint of cases, how its views load one, and who completes what a case was opened without."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue

from portal.access import Actor, Side, may_open_case, may_work_cases
from portal.cases import queries
from portal.cases.models import SupportCase
from portal.web.gate import current_actor, current_session

blueprint = Blueprint("cases", __name__)


def may_complete_checklist(actor: Actor) -> bool:
    """The service people of the two companies, and who opens cases for the customer."""
    return may_work_cases(actor) or (actor.side is Side.CUSTOMER and may_open_case(actor))


def case_named(name: str) -> SupportCase:
    """The actor's case of that name. *Raises*: NotFound, for a stranger's as for none."""
    return queries.case_by_name(current_session(), current_actor(), name)


def to_case(name: str) -> ResponseReturnValue:
    """Back to the page of the case."""
    return redirect(url_for("cases.case", name=name), code=303)
