"""Cases for tests, made by the real actions: the cast's technician escalates, the engineer accepts, and so on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.cases import actions
from portal.cases.actions import NewCase, Resolving
from portal.cases.models import CaseEvent, SupportCase
from portal.db import Scope
from portal.entitlement.actions import open_plan
from tests.support.cast import NOW, Cast, hours_later

ANSWERS = {"serial": "NA-1001", "firmware": "4.2.1", "leds": "red"}


def new_case(cast: Cast, **changes: object) -> NewCase:
    """What Tom says about the doors of the main building."""
    said = NewCase(
        system_id=cast.system.id,
        severity=2,
        title="Doors stay locked",
        symptom="Since this morning no card opens the ward's doors.",
        answers=ANSWERS,
    )
    return replace(said, **changes)


def escalated(
    session: Session, cast: Cast, *, actor: Actor | None = None, at: datetime = NOW, **changes: object
) -> SupportCase:
    """A case that Tom has escalated; the plan's hours and standing authorization stand."""
    open_plan(session, cast.plan_choice.id, now=NOW)
    return actions.escalate(session, actor or cast.tom, new_case(cast, **changes), now=at)


def accepted(session: Session, cast: Cast, *, at: datetime | None = None, **changes: object) -> SupportCase:
    """A case that Ana has accepted half an hour after Tom escalated it."""
    case = escalated(session, cast, **changes)
    actions.accept_custody(session, cast.ana, case, seq=case.seq, now=at or hours_later(0.5))
    return case


def resolved(session: Session, cast: Cast, *, at: datetime | None = None, **changes: object) -> SupportCase:
    """A case that Ana has resolved two hours after it was escalated."""
    case = accepted(session, cast, **changes)
    actions.resolve(session, cast.ana, case, RESOLVING, seq=case.seq, now=at or hours_later(2))
    return case


def closed(session: Session, cast: Cast, **changes: object) -> SupportCase:
    """A resolved case whose reopen window has ended."""
    case = resolved(session, cast, **changes)
    actions.close_case(session, case.id, now=case.reopen_until)
    return case


RESOLVING = Resolving(cause="configuration", last_action="remote_configuration", summary="Door groups set again.")


def scope_of(actor: Actor) -> Scope:
    """The row-security scope a page of this actor reads for."""
    return Scope(actor.organisation_id, actor.person_id)


def event_kinds(session: Session, case: SupportCase) -> list[str]:
    """The kinds of a case's events, in order."""
    return list(session.scalars(select(CaseEvent.kind).where(CaseEvent.case_id == case.id).order_by(CaseEvent.seq)))
