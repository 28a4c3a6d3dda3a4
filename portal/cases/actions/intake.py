"""The checklist that was not complete when the case was opened: answered later, by whoever knows.

On the telephone and with a customer's contact the factory asks for the rest itself. What is answered is kept with the
case; the moment nothing is missing any more begins the promises that count from it, and opens work that waited for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from portal.access import Actor
from portal.cases import clocks, rules
from portal.cases.actions.core import Held, hold, record
from portal.cases.actions.movement import begin_waiting, terms_of
from portal.cases.models import CaseEvent, SupportCase
from portal.contracts.promises import Moments
from portal.contracts.rules import intake_complete, intake_fields, intake_problems
from portal.contracts.targets import ANSWER_CLOCKS, StartEvent
from portal.contracts.terms import FieldKind, IntakeField
from portal.directory.models import ProductLine
from portal.entitlement.queries import Terms, terms_in_force
from portal.errors import Conflict, Invalid

LONGEST_ANSWER = 4_000
_RUNNING = ("open", "offered", "waiting")


def unanswered(session: Session, case: SupportCase, *, now: datetime) -> tuple[IntakeField, ...]:
    """What the checklist of the case's product line still asks; files are not waited for."""
    terms = terms_in_force(session, manufacturer_id=case.manufacturer_id, integrator_id=case.integrator_id, at=now)
    return tuple(each for each in _asked(session, case, terms) if not case.intake.get(each.code, "").strip())


def answer_checklist(
    session: Session, actor: Actor, case: SupportCase, answers: Mapping[str, str], *, seq: int, now: datetime
) -> CaseEvent:
    """Keep answers that were missing; with the last of them the promises begin that count from it.

    *Raises*: NotFound, Stale, NotAllowed; Conflict once the case has ended; Invalid at the field.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.NOTE)
    if held.case.state not in _RUNNING:
        raise Conflict("The checklist is answered while the case is open.")
    terms = terms_of(session, held)
    fields = _asked(session, held.case, terms)
    given = _given(fields, held.case, answers)
    was_complete = intake_complete(fields, held.case.intake)
    kept = {**held.case.intake, **given}
    is_complete = intake_complete(fields, kept)
    kind = "checklist_completed" if is_complete and not was_complete else "checklist_answered"
    event = record(session, held, kind, details={"fields": sorted(given)}, changes={"intake": kept})
    if kind == "checklist_completed":
        _begin(session, held, terms)
    return event


def _asked(session: Session, case: SupportCase, terms: Terms) -> tuple[IntakeField, ...]:
    line = session.get_one(ProductLine, case.product_line_id)
    return tuple(each for each in intake_fields(terms.policy, line.code) if each.kind is not FieldKind.FILE)


def _given(fields: tuple[IntakeField, ...], case: SupportCase, answers: Mapping[str, str]) -> dict[str, str]:
    """The answers to what is missing. *Raises*: Invalid for none, or one that cannot be right."""
    missing = [each for each in fields if not case.intake.get(each.code, "").strip()]
    given = {each.code: text.strip() for each in missing if (text := answers.get(each.code, "")).strip()}
    wrong = intake_problems([each for each in missing if each.code in given], given)
    too_long = f"Keep this below {LONGEST_ANSWER} characters; attach the rest as a file."
    wrong |= {code: too_long for code, text in given.items() if len(text) > LONGEST_ANSWER}
    if wrong or not given:
        problems = {f"answers.{code}": sentence for code, sentence in wrong.items()}
        raise Invalid("Answer something that is missing." if not given else "Some answers cannot be right.", problems)
    return given


def _begin(session: Session, held: Held, terms: Terms) -> None:
    """Open the clocks that waited for the checklist; the first answer is owed only where nobody has given it."""
    case, now = held.case, held.now
    moments = Moments(case.opened_at, arrived_at=now, escalated_at=now, intake_at=now)
    responded = case.offered_to_id is None and case.assignee_id is not None
    begin_waiting(session, held, terms, StartEvent.INTAKE, moments, without=ANSWER_CLOCKS if responded else frozenset())
    clocks.set_due(session, case, clocks.history(session, case, now), now=now)
