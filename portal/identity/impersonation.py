"""An administrator looks on as somebody of the own organisation: with that person's recorded yes, reading only.

The question, the answer and the end are rows that nobody changes. The person may end it at any moment; it ends by
itself after an hour. While it lasts PostgreSQL refuses every write of that browser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from portal.access import Actor, may_administer
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.identity import notices, queries, rules, sessions
from portal.identity.factors.models import Impersonation, ImpersonationAnswer, ImpersonationEnd
from portal.identity.models import Membership, Person, WebSession

LISTED = 20


@dataclass(frozen=True)
class Wish:
    """An administrator's wish to look on, and how it stands."""

    id: int
    person_id: int
    person_name: str
    asked_by: int
    administrator_name: str
    reason: str
    asked_at: datetime
    until_at: datetime | None
    state: str


def ask(session: Session, actor: Actor, membership_id: int, reason: str, now: datetime) -> Impersonation:
    """Ask a person of the organisation whether the administrator may look on.

    *Raises*: NotAllowed, NotFound, Invalid, Conflict.
    """
    if not may_administer(actor):
        raise NotAllowed("Only an administrator of your organisation asks to look on.")
    member = queries.member(session, actor, membership_id)
    if member.person.id == actor.person_id:
        raise Invalid("Nobody is asked.", {"reason": "This is you."})
    if member.membership.ended_at is not None:
        raise Conflict("This membership has ended.")
    wish = Impersonation(
        organisation_id=actor.organisation_id,
        asked_by=actor.person_id,
        person_id=member.person.id,
        reason=reason,
        asked_at=now,
    )
    session.add(wish)
    session.flush()
    details = {"reason": reason, "by": actor.display_name}
    notices.record_and_tell(session, actor, "ask_to_look_on", now=now, details=details, person_id=wish.person_id)
    return wish


def answer(session: Session, actor: Actor, wish_id: int, *, is_yes: bool, now: datetime) -> None:
    """The person's own yes or no.

    *Raises*: NotFound, Conflict.
    """
    found = _wish(session, actor, wish_id, now)
    if found.person_id != actor.person_id:
        raise NotFound
    if found.state != "waiting":
        raise Conflict("This question is answered already, or too old.")
    session.add(
        ImpersonationAnswer(
            impersonation_id=wish_id,
            organisation_id=actor.organisation_id,
            is_yes=is_yes,
            answered_at=now,
            until_at=now + rules.LOOKING_ON_LASTS,
        )
    )
    session.flush()
    act = "let_look_on" if is_yes else "refuse_to_be_looked_on"
    notices.record_and_tell(session, actor, act, now=now, details={"by": found.administrator_name})


def begin(session: Session, viewer: rules.Viewer, wish_id: int, *, browser: sessions.Browser, now: datetime) -> str:
    """The token with which the administrator's browser looks on.

    *Raises*: NotFound, NotAllowed, Conflict.
    """
    actor = viewer.actor
    found = _wish(session, actor, wish_id, now)
    if not may_administer(actor) or found.asked_by != actor.person_id:
        raise NotFound
    if found.state != "open" or found.until_at is None:
        raise Conflict("There is no yes that still holds. Ask again.")
    own = session.get_one(WebSession, UUID(viewer.session_id))
    membership = session.get_one(Membership, own.membership_id)
    details = {"by": actor.display_name, "reason": found.reason}
    notices.record_and_tell(session, actor, "begin_to_look_on", now=now, details=details, person_id=found.person_id)
    return sessions.open_session_to_look_on(
        session, membership, browser, now, impersonation_id=wish_id, until_at=found.until_at
    )


def end(session: Session, actor: Actor, wish_id: int, now: datetime) -> None:
    """End it, as the person looked on as, or as the administrator.

    *Raises*: NotFound, Conflict.
    """
    found = _wish(session, actor, wish_id, now)
    if actor.person_id not in (found.person_id, found.asked_by):
        raise NotFound
    if found.state != "open":
        raise Conflict("It is over already.")
    session.add(
        ImpersonationEnd(
            impersonation_id=wish_id, organisation_id=actor.organisation_id, ended_by=actor.person_id, ended_at=now
        )
    )
    session.flush()
    notices.record_and_tell(session, actor, "end_looking_on", now=now, person_id=found.person_id)


def wishes_about(session: Session, actor: Actor, person_id: int, now: datetime) -> Sequence[Wish]:
    """What was asked about a person of the actor's organisation, the latest first."""
    return _wishes(session, actor, now, Impersonation.person_id == person_id)


def _wish(session: Session, actor: Actor, wish_id: int, now: datetime) -> Wish:
    found = _wishes(session, actor, now, Impersonation.id == wish_id)
    if not found:
        raise NotFound
    return found[0]


def _wishes(session: Session, actor: Actor, now: datetime, which: object) -> Sequence[Wish]:
    person, administrator = aliased(Person), aliased(Person)
    rows = session.execute(
        select(
            Impersonation,
            person.display_name.label("person_name"),
            administrator.display_name.label("administrator_name"),
            ImpersonationAnswer.is_yes,
            ImpersonationAnswer.until_at,
            ImpersonationEnd.ended_at,
        )
        .join(person, person.id == Impersonation.person_id)
        .join(administrator, administrator.id == Impersonation.asked_by)
        .outerjoin(ImpersonationAnswer, ImpersonationAnswer.impersonation_id == Impersonation.id)
        .outerjoin(ImpersonationEnd, ImpersonationEnd.impersonation_id == Impersonation.id)
        .where(Impersonation.organisation_id == actor.organisation_id, which)  # type: ignore[arg-type]
        .order_by(Impersonation.id.desc())
        .limit(LISTED)
    )
    return [
        Wish(
            id=row.Impersonation.id,
            person_id=row.Impersonation.person_id,
            person_name=row.person_name,
            asked_by=row.Impersonation.asked_by,
            administrator_name=row.administrator_name,
            reason=row.Impersonation.reason,
            asked_at=row.Impersonation.asked_at,
            until_at=row.until_at,
            state=rules.looking_on_state(
                asked_at=row.Impersonation.asked_at,
                is_yes=row.is_yes,
                until_at=row.until_at,
                ended_at=row.ended_at,
                now=now,
            ),
        )
        for row in rows
    ]
