"""From one transaction of an exchange to the other, and what an exchange brought or cost."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.ledger.queries import may_read_ledger
from portal.money import Money, minor_digits
from portal.payments.exchanges.models import Exchange


@dataclass(frozen=True)
class LinkedLegs:
    """An exchange as a page shows it: the amounts of both transactions, the rate people know, gain or loss."""

    exchange: Exchange
    asked: Money
    settled: Money
    rate: str
    difference: Money

    @property
    def outcome(self) -> str:
        """What the difference is called."""
        if not self.difference:
            return "At the payment's own rate"
        return "Gain" if self.difference.minor > 0 else "Loss"


def exchange_of(session: Session, actor: Actor, transaction_id: int) -> LinkedLegs | None:
    """The exchange that a journal transaction is one side of, for those who may read the ledger."""
    found = session.scalars(
        select(Exchange).where(
            Exchange.manufacturer_id == actor.organisation_id,
            or_(Exchange.transaction_id == transaction_id, Exchange.settled_transaction_id == transaction_id),
        )
    ).one_or_none()
    return _shown(found) if found is not None and may_read_ledger(actor) else None


def exchanges_of(session: Session, actor: Actor, receipt_ids: Collection[int]) -> dict[int, Sequence[LinkedLegs]]:
    """What payments became in the balance, and what went back of them, by receipt; none without the ledger's role."""
    if not receipt_ids or not may_read_ledger(actor):
        return {}
    rows = session.scalars(
        select(Exchange)
        .where(Exchange.manufacturer_id == actor.organisation_id, Exchange.receipt_id.in_(receipt_ids))
        .order_by(Exchange.id)
    )
    found: dict[int, list[LinkedLegs]] = {}
    for row in rows:
        found.setdefault(row.receipt_id, []).append(_shown(row))
    return dict(found)


def people_rate(rate: Fraction, currency: str, settled_currency: str) -> str:
    """A rate between smallest units as people write it, between whole ones."""
    whole = rate * Fraction(10) ** (minor_digits(currency) - minor_digits(settled_currency))
    return f"{float(whole):.6g}"


def _shown(row: Exchange) -> LinkedLegs:
    return LinkedLegs(
        exchange=row,
        asked=Money(row.amount_minor, row.currency),
        settled=Money(row.settled_minor, row.settled_currency),
        rate=people_rate(Fraction(row.rate_num, row.rate_den), row.currency, row.settled_currency),
        difference=Money(row.settled_minor - row.first_rate_minor, row.settled_currency),
    )
