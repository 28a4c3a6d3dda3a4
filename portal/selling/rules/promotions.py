"""What a promotion code takes off an order, in an amount and in words; why it takes off nothing.

Invariant: nothing is taken off below zero, and a code says of one thing the same to everybody. How often it was used is
the database's to know.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from portal.errors import Invalid
from portal.identity.rules import Allowance
from portal.money import Money, round_half_up
from portal.selling.rules.catalogue import Item, Kind

NAME = re.compile(r"[A-Z0-9-]{4,40}")
# Refused codes only. Somebody mistypes a code a few times; a company's buyers sit behind one address.
CODES_PER_PERSON = Allowance(10, timedelta(minutes=15))
CODES_PER_ORGANISATION = Allowance(30, timedelta(minutes=15))
CODES_PER_HOST = Allowance(60, timedelta(minutes=15))
# Why a code is refused: the database's word for it, and what its buyer reads.
PROBLEMS = {
    "unknown": "There is no such code. Check its spelling, or leave it out.",
    "withdrawn": "This code was withdrawn. Leave it out to order at the full price.",
    "early": "This code does not hold yet. Leave it out, or come back when it does.",
    "over": "This code has ended. Leave it out to order at the full price.",
    "again": "Your organisation has used this code. Give up the order that holds it, or leave the code out.",
    "used_up": "This code was used as often as it may be. Leave it out to order at the full price.",
    "other_goods": "This code is for something else. Leave it out to order at the full price.",
    "whole_plan": "This code takes off all of the first payment, and a plan begins with one. Leave it out.",
    "collected": "Your integrator invoices this itself: a code is for what is paid at Stripe's page. Leave it out.",
    "other_currency": "This code is for prices in another currency. Leave it out.",
}
# The same for who puts a code into an offer.
OFFER_PROBLEMS = {
    "unknown": "The manufacturer has no such code. Check its spelling, or leave it out.",
    "withdrawn": "This code was withdrawn. Leave it out.",
    "early": "This code does not hold yet. Leave it out, or make the offer when it does.",
    "over": "This code has ended. Leave it out.",
    "again": "This customer has used the code, which counts once for each. Leave it out.",
    "used_up": "This code was used as often as it may be. Leave it out.",
    "other_goods": "This code is for something else. Leave it out.",
    "whole_plan": "This code takes off all of the first payment, and a plan begins with one. Leave it out.",
    "collected": "What you invoice yourself knows no codes: they count at Stripe's page. Leave it out.",
    "other_currency": "This code is for prices in another currency. Leave it out.",
}


@dataclass(frozen=True)
class Promotion:
    """What a code says: a percentage or an amount; ``goods`` empty for everything."""

    code: str
    percent: int | None
    amount_minor: int | None
    currency: str
    goods: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime | None
    most_uses: int | None = None
    once_per_customer: bool = False


@dataclass(frozen=True)
class Discount:
    """What is taken off, and how it came about."""

    minor: int
    words: str


def discount_of(
    promotion: Promotion, item: Item, total_minor: int, now: datetime, *, sentences: Mapping[str, str] = PROBLEMS
) -> Discount:
    """What a code takes off the first payment for an item; the smallest unit is rounded half up, for a percentage.

    *Raises*: Invalid at the field ``promotion`` for an item or a moment that the code is not for, and where it leaves
    nothing of a plan's first payment.
    """
    problem = _problem(promotion, item, now)
    if problem:
        raise refused(problem, sentences)
    if promotion.percent is not None:
        minor = round_half_up(Fraction(total_minor * promotion.percent, 100))
        words = f"{promotion.code}: {promotion.percent} % of {Money(total_minor, item.currency)}"
    else:
        amount = promotion.amount_minor or 0
        minor, at_most = min(amount, total_minor), ", at most the price" if amount > total_minor else ""
        words = f"{promotion.code}: {Money(amount, item.currency)}{at_most}"
    if item.kind is Kind.PLAN and minor >= total_minor:
        # A month that nobody paid for is not sold, and its minutes would be used out of nothing.
        raise refused("whole_plan", sentences)
    return Discount(minor, words)


def refused(problem: str, sentences: Mapping[str, str] = PROBLEMS) -> Invalid:
    """The refusal of a code, at its field, in the words for who reads it."""
    return Invalid("The code cannot be used.", {"promotion": sentences[problem]})


def tried_too_often(retry_seconds: int) -> Invalid:
    """The refusal of one try too many, at its field, with when it may be tried again: whole minutes, rounded up."""
    minutes = max(1, -(-retry_seconds // 60))
    wait = "a minute" if minutes == 1 else f"{minutes} minutes"
    sentence = f"Too many codes were tried that cannot be used. Try again in {wait}, or order without a code now."
    return Invalid("The code cannot be used.", {"promotion": sentence})


def goods_of(item: Item) -> str:
    """How a code names a thing: a plan by the month and by the year is one."""
    return f"{item.kind}:{item.code}"


def problems_of(promotion: Promotion, *, known_goods: Collection[str], now: datetime) -> dict[str, str]:
    """What is wrong with a code that is to be made, by field; empty when nothing is."""
    problems = {}
    if not NAME.fullmatch(promotion.code):
        problems["code"] = "Letters, digits and dashes, 4 to 40 of them."
    if (promotion.percent is None) == (promotion.amount_minor is None):
        problems["percent"] = "Say a percentage or an amount: one of the two."
    elif promotion.percent is not None and not 1 <= promotion.percent <= 100:
        problems["percent"] = "From 1 to 100."
    elif promotion.amount_minor is not None and promotion.amount_minor <= 0:
        problems["amount"] = "An amount above zero."
    if not set(promotion.goods) <= set(known_goods):
        problems["goods"] = "Choose of what the policy sells now."
    if promotion.ends_at is not None and promotion.ends_at <= max(promotion.starts_at, now):
        problems["ends_on"] = "A day to come, not before the first."
    if promotion.most_uses is not None and promotion.most_uses < 1:
        problems["most_uses"] = "One at least, or nothing for no limit."
    return problems


def _problem(promotion: Promotion, item: Item, now: datetime) -> str:
    if promotion.goods and goods_of(item) not in promotion.goods:
        return "other_goods"
    if promotion.currency != item.currency:
        return "other_currency"
    if now < promotion.starts_at:
        return "early"
    return "over" if promotion.ends_at is not None and now >= promotion.ends_at else ""
