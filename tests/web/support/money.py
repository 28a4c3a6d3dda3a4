"""Money for page tests: one billed case of the cast, its invoice, and what hangs on them; made once, then found."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.actions import ask, gather_invoices
from portal.billing.models import BillItem, BillLine, Invoice, LineQuery
from portal.ledger.models import Account, JournalTransaction, Period
from portal.money import Money
from portal.payments.cash import record_payment
from portal.payments.models import PaymentRecord
from tests.support.billed import BILLED_AT, billed, open_books, paid_case, settled, worked
from tests.support.cast import Cast, hours_later


def billed_item(session: Session, cast: Cast) -> BillItem:
    """An item of 225.00 EUR that the customer pays, with work of both companies."""
    known = session.scalars(select(BillItem).limit(1)).one_or_none()
    if known is not None:
        return known
    open_books(session, cast)
    case = paid_case(session, cast)
    worked(session, cast, case, minutes=65)
    worked(session, cast, case, minutes=20, worker=cast.tom, start=hours_later(3))
    settled(session, cast, case)
    return billed(session, case)


def bill_line(session: Session, cast: Cast) -> BillLine:
    """The first line of that item."""
    item = billed_item(session, cast)
    return session.scalars(select(BillLine).where(BillLine.bill_item_id == item.id).order_by(BillLine.position)).first()


def asked_question(session: Session, cast: Cast) -> LineQuery:
    """What the buyer asked about that line."""
    known = session.scalars(select(LineQuery).limit(1)).one_or_none()
    line = bill_line(session, cast)
    return known or ask(session, cast.bea, line.id, "Why <b>65</b> minutes?", now=BILLED_AT)


def issued_invoice(session: Session, cast: Cast) -> Invoice:
    """The invoice of that item."""
    item = billed_item(session, cast)
    gather_invoices(session, item.period_id, now=BILLED_AT)
    return session.scalars(select(Invoice).limit(1)).one()


def open_period(session: Session, cast: Cast) -> Period:
    """The factory's open period."""
    billed_item(session, cast)
    wanted = select(Period).where(Period.manufacturer_id == cast.factory.id, Period.state == "open")
    return session.scalars(wanted).one()


def some_account(session: Session, cast: Cast) -> Account:
    """The account of what the customer owes and was not invoiced."""
    billed_item(session, cast)
    return session.scalars(select(Account).where(Account.purpose == "receivable_unbilled")).one()


def some_transaction(session: Session, cast: Cast) -> JournalTransaction:
    """The transaction that posted the item."""
    billed_item(session, cast)
    return session.scalars(select(JournalTransaction).order_by(JournalTransaction.id)).first()


def recorded_payment(session: Session, cast: Cast) -> PaymentRecord:
    """A payment that Fay recorded and nobody confirmed."""
    known = session.scalars(select(PaymentRecord).limit(1)).one_or_none()
    invoice = issued_invoice(session, cast)
    return known or record_payment(
        session,
        cast.fay,
        invoice_id=invoice.id,
        amount_minor=invoice.total_minor,
        method="wire",
        reference="Wire 4711",
        received_at=BILLED_AT,
        now=BILLED_AT,
    )


def euros(minor: int) -> Money:
    """An amount of the cast's currency."""
    return Money(minor, "EUR")
