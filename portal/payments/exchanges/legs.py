"""The legs of money that settles in another currency than it was asked for in: pure.

A payment is asked for in one currency and lies in the balance in another. Each ledger gets a transaction of its own
that sums to zero; between them stands the account ``exchange`` of either currency, so that no sum ever holds both.
What goes back leaves the exchange account at the payment's first rate, and the rest of what Stripe took or gave is the
difference, a gain or a loss by name: once all of a payment has gone back, both exchange accounts hold nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from portal.ledger.rules import Document, Leg, Purpose, credit, debit, without_zeros
from portal.money import asked_step, round_half_up

GAIN, LOSS = "exchange_gain", "exchange_loss"


@dataclass(frozen=True)
class Exchanged:
    """One movement of Stripe's balance that is about money of another currency.

    *Units*: smallest units, as the movement changes the balance: positive in, negative out; ``fee_minor`` is taken
    from ``settled_minor``. ``rate`` is what ``amount_minor`` is multiplied by, smallest unit to smallest unit.
    """

    movement_id: str
    currency: str
    amount_minor: int
    settled_currency: str
    settled_minor: int
    fee_minor: int
    rate: Fraction


def settled_at(amount_minor: int, rate: Fraction, currency: str) -> int:
    """What an amount settles as in ``currency``: half up, to the ten where the currency has three decimals."""
    step = asked_step(currency)
    return round_half_up(amount_minor * rate / step) * step


def at_first_rate(paid: Exchanged, before: tuple[int, int], amount_minor: int) -> int:
    """How much of the settled currency ``amount_minor`` of a payment was when it was paid.

    ``before``: what stands on the two exchange accounts for the payment until now, of what was asked for and of what
    settled. *Shape*: by the whole that is left afterwards, so that parts sum to the payment exactly.
    """
    left = before[0] + amount_minor
    return round_half_up(Fraction(paid.settled_minor * left, paid.amount_minor)) - before[1]


def asked_legs(exchanged: Exchanged, against: list[Leg]) -> list[Leg]:
    """The transaction in the currency that was asked for: what it is about against the exchange account."""
    return without_zeros([debit(Purpose.EXCHANGE, exchanged.amount_minor), *against])


def settled_legs(exchanged: Exchanged, first_rate_minor: int, fee_from: Document | None = None) -> list[Leg]:
    """The transaction in the currency of the balance: its net, its fee, the exchange account and the difference."""
    difference = exchanged.settled_minor - first_rate_minor
    about = Document(GAIN if difference > 0 else LOSS, exchanged.movement_id)
    return without_zeros(
        [
            debit(Purpose.STRIPE, exchanged.settled_minor - exchanged.fee_minor),
            debit(Purpose.FEES, exchanged.fee_minor, None, fee_from),
            credit(Purpose.EXCHANGE, first_rate_minor),
            credit(Purpose.EXCHANGE_DIFFERENCE, difference, None, about),
        ]
    )
