"""Who sells a plan on when the company that sold it services its site no longer: pure.

What is sold or paid stays with who sold it; what comes after goes to who services the site then, by the agreement
that is in force with it, else to the manufacturer by its house terms. Nobody buys a second time: the plan, its price
and how it is paid stay what the customer accepted.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta

# So long before the first month that nobody has sold yet the plan changes hands: by then it is known who services.
EVE = timedelta(days=2)


@dataclass(frozen=True)
class SoldBy:
    """Whose a plan is: who services the site by it, who sold it, and whether that one collects from the customer."""

    manufacturer_id: int
    integrator_id: int | None
    seller_id: int
    integrator_collects: bool = False


@dataclass(frozen=True)
class Heir:
    """Who services and who sells from then on."""

    integrator_id: int | None
    seller_id: int


def heir_of(held: SoldBy, servicing: Set[int]) -> Heir | None:
    """Who has a plan from the first month on that is neither sold nor paid; None where it stays with who has it.

    ``servicing`` is who services the manufacturer's systems at the site by then. Of several nobody is its seller, as
    with an order: the manufacturer is. A plan that its integrator collects itself stays until the customer chooses
    anew, because nobody else may ask that customer for money.
    """
    if held.integrator_id is None or held.integrator_id in servicing or held.integrator_collects:
        return None
    (integrator_id,) = servicing if len(servicing) == 1 else (None,)
    sold_it = held.seller_id == held.integrator_id
    return Heir(integrator_id, (integrator_id or held.manufacturer_id) if sold_it else held.seller_id)


def hands_over_at(*, month_until: datetime, sold_until: datetime | None, paid_until: datetime | None) -> datetime:
    """The first instant that nobody sold or was paid for: the end of this month, of what is sold, of what is paid."""
    return max(each for each in (month_until, sold_until, paid_until) if each is not None)


def is_eve(at: datetime, now: datetime) -> bool:
    """Whether a plan that changes hands at an instant does so now."""
    return now >= at - EVE
