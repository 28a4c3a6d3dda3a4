"""Presentment and settlement: a charge in one currency whose balance transaction is in another, at a rate.

The control API says which currency settles in which, and at what rate; all others settle in their own. As Stripe puts
it, the amount in one currency's smallest units times ``exchange_rate`` is the amount in the other's, so that a rate
between JPY and USD is not the one of the newspapers. Amounts of a currency with three decimals end in a zero.
Source: docs.stripe.com/api/balance_transactions/object, docs.stripe.com/currencies#three-decimal (2026-11).
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from portal.standin.state import State

THREE_DECIMAL = frozenset({"bhd", "iqd", "jod", "kwd", "lyd", "omr", "tnd"})
THREE_DECIMAL_STEP = 10
_RATES = "exchange_rates"


@dataclass(frozen=True)
class Settled:
    """What an amount becomes in the balance; without a ``rate`` it stayed as it was."""

    amount: int
    currency: str
    rate: float | None


def set_rate(state: State, presented: str, settled: str, rate: str) -> dict[str, dict[str, str]]:
    """From now on ``presented`` settles in ``settled``; all rates afterwards."""
    rates = known_rates(state)
    rates[presented] = {"to": settled, "rate": rate}
    state.set_setting(_RATES, rates)
    return rates


def forget_rates(state: State) -> None:
    """Every currency settles in its own again."""
    state.set_setting(_RATES, {})


def known_rates(state: State) -> dict[str, dict[str, str]]:
    """By presentment currency: what it settles in, and at which rate."""
    return dict(state.setting(_RATES, {}))


def settle(state: State, amount: int, currency: str) -> Settled:
    """What a new charge of an amount becomes."""
    known = known_rates(state).get(currency)
    if known is None:
        return Settled(amount, currency, None)
    return Settled(_converted(amount, known["rate"], known["to"]), known["to"], float(known["rate"]))


def settle_again(state: State, amount: int, currency: str, charged: dict[str, object]) -> Settled:
    """What goes back of a charge, or comes back: in the currency it settled in, at the rate of now.

    ``charged`` is the charge's balance transaction, whose rate holds where there is none of now.
    """
    settled, rate = str(charged["currency"]), charged["exchange_rate"]
    if rate is None:
        return Settled(amount, currency, None)
    known = known_rates(state).get(currency, {})
    current = known["rate"] if known.get("to") == settled else str(rate)
    return Settled(_converted(amount, current, settled), settled, float(current))


def to_step(amount: Decimal, currency: str) -> int:
    """Half up to the smallest amount that there is in a currency."""
    step = THREE_DECIMAL_STEP if currency in THREE_DECIMAL else 1
    return int((amount / step).to_integral_value(ROUND_HALF_UP)) * step


def _converted(amount: int, rate: str, currency: str) -> int:
    return to_step(Decimal(amount) * Decimal(rate), currency)
