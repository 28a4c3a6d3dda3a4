"""What a sold pack earns, and when: pure.

Invariant: what was earned up to some use is a function of all use together, so that single uses sum to the price and
whoever uses the last minute, or lets it expire, takes the remainder.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from portal.entitlement.rules import Amount
from portal.ledger.rules import Document, Leg, Purpose, credit, debit, pairs, without_zeros
from portal.money import allocate_cumulative


class Granted(Protocol):
    """What was granted: seconds, or incidents."""

    @property
    def granted_seconds(self) -> int: ...

    @property
    def granted_incidents(self) -> int: ...


BY_INVOICE, BY_STRIPE, BY_BANK, AHEAD = "invoice", "stripe", "bank", "ahead"

PACK_PAIRS = pairs(
    (Purpose.UNBILLED, Purpose.DEFERRED),
    (Purpose.PREPAID, Purpose.DEFERRED),
    (Purpose.STRIPE, Purpose.DEFERRED),
    (Purpose.BANK, Purpose.DEFERRED),
    (Purpose.STRIPE, Purpose.TAX),
    (Purpose.BANK, Purpose.TAX),
    (Purpose.DEFERRED, Purpose.PAYABLE),
    (Purpose.DEFERRED, Purpose.ACCRUED),
    # A correction moves between parties as well.
    (Purpose.PAYABLE, Purpose.PAYABLE),
)


def sale_legs(
    paid_by: str, debtor_id: int, customer_id: int, *, price_minor: int, tax_minor: int, cash: Document | None = None
) -> list[Leg]:
    """What was paid, or is owed, for a pack: the price is deferred, the tax is the state's.

    ``cash`` is the document of the money that came in, where it is known by one. What was paid ahead was posted with
    its tax when it arrived.
    """
    if paid_by == AHEAD:
        return [debit(Purpose.PREPAID, price_minor, debtor_id), credit(Purpose.DEFERRED, price_minor, customer_id)]
    total = price_minor + tax_minor
    paid = {
        BY_INVOICE: debit(Purpose.UNBILLED, total, debtor_id),
        BY_STRIPE: debit(Purpose.STRIPE, total, None, cash),
        BY_BANK: debit(Purpose.BANK, total, None, cash),
    }[paid_by]
    return without_zeros([paid, credit(Purpose.DEFERRED, price_minor, customer_id), credit(Purpose.TAX, tax_minor)])


def earning_legs(customer_id: int, parts: Iterable[tuple[int, int, Document]], *, with_cash: bool = False) -> list[Leg]:
    """What was deferred is the parties'; an amount below zero takes it back. ``with_cash`` where it is not paid yet."""
    stage = Purpose.ACCRUED if with_cash else Purpose.PAYABLE
    legs = [credit(stage, minor, party_id, document) for party_id, minor, document in parts]
    return without_zeros([debit(Purpose.DEFERRED, -sum(leg.amount_minor for leg in legs), customer_id), *legs])


def commission_of(paid_minor: int, price_minor: int, commission_minor: int) -> int:
    """What of a commission so much of the price pays for: all of it once all is paid, never less for more."""
    paid = min(max(paid_minor, 0), price_minor)
    return allocate_cumulative(paid, [commission_minor, price_minor - commission_minor])[0]


def earned_minor(price_minor: int, gone: int, granted: int) -> int:
    """What of a price is earned when so much of what was granted is used or expired; all of it when all is."""
    return allocate_cumulative(price_minor, [gone, granted - gone])[0]


def sharable_minor(price_minor: int, commission_minor: int) -> int:
    """What of a price is earned by use and expiry: all but what selling it earned."""
    return price_minor - commission_minor


def units(grant: Granted, amount: Amount | None = None) -> int:
    """How many seconds, or incidents, an amount of a grant is; the whole grant where none is named."""
    whole = Amount(grant.granted_seconds, grant.granted_incidents) if amount is None else amount
    return whole.seconds if grant.granted_seconds else whole.incidents


def expiry_minor(price_minor: int, *, used_minor: int, drawn: int, expired: int, granted: int) -> int:
    """What expiry has earned in all: what use and expiry together come to, less what use has.

    Nothing while nothing is expired: a remainder that corrections of use left is the next use's.
    """
    return max(earned_minor(price_minor, drawn + expired, granted) - used_minor, 0) if expired else 0
