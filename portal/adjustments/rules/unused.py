"""What of a payment ahead nobody has used, and what goes back with a part of it: pure.

A payment is divided into its price and the sales tax in it, a pack's price into what its use earns and what selling it
earned, each by Webster on the original amounts and cumulatively: many small refunds end where one large one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal.money import allocate_cumulative


@dataclass(frozen=True)
class Payment:
    """A payment with the tax in it, and what of both went back before."""

    amount_minor: int
    tax_minor: int
    gone_minor: int = 0
    gone_tax_minor: int = 0

    @property
    def gone_net_minor(self) -> int:
        """What of the price went back."""
        return self.gone_minor - self.gone_tax_minor

    def tax_of(self, amount_minor: int) -> int:
        """The tax in a further amount that goes back."""
        weights = [self.amount_minor - self.tax_minor, self.tax_minor]
        return allocate_cumulative(self.gone_minor + amount_minor, weights)[1] - self.gone_tax_minor

    def with_tax(self, net_minor: int) -> int:
        """The most that can go back when of the price no more does than this."""
        price = self.amount_minor - self.tax_minor
        reached = min(self.gone_net_minor + net_minor, price)
        tax = allocate_cumulative(self.tax_minor, [reached, price - reached])[0] if price else self.tax_minor
        return max(reached + tax - self.gone_minor, 0)


@dataclass(frozen=True)
class SoldPack:
    """A pack as it was sold, what of it went back, and its minutes or incidents: of those that stand, the free ones."""

    price_minor: int
    commission_minor: int
    deferred_gone_minor: int
    commission_gone_minor: int
    standing_units: int
    free_units: int

    @property
    def unused_minor(self) -> int:
        """What the free ones are worth, without what selling them earned."""
        stands = self.price_minor - self.commission_minor - self.deferred_gone_minor
        if not self.standing_units:
            return 0
        return stands - allocate_cumulative(stands, [self.standing_units - self.free_units, self.free_units])[0]

    @property
    def refundable_minor(self) -> int:
        """What of the price can go back: the unused rest, with the commission on it."""
        reached = self.deferred_gone_minor + self.unused_minor
        earned = self.price_minor - self.commission_minor
        if not earned or not self.unused_minor:
            return 0
        commission = allocate_cumulative(self.commission_minor, [reached, earned - reached])[0]
        return max(reached + commission - self.deferred_gone_minor - self.commission_gone_minor, 0)


@dataclass(frozen=True)
class PackPart:
    """What goes back of a pack: not earned yet, of its commission, beyond the unused; and the units it shrinks by."""

    deferred_minor: int
    commission_minor: int
    beyond_minor: int
    units: int


def part_of_pack(pack: SoldPack, net_minor: int) -> PackPart:
    """What an amount of a pack's price takes; sums to it."""
    within = min(net_minor, pack.refundable_minor)
    before = pack.deferred_gone_minor + pack.commission_gone_minor
    weights = [pack.price_minor - pack.commission_minor, pack.commission_minor]
    reached = allocate_cumulative(before + within, weights)[1] - pack.commission_gone_minor
    commission = min(max(reached, within - pack.unused_minor, 0), within)
    deferred = within - commission
    units = allocate_cumulative(pack.free_units, [deferred, pack.unused_minor - deferred])[0] if deferred else 0
    return PackPart(deferred, commission, net_minor - within, units)


def seconds_of_month(free_seconds: int, deferred_minor: int, unearned_minor: int) -> int:
    """The unused time that goes back with a part of what a month has not earned yet; what was used is kept.

    *Shape*: in proportion and cumulatively: many small parts take what one large one does, and all of it takes all.
    """
    if not 0 < deferred_minor <= unearned_minor:
        return 0
    return allocate_cumulative(free_seconds, [deferred_minor, unearned_minor - deferred_minor])[0]


@dataclass(frozen=True)
class PlanPart:
    """What goes back of a subscription's payment: of months not sold yet, of each sold one, and beyond."""

    prepaid_minor: int
    by_month: tuple[int, ...]
    beyond_minor: int


def part_of_plan(prepaid_minor: int, unearned_minor: Sequence[int], net_minor: int) -> PlanPart:
    """What an amount takes: first of what is not sold, then of the last month back to the first. Sums to it."""
    prepaid = min(max(prepaid_minor, 0), net_minor)
    left = net_minor - prepaid
    taken: list[int] = []
    for unearned in reversed(unearned_minor):
        taken.append(min(max(unearned, 0), left))
        left -= taken[-1]
    return PlanPart(prepaid, tuple(reversed(taken)), left)
