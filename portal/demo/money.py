"""The months' money: accounts at Stripe, closes, invoices paid, statements reviewed, prepared, approved.

The oldest month is settled to the last transfer, the next is prepared and waits for the second person, the latest is in
review with one line contested. One invoice is left unpaid, and one integrator has not set up payouts yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Role
from portal.billing.models import Invoice
from portal.demo.invoicing import invoice_itself
from portal.demo.standin_control import StandIn
from portal.demo.story import MINUTE, Act, Story
from portal.jobs import enqueue
from portal.ledger.models import Period
from portal.payments import actions as payments
from portal.payments.models import ConnectedAccount, Intent
from portal.settlement import actions as settlement
from portal.settlement import differences, tie_out
from portal.settlement import queries as settled
from portal.settlement.models import Statement, StatementApproval, StatementLine

DAY = timedelta(days=1)
PAID_OUT = ("MER", "KES", "HUD")
OWN_MONEY_MINOR = {"EUR": 2_000_000, "USD": 1_000_000}


def plan_accounts(story: Story, standin: StandIn, at: datetime) -> None:
    """Have the companies that are paid out set up their accounts at Stripe."""

    def ask(session: Session, now: datetime) -> None:
        standin.set_clock(now)
        for currency, amount_minor in OWN_MONEY_MINOR.items():
            standin.fund(amount_minor, currency)
        for code in PAID_OUT:
            administrator = story.world.administrator_of(code)
            email = f"payouts@{code.lower()}.example"
            intent = payments.open_account(session, administrator, email=email, livemode=False, now=now)
            enqueue(session, "perform_intent", intent_id=intent.id)

    def onboard(session: Session, now: datetime) -> None:
        for account in session.scalars(select(ConnectedAccount).order_by(ConnectedAccount.organisation_id)):
            standin.complete_onboarding(account.provider_account_id)
            enqueue(session, "refresh_account", organisation_id=account.organisation_id)

    story.plan(at, ask)
    story.plan(at + 30 * MINUTE, onboard)


def plan_months(story: Story, standin: StandIn, ends: Sequence[datetime]) -> None:
    """Close each month at its end; settle the first, prepare the second, leave the last in review."""
    last = len(ends) - 1
    for position, end in enumerate(ends):
        # The latest close lies a few days back at most, so that its review is still running.
        closed_at = end + 2 * DAY if position < last else max(end + 6 * 60 * MINUTE, story.now - 4 * DAY)
        # What Stripe moved until then is here before the books are closed on it.
        story.plan(closed_at - 60 * MINUTE, _poll(standin))
        for code in ("NOR", "MER"):
            story.plan(closed_at, _close(story, standin, code, end))
        story.plan(closed_at + 9 * DAY, _pay(standin, keep_one=position == last - 1))
        # The second look finds what moved by events that the first one brought.
        for minutes in (5, 65):
            story.plan(closed_at + 9 * DAY + minutes * MINUTE, _poll(standin))
        if position == last:
            story.plan(closed_at + DAY, _contest(story, end))
        # The latest month waits for the number, as its party's first page says.
        if position < last:
            story.plan(closed_at + 10 * DAY, invoice_itself(story, "ALP"))
            story.plan(closed_at + 11 * DAY, _prepare(story, "NOR", end))
        if position == 0:
            story.plan(closed_at + 11 * DAY, _prepare(story, "MER", end))
            for code in ("NOR", "MER"):
                story.plan(closed_at + 12 * DAY, _approve(story, standin, code, end))
            story.plan(closed_at + 13 * DAY - 60 * MINUTE, _poll(standin))
            story.plan(closed_at + 13 * DAY, _end_for_good(story, "NOR", end))


def plan_last_poll(story: Story, standin: StandIn) -> None:
    """What the worker does every hour, once more at the end, and the bank's statement read: the first page ties out."""
    story.plan(story.now - 10 * MINUTE, _poll(standin))
    story.plan(story.now - 5 * MINUTE, _read_bank(story))


def _read_bank(story: Story) -> Act:
    """The operator's finance finds every payout and top-up on the bank's statement."""
    finance = story.world.people_of("NOR", Role.FINANCE)[0]

    def act(session: Session, now: datetime) -> None:
        for row in tie_out.waiting_for_bank(session, finance):
            differences.record_bank_line(
                session,
                finance,
                row["id"],
                amount_minor=row["amount_minor"],
                booked_on=row["occurred_at"].date(),
                reference=f"Statement line {row['id']}",
                now=now,
            )
        enqueue(session, "find_differences")

    return act


def _close(story: Story, standin: StandIn, code: str, end: datetime) -> Act:
    finance = story.world.people_of(code, Role.FINANCE)[0]

    def act(session: Session, now: datetime) -> None:
        standin.set_clock(now)
        settlement.request_close(session, finance, _period(session, finance, end).id, now=now)

    return act


def _pay(standin: StandIn, *, keep_one: bool) -> Act:
    def act(session: Session, now: datetime) -> None:
        standin.set_clock(now)
        issued = session.execute(
            select(Invoice, Intent.provider_object_id)
            .join(Intent, Intent.id == Invoice.intent_id)
            .where(Intent.state == "succeeded", Invoice.issued_at > now - 15 * DAY)
            .order_by(Invoice.id)
        ).all()
        for _, provider_id in issued[1:] if keep_one else issued:
            standin.pay_invoice(str(provider_id))

    return act


def _poll(standin: StandIn) -> Act:
    def act(session: Session, now: datetime) -> None:
        standin.set_clock(now)
        enqueue(session, "poll_events")
        enqueue(session, "import_balance_movements")

    return act


def _contest(story: Story, end: datetime) -> Act:
    """The first integrator that earned something contests its largest line."""
    parties = [story.world.people_of(code, Role.FINANCE)[0] for code in ("KES", "HUD", "ALP")]

    def act(session: Session, now: datetime) -> None:
        for finance in parties:
            line = _largest_line(session, finance, end)
            if line is not None:
                reason = "Our technician was on site for this one; the share reads as if we had not been."
                settlement.contest_line(session, finance, line.id, reason=reason, now=now)
                return

    return act


def _largest_line(session: Session, finance: Actor, end: datetime) -> StatementLine | None:
    return session.scalars(
        select(StatementLine)
        .join(Statement, Statement.id == StatementLine.statement_id)
        .join(Period, Period.id == Statement.period_id)
        .where(Statement.party_id == finance.organisation_id, Period.ends_at.between(end - DAY, end + DAY))
        .order_by(StatementLine.amount_minor.desc(), StatementLine.id)
        .limit(1)
    ).one_or_none()


def _prepare(story: Story, code: str, end: datetime) -> Act:
    preparer = story.world.people_of(code, Role.FINANCE)[0]

    def act(session: Session, now: datetime) -> None:
        for statement in _statements(session, preparer, end):
            settlement.prepare_statement(
                session, preparer, statement.id, shown_sha256=statement.content_sha256, now=now
            )

    return act


def _approve(story: Story, standin: StandIn, code: str, end: datetime) -> Act:
    approver = story.world.people_of(code, Role.FINANCE)[1]

    def act(session: Session, now: datetime) -> None:
        standin.set_clock(now)
        for statement in _statements(session, approver, end):
            preparation = _preparation_id(session, statement.id)
            settlement.approve_statement(session, approver, preparation, shown_sha256=statement.content_sha256, now=now)

    return act


def _preparation_id(session: Session, statement_id: int) -> int:
    """The id of a statement's latest preparation."""
    found = settled.preparation_of(session, statement_id)
    if found is None:
        raise LookupError(f"statement {statement_id} was not prepared")
    return found.id


def _end_for_good(story: Story, code: str, end: datetime) -> Act:
    finance = story.world.people_of(code, Role.FINANCE)[0]

    def act(session: Session, now: datetime) -> None:
        if all(_is_approved(session, statement.id) for statement in _statements(session, finance, end)):
            settlement.request_hard_close(session, finance, _period(session, finance, end).id)

    return act


def _statements(session: Session, actor: Actor, end: datetime) -> Sequence[Statement]:
    period = _period(session, actor, end)
    return session.scalars(select(Statement).where(Statement.period_id == period.id).order_by(Statement.id)).all()


def _is_approved(session: Session, statement_id: int) -> bool:
    found = session.scalars(select(StatementApproval.id).where(StatementApproval.statement_id == statement_id))
    return found.one_or_none() is not None


def _period(session: Session, actor: Actor, end: datetime) -> Period:
    """The manufacturer's month that ends nearest to ``end``."""
    return session.scalars(
        select(Period)
        .where(
            Period.manufacturer_id == actor.organisation_id,
            Period.ends_at.between(end - DAY, end + DAY),
        )
        .limit(1)
    ).one()
