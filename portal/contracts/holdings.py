"""What a customer holds of a pack: what it costs, until when it can be used, what is kept at its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from portal.contracts.packs import Pack
from portal.contracts.policy import Policy
from portal.contracts.rules import amount_minor, months_after
from portal.errors import RuleBroken
from portal.money import round_half_up


def pack_named(policy: Policy, code: str) -> Pack:
    """The pack of that code. *Raises*: RuleBroken."""
    for pack in policy.packs:
        if pack.code == code:
            return pack
    raise RuleBroken(f'The policy has no pack "{code}".')


def expires_on(pack: Pack, bought_on: date) -> date | None:
    """The first day on which it can no longer be used; None for ever."""
    return None if pack.valid_months is None else months_after(bought_on, pack.valid_months)


def packs_for(pack: Pack, *, minutes: int = 0, incidents: int = 0) -> int:
    """How many packs hold so much; a part of a pack is not sold."""
    size, wanted = (pack.minutes, minutes) if pack.minutes is not None else (pack.incidents, incidents)
    return -(-wanted // (size or 1))


@dataclass(frozen=True)
class PackPrice:
    """What some packs cost, and what one hour or incident of them comes to, exact."""

    count: int
    total_minor: int
    each: Fraction


def price_of_packs(policy: Policy, pack: Pack, count: int) -> PackPrice:
    """What packs cost. *Raises*: RuleBroken for one whose price is on application."""
    if pack.price is None:
        raise RuleBroken(f"{pack.label} has no price in the policy: it is on application.")
    minor = amount_minor(pack.price, policy.currency)
    size = Fraction(pack.minutes, 60) if pack.minutes is not None else Fraction(pack.incidents or 1)
    return PackPrice(count, minor * count, minor / size)


@dataclass(frozen=True)
class Holding:
    """A pack as held: minutes or incidents left of a purchase."""

    pack: Pack
    bought_on: date
    left_minutes: int
    left_incidents: int = 0


def usable(holding: Holding, on: date, *, topped_up_minutes: int = 0, certified: bool = True) -> Holding:
    """The holding as it can be used on a day: nothing after its end, unless enough was bought by then to keep it.

    A pack for certified technicians only is worth nothing to others.
    """
    if holding.pack.certified_only and not certified:
        return Holding(holding.pack, holding.bought_on, 0, 0)
    end = expires_on(holding.pack, holding.bought_on)
    if end is None or on < end:
        return holding
    needed = holding.pack.carry_over_top_up_minutes
    if needed is not None and topped_up_minutes >= needed:
        return holding
    return Holding(holding.pack, holding.bought_on, 0, 0)


def part_of_month(amount: int, days: int, of_days: int) -> int:
    """The part of a month's amount for so many of its days, rounded half up. *Raises*: RuleBroken."""
    if not 0 <= days <= of_days or not of_days:
        raise RuleBroken("A part of a month has at most the month's days.")
    return round_half_up(Fraction(amount * days, of_days))


def rolled_over(included_minutes: int, left_minutes: int, most_minutes: int) -> int:
    """The minutes of a new month: what it includes, and what is kept of the last within the most."""
    return included_minutes + min(left_minutes, most_minutes)
