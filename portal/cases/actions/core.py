"""The one way a case moves: lock its header, check who and from which version, write the event, raise the version.

Every verb holds the case first and records last, so two people who act at once act one after the other, and the second
one's form is stale. Nothing else writes a header or an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session

from portal.access import Actor, CaseParties, is_party
from portal.cases import rules, words
from portal.cases.models import CaseEvent, Challenge, Resolution, ResolutionAnswer, SupportCase
from portal.cases.queries.scope import readable
from portal.cases.situation import situation_of
from portal.contracts.blocks import Company
from portal.errors import Happening, NotFound, Stale
from portal.jobs import enqueue

# Who speaks where a job acts.
PORTAL_NAME = "Factoryline"


@dataclass(frozen=True)
class Held:
    """A case whose header this transaction has locked, with what the rules ask about it."""

    case: SupportCase
    actor: Actor | None
    now: datetime
    question_by_id: int | None
    resolution_id: int | None
    resolution_by_id: int | None
    answered: bool

    @property
    def situation(self) -> rules.Situation:
        """What the transition rules need to know."""
        return situation_of(
            self.case,
            question_by_id=self.question_by_id,
            resolution_by_id=self.resolution_by_id,
            answered=self.answered,
            now=self.now,
        )

    def check(self, verb: rules.Verb) -> None:
        """Refuse a step that may not be taken. *Raises*: Conflict, NotAllowed."""
        rules.check(verb, self.situation, self.actor)


def organisation_of(case: SupportCase, company: Company) -> int:
    """Which organisation stands for one of the two companies."""
    return case.manufacturer_id if company is Company.MANUFACTURER else case.integrator_id


def parties(case: SupportCase) -> dict[str, int]:
    """The columns every row about the case carries."""
    return {
        "case_id": case.id,
        "manufacturer_id": case.manufacturer_id,
        "integrator_id": case.integrator_id,
        "customer_id": case.customer_id,
    }


def hold(session: Session, actor: Actor | None, case_id: int, *, seq: int | None = None, now: datetime) -> Held:
    """Lock a case for this transaction; with ``seq``, only as the form knew it. A job acts with ``actor`` None.

    *Raises*: NotFound for a stranger; Stale, naming what happened since the form was made.
    """
    row = session.execute(
        select(SupportCase, _question_by(), *_last_resolution(), _answered())
        .where(SupportCase.id == case_id)
        .with_for_update(of=SupportCase)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None or (actor is not None and not may_know(actor, row[0])):
        raise NotFound()
    held = Held(row[0], actor, now, *row[1:])
    if seq is not None and seq != held.case.seq:
        raise Stale("The case has moved on since you opened this form.", since=_since(session, actor, held.case, seq))
    return held


def may_know(actor: Actor, case: SupportCase) -> bool:
    """Whether a case is one of the actor's: as one of its companies, or by a mailed link of one of them."""
    sites = CaseParties(case.manufacturer_id, case.integrator_id, case.customer_id, case.site_id)
    return is_party(actor, sites)


def record(
    session: Session,
    held: Held,
    kind: str,
    *,
    audience: str = "customer",
    details: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> CaseEvent:
    """Write what happened and raise the version; ``changes`` are the header's new values. Readers are told by job."""
    case = held.case
    for name, value in (changes or {}).items():
        setattr(case, name, value)
    case.seq += 1
    case.changed_at = held.now
    event = new_event(case, held.actor, kind, audience=audience, details=details, now=held.now)
    session.add(event)
    session.flush()
    enqueue(session, "notify_case_event", event_id=event.id)
    return event


def new_event(
    case: SupportCase,
    actor: Actor | None,
    kind: str,
    *,
    audience: str,
    details: Mapping[str, Any] | None = None,
    now: datetime,
) -> CaseEvent:
    """The event row of the case's present version."""
    return CaseEvent(
        **parties(case),
        seq=case.seq,
        kind=kind,
        audience=audience,
        owner_id=actor.organisation_id if actor is not None else case.manufacturer_id,
        person_id=person_id(actor),
        person_name=actor.display_name if actor is not None else PORTAL_NAME,
        occurred_at=now,
        recorded_at=now,
        details=dict(details or {}),
    )


def person_id(actor: Actor | None) -> int | None:
    """Who acted; a mailed link's holder may have no account."""
    return actor.person_id or None if actor is not None else None


def running_state(case: SupportCase) -> str:
    """The header's word for an open case: offered while somebody is asked to take it."""
    return "offered" if case.offered_to_id is not None else "open"


def _question_by() -> Any:
    return (
        select(CaseEvent.owner_id)
        .where(CaseEvent.case_id == SupportCase.id, CaseEvent.kind == "asked", SupportCase.state == "waiting")
        .order_by(CaseEvent.seq.desc())
        .limit(1)
        .correlate(SupportCase)
        .scalar_subquery()
    )


def _last_resolution() -> tuple[Any, Any]:
    def last(column: Any) -> Any:
        return (
            select(column)
            .where(Resolution.case_id == SupportCase.id)
            .order_by(Resolution.seq.desc())
            .limit(1)
            .correlate(SupportCase)
            .scalar_subquery()
        )

    return last(Resolution.id), last(Resolution.company_id)


def _answered() -> ColumnElement[bool]:
    """Whether the last resolution was confirmed by word or challenged by the other company."""
    last_id = _last_resolution()[0]
    confirmed = exists().where(
        ResolutionAnswer.case_id == SupportCase.id,
        ResolutionAnswer.resolution_id == last_id,
        ResolutionAnswer.basis.in_(("confirmed", "import")),
    )
    challenged = exists().where(
        and_(
            Challenge.case_id == SupportCase.id,
            Challenge.resolution_id == last_id,
            Challenge.company_id != SupportCase.customer_id,
        )
    )
    return or_(confirmed, challenged)


def _since(session: Session, actor: Actor | None, case: SupportCase, seq: int) -> list[Happening]:
    events = session.scalars(
        select(CaseEvent)
        .where(CaseEvent.case_id == case.id, CaseEvent.seq > seq, readable(actor, CaseEvent))
        .order_by(CaseEvent.seq)
    )
    return [Happening(each.person_name, words.sentence(each.kind), each.occurred_at.isoformat()) for each in events]
