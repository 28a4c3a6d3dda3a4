"""Giving up what a party has not returned: one person of finance asks with a reason and a bearer, another decides.

Invariants: who asked never decides; no more is given up than is still owed when it happens; the posting names who bears
it: the operator as an expense, or the manufacturer out of what it has coming.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.adjustments import queries
from portal.adjustments.actions import recovering
from portal.adjustments.actions.checking import LONGEST_REASON, YES, check_answer
from portal.adjustments.models import ClawBack, ClawBackStep, WriteOff, WriteOffDecision
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.jobs import enqueue
from portal.rows import insert_once

OPERATOR, MANUFACTURER = "operator", "manufacturer"
BEARERS = (OPERATOR, MANUFACTURER)


def ask(session: Session, actor: Actor, claw_back_id: int, *, bearer: str, reason: str, now: datetime) -> WriteOff:
    """Ask to give up what is left of a claw-back. *Raises*: NotAllowed, NotFound, Invalid, Conflict."""
    claw_back = claw_back_owned(session, actor, claw_back_id)
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"claw_back:{claw_back.id}"}
    )
    problems = {}
    if bearer not in BEARERS:
        problems["bearer"] = "Choose who bears it."
    if not 1 <= len(reason.strip()) <= LONGEST_REASON:
        problems["reason"] = f"Say why, in 1 to {LONGEST_REASON} characters."
    if problems:
        raise Invalid("It cannot be given up like this.", problems)
    rest = recovering.rest_minor(session, claw_back)
    if rest <= 0:
        raise Conflict("Nothing is owed of it any more.")
    if waiting(session, claw_back.id) is not None:
        raise Conflict("Somebody has asked for this already; it waits for an answer.")
    made = WriteOff(
        claw_back_id=claw_back.id,
        manufacturer_id=claw_back.manufacturer_id,
        bearer=bearer,
        currency=claw_back.currency,
        amount_minor=rest,
        reason=reason.strip(),
        asked_by=actor.person_id,
        asked_at=now,
    )
    session.add(made)
    session.flush()
    return made


def decide(
    session: Session, actor: Actor, write_off_id: int, *, outcome: str, explanation: str, now: datetime
) -> WriteOffDecision:
    """Somebody else of finance says yes or no. *Raises*: NotAllowed, NotFound, Invalid, Conflict."""
    asked = write_off_seen(session, actor, write_off_id)
    if asked.asked_by == actor.person_id:
        raise NotAllowed("This is decided by somebody other than the person who asked for it.")
    check_answer(outcome, explanation)
    said = WriteOffDecision(
        write_off_id=asked.id,
        manufacturer_id=asked.manufacturer_id,
        asked_by=asked.asked_by,
        outcome=outcome,
        explanation=explanation.strip(),
        decided_by=actor.person_id,
        decided_at=now,
    )
    made = insert_once(session, said, unique=["write_off_id"])
    if made is None:
        raise Conflict("This is decided already.")
    if outcome == YES:
        enqueue(session, "write_off_claw_back", write_off_id=asked.id)
    return made


def carry_out(session: Session, write_off_id: int, *, now: datetime) -> bool:
    """The job: what is still owed, up to what was asked, is given up, once; whether there was something."""
    asked = session.get_one(WriteOff, write_off_id)
    decision = decision_of(session, asked.id)
    if decision is None or decision.outcome != YES:
        return False
    claw_back = session.get_one(ClawBack, asked.claw_back_id)
    return recovering.give_up(
        session,
        claw_back,
        most_minor=asked.amount_minor,
        bearer_id=claw_back.manufacturer_id if asked.bearer == MANUFACTURER else None,
        reason=asked.reason,
        now=now,
    )


def sweep(session: Session) -> int:
    """Enqueue again write-offs whose job was lost; how many."""
    done = select(ClawBackStep.id).where(
        ClawBackStep.claw_back_id == WriteOff.claw_back_id, ClawBackStep.kind == recovering.WRITTEN_OFF
    )
    lost = session.scalars(
        select(WriteOff.id)
        .join(WriteOffDecision, WriteOffDecision.write_off_id == WriteOff.id)
        .where(WriteOffDecision.outcome == YES, ~done.exists())
        .order_by(WriteOff.id)
    ).all()
    owed = [
        each for each in lost
        if recovering.rest_minor(session, session.get_one(ClawBack, session.get_one(WriteOff, each).claw_back_id)) > 0
    ]  # fmt: skip
    for write_off_id in owed:
        enqueue(session, "write_off_claw_back", write_off_id=write_off_id)
    return len(owed)


def claw_back_owned(session: Session, actor: Actor, claw_back_id: int) -> ClawBack:
    """A claw-back of the actor's manufacturer. *Raises*: NotAllowed, NotFound."""
    queries.check_finance(actor)
    found = session.get(ClawBack, claw_back_id)
    if found is None or found.manufacturer_id != actor.organisation_id:
        raise NotFound
    return found


def write_off_seen(session: Session, actor: Actor, write_off_id: int) -> WriteOff:
    """One of the actor's manufacturer. *Raises*: NotAllowed, NotFound."""
    queries.check_finance(actor)
    found = session.get(WriteOff, write_off_id)
    if found is None or found.manufacturer_id != actor.organisation_id:
        raise NotFound
    return found


def decision_of(session: Session, write_off_id: int) -> WriteOffDecision | None:
    """What somebody else said."""
    wanted = select(WriteOffDecision).where(WriteOffDecision.write_off_id == write_off_id)
    return session.scalars(wanted).one_or_none()


def write_offs_of(session: Session, claw_back_id: int) -> Sequence[tuple[WriteOff, WriteOffDecision | None]]:
    """What was asked for, the oldest first, and what became of it."""
    rows = session.execute(
        select(WriteOff, WriteOffDecision)
        .outerjoin(WriteOffDecision, WriteOffDecision.write_off_id == WriteOff.id)
        .where(WriteOff.claw_back_id == claw_back_id)
        .order_by(WriteOff.id)
    )
    return [(row[0], row[1]) for row in rows]


def waiting(session: Session, claw_back_id: int) -> WriteOff | None:
    """What waits for a second person, or for its job."""
    for asked, decision in write_offs_of(session, claw_back_id):
        if decision is None:
            return asked
    return None
