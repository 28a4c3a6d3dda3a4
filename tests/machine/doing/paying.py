"""Invoices, cash, and money that goes back."""

from __future__ import annotations

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.adjustments.actions import asking
from portal.adjustments.actions.asking import Wanted
from portal.billing.actions import gather_invoices
from portal.billing.models import Invoice
from portal.payments import cash
from portal.payments.models import CashReceipt, Chargeback, Intent
from tests.machine.doing.settling import open_period
from tests.machine.process import Portal
from tests.support.cast import Cast


def invoice(portal: Portal) -> int | None:
    """What is owed becomes an invoice; its number, or nothing where there is none."""
    portal.later(minutes=1)
    made = portal.do(
        lambda session, cast: [row.id for row in gather_invoices(session, open_period(session), now=portal.now)]
    )
    portal.jobs()
    assert len(made) <= 1
    return made[0] if made else None


def pay_by_card(portal: Portal, invoice_id: int) -> int:
    """The payer pays all of it on Stripe's page; the receipt."""
    portal.later(minutes=1)
    with portal.look() as session:
        intent_id = session.get_one(Invoice, invoice_id).intent_id
        at_stripe = session.get_one(Intent, intent_id).provider_object_id
    portal.standin.control.pay_invoice(str(at_stripe))
    portal.news()
    return _latest_receipt(portal, invoice_id)


def pay_elsewhere(portal: Portal, invoice_id: int, amount: int) -> int:
    """Two people say that money arrived at the bank; the receipt."""
    portal.later(minutes=1)
    reference = f"R{int(portal.now.timestamp())}"
    record = portal.do(
        lambda session, cast: cash.record_payment(
            session, cast.fay, invoice_id=invoice_id, amount_minor=amount, method="wire", reference=reference,
            received_at=portal.now, now=portal.now,
        ).id
    )  # fmt: skip
    portal.do(lambda session, cast: cash.confirm_payment(session, cast.fin, record, livemode=False, now=portal.now).id)
    portal.jobs()
    return _latest_receipt(portal, invoice_id)


def _latest_receipt(portal: Portal, invoice_id: int) -> int:
    with portal.look() as session:
        wanted = select(CashReceipt.id).where(CashReceipt.invoice_id == invoice_id).order_by(CashReceipt.id.desc())
        return session.scalars(wanted.limit(1)).one()


def refund(portal: Portal, invoice_id: int, receipt_id: int, amount: int) -> str | None:
    """Part of a payment goes back; how it ended."""
    return _adjust(portal, invoice_id, Wanted("refund", amount, "Billed twice", receipt_id=receipt_id))


def credit(portal: Portal, invoice_id: int, amount: int) -> str | None:
    """Less is owed of an invoice; how it ended."""
    return _adjust(portal, invoice_id, Wanted("credit", amount, "Took too long"))


def _adjust(portal: Portal, invoice_id: int, wanted: Wanted) -> str | None:
    """Fay asks, Fin agrees."""
    portal.later(minutes=1)

    def ask(session: Session, cast: Cast) -> tuple[int, bool]:
        made = asking.ask(session, cast.fay, invoice_id, wanted, now=portal.now)
        return made.id, made.needs_second

    number, needs_second = portal.do(ask)
    if needs_second:
        portal.do(
            lambda session, cast: (
                asking.decide(session, cast.fin, number, outcome="yes", explanation="", now=portal.now).id
            )
        )
    portal.jobs()
    portal.news()
    with portal.look() as session:
        return session.scalar(text("SELECT outcome FROM adjustment_end WHERE adjustment_id = :id"), {"id": number})


def charge_back(portal: Portal, receipt_id: int) -> str:
    """The payer's bank takes a payment back; the dispute at Stripe."""
    portal.later(minutes=1)
    with portal.look() as session:
        charge = session.get_one(CashReceipt, receipt_id).provider_object_id
    dispute = portal.standin.control.dispute(str(charge))
    portal.news()
    return dispute


def end_dispute(portal: Portal, receipt_id: int, *, won: bool) -> None:
    """The bank decides."""
    portal.later(minutes=1)
    with portal.look() as session:
        wanted = select(Chargeback.provider_object_id).where(Chargeback.receipt_id == receipt_id)
        dispute = session.scalars(wanted.order_by(Chargeback.id.desc()).limit(1)).one()
    portal.standin.control.decide(dispute, "won" if won else "lost")
    portal.news()
