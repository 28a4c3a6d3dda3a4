"""Money for page tests: one billed case of the cast, its invoice, and what hangs on them; made once, then found."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.adjustments.actions import writing_off
from portal.adjustments.actions.asking import Wanted
from portal.adjustments.actions.asking import ask as ask_for
from portal.adjustments.actions.recovering import owe_without_transfer
from portal.adjustments.models import Adjustment, ClawBack, WriteOff
from portal.billing.actions import apply_cash, ask, earn_plans, gather_invoices, open_month
from portal.billing.models import BillItem, BillLine, Invoice, LineQuery, PlanSale
from portal.billing.packs.models import PackSale
from portal.billing.supplements.actions import Cause, settle
from portal.billing.supplements.models import Supplement
from portal.billing.supplements.rules import credit_of
from portal.cases.models import SupportCase
from portal.entitlement.queries import terms_in_force
from portal.ledger.models import Account, JournalTransaction, Period, Posting
from portal.payments.cash import book_cash, confirm_payment, record_payment
from portal.payments.models import BalanceMovement, CashReceipt, Chargeback, FraudWarning, OutsideChange, PaymentRecord
from portal.selling.models import Purchase
from portal.settlement import actions as settlement
from portal.settlement import closing, holding
from portal.settlement.difference_models import ReconciliationDifference
from portal.settlement.models import (
    Contest,
    Hold,
    Statement,
    StatementLine,
    StatementPreparation,
)
from portal.settlement.reconciling import find_differences
from portal.settlement.selfbilling.models import SelfBilledDocument
from tests.support import self_billing
from tests.support.billed import BILLED_AT, billed, open_books, paid_case, settled, worked
from tests.support.cast import NOW, Cast, hours_later
from tests.support.packs import bought
from tests.support.settling import CLOSED_AT, REVIEWED_AT, approved_and_disposed


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


def plan_month(session: Session, cast: Cast) -> PlanSale:
    """March of the plan at the cast's site, sold and, with its work billed, earned."""
    known = session.scalars(select(PlanSale).limit(1)).one_or_none()
    if known is None:
        billed_item(session, cast)
        open_month(session, now=NOW)
        earn_plans(session, cast.factory.id, now=CLOSED_AT)
    return known or session.scalars(select(PlanSale).limit(1)).one()


def sold_pack(session: Session, cast: Cast) -> PackSale:
    """Ten hours bought for the site without a plan."""
    known = session.scalars(select(PackSale).limit(1)).one_or_none()
    if known is None:
        billed_item(session, cast)
    return known or bought(session, cast, site=cast.plain_site)[1]


def credit_for_a_promise(session: Session, cast: Cast) -> Supplement:
    """A credit for a promise that was missed on that item's case."""
    known = session.scalars(select(Supplement).limit(1)).one_or_none()
    if known is not None:
        return known
    case = session.get_one(SupportCase, billed_item(session, cast).case_id)
    terms = terms_in_force(session, manufacturer_id=case.manufacturer_id, integrator_id=case.integrator_id, at=NOW)
    cause = Cause("sample", "remedy", "customer", "Nordlicht credit", ("Because.",), NOW)
    made = settle(session, case, terms, cause, credit_of(100, case.manufacturer_id), now=BILLED_AT)
    assert made is not None
    return made


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


def hold(session: Session, cast: Cast) -> Hold:
    """A hold of the integrator."""
    known = session.scalars(select(Hold).limit(1)).one_or_none()
    return known or holding.hold_party(session, cast.fay, "KES", reason="Bank details are being checked.", now=NOW)


def open_period(session: Session, cast: Cast) -> Period:
    """The factory's open period."""
    billed_item(session, cast)
    wanted = select(Period).where(Period.manufacturer_id == cast.factory.id, Period.state == "open")
    return session.scalars(wanted).one()


def self_billed_document(session: Session, cast: Cast) -> SelfBilledDocument:
    """The self-billed document of the integrator's statement, whose net is too small to be paid alone."""
    known = session.scalars(select(SelfBilledDocument).limit(1)).one_or_none()
    if known is not None:
        return known
    statement = closed_statement(session, cast)
    self_billing.both_details(session, cast)
    self_billing.agreed(session, cast)
    approved_and_disposed(session, cast, statement)
    return session.scalars(select(SelfBilledDocument).limit(1)).one()


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


def closed_statement(session: Session, cast: Cast) -> Statement:
    """The integrator's statement of the month, its lines made of that item's cash, in review."""
    known = session.scalars(select(Statement).where(Statement.party_id == cast.integrator.id)).one_or_none()
    if known is not None:
        return known
    invoice = issued_invoice(session, cast)
    record = recorded_payment(session, cast)
    receipt = confirm_payment(session, cast.fin, record.id, livemode=False, now=BILLED_AT)
    book_cash(session, receipt.id, BILLED_AT)
    apply_cash(session, receipt.id, now=BILLED_AT)
    period = session.get_one(Period, invoice.period_id)
    values = (session, cast.factory.id, period.id)
    closing.freeze_period(*values, livemode=False, now=CLOSED_AT)
    closing.chain_some(*values, now=CLOSED_AT)
    closing.make_statements(*values, now=CLOSED_AT)
    closing.finish_close(*values, now=CLOSED_AT)
    return session.scalars(select(Statement).where(Statement.party_id == cast.integrator.id)).one()


def statement_line(session: Session, cast: Cast) -> StatementLine:
    """Its first line."""
    statement = closed_statement(session, cast)
    wanted = select(StatementLine).where(StatementLine.statement_id == statement.id).order_by(StatementLine.position)
    return session.scalars(wanted).first()


def raised_contest(session: Session, cast: Cast) -> Contest:
    """What the integrator's finance says of that line."""
    known = session.scalars(select(Contest).limit(1)).one_or_none()
    line = statement_line(session, cast)
    return known or settlement.contest_line(session, cast.ivo, line.id, reason="Not <b>ours</b>", now=CLOSED_AT)


def preparation(session: Session, cast: Cast) -> StatementPreparation:
    """The statement as Fay prepared it."""
    known = session.scalars(select(StatementPreparation).limit(1)).one_or_none()
    statement = closed_statement(session, cast)
    shown = statement.content_sha256
    return known or settlement.prepare_statement(session, cast.fay, statement.id, shown_sha256=shown, now=REVIEWED_AT)


def bank_posting(session: Session, cast: Cast) -> Posting:
    """The posting of that payment to the bank account."""
    closed_statement(session, cast)
    wanted = select(Posting).join(Account, Account.id == Posting.account_id).where(Account.purpose == "bank")
    return session.scalars(wanted).one()


def day_of_bank_posting(session: Session, cast: Cast) -> date:
    """The day on which that payment was booked."""
    return session.get_one(JournalTransaction, bank_posting(session, cast).transaction_id).occurred_at.date()


def difference(session: Session, cast: Cast) -> ReconciliationDifference:
    """An adjustment at Stripe that nobody has booked."""
    known = session.scalars(select(ReconciliationDifference).limit(1)).one_or_none()
    if known is not None:
        return known
    closed_statement(session, cast)
    session.add(
        BalanceMovement(
            provider_id="txn_adjusted",
            manufacturer_id=cast.factory.id,
            category="other_adjustment",
            currency="EUR",
            amount_minor=-150,
            fee_minor=0,
            net_minor=-150,
            source_object_id="",
            livemode=False,
            occurred_at=NOW,
            recorded_at=NOW,
        )
    )
    find_differences(session, now=NOW)
    return session.scalars(select(ReconciliationDifference)).one()


def adjustment(session: Session, cast: Cast) -> Adjustment:
    """A refund of the payment of that invoice that waits for a second person."""
    known = session.scalars(select(Adjustment).limit(1)).one_or_none()
    if known is not None:
        return known
    closed_statement(session, cast)
    paid = session.scalars(select(CashReceipt).where(CashReceipt.source == "out_of_band").limit(1)).one()
    wanted = Wanted("refund", 100, "Nordlicht billed too much", receipt_id=paid.id, reference="W-1")
    return ask_for(session, cast.fay, paid.invoice_id, wanted, now=CLOSED_AT)


def chargeback(session: Session, cast: Cast) -> Chargeback:
    """A payment of that invoice that the payer's bank has taken back."""
    known = session.scalars(select(Chargeback).limit(1)).one_or_none()
    return known or _of_payment(session, cast, Chargeback, amount_minor=500, currency="EUR", reason="fraudulent",
                                opened_at=BILLED_AT, answer_by=None, payer_id=cast.customer.id)  # fmt: skip


def fraud_warning(session: Session, cast: Cast) -> FraudWarning:
    """A warning about a payment of that invoice."""
    known = session.scalars(select(FraudWarning).limit(1)).one_or_none()
    return known or _of_payment(session, cast, FraudWarning, kind="nordlicht_misc", warned_at=BILLED_AT)


def _of_payment(session: Session, cast: Cast, table: type[Any], **columns: Any) -> Any:
    invoice = issued_invoice(session, cast)
    # The payment that is recorded for it takes all that is open.
    closed_statement(session, cast)
    receipt = session.scalars(select(CashReceipt).where(CashReceipt.source == "stripe").limit(1)).one_or_none()
    if receipt is None:
        receipt = CashReceipt(
            invoice_id=invoice.id, manufacturer_id=invoice.manufacturer_id, payer_id=invoice.payer_id,
            currency=invoice.currency, amount_minor=500, fee_minor=0, source="stripe",
            provider_object_id="ch_nordlicht", livemode=False, received_at=BILLED_AT, recorded_at=BILLED_AT,
        )  # fmt: skip
        session.add(receipt)
        session.flush()
    row = table(
        provider_object_id=f"{table.__tablename__}_nordlicht",
        manufacturer_id=invoice.manufacturer_id,
        invoice_id=invoice.id,
        receipt_id=receipt.id,
        livemode=False,
        recorded_at=BILLED_AT,
        **columns,
    )
    session.add(row)
    session.flush()
    return row


def prepayment(session: Session, cast: Cast, purchase: Purchase) -> CashReceipt:
    """A purchase's payment at checkout, booked; nothing was sold from it yet."""
    known = session.scalars(select(CashReceipt).where(CashReceipt.intent_id == purchase.intent_id)).one_or_none()
    if known is not None:
        return known
    open_books(session, cast)
    receipt = CashReceipt(
        intent_id=purchase.intent_id, manufacturer_id=purchase.manufacturer_id, payer_id=purchase.customer_id,
        currency=purchase.currency, amount_minor=purchase.price_minor, fee_minor=100, source="stripe",
        provider_object_id="ch_nordlicht_ahead", livemode=False, received_at=NOW, recorded_at=NOW,
    )  # fmt: skip
    session.add(receipt)
    session.flush()
    book_cash(session, receipt.id, NOW)
    return receipt


def outside_change(session: Session, cast: Cast) -> OutsideChange:
    """A credit note on that invoice that somebody made at Stripe."""
    known = session.scalars(select(OutsideChange).limit(1)).one_or_none()
    if known is not None:
        return known
    invoice = issued_invoice(session, cast)
    row = OutsideChange(
        provider_object_id="cn_nordlicht", kind="credit_note", manufacturer_id=invoice.manufacturer_id,
        invoice_id=invoice.id, currency=invoice.currency, amount_minor=100, about="Nordlicht was asked to",
        livemode=False, made_at=BILLED_AT, recorded_at=BILLED_AT,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def claw_back(session: Session, cast: Cast) -> ClawBack:
    """What the integrator was paid of a share that went back, and still owes."""
    known = session.scalars(select(ClawBack).limit(1)).one_or_none()
    if known is not None:
        return known
    row = ClawBack(
        cause_type="adjustment", cause_id=adjustment(session, cast).id, manufacturer_id=cast.factory.id,
        party_id=cast.integrator.id, currency="EUR", amount_minor=500, reason="Refund of Nordlicht's",
        opened_at=CLOSED_AT,
    )  # fmt: skip
    session.add(row)
    session.flush()
    owe_without_transfer(session, row, now=CLOSED_AT)
    return row


def write_off(session: Session, cast: Cast) -> WriteOff:
    """Fay wants to give that up."""
    known = session.scalars(select(WriteOff).limit(1)).one_or_none()
    row = claw_back(session, cast)
    said = {"bearer": "operator", "reason": "Nordlicht hears nothing of them"}
    return known or writing_off.ask(session, cast.fay, row.id, **said, now=CLOSED_AT)
