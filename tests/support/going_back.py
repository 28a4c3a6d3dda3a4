"""Money on its way back, as tests start it: a case that was billed, invoiced at the stand-in and paid by card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from portal.adjustments import queries
from portal.adjustments.actions import asking
from portal.adjustments.actions.asking import Wanted
from portal.adjustments.books import adjustment_problems
from portal.adjustments.models import Adjustment
from portal.adjustments.rules.saga import Step, next_step
from portal.billing.actions import gather_invoices
from portal.billing.models import Invoice, InvoiceItem, Share
from portal.ledger.models import Period
from portal.notifications.mail import Message
from portal.payments import handling
from portal.payments.gateway import Gateway
from portal.payments.models import CashReceipt, Intent
from portal.payments.queries import tie_out, unmatched_movements
from portal.settlement.books import all_problems, settlement_problems
from tests.standin.process import Standin
from tests.support.billed import BILLED_AT, billed, open_books, paid_case, settled, worked
from tests.support.cast import NOW, Cast
from tests.support.payments import connected, earn
from tests.support.settling import REVIEWED_AT, approved_and_disposed, close, statement_of

PAID_AT = BILLED_AT + timedelta(days=1)
ASKED_AT = PAID_AT + timedelta(days=1)
FUNDS = 100_000


@dataclass
class Kept:
    """A mail server that keeps what it is given."""

    sent: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        """Keep a message."""
        self.sent.append(message)


@dataclass
class Desk:
    """Everything a test of money that goes back works with."""

    session: Session
    engine: Engine
    cast: Cast
    gateway: Gateway
    standin: Standin
    run_jobs: Callable[..., list[str]]
    now: datetime = ASKED_AT
    paid_out: int = 0
    mailer: Kept = field(default_factory=Kept)

    def news(self) -> None:
        """Stripe's events are taken in and everything they set off is done."""
        self.session.commit()
        handling.poll_events(self.engine, self.gateway, self.now)
        self.jobs()

    def jobs(self) -> list[str]:
        """Every job that waits, until nothing waits."""
        self.session.commit()
        done = self.run_jobs(self.now, gateway=self.gateway, mailer=self.mailer)
        self.session.expire_all()
        return done

    def allow(self, minor: int = 1_000_000) -> None:
        """Finance may adjust so much alone."""
        asking.set_limit(self.session, self.cast.adam, role="finance", currency="EUR", amount_minor=minor, now=self.now)

    def refund(self, invoice: Invoice, minor: int, **details: object) -> Adjustment:
        """Fay asks for a refund of the invoice's card payment."""
        wanted = Wanted("refund", minor, "Billed twice", receipt_id=self.receipt(invoice).id, **details)
        return asking.ask(self.session, self.cast.fay, invoice.id, wanted, now=self.now)

    def receipt(self, invoice: Invoice) -> CashReceipt:
        """The first payment of an invoice."""
        wanted = select(CashReceipt).where(CashReceipt.invoice_id == invoice.id).order_by(CashReceipt.id).limit(1)
        return self.session.scalars(wanted).one()

    def step(self, adjustment: Adjustment) -> Step:
        """What an adjustment waits for."""
        return next_step(queries.saga_facts(self.session, adjustment))

    def outcome(self, adjustment: Adjustment) -> str | None:
        """How an adjustment ended."""
        self.session.commit()
        end = queries.end_of(self.session, adjustment.id)
        return end.outcome if end else None

    def shares(self, invoice: Invoice) -> list[Share]:
        """The shares of the work that an invoice charges for."""
        lines = select(InvoiceItem.bill_item_id).where(InvoiceItem.invoice_id == invoice.id)
        return list(self.session.scalars(select(Share).where(Share.bill_item_id.in_(lines)).order_by(Share.id)))

    def payable(self, party_id: int) -> int:
        """What a party has coming."""
        return self.held("payable", party_id)

    def held(self, purpose: str, party_id: int | None = None) -> int:
        """What the accounts of a purpose hold, credit positive."""
        self.session.commit()
        return self.session.scalar(
            text(
                "SELECT coalesce(-sum(posting.amount_minor), 0)::bigint FROM posting"
                " JOIN account ON account.id = posting.account_id WHERE account.purpose = :purpose"
                " AND (CAST(:party AS bigint) IS NULL OR account.party_id = :party)"
            ),
            {"purpose": purpose, "party": party_id},
        )

    def earn(self, minor: int) -> None:
        """The integrator has something more coming, for other work."""
        earn(self.session, self.cast, minor, 1, now=self.now)
        self.session.commit()

    def check(self, *, other_work: bool = False) -> None:
        """The books hold, and Stripe's balance equals its clearing account to the cent.

        ``other_work``: something was earned by a posting alone, which billing knows nothing of.
        """
        self.session.commit()
        handling.import_movements(self.engine, self.gateway, self.now)
        problems = adjustment_problems(self.session) + settlement_problems(self.session)
        assert (problems if other_work else all_problems(self.session)) == []
        assert [(tie.currency, tie.difference_minor) for tie in tie_out(self.session) if tie.difference_minor] == []
        assert unmatched_movements(self.session) == []
        assert self.gateway.available_balance()["EUR"] == -self.held("stripe_clearing")


def paid_invoice(desk: Desk, *, pay: bool = True, confirmed: bool = True, taxed: bool = False) -> Invoice:
    """Four hours of both companies are billed, its invoice is at the stand-in and paid by card."""
    session, cast = desk.session, desk.cast
    open_books(session, cast)
    case = paid_case(session, cast)
    worked(session, cast, case, minutes=120)
    worked(session, cast, case, minutes=120, worker=cast.tom, start=NOW + timedelta(hours=4))
    settled(session, cast, case, confirmed=confirmed)
    billed(session, case)
    period_id = session.scalars(select(Period.id).where(Period.manufacturer_id == cast.factory.id)).one()
    (invoice,) = gather_invoices(session, period_id, now=BILLED_AT, automatic_tax=taxed)
    desk.standin.control.fund(FUNDS, "eur")
    desk.now = PAID_AT
    desk.jobs()
    if pay:
        pay_invoice(desk, invoice)
    desk.now = ASKED_AT
    return invoice


def pay_invoice(desk: Desk, invoice: Invoice) -> None:
    """The payer pays what is open by card."""
    at_stripe = desk.session.get_one(Intent, invoice.intent_id).provider_object_id
    assert at_stripe is not None
    desk.standin.control.pay_invoice(at_stripe)
    desk.news()


def paid_out(desk: Desk, *, then_empty: bool = False) -> int:
    """March is closed and the integrator's share transferred; it may have taken its money out since.

    What Stripe's balance is afterwards; the amount is kept on the desk.
    """
    account = connected(desk.session, desk.gateway, desk.standin, desk.cast.integrator)
    statement = statement_of(desk.session, close(desk.engine, desk.cast), desk.cast.integrator.id)
    desk.paid_out = approved_and_disposed(desk.session, desk.cast, statement, REVIEWED_AT)["transferred"]
    desk.now = REVIEWED_AT
    desk.jobs()
    if then_empty:
        desk.standin.control.request("POST", f"/accounts/{account}/payout", {"currency": "eur"})
    return desk.gateway.available_balance()["EUR"]
