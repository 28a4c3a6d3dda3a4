"""The other side disputes a severity that the factory has set: the factory gives in, is silent, or the rule decides.

Nobody of one company decides alone. Where the factory gives in, or says nothing in time, the severity from before
counts again; where it does not give in, the signed rule decides. A severity that counts again counts from the start:
its promises go on as if they had never been replaced.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.cases import rules
from portal.cases.actions.changing import follow_severity
from portal.cases.actions.core import PORTAL_NAME, Held, hold, parties, person_id, record
from portal.cases.actions.movement import terms_of
from portal.cases.actions.remedying import review_remedies
from portal.cases.models import CaseEvent, SeverityChallenge, SeverityDecision, SupportCase
from portal.contracts.promises import day_closes
from portal.contracts.rules import calendar_named
from portal.contracts.severities import Disputed
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.jobs import enqueue

_RUNNING = ("open", "offered", "waiting")


def challenge_severity(
    session: Session, actor: Actor, case: SupportCase, *, reason: str, seq: int, now: datetime
) -> SeverityChallenge:
    """Dispute the severity that the factory has set last. *Raises*: NotFound, Stale, Conflict, NotAllowed, Invalid."""
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.CHALLENGE_SEVERITY)
    if not reason.strip():
        raise Invalid("Say why.", {"reason": "Say why: the factory's support lead reads this."})
    changed = last_reclassification(session, held.case)
    if changed is None or _challenged(session, held.case, changed.seq):
        raise Conflict("There is no severity of the factory's to dispute.")
    terms = terms_of(session, held).policy
    answer_by = day_closes(
        calendar_named(terms, terms.reclassification.calendar), now, terms.reclassification.answer_days
    )
    raised = SeverityChallenge(
        **parties(held.case),
        seq=changed.seq,
        before=changed.details["before"],
        after=changed.details["after"],
        company_id=actor.organisation_id,
        person_id=actor.person_id,
        person_name=actor.display_name,
        reason=reason.strip(),
        raised_at=now,
        answer_by=answer_by,
    )
    session.add(raised)
    session.flush()
    details = {"severity_challenge_id": raised.id, "reason": raised.reason, "answer_by": answer_by.isoformat()}
    record(session, held, "severity_challenged", details=details)
    enqueue(session, "decide_severity", run_at=answer_by, severity_challenge_id=raised.id)
    return raised


def answer_severity(
    session: Session,
    actor: Actor,
    case: SupportCase,
    challenge_id: int,
    *,
    gives_in: bool,
    reason: str,
    seq: int,
    now: datetime,
) -> SeverityDecision:
    """The factory's support lead gives in, or does not: then the signed rule decides at once.

    *Raises*: NotFound, Stale, Conflict once it is decided, NotAllowed, Invalid.
    """
    raised = session.get(SeverityChallenge, challenge_id)
    if raised is None or raised.case_id != case.id:
        raise NotFound()
    held = hold(session, actor, case.id, seq=seq, now=now)
    if actor.side is not Side.MANUFACTURER or not actor.has(Role.SUPPORT_LEAD):
        raise NotAllowed("The factory's support lead answers this.")
    if not reason.strip():
        raise Invalid("Say why.", {"reason": "Say why: the other side reads this."})
    if decision_of(session, raised.id) is not None:
        raise Conflict("This is decided already.")
    if gives_in:
        return _decide(session, held, raised, raised.before, basis="agreed", reason=reason.strip())
    return _decide(session, held, raised, _by_rule(session, held, raised), basis="rule", reason=reason.strip())


def decide_severity(session: Session, challenge_id: int, *, now: datetime) -> SeverityDecision | None:
    """The job when the factory has said nothing in time: the severity from before counts. Again is harmless."""
    raised = session.get(SeverityChallenge, challenge_id)
    if raised is None:
        raise NotFound()
    held = hold(session, None, raised.case_id, now=now)
    if now < raised.answer_by or decision_of(session, raised.id) is not None:
        return None
    return _decide(session, held, raised, raised.before, basis="silence", reason="The factory said nothing in time.")


def decision_of(session: Session, challenge_id: int) -> SeverityDecision | None:
    """How a dispute ended; None while it is open."""
    mine = SeverityDecision.severity_challenge_id == challenge_id
    return session.scalars(select(SeverityDecision).where(mine)).one_or_none()


def last_reclassification(session: Session, case: SupportCase) -> CaseEvent | None:
    """The last change of severity, where the factory made it."""
    of_case = select(CaseEvent).where(CaseEvent.case_id == case.id, CaseEvent.kind == "severity_changed")
    last = session.scalars(of_case.order_by(CaseEvent.seq.desc()).limit(1)).one_or_none()
    return last if last is not None and last.owner_id == case.manufacturer_id else None


def _challenged(session: Session, case: SupportCase, seq: int) -> bool:
    mine = (SeverityChallenge.case_id == case.id, SeverityChallenge.seq == seq)
    return session.scalars(select(SeverityChallenge.id).where(*mine)).one_or_none() is not None


def _by_rule(session: Session, held: Held, raised: SeverityChallenge) -> int:
    rule = terms_of(session, held).policy.reclassification.when_disputed
    if rule is Disputed.HIGHER:
        # 1 is the most severe.
        return min(raised.before, raised.after)
    return raised.before if rule is Disputed.BEFORE else raised.after


def _decide(
    session: Session, held: Held, raised: SeverityChallenge, severity: int, *, basis: str, reason: str
) -> SeverityDecision:
    decision = SeverityDecision(
        **parties(held.case),
        severity_challenge_id=raised.id,
        basis=basis,
        severity=severity,
        person_id=person_id(held.actor),
        person_name=held.actor.display_name if held.actor is not None else PORTAL_NAME,
        reason=reason,
        decided_at=held.now,
    )
    session.add(decision)
    details = {"severity_challenge_id": raised.id, "basis": basis, "severity": severity, "reason": reason}
    counts_again = held.case.severity == raised.after != severity and held.case.state in _RUNNING
    changes = {"severity": severity} if counts_again else {}
    record(session, held, "severity_decided", details=details, changes=changes)
    if counts_again:
        follow_severity(session, held, from_the_start=True)
    review_remedies(session, held, reason=f"severity {held.case.severity} was decided")
    return decision
