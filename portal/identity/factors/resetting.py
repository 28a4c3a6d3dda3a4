"""The way back for somebody who lost every factor and code: their administrator, or whoever runs the portal.

Everything that proved the person is taken off and every browser signed out; the password stays, and the person is told.
An administrator does it for people of one organisation only: what opens another company's door is not theirs to weaken.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from portal import jobs
from portal.access import Actor, may_administer
from portal.audit.actions import Program
from portal.errors import Conflict, NotAllowed, NotFound
from portal.identity import notices, places, queries
from portal.identity.factors.models import CodeGenerator, Passkey, PendingSignIn, RecoveryCode
from portal.identity.models import Membership, Person, WebSession

BY_OPERATOR = "command line"


def ask_for_reset(session: Session, actor: Actor, membership_id: int, now: datetime) -> None:
    """Have the worker take the person's second factors off: the web may not touch another's.

    *Raises*: NotAllowed, NotFound, Conflict.
    """
    if not may_administer(actor):
        raise NotAllowed("Only an administrator of your organisation takes second factors off.")
    member = queries.member(session, actor, membership_id)
    if member.membership.ended_at is not None:
        raise Conflict("This membership has ended.")
    if member.person.id == actor.person_id:
        raise NotAllowed("Remove your own factors under Security.")
    if set(member.person.visible_to) != {actor.organisation_id}:
        raise NotAllowed("This person acts or acted for another company too: ask whoever runs the portal.")
    details = {"by": actor.display_name}
    notices.record_and_tell(session, actor, "reset_factors", now=now, details=details, person_id=member.person.id)
    jobs.enqueue(session, "reset_factors", membership_id=membership_id)


def reset_factors(session: Session, membership_id: int, now: datetime) -> None:
    """Take off what an administrator asked for."""
    _take_off(session, session.get_one(Membership, membership_id).person_id, now)


def reset_by_operator(session: Session, email: str, now: datetime) -> str:
    """The same for anybody, by whoever runs the portal; the person's name.

    *Raises*: NotFound.
    """
    person_id = places.person_of(session, email)
    membership = places.latest_place(session, person_id)
    if membership is None:
        raise NotFound(f"Nobody signs in with {email}.")
    program = Program(membership.organisation_id, BY_OPERATOR)
    details = {"by": "Whoever runs the portal"}
    notices.record_and_tell(session, program, "reset_factors", now=now, details=details, person_id=person_id)
    _take_off(session, person_id, now)
    return session.get_one(Person, person_id).display_name


def _take_off(session: Session, person_id: int, now: datetime) -> None:
    for table in (CodeGenerator, Passkey, RecoveryCode, PendingSignIn):
        session.execute(delete(table).where(table.person_id == person_id))
    session.execute(
        update(WebSession)
        .where(WebSession.person_id == person_id, WebSession.revoked_at.is_(None))
        .values(revoked_at=now)
    )
