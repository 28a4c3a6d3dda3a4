"""What else changes on a case: how bad it is, what kind of help it is, which known issue it belongs to."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_work_cases
from portal.cases import clocks, rules
from portal.cases.actions.authorizing import coverage_now
from portal.cases.actions.core import Held, hold, parties, record
from portal.cases.actions.movement import moments_at, promises, terms_of
from portal.cases.models import CaseKnownIssue, KnownIssue, SupportCase
from portal.contracts.blocks import TaskClass
from portal.contracts.entry import Gate
from portal.contracts.targets import ANSWER_CLOCKS
from portal.entitlement.actions import Coverage, keep_coverage
from portal.entitlement.queries import requests_of
from portal.errors import Invalid, NotAllowed, NotFound
from portal.jobs import enqueue


def change_severity(
    session: Session, actor: Actor, case: SupportCase, *, severity: int, reason: str, seq: int, now: datetime
) -> None:
    """Say anew how bad it is: promises that change are closed as void and new ones begin now.

    *Raises*: NotFound, Stale, Conflict, NotAllowed, Invalid.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.CHANGE_SEVERITY)
    if not 1 <= severity <= 4 or severity == held.case.severity:
        raise Invalid("Choose another severity.", {"severity": "Choose another severity from 1 to 4."})
    if not reason.strip():
        raise Invalid("Say why.", {"reason": "Say why the severity changes."})
    before = held.case.severity
    details = {"before": before, "after": severity, "reason": reason.strip()}
    record(session, held, "severity_changed", details=details, changes={"severity": severity})
    follow_severity(session, held)


def follow_severity(session: Session, held: Held, *, from_the_start: bool = False) -> None:
    """What follows a severity that was just recorded: coverage, place in the queue, promises, emergency.

    ``from_the_start`` takes up promises that were replaced where they began.
    """
    follow_coverage(session, held, coverage_now(session, held), from_the_start=from_the_start)


def follow_coverage(session: Session, held: Held, coverage: Coverage, *, from_the_start: bool = False) -> None:
    """Keep a decision made anew for a case that runs, and let its place, promises and emergency follow it."""
    keep_coverage(session, coverage, held.case)
    held.case.entitlement_rank = coverage.decision.queue_rank
    entry = coverage.decision.entry
    if entry is not None and Gate.PREPAYMENT in entry.requires:
        enqueue(session, "reserve_case_hours", case_id=held.case.id)
    _change_clocks(session, held, from_the_start=from_the_start)
    if coverage.decision.emergency is not None:
        _wait_no_longer(session, held, coverage.decision.emergency.wait_seconds)


def cover_anew(session: Session, *, site_id: int, manufacturer_id: int, name: str) -> int:
    """Have the cover of a site's running cases decided anew, because its plan changed at once; of how many."""
    running = select(SupportCase.id).where(
        SupportCase.site_id == site_id, SupportCase.manufacturer_id == manufacturer_id, SupportCase.state != "closed"
    )
    found = session.scalars(running.order_by(SupportCase.id)).all()
    for case_id in found:
        enqueue(session, "cover_case", case_id=case_id, name=name)
    return len(found)


def buy_cover(session: Session, case_id: int, *, name: str, now: datetime) -> None:
    """The job when something was bought for a running case: its cover is decided anew, from now on.

    A closed case keeps the decision it was closed under. *Raises*: NotFound, Conflict while no decision is kept yet.
    """
    held = hold(session, None, case_id, now=now)
    if held.case.state == "closed":
        return
    coverage = coverage_now(session, held)
    keep_coverage(session, coverage, held.case)
    rank = {"entitlement_rank": coverage.decision.queue_rank}
    details = {"name": name, "covered": coverage.decision.covered}
    record(session, held, "cover_bought", details=details, changes=rank)
    enqueue(session, "time_changed", case_id=case_id)


def change_task_class(
    session: Session, actor: Actor, case: SupportCase, *, task_class: TaskClass, reason: str, seq: int, now: datetime
) -> None:
    """The factory says what kind of help it is; it may be challenged with the resolution.

    *Raises*: NotFound, Stale, Conflict, NotAllowed, Invalid.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.CHANGE_TASK_CLASS)
    if task_class.value == held.case.task_class:
        raise Invalid("Choose another kind of help.", {"task_class": "It is that already."})
    if not reason.strip():
        raise Invalid("Say why.", {"reason": "Say why."})
    details = {"before": held.case.task_class, "after": task_class.value, "reason": reason.strip()}
    record(session, held, "task_class_changed", details=details, changes={"task_class": task_class.value})


def open_known_issue(
    session: Session, actor: Actor, *, product_line_id: int, title: str, advice: str, cause: str, now: datetime
) -> KnownIssue:
    """The factory names a fault that many cases share. *Raises*: NotAllowed, Invalid."""
    if actor.side is not Side.MANUFACTURER or not may_work_cases(actor):
        raise NotAllowed("Known issues are the factory's.")
    if not title.strip():
        raise Invalid("Name the issue.", {"title": "Name the issue."})
    number = session.execute(select(func.next_number(actor.organisation_id, "known_issue"))).scalar_one()
    issue = KnownIssue(
        manufacturer_id=actor.organisation_id,
        product_line_id=product_line_id,
        number=number,
        title=title.strip(),
        advice=advice.strip(),
        cause=cause,
        opened_at=now,
    )
    session.add(issue)
    session.flush()
    return issue


def confirm_known_issue(session: Session, actor: Actor, issue_id: int, *, now: datetime) -> KnownIssue:
    """The factory confirms the issue: its cases are rated again by job. *Raises*: NotFound, NotAllowed."""
    issue = session.get(KnownIssue, issue_id, with_for_update=True)
    if issue is None or issue.manufacturer_id != actor.organisation_id:
        raise NotFound()
    if not may_work_cases(actor):
        raise NotAllowed("Known issues are confirmed by the factory's engineers.")
    if issue.confirmed_at is None:
        issue.confirmed_at = now
        session.flush()
        enqueue(session, "rebill_known_issue", known_issue_id=issue.id)
    return issue


def link_known_issue(
    session: Session, actor: Actor, case: SupportCase, issue_id: int, *, seq: int, now: datetime
) -> None:
    """Say that a case is an instance of a known issue; again is harmless. *Raises*: NotFound, NotAllowed, Stale."""
    held = hold(session, actor, case.id, seq=seq, now=now)
    if actor.side is not Side.MANUFACTURER or not may_work_cases(actor):
        raise NotAllowed("Known issues are linked by the factory's engineers.")
    issue = session.get(KnownIssue, issue_id)
    if issue is None or issue.manufacturer_id != held.case.manufacturer_id:
        raise NotFound()
    linked = session.scalar(
        insert(CaseKnownIssue)
        .values(**parties(held.case), known_issue_id=issue.id, linked_at=now)
        .on_conflict_do_nothing(index_elements=["case_id", "known_issue_id"])
        .returning(CaseKnownIssue.id)
    )
    if linked is not None:
        record(session, held, "known_issue_linked", details={"number": issue.number, "title": issue.title})
        if issue.confirmed_at is not None and held.case.state == "closed":
            enqueue(session, "rebill", case_id=held.case.id)


def reopen_clocks(session: Session, held: Held) -> None:
    """The case is open again: its promises begin anew, except the one to respond."""
    terms = terms_of(session, held)
    specs = [spec for spec in promises(session, held, terms) if spec.clock not in ANSWER_CLOCKS]
    clocks.start_clocks(session, held.case, specs, terms, moments=moments_at(held, responded=True))
    session.flush()
    clocks.set_due(session, held.case, clocks.history(session, held.case, held.now), now=held.now)


def _wait_no_longer(session: Session, held: Held, wait_seconds: int) -> None:
    """It has become an emergency: an unanswered request is waited for as the policy says, from when it was asked."""
    for state in requests_of(session, held.case.id):
        if state.is_open and state.emergency is None:
            run_at = max(held.now, state.request.asked_at + timedelta(seconds=wait_seconds))
            enqueue(session, "begin_emergency", run_at=run_at, request_id=state.request.id)


def _change_clocks(session: Session, held: Held, *, from_the_start: bool) -> None:
    case, now = held.case, held.now
    if case.is_fyi:
        return
    terms = terms_of(session, held)
    running = clocks.running_clocks(session, case.id)
    responded = not any(clock.kind in ANSWER_CLOCKS for clock in running)
    changes = rules.changed_clocks(
        [clocks.spec_of(clock) for clock in running], promises(session, held, terms), responded=responded
    )
    past = clocks.history(session, case, now)
    clocks.stop_clocks(session, case, changes.closed, past, now=now, void=True)
    begun = clocks.replaced_clocks(session, case.id) if from_the_start else {}
    for spec in changes.opened:
        again = begun.get(spec)
        moments = moments_at(held if again is None else replace(held, now=again), responded=responded)
        clocks.start_clocks(session, case, [spec], terms, moments=moments)
    session.flush()
    clocks.set_due(session, case, past, now=now)
