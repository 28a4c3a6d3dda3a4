"""Resolve a case and answer the resolution: by word, by silence, or by sending the case back into work.

The weights come from the signed table of cause and last corrective action. Leaving the table needs a reason, and both
companies' yes before anything is shared by it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Side
from portal.cases import clocks, rules
from portal.cases.actions.changing import reopen_clocks
from portal.cases.actions.core import PORTAL_NAME, Held, hold, parties, person_id, record
from portal.cases.actions.movement import terms_of
from portal.cases.models import CaseEvent, Resolution, ResolutionAnswer, SupportCase
from portal.cases.situation import has_integrator, other, side_of
from portal.contracts.blocks import WHOLE_BP, Company, Weights
from portal.contracts.rules import ResolutionWeights, cause_named, resolution_weights, split_terms, table_weights
from portal.contracts.targets import Clock
from portal.entitlement.queries import Terms
from portal.errors import Conflict, Invalid, NotFound, RuleBroken
from portal.jobs import enqueue
from portal.ledger.queries import period_at


@dataclass(frozen=True)
class Resolving:
    """What was wrong, what was done last, and what the customer reads about it.

    ``proposed`` are weights outside the signed table, with ``reason``; None takes the table's.
    """

    cause: str
    last_action: str
    summary: str
    proposed: Weights | None = None
    reason: str = ""


def resolve(
    session: Session, actor: Actor, case: SupportCase, resolving: Resolving, *, seq: int, now: datetime
) -> Resolution:
    """Say that it works again, why it did not, and by the table who resolved it; the other company answers.

    *Raises*: NotFound, Stale, Conflict, NotAllowed, Invalid.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.RESOLVE)
    if not resolving.summary.strip():
        raise Invalid("Say what was done.", {"summary": "The customer reads this: say what was done."})
    terms = terms_of(session, held)
    weights = weights_for(held.case, terms, resolving)
    return _resolve(session, held, terms, resolving, weights, company_id=actor.organisation_id)


def resolve_by_silence(
    session: Session, held: Held, terms: Terms, resolving: Resolving, *, company_id: int
) -> Resolution:
    """The policy resolves a case whose question nobody answered, for the company that asked, and closes it by job."""
    row = table_weights(terms.policy, terms.agreement, cause=resolving.cause, last_action=resolving.last_action)
    fallback = split_terms(terms.policy, terms.agreement).fallback
    said = resolving if row is not None else replace(resolving, proposed=fallback, reason=resolving.summary)
    resolution = _resolve(session, held, terms, said, weights_for(held.case, terms, said), company_id=company_id)
    # It has waited for as long as the policy gives: it closes now, and a return opens a linked case.
    held.case.reopen_until = held.now
    enqueue(session, "close_case", case_id=held.case.id)
    return resolution


def _resolve(
    session: Session,
    held: Held,
    terms: Terms,
    resolving: Resolving,
    weights: ResolutionWeights,
    *,
    company_id: int,
) -> Resolution:
    past = clocks.history(session, held.case, held.now)
    clocks.stop_clocks(session, held.case, tuple(Clock), past, now=held.now)
    resolution = Resolution(
        **parties(held.case),
        seq=held.case.seq + 1,
        cause=resolving.cause,
        last_action=resolving.last_action,
        resolved_by=weights.resolved_by,
        integrator_bp=weights.integrator_bp,
        manufacturer_bp=weights.manufacturer_bp,
        off_table_reason=weights.reason,
        summary=resolving.summary.strip(),
        company_id=company_id,
        person_id=person_id(held.actor),
        person_name=held.actor.display_name if held.actor is not None else PORTAL_NAME,
        resolved_at=held.now,
    )
    session.add(resolution)
    session.flush()
    _record_resolved(session, held, resolution, terms)
    return resolution


def weights_for(case: SupportCase, terms: Terms, resolving: Resolving) -> ResolutionWeights:
    """The weights a resolution would have, for the preview too. *Raises*: Invalid."""
    weights = resolution_weights(
        terms.policy,
        terms.agreement,
        cause=resolving.cause,
        last_action=resolving.last_action,
        proposed=resolving.proposed,
        reason=resolving.reason,
    )
    if has_integrator(case):
        return weights
    return ResolutionWeights(0, WHOLE_BP, from_table=weights.from_table, reason=weights.reason)


def confirm(session: Session, actor: Actor, case: SupportCase, *, seq: int, now: datetime) -> ResolutionAnswer:
    """The other company says yes to the resolution. *Raises*: NotFound, Stale, Conflict, NotAllowed."""
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.CONFIRM)
    answer = _answer(session, held, "confirmed", actor.organisation_id)
    record(session, held, "confirmed", audience="companies")
    enqueue(session, "settle_shares", case_id=held.case.id)
    return answer


def answer_silence(
    session: Session,
    resolution_id: int,
    *,
    second_notice_delivered_at: datetime | None,
    amount_minor: int,
    now: datetime,
) -> rules.SilenceStep:
    """The job about an unanswered resolution: remind, take silence as a yes, or go to the manager; what was done.

    ``second_notice_delivered_at`` is what the mail says, ``amount_minor`` what the bill item is worth. Again is
    harmless. *Raises*: NotFound.
    """
    resolution = session.get(Resolution, resolution_id)
    if resolution is None:
        raise NotFound()
    held = hold(session, None, resolution.case_id, now=now)
    if held.resolution_id != resolution.id or held.answered or _silence_ended(session, resolution.id):
        return rules.SilenceStep.WAIT
    if held.case.state not in ("resolved", "closed"):
        return rules.SilenceStep.WAIT
    terms = terms_of(session, held)
    silent = other(side_of(held.case, resolution.company_id))
    step = rules.silence_step(
        terms.policy,
        terms.agreement,
        silent=silent,
        resolved_at=resolution.resolved_at,
        second_notice_delivered_at=second_notice_delivered_at,
        amount=amount_minor,
        now=now,
    )
    _take_silence(session, held, resolution, silent, step)
    return step


def deemed_due_at(session: Session, resolution_id: int, delivered_at: datetime, *, now: datetime) -> datetime:
    """When silence will count as a yes, once the second notice is delivered: when to run ``answer_silence`` again."""
    resolution = session.get_one(Resolution, resolution_id)
    held = hold(session, None, resolution.case_id, now=now)
    terms, silent = terms_of(session, held), other(side_of(held.case, resolution.company_id))
    return rules.deemed_at(terms.policy, terms.agreement, silent, delivered_at)


def undo_deemed(
    session: Session, actor: Actor, case: SupportCase, *, reason: str, seq: int, now: datetime
) -> ResolutionAnswer:
    """The silent company takes its silence back, until the period's hard close; then it confirms or challenges.

    *Raises*: NotFound, Stale, Conflict, NotAllowed, Invalid without a reason, RuleBroken after the hard close.
    """
    if not reason.strip():
        raise Invalid("Say why.", {"reason": "Say why the silence was no yes."})
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.CONFIRM)
    deemed = _deemed(session, held.resolution_id)
    if deemed is None:
        raise Conflict("Nothing was confirmed by silence.")
    period = period_at(session, held.case.manufacturer_id, deemed.answered_at)
    if not rules.may_undo_deemed(deemed=True, hard_closed=period is not None and period.state == "hard_closed"):
        raise RuleBroken("The period is closed for good: the confirmation by silence stands.")
    answer = _answer(session, held, "undone", actor.organisation_id)
    record(session, held, "deemed_undone", audience="companies", details={"reason": reason.strip()})
    enqueue(session, "settle_shares", case_id=held.case.id)
    return answer


def reopen(session: Session, actor: Actor, case: SupportCase, *, reason: str, seq: int, now: datetime) -> None:
    """It is back within the reopen window: the case goes on where it was.

    *Raises*: NotFound, Stale, Conflict, NotAllowed, Invalid without a reason.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.REOPEN)
    if not reason.strip():
        raise Invalid("Say what is back.", {"reason": "Say what is back."})
    changes = {"state": "open", "resolved_at": None, "reopen_until": None}
    record(session, held, "reopened", details={"reason": reason.strip()}, changes=changes)
    if actor.side is not Side.CUSTOMER:
        reopen_clocks(session, held)
    else:
        # Promises are made by the documents between the companies' systems, which a customer's session reads in part.
        enqueue(session, "restart_clocks", case_id=held.case.id)


def restart_clocks(session: Session, case_id: int, *, now: datetime) -> None:
    """The job after a customer reopened a case; again is harmless."""
    held = hold(session, None, case_id, now=now)
    if held.case.state in ("open", "offered", "waiting") and not clocks.running_clocks(session, case_id):
        reopen_clocks(session, held)


def _record_resolved(session: Session, held: Held, resolution: Resolution, terms: Terms) -> None:
    case, now = held.case, held.now
    ends_at = rules.reopen_until(terms.policy, now)
    changes = {
        "state": "resolved",
        "resolved_at": now,
        "reopen_until": ends_at,
        "offered_to_id": None,
        "due_at": None,
        "due_kind": None,
    }
    # The customer, who may have to pay, reads cause and summary here; the weights are between the companies.
    details = {
        "resolution_id": resolution.id,
        "cause": resolution.cause,
        "cause_label": cause_named(terms.policy, resolution.cause).label,
        "summary": resolution.summary,
    }
    record(session, held, "resolved", details=details, changes=changes)
    enqueue(session, "close_case", run_at=ends_at, case_id=case.id)
    remind_at = rules.closing_reminder_at(terms.policy, now)
    if remind_at is not None:
        enqueue(session, "remind_of_closing", run_at=remind_at, case_id=case.id)
    if has_integrator(case):
        silent = other(side_of(case, resolution.company_id))
        notice_at = rules.second_notice_at(terms.policy, terms.agreement, silent, now)
        enqueue(session, "answer_silence", run_at=notice_at, resolution_id=resolution.id)


def _take_silence(
    session: Session, held: Held, resolution: Resolution, silent: Company, step: rules.SilenceStep
) -> None:
    company_id = held.case.integrator_id if silent is Company.INTEGRATOR else held.case.manufacturer_id
    details = {"resolution_id": resolution.id, "company": silent.value}
    if step is rules.SilenceStep.DEEM:
        _answer(session, held, "deemed", company_id)
        record(session, held, "deemed_confirmed", audience="companies", details=details)
        enqueue(session, "settle_shares", case_id=held.case.id)
    elif step is rules.SilenceStep.SECOND_NOTICE:
        if not _was_told(session, held, "second_notice", resolution.id):
            record(session, held, "second_notice", audience="companies", details=details)
    elif step is rules.SilenceStep.TO_MANAGER and not _was_told(session, held, "silence_to_manager", resolution.id):
        record(session, held, "silence_to_manager", audience="companies", details=details)


def _was_told(session: Session, held: Held, kind: str, resolution_id: int) -> bool:
    found = session.scalars(select(CaseEvent.details).where(CaseEvent.case_id == held.case.id, CaseEvent.kind == kind))
    return any(details.get("resolution_id") == resolution_id for details in found)


def _answer(session: Session, held: Held, basis: str, company_id: int) -> ResolutionAnswer:
    if held.resolution_id is None:
        raise Conflict("There is no resolution to answer.")
    answer = ResolutionAnswer(
        **parties(held.case),
        resolution_id=held.resolution_id,
        basis=basis,
        company_id=company_id,
        person_id=person_id(held.actor),
        answered_at=held.now,
    )
    session.add(answer)
    session.flush()
    return answer


def _silence_ended(session: Session, resolution_id: int) -> bool:
    """Whether silence was taken for a yes already; taken back it is no silence any more."""
    given = select(ResolutionAnswer.id).where(ResolutionAnswer.resolution_id == resolution_id)
    return session.scalar(select(given.exists())) or False


def _deemed(session: Session, resolution_id: int | None) -> ResolutionAnswer | None:
    """The confirmation by silence that still stands."""
    last = session.scalars(
        select(ResolutionAnswer)
        .where(ResolutionAnswer.resolution_id == resolution_id)
        .order_by(ResolutionAnswer.id.desc())
        .limit(1)
    ).one_or_none()
    return last if last is not None and last.basis == "deemed" else None
