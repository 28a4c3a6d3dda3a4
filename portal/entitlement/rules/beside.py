"""Prices beside the ordinary hour that the payer is shown before the act: of roles and skills, and fees."""

from __future__ import annotations

from fractions import Fraction

from portal.contracts.conditions import Word, WorkKey
from portal.contracts.policy import Policy
from portal.contracts.prices import price_of
from portal.entitlement.rules.decision import Reason
from portal.money import Money, round_half_up
from portal.rating.fee_terms import fee_terms


def prices_beside(policy: Policy, work: WorkKey) -> tuple[Reason, ...]:
    """What else than the ordinary hour such work can cost its customer, in at most two sentences."""
    ordinary = price_of(policy, work).hourly
    about = work.circumstance
    told = (
        *((word, about._replace(role=word.code)) for word in policy.roles),
        *((word, about._replace(skill=word.code)) for word in policy.skills),
    )
    priced = ((word, price_of(policy, work._replace(circumstance=circumstance)).hourly) for word, circumstance in told)
    own = [_own_price(word, hourly, policy.currency) for word, hourly in priced if hourly != ordinary]
    fees = [
        f"{fee.label} {Money(fee.minor, policy.currency)}"
        for fee in fee_terms(policy, work.product_line)
        if fee.minor and fee.fits(work)
    ]
    found = []
    if own:
        found.append(Reason(code="own_prices", sentence=f"An hour costs otherwise for: {', '.join(own)}."))
    if fees:
        found.append(Reason(code="fees", sentence=f"Beside time: {', '.join(dict.fromkeys(fees))}."))
    return tuple(found)


def _own_price(word: Word, hourly: Fraction, currency: str) -> str:
    return f"{word.label or word.code.replace('_', ' ')} {Money(round_half_up(hourly), currency)}"
