"""Two linked transactions for a movement of Stripe's balance in another currency than the money it is about.

Invariants: a movement is booked once; both transactions and the row that links them are one database transaction; what
goes back of a payment leaves the exchange accounts at that payment's rate, whoever books first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from portal.errors import RuleBroken
from portal.ledger.actions import post
from portal.ledger.rules import Document, Leg
from portal.payments.exchanges.legs import Exchanged, asked_legs, at_first_rate, settled_legs
from portal.payments.exchanges.models import Exchange
from portal.payments.models import CashReceipt
from portal.payments.rules import EXCHANGE_PAIRS

CASH_RECEIVED, REFUND_SENT = "cash_received", "refund_sent"
REFUND_RETURNED, CHARGEBACK_MOVED = "refund_returned", "chargeback_moved"
# The second transaction is told from the first by its kind.
SETTLED = "_settled"


@dataclass(frozen=True)
class About:
    """What both transactions say of themselves; ``fee_from`` is the document that the fee's leg names."""

    kind: str
    document: Document
    description: str
    occurred_at: datetime
    person_id: int | None = None
    fee_from: Document | None = None


def book_exchange(
    session: Session, receipt: CashReceipt, exchanged: Exchanged, about: About, *, against: list[Leg], now: datetime
) -> int:
    """Post both transactions and link them, once; the one in the currency that was asked for.

    *Raises*: RuleBroken for money going back of a payment that settled in its own currency.
    """
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
    session.execute(lock, {"key": f"exchange:{receipt.id}"})
    known = session.scalars(select(Exchange).where(Exchange.movement_id == exchanged.movement_id)).one_or_none()
    if known is not None:
        return known.transaction_id
    first_rate_minor = _first_rate_minor(session, receipt, exchanged, about)
    asked, settled = asked_legs(exchanged, against), settled_legs(exchanged, first_rate_minor, about.fee_from)
    asked_id = _post(session, receipt, about, asked, currency=exchanged.currency, kind=about.kind, now=now)
    settled_id = _post(
        session, receipt, about, settled, currency=exchanged.settled_currency, kind=about.kind + SETTLED, now=now
    )
    session.add(
        Exchange(
            manufacturer_id=receipt.manufacturer_id,
            receipt_id=receipt.id,
            kind=about.kind,
            movement_id=exchanged.movement_id,
            currency=exchanged.currency,
            amount_minor=exchanged.amount_minor,
            settled_currency=exchanged.settled_currency,
            settled_minor=exchanged.settled_minor,
            fee_minor=exchanged.fee_minor,
            first_rate_minor=first_rate_minor,
            rate_num=exchanged.rate.numerator,
            rate_den=exchanged.rate.denominator,
            transaction_id=asked_id,
            settled_transaction_id=settled_id,
            livemode=receipt.livemode,
            occurred_at=about.occurred_at,
            recorded_at=now,
        )
    )
    session.flush()
    return asked_id


def _first_rate_minor(session: Session, receipt: CashReceipt, exchanged: Exchanged, about: About) -> int:
    if about.kind == CASH_RECEIVED:
        return exchanged.settled_minor
    payment = session.scalars(
        select(Exchange).where(Exchange.receipt_id == receipt.id, Exchange.kind == CASH_RECEIVED)
    ).one_or_none()
    if payment is None or payment.settled_currency != exchanged.settled_currency:
        raise RuleBroken("What goes back of a payment settles in the currency in which the payment settled.")
    before = session.execute(
        select(func.sum(Exchange.amount_minor), func.sum(Exchange.first_rate_minor)).where(
            Exchange.receipt_id == receipt.id
        )
    ).one()
    return at_first_rate(_exchanged(payment), (int(before[0]), int(before[1])), exchanged.amount_minor)


def _exchanged(row: Exchange) -> Exchanged:
    return Exchanged(
        movement_id=row.movement_id,
        currency=row.currency,
        amount_minor=row.amount_minor,
        settled_currency=row.settled_currency,
        settled_minor=row.settled_minor,
        fee_minor=row.fee_minor,
        rate=Fraction(row.rate_num, row.rate_den),
    )


def _post(
    session: Session,
    receipt: CashReceipt,
    about: About,
    legs: list[Leg],
    *,
    currency: str,
    kind: str,
    now: datetime,
) -> int:
    return post(
        session,
        manufacturer_id=receipt.manufacturer_id,
        currency=currency,
        kind=kind,
        document=about.document,
        legs=legs,
        allowed_pairs=EXCHANGE_PAIRS,
        occurred_at=about.occurred_at,
        now=now,
        description=about.description,
        person_id=about.person_id,
        livemode=receipt.livemode,
    )
