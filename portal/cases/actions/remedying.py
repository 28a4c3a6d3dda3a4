"""What was given back for a broken promise, looked at again when the severity is decided.

A promise is found kept where the plan promises nothing of the kind for the severity that counts, or where the same act
at the same time would have kept what it promises. Nothing is given back anew: a promise that was kept stays kept.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from portal.cases import clocks, rules
from portal.cases.actions.core import Held, parties
from portal.cases.actions.movement import promises, terms_of
from portal.cases.models import CaseClock, ClockClosing, PromiseRemedy, RemedyReversal
from portal.contracts.policy import Policy
from portal.contracts.promises import due_of
from portal.contracts.rules import calendar_block
from portal.contracts.targets import Clock
from portal.jobs import enqueue


def review_remedies(session: Session, held: Held, *, reason: str) -> list[RemedyReversal]:
    """Take back what was given for promises that are found kept; the money follows by job."""
    standing = session.execute(
        select(PromiseRemedy, CaseClock, ClockClosing)
        .join(CaseClock, CaseClock.id == PromiseRemedy.clock_id)
        .join(ClockClosing, ClockClosing.clock_id == CaseClock.id)
        .where(
            PromiseRemedy.case_id == held.case.id,
            ~exists().where(RemedyReversal.remedy_id == PromiseRemedy.id),
        )
        .order_by(PromiseRemedy.id)
    ).all()
    if not standing:
        return []
    past = clocks.history(session, held.case, held.now)
    policy = terms_of(session, held).policy
    wanted = {spec.clock: spec for spec in promises(session, held, terms_of(session, held))}
    found = []
    for remedy, clock, closing in standing:
        spec = wanted.get(Clock(clock.kind))
        if spec is None or _was_kept(clock, closing, spec, past, policy):
            taken_back = RemedyReversal(**parties(held.case), remedy_id=remedy.id, reason=reason, reversed_at=held.now)
            session.add(taken_back)
            found.append(taken_back)
            enqueue(session, "settle_remedy", remedy_id=remedy.id)
    session.flush()
    return found


def _was_kept(
    clock: CaseClock, closing: ClockClosing, spec: rules.ClockSpec, past: clocks.History, policy: Policy
) -> bool:
    """Whether what ended the clock would have kept the other promise, counted from the same beginning."""
    facts = clocks.facts_of(clock, past, policy, stopped_at=closing.closed_at)
    block = calendar_block(policy, spec.calendar)
    calendar = block.opened_in(policy.zone)
    if block.code == clock.calendar_code:
        calendar = facts.calendar
    seconds = spec.target_seconds
    if spec.target is not None:
        due = due_of(spec.target, calendar, clock.started_at)
        seconds = due.seconds
        if due.at is None:
            return True
    reading = rules.read_clock(replace(facts, calendar=calendar, target_seconds=seconds), closing.closed_at)
    return reading.state is not rules.ClockState.MISSED
