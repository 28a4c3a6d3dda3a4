"""What the payer is shown beside the ordinary hour before the act: other prices, fees, what was said of the case."""

from __future__ import annotations

from fractions import Fraction

from portal.contracts.conditions import Word, WorkKey
from portal.contracts.policy import Policy
from portal.contracts.prices import price_of
from portal.contracts.targets import Channel
from portal.entitlement.rules.decision import CoverageFacts, Reason
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


def told_words(policy: Policy, facts: CoverageFacts) -> str:
    """What was said of the case that prices and cover look at, in one sentence; nothing where nothing was."""
    words = {word.code: word.label or word.code for word in (*policy.customer_classes, *policy.requests)}
    said = facts.circumstances
    parts = [
        *(
            [f"customers of the class {words.get(said.customer_class, said.customer_class)}"]
            * bool(said.customer_class)
        ),
        *(f"asked for: {words.get(code, code)}" for code in said.requested),
        *([f"{said.distance} one way from base to site"] * bool(said.distance)),
        *([f"support level {said.level}"] * (said.level is not None)),
        *([f"asked by {said.channel.value}"] * (said.channel is not Channel.PORTAL)),
        *([f"the clocks of {facts.site_zone}"] * bool(facts.site_zone)),
    ]
    return f"This holds for {'; '.join(parts)}." if parts else ""


def _own_price(word: Word, hourly: Fraction, currency: str) -> str:
    return f"{word.label or word.code.replace('_', ' ')} {Money(round_half_up(hourly), currency)}"
