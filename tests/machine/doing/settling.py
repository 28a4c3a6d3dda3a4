"""Months are closed; statements contested, prepared, approved and paid out."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.billing.models import Invoice
from portal.cases.models import SupportCase
from portal.jobs import enqueue
from portal.ledger.models import Period
from portal.settlement import actions as settlement
from portal.settlement import closing, holding, queries
from portal.settlement.models import Contest, Statement
from tests.machine.process import MOST_ROUNDS, Portal
from tests.machine.reference import facts
from tests.support.cast import Cast

_STATEMENTS = text(
    """
    SELECT statement.id, statement.party_id, statement.net_minor, statement.review_until AS until,
           coalesce(array_agg(ARRAY[line.id, line.amount_minor, line.case_id] ORDER BY line.position)
               FILTER (WHERE line.id IS NOT NULL), '{}') AS lines
    FROM statement LEFT JOIN statement_line line ON line.statement_id = statement.id
    WHERE statement.period_id = :period_id GROUP BY statement.id ORDER BY statement.id
    """
)
_OPEN_NETS = text(
    """
    SELECT intent.provider_object_id FROM intent JOIN invoice ON invoice.intent_id = intent.id
    WHERE invoice.payer_id = :party AND NOT EXISTS (SELECT FROM cash_receipt WHERE invoice_id = invoice.id)
    ORDER BY invoice.id
    """
)


def close(portal: Portal) -> tuple[list[facts.Statement], list[int], float]:
    """The open period is closed, however often it is interrupted; statements, invoices, and when."""
    with portal.look() as session:
        period = session.get_one(Period, open_period(session))
        period_id, ends_at = period.id, period.ends_at
        known = set(session.scalars(select(Invoice.id)))
    portal.at(ends_at + timedelta(hours=6))
    closed_at = portal.now.timestamp()
    for _ in range(MOST_ROUNDS):
        with portal.may_break():
            closing.close_period(portal.engine, portal.ids["factory"], period_id, livemode=False, now=portal.now)
            break
    portal.jobs()
    with portal.look() as session:
        rows = session.execute(_STATEMENTS, {"period_id": period_id}).all()
        made = sorted(set(session.scalars(select(Invoice.id))) - known)
    statements = [
        facts.Statement(
            row.id,
            portal.parties[row.party_id],
            row.net_minor,
            {line: minor for line, minor, _ in row.lines},
            {line: case for line, _, case in row.lines if case},
            row.until.timestamp(),
        )
        for row in rows
    ]
    return statements, made, closed_at


def contest(portal: Portal, line_id: int) -> None:
    """The integrator's finance says that a line is wrong."""
    portal.do(
        lambda session, cast: settlement.contest_line(session, cast.ivo, line_id, reason="Not ours", now=portal.now).id
    )


def end_contest(portal: Portal, line_id: int, outcome: str) -> None:
    """The line stands or is to be corrected, or the contest is withdrawn."""

    def act(session: Session, cast: Cast) -> int:
        contest = session.scalars(select(Contest.id).where(Contest.statement_line_id == line_id)).one()
        actor = cast.ivo if outcome == "withdrawn" else cast.fin
        return settlement.decide_contest(
            session, actor, contest, outcome=outcome, explanation="Looked at it", now=portal.now
        ).id

    portal.do(act)


def prepare(portal: Portal, statement_id: int) -> None:
    """Fay fixes what is to become of a net, after the review."""

    def act(session: Session, cast: Cast) -> int:
        row = session.get_one(Statement, statement_id)
        if not queries.is_reviewed(session, row, portal.now):
            settlement.accept_statement(session, cast.ivo, row.id, shown_sha256=row.content_sha256, now=portal.now)
        return settlement.prepare_statement(
            session, cast.fay, row.id, shown_sha256=row.content_sha256, now=portal.now
        ).id

    portal.do(act)


def approve(portal: Portal, statement_id: int) -> None:
    """Fin approves what was prepared; its job carries it out. *Raises*: Stale when the plan has changed."""

    def act(session: Session, cast: Cast) -> int:
        row = session.get_one(Statement, statement_id)
        prepared = queries.preparation_of(session, row.id)
        assert prepared is not None
        return settlement.approve_statement(
            session, cast.fin, prepared.id, shown_sha256=row.content_sha256, now=portal.now
        ).id

    portal.do(act)
    portal.later(minutes=1)
    portal.jobs()


def hold_case(portal: Portal, case_id: int) -> int:
    """Nothing of a case is paid; the hold."""
    with portal.look() as session:
        name = session.get_one(SupportCase, case_id).name
    return portal.do(
        lambda session, cast: holding.hold_case(session, cast.fay, name, reason="Is looked into", now=portal.now).id
    )


def hold_party(portal: Portal) -> int:
    """Nothing is paid to the integrator; the hold."""
    return portal.do(
        lambda session, cast: (
            holding.hold_party(session, cast.fay, cast.integrator.code, reason="Is looked into", now=portal.now).id
        )
    )


def end_hold(portal: Portal, hold_id: int) -> None:
    """What was held comes back with the next statement; what waited for the account as well goes."""
    portal.do(
        lambda session, cast: holding.end_hold(session, cast.fay, hold_id, reason="It is right", now=portal.now).id
    )
    portal.jobs()


def send_what_waited(portal: Portal) -> None:
    """What the hourly sweep does for accounts that are ready."""
    with portal.look() as session:
        enqueue(session, "transfer_held")
    portal.jobs()


def restrict(portal: Portal, *, restricted: bool, told: bool) -> None:
    """The integrator's account may no longer receive transfers, or may again; Stripe tells of it at once or not."""
    portal.later(minutes=1)
    portal.standin.control.set_capability(portal.account, "restricted" if restricted else "active")
    with portal.look() as session:
        if told:
            enqueue(session, "refresh_account", organisation_id=portal.ids["integrator"])
        if not restricted:
            enqueue(session, "retry_waiting_transfers")
    portal.jobs()


def pay_net(portal: Portal) -> None:
    """The integrator pays the oldest open invoice of a net by card."""
    portal.later(minutes=1)
    with portal.look() as session:
        at_stripe = session.scalars(_OPEN_NETS, {"party": portal.ids["integrator"]}).first()
    portal.standin.control.pay_invoice(str(at_stripe))
    portal.news()


def open_period(session: Session) -> int:
    """The number of the open period."""
    return session.scalars(select(Period.id).where(Period.state == "open")).one()
