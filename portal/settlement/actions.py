"""The parties' and finance's verbs on a statement: contest, decide, accept, prepare, approve.

Invariants: who prepares never approves; both name the hash of what was shown, and the lines still have it; an approval
follows the plan that was prepared or is refused. What follows from an approval is a job: see ``disposing``.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.errors import Conflict, Invalid, NotAllowed, RuleBroken, Stale
from portal.jobs import enqueue
from portal.rows import insert_once
from portal.settlement import queries, rules
from portal.settlement.lines import CONTENT
from portal.settlement.models import (
    Contest,
    ContestDecision,
    Statement,
    StatementAcceptance,
    StatementApproval,
    StatementPreparation,
)
from portal.settlement.selfbilling.billing import billing_of
from portal.settlement.selfbilling.rules import Billing, billing_of_plan

LONGEST_REASON = 2000


def contest_line(session: Session, actor: Actor, line_id: int, *, reason: str, now: datetime) -> Contest:
    """The party says a line is wrong: it is held, the rest goes on.

    *Raises*: NotFound, NotAllowed, Invalid, Conflict after the review, after approval, or for a second contest.
    """
    line = queries.line_seen(session, actor, line_id)
    statement = session.get_one(Statement, line.statement_id)
    _check_party(actor, statement)
    hold_statement(session, statement.id)
    if not 1 <= len(reason.strip()) <= LONGEST_REASON:
        raise Invalid("Say what is wrong with the line.", {"reason": f"1 to {LONGEST_REASON} characters."})
    is_approved = queries.approval_of(session, statement.id) is not None
    if queries.discard_of(session, statement.id) is not None:
        raise Stale("This statement was discarded and made again; look at the one that stands.")
    if not rules.may_contest(statement.review_until, now, is_approved=is_approved):
        raise Conflict("The time to contest this statement is over.")
    contest = insert_once(
        session,
        Contest(
            statement_id=statement.id,
            statement_line_id=line.id,
            manufacturer_id=statement.manufacturer_id,
            party_id=statement.party_id,
            reason=reason.strip(),
            contested_by=actor.person_id,
            contested_at=now,
        ),
    )
    if contest is None:
        raise Conflict("This line is contested already.")
    enqueue(session, "notify_contest", contest_id=contest.id)
    return contest


def decide_contest(
    session: Session, actor: Actor, contest_id: int, *, outcome: str, explanation: str, now: datetime
) -> ContestDecision:
    """End a contest: the manufacturer's finance says that the line stands or was corrected, the party withdraws.

    *Raises*: NotFound, NotAllowed, Invalid, Conflict when it is decided already.
    """
    contest = queries.contest_seen(session, actor, contest_id)
    _check_decider(actor, contest, outcome)
    hold_statement(session, contest.statement_id)
    if not 1 <= len(explanation.strip()) <= LONGEST_REASON:
        raise Invalid("Say why.", {"explanation": f"1 to {LONGEST_REASON} characters."})
    decision = insert_once(
        session,
        ContestDecision(
            contest_id=contest.id,
            manufacturer_id=contest.manufacturer_id,
            party_id=contest.party_id,
            outcome=outcome,
            explanation=explanation.strip(),
            decided_by=actor.person_id,
            decided_at=now,
        ),
    )
    if decision is None:
        raise Conflict("This contest is decided already.")
    enqueue(session, "notify_contest_decided", contest_id=contest.id)
    return decision


def _check_decider(actor: Actor, contest: Contest, outcome: str) -> None:
    if outcome not in (rules.STANDS, rules.CORRECTED, rules.WITHDRAWN):
        raise Invalid("Choose how the contest ends.", {"outcome": "The line stands, is corrected, or is withdrawn."})
    decider = contest.party_id if outcome == rules.WITHDRAWN else contest.manufacturer_id
    if actor.organisation_id != decider:
        raise NotAllowed("A contest is withdrawn by its party and decided by the manufacturer's finance.")


def accept_statement(
    session: Session, actor: Actor, statement_id: int, *, shown_sha256: str, now: datetime
) -> StatementAcceptance:
    """The party says that the statement is right, before the review ends; contested lines stay contested.

    *Raises*: NotFound, NotAllowed, Stale for another content than was shown.
    """
    statement = queries.statement_seen(session, actor, statement_id)
    _check_party(actor, statement)
    hold_statement(session, statement.id)
    _check_shown(session, statement, shown_sha256)
    acceptance = StatementAcceptance(
        statement_id=statement.id,
        manufacturer_id=statement.manufacturer_id,
        party_id=statement.party_id,
        content_sha256=statement.content_sha256,
        accepted_by=actor.person_id,
        accepted_at=now,
    )
    accepted = insert_once(session, acceptance) or queries.acceptance_of(session, statement.id)
    if accepted is None:
        raise Conflict("The statement could not be accepted.")
    return accepted


def prepare_statement(
    session: Session, actor: Actor, statement_id: int, *, shown_sha256: str, now: datetime
) -> StatementPreparation:
    """One finance person fixes what is to become of a statement's net, bound to its content.

    *Raises*: NotFound, NotAllowed, Stale, Conflict while it is in review, after its approval, or without an invoice.
    """
    statement = queries.statement_seen(session, actor, statement_id)
    _check_settles(actor, statement)
    hold_statement(session, statement.id)
    _check_shown(session, statement, shown_sha256)
    if queries.approval_of(session, statement.id) is not None:
        raise Conflict("This statement is approved already.")
    if not queries.is_reviewed(session, statement, now):
        raise Conflict("The party may still look at this statement; it can be prepared after that.")
    terms, state = queries.terms_of(session, statement), queries.account_state_of(session, statement)
    billing = _invoiced_by(session, statement, now)
    kept = billing.as_json() if billing is not None else None
    preparation = StatementPreparation(
        statement_id=statement.id,
        manufacturer_id=statement.manufacturer_id,
        party_id=statement.party_id,
        preparer_id=actor.person_id,
        content_sha256=statement.content_sha256,
        amount_minor=statement.net_minor,
        plan=rules.plan_json(queries.planned_parts(session, statement), terms, state, kept),
        prepared_at=now,
    )
    session.add(preparation)
    session.flush()
    return preparation


def approve_statement(
    session: Session, actor: Actor, preparation_id: int, *, shown_sha256: str, now: datetime
) -> StatementApproval:
    """Another finance person approves exactly what was prepared and shown; the money follows by job.

    *Raises*: NotFound, NotAllowed for the preparer, Stale when content, contests or the party's account changed since,
    Conflict when it was approved or prepared again.
    """
    preparation = queries.preparation_seen(session, actor, preparation_id)
    statement = session.get_one(Statement, preparation.statement_id)
    _check_settles(actor, statement)
    hold_statement(session, statement.id)
    if preparation.preparer_id == actor.person_id:
        raise NotAllowed("A statement is approved by somebody other than the person who prepared it.")
    _check_shown(session, statement, shown_sha256)
    latest = queries.preparation_of(session, statement.id)
    if latest is None or latest.id != preparation.id:
        raise Stale("The statement was prepared again since; look at the new plan.")
    if queries.planned_parts(session, statement) != rules.parts_of(preparation.plan):
        raise Stale("A contest or the party's account changed since this was prepared; it has to be prepared again.")
    if _invoiced_by(session, statement, now) != billing_of_plan(preparation.plan):
        raise Stale("The invoice or its tax changed since this was prepared; it has to be prepared again.")
    approval = insert_once(
        session,
        StatementApproval(
            statement_id=statement.id,
            preparation_id=preparation.id,
            manufacturer_id=statement.manufacturer_id,
            party_id=statement.party_id,
            preparer_id=preparation.preparer_id,
            approver_id=actor.person_id,
            content_sha256=preparation.content_sha256,
            currency=statement.currency,
            amount_minor=preparation.amount_minor,
            approved_at=now,
        ),
    )
    if approval is None:
        raise Conflict("This statement is approved already.")
    enqueue(session, "dispose_approval", approval_id=approval.id)
    return approval


def request_close(session: Session, actor: Actor, period_id: int, *, now: datetime) -> None:
    """Have a period closed by job. *Raises*: NotFound, NotAllowed, RuleBroken before the period has ended."""
    period = queries.period_seen(session, actor, period_id)
    if period.state == "open" and now < period.ends_at:
        raise RuleBroken(f"The period {period.label} has not ended yet.")
    enqueue(session, "close_period", manufacturer_id=period.manufacturer_id, period_id=period.id)


def request_remaking(session: Session, actor: Actor, period_id: int, *, reason: str) -> None:
    """Have a period's statements discarded and made again by job, as long as none of them is approved.

    *Raises*: NotFound, NotAllowed, Conflict, Invalid without a reason.
    """
    period = queries.period_seen(session, actor, period_id)
    said = reason.strip()
    if not 1 <= len(said) <= LONGEST_REASON:
        raise Invalid("Say why the statements are made again.", {"reason": f"1 to {LONGEST_REASON} characters."})
    if period.state != "soft_closed":
        raise Conflict("Only statements that are out can be made again.")
    if approved := queries.approved_statements(session, period.id):
        raise Conflict(f"Approved already, so they stand: {', '.join(approved)}.")
    enqueue(session, "remake_statements", period_id=period.id, person_id=actor.person_id, reason=said)


def request_hard_close(session: Session, actor: Actor, period_id: int) -> None:
    """Sign a period's end: nothing of it can be undone after. *Raises*: NotFound, NotAllowed, Conflict."""
    period = queries.period_seen(session, actor, period_id)
    if period.state != "soft_closed":
        raise Conflict("Only a period whose statements are out can be closed for good.")
    if open_names := queries.unsettled_statements(session, period.id):
        raise Conflict(f"Not settled yet: {', '.join(open_names)}.")
    enqueue(session, "hard_close_period", period_id=period.id, person_id=actor.person_id)


def hold_statement(session: Session, statement_id: int) -> None:
    """One verb at a time on a statement: an approval sees every contest, and no contest slips in behind it."""
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
    session.execute(lock, {"key": f"statement:{statement_id}"})


def _check_party(actor: Actor, statement: Statement) -> None:
    if actor.organisation_id != statement.party_id or not may_handle_finance(actor):
        raise NotAllowed("A statement is answered by its party's finance.")


def _check_settles(actor: Actor, statement: Statement) -> None:
    if actor.side is not Side.MANUFACTURER or actor.organisation_id != statement.manufacturer_id:
        raise NotAllowed("Statements are settled by the manufacturer's finance.")
    if not may_handle_finance(actor):
        raise NotAllowed("Statements are settled by finance.")


def _invoiced_by(session: Session, statement: Statement, now: datetime) -> Billing | None:
    """What the statement is invoiced by. *Raises*: Conflict where the invoice is missing that it is paid against."""
    answer = billing_of(session, statement, now)
    if answer.missing:
        raise Conflict(answer.missing)
    return answer.billing


def _check_shown(session: Session, statement: Statement, shown_sha256: str) -> None:
    """What was shown is what is kept and stands, and the lines still are what the hash was made of."""
    if queries.discard_of(session, statement.id) is not None:
        raise Stale("This statement was discarded and made again; look at the one that stands.")
    content = session.execute(CONTENT, {"statement_id": statement.id}).one_or_none()
    if shown_sha256 != statement.content_sha256:
        raise Stale("This is not the statement as it was shown; look at it again.")
    kept = (statement.content_sha256, statement.net_minor, statement.line_count)
    if content is None or (content.content_sha256, content.net_minor, content.line_count) != kept:
        raise RuleBroken("The lines of this statement are not what they were when it was made.")
