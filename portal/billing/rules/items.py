"""From a rated case to its bill items: one per paying side, each the difference to what was billed before.

Invariants: a side's part rated alone comes to the same lines as within the case, so that an item's explanation holds
nothing of the other side's prices; what is billed, drawn and authorized is counted over the whole case and the
difference taken, so that rounding never adds up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from portal.contracts.policy import Policy
from portal.contracts.rules import plan_named
from portal.entitlement.rules import NOTHING, Amount
from portal.errors import RuleBroken
from portal.money import minor_digits, round_half_up
from portal.rating.facts import CUSTOMER, INTEGRATOR
from portal.rating.lines import INCLUDED, Line, RatedCase
from portal.rating.pricing import price
from portal.rating.terms import Bill

HOUR_SECONDS = 3_600


@dataclass(frozen=True)
class ItemPart:
    """What one side's bill item says: the whole case as that side pays it, and on whose bill it stands."""

    payer: str
    rated: RatedCase
    bill: Bill


def parts_by_payer(rated: RatedCase) -> tuple[ItemPart, ...]:
    """The case's items: the customer's, with all that is free, and the integrator's where it pays something.

    *Shape*: at least one; the customer's first, unless nothing at all stands on it.
    *Raises*: RuleBroken when a side's lines depend on the other's.
    """
    begun = (*rated.basis.slices, *(charge.slice for charge in rated.basis.charges))
    sides = [CUSTOMER if piece.bill.payer != INTEGRATOR else INTEGRATOR for piece in begun]
    wanted = [side for side in (CUSTOMER, INTEGRATOR) if side in sides] or [CUSTOMER]
    return tuple(_part(rated, side) for side in wanted)


def _part(rated: RatedCase, side: str) -> ItemPart:
    basis = rated.basis
    mine = tuple(piece for piece in basis.slices if (piece.bill.payer == INTEGRATOR) == (side == INTEGRATOR))
    grants = basis.grants if side == CUSTOMER else ()
    limits = tuple((payer, minor) for payer, minor in basis.nte_minor if payer == side)
    charges = tuple(each for each in basis.charges if (each.slice.bill.payer == INTEGRATOR) == (side == INTEGRATOR))
    apart = basis._replace(slices=mine, grants=grants, nte_minor=limits, charges=charges)
    if (len(mine), len(charges), grants) == (len(basis.slices), len(basis.charges), basis.grants):
        # All of the case is this side's: the other's limit has nothing to limit.
        return _on_its_bill(side, replace(rated, basis=apart))
    alone = price(apart)
    expected = [line for line in rated.lines if (line.payer == INTEGRATOR) == (side == INTEGRATOR)]
    if sorted(alone.lines) != sorted(expected):
        raise RuleBroken("The paying sides of this case cannot be billed apart.")
    return _on_its_bill(side, alone)


def _on_its_bill(side: str, rated: RatedCase) -> ItemPart:
    """The side's part, on the bill of the first line that costs something, else of its first."""
    paid = (line.key.bill for line in rated.lines if line.amount_minor)
    bills = (line.key.bill for line in rated.lines if line.payer == side)
    return ItemPart(side, rated, next(paid, next(bills, Bill(payer=side))))


def lines_of(rated: RatedCase | None) -> tuple[Line, ...]:
    """The lines of a rated case; none before the first cut."""
    return rated.lines if rated is not None else ()


def included_seconds(rated: RatedCase | None) -> dict[str, int]:
    """Seconds drawn from included minutes, by plan."""
    found: dict[str, int] = {}
    for line in lines_of(rated):
        if line.kind == INCLUDED and line.key.grant_id is not None:
            found[line.key.plan] = found.get(line.key.plan, 0) + line.seconds
    return found


def worth_minor(policy: Policy, seconds_by_plan: Mapping[str, int]) -> int:
    """What included time earns when it is used, in minor units; rounded once per plan."""
    scale = 10 ** minor_digits(policy.currency)
    return sum(
        round_half_up(plan_named(policy, plan).included_worth * scale * Fraction(seconds, HOUR_SECONDS))
        for plan, seconds in seconds_by_plan.items()
    )


def drawn_by(rated: RatedCase | None) -> dict[int, Amount]:
    """What a rated case takes of each grant."""
    found: dict[int, Amount] = {}
    for draw in rated.draws if rated is not None else ():
        found[draw.grant_id] = found.get(draw.grant_id, NOTHING) + Amount(draw.seconds, draw.incidents)
    return found


def draw_changes(rated: RatedCase | None, drawn_before: Mapping[int, Amount]) -> dict[int, Amount]:
    """What to draw from each grant, or below zero to give back, after what was drawn before."""
    now = drawn_by(rated)
    changes = {
        grant: now.get(grant, NOTHING) - drawn_before.get(grant, NOTHING) for grant in sorted({*now, *drawn_before})
    }
    return {grant: amount for grant, amount in changes.items() if amount}


def authorization_left(nte_minor: Sequence[int], billed_minor: int) -> tuple[int, ...]:
    """What is left of each authorization, oldest first, when so much is billed in all."""
    left = []
    for limit in nte_minor:
        used = min(limit, billed_minor)
        billed_minor -= used
        left.append(limit - used)
    return tuple(left)
