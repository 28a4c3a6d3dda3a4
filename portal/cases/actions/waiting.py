"""Questions that nobody answers, and resolved cases that nobody returns to: reminders, and closing by itself.

Jobs, each harmless when it runs again: what was said once about a question or a resolution is not said twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.cases import rules
from portal.cases.actions.core import Held, hold, record
from portal.cases.actions.movement import terms_of
from portal.cases.actions.resolution import Resolving, resolve_by_silence
from portal.cases.models import CaseEvent, SupportCase
from portal.entitlement.queries import Terms

SWEEP_AT_MOST = 500
# No document reminds or closes earlier than the day after.
_SOONEST = timedelta(hours=12)


def watch_question(session: Session, case_id: int, *, now: datetime) -> rules.WaitStep:
    """The job about an unanswered question: remind of it, or resolve and close the case; what was done."""
    held = hold(session, None, case_id, now=now)
    asked = _last(session, case_id, "asked") if held.case.state == "waiting" else None
    terms = terms_of(session, held) if asked is not None else None
    dates = rules.unanswered_dates(terms.policy, asked.occurred_at) if asked is not None and terms is not None else None
    if asked is None or terms is None or dates is None:
        return rules.WaitStep.WAIT
    step = rules.wait_step(dates, now)
    if step is rules.WaitStep.CLOSE:
        _close(session, held, terms)
    elif step is rules.WaitStep.REMIND and not _said(session, case_id, "reminded", asked.seq):
        details = {"about_seq": asked.seq, "close_at": dates.close_at.isoformat()}
        record(session, held, "reminded", audience=asked.audience, details=details)
    return step


def remind_of_closing(session: Session, case_id: int, *, now: datetime) -> bool:
    """The job before a resolved case closes: remind its customer to say if it is back; whether it was said now."""
    held = hold(session, None, case_id, now=now)
    case = held.case
    resolved = _last(session, case_id, "resolved") if case.state == "resolved" else None
    if resolved is None or case.reopen_until is None or now >= case.reopen_until:
        return False
    due_at = rules.closing_reminder_at(terms_of(session, held).policy, resolved.occurred_at)
    if due_at is None or now < due_at or _said(session, case_id, "closing_soon", resolved.seq):
        return False
    details = {"about_seq": resolved.seq, "close_at": case.reopen_until.isoformat()}
    record(session, held, "closing_soon", details=details)
    return True


def questions_to_watch(session: Session, *, now: datetime, limit: int = SWEEP_AT_MOST) -> Sequence[int]:
    """The sweep: cases that wait for an answer, the longest first."""
    return session.scalars(
        select(SupportCase.id)
        .where(SupportCase.state == "waiting", SupportCase.changed_at < now - _SOONEST)
        .order_by(SupportCase.changed_at)
        .limit(limit)
    ).all()


def _close(session: Session, held: Held, terms: Terms) -> None:
    unanswered = terms.policy.lifecycle.unanswered
    asker_id = held.question_by_id
    if unanswered is None or asker_id is None:
        return
    summary = f"Nobody answered the question within {unanswered.close_days} business days."
    resolve_by_silence(
        session, held, terms, Resolving(unanswered.cause, unanswered.last_action, summary), company_id=asker_id
    )


def _last(session: Session, case_id: int, kind: str) -> CaseEvent | None:
    of_kind = select(CaseEvent).where(CaseEvent.case_id == case_id, CaseEvent.kind == kind)
    return session.scalars(of_kind.order_by(CaseEvent.seq.desc()).limit(1)).one_or_none()


def _said(session: Session, case_id: int, kind: str, about_seq: int) -> bool:
    said = _last(session, case_id, kind)
    return said is not None and said.details.get("about_seq") == about_seq
