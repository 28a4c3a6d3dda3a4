"""What a pack that a promotion code lowered earns, step by step, where somebody else bears the discount: pure.

The commission at its sale decides what is left for use and expiry, and of the discount; so each step is counted anew.
What is not earned yet stays what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal.billing.packs.rules import earned_minor, sharable_minor
from portal.contracts.agreement import Agreement
from portal.contracts.discounts import commission_with_discount, discount_between


@dataclass(frozen=True)
class Pack:
    """What was paid for a pack, what the code took off, who sold it, and what it earned as it was recorded.

    ``uses`` are what all had drawn by each use, of so many granted; ``used_minor`` and ``expired_minor`` what stands.
    """

    price_minor: int
    discount_minor: int
    seller: str
    commission_minor: int
    uses: Sequence[tuple[int, int]]
    used_minor: int
    expired_minor: int


@dataclass(frozen=True)
class Steps:
    """The commission, and of each use and of the expiry what it earns and what of the discount belongs to it."""

    commission_minor: int
    uses: tuple[tuple[int, int], ...]
    expiry: tuple[int, int]


def steps_of(pack: Pack, agreement: Agreement | None) -> Steps:
    """What the pack earns by an agreement's word on who bears discounts.

    *Shape*: the steps add up to what the recorded ones do.
    """
    commission, left = commission_with_discount(agreement, pack.price_minor, pack.discount_minor, seller=pack.seller)
    whole, used, uses = sharable_minor(pack.price_minor, commission), 0, []
    for drawn, granted in pack.uses:
        minor = max(earned_minor(whole, drawn, granted) - used, 0)
        uses.append((minor, discount_between(left, whole, used, used + minor)))
        used += minor
    recorded = pack.commission_minor + pack.used_minor + pack.expired_minor
    expired = max(recorded - commission - used, 0) if pack.expired_minor else 0
    return Steps(commission, tuple(uses), (expired, discount_between(left, whole, used, used + expired)))
