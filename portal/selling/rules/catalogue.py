"""What a policy sells: its paid plans by the month or year, and its packs that have a price."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from portal.contracts.agreement import Agreement
from portal.contracts.blocks import WHOLE_BP, Recipient, Revenue
from portal.contracts.policy import Policy
from portal.contracts.rules import amount_minor, share_row
from portal.contracts.tax_codes import code_of_sold
from portal.errors import RuleBroken

MONTHS_OF_A_YEAR = 12
MOST_QUANTITY = 100


class Kind(StrEnum):
    """What is sold."""

    PLAN = "plan"
    PACK = "pack"


class Interval(StrEnum):
    """How often it is paid."""

    ONCE = "once"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True)
class Item:
    """One thing of the catalogue; ``price_minor`` is a month's, a year's, or one pack's."""

    kind: Kind
    code: str
    name: str
    summary: str
    interval: Interval
    price_minor: int
    currency: str
    minutes: int = 0
    incidents: int = 0
    valid_months: int | None = None
    minimum_months: int = 0
    tax_code: str = ""


def catalogue(policy: Policy) -> tuple[Item, ...]:
    """Everything that can be bought now, plans before packs, in the policy's order; a year is twelve months.

    Left out is what costs nothing, and what has its price on application only.
    """
    return (*_plans(policy), *_packs(policy))


def _plans(policy: Policy) -> tuple[Item, ...]:
    found = []
    for plan in policy.plans:
        month = amount_minor(plan.price_per_month, policy.currency)
        if plan.complimentary or not month:
            continue
        found += [
            Item(
                Kind.PLAN,
                plan.code,
                plan.name,
                plan.summary or "",
                interval,
                month * months,
                policy.currency,
                minutes=plan.included_minutes_per_month,
                minimum_months=plan.minimum_months,
                tax_code=code_of_sold(policy.tax_codes, plan),
            )
            for interval, months in ((Interval.MONTH, 1), (Interval.YEAR, MONTHS_OF_A_YEAR))
        ]
    return tuple(found)


def _packs(policy: Policy) -> tuple[Item, ...]:
    return tuple(
        Item(
            Kind.PACK,
            pack.code,
            pack.label,
            "",
            Interval.ONCE,
            amount_minor(pack.price, policy.currency),
            policy.currency,
            minutes=pack.minutes or 0,
            incidents=pack.incidents or 0,
            valid_months=pack.valid_months,
            tax_code=code_of_sold(policy.tax_codes, pack),
        )
        for pack in policy.packs
        if pack.price is not None
    )


def item_named(policy: Policy, kind: str, code: str, interval: str) -> Item:
    """The item. *Raises*: RuleBroken for one the policy does not sell, or no longer."""
    for item in catalogue(policy):
        if (item.kind, item.code, item.interval) == (kind, code, interval):
            return item
    raise RuleBroken("This is no longer sold: the policy has changed. Look at what it offers now.")


def total_minor(item: Item, quantity: int) -> int:
    """What so many cost. *Raises*: RuleBroken for a number that cannot be bought at once."""
    most = MOST_QUANTITY if item.kind is Kind.PACK else 1
    if not 1 <= quantity <= most:
        raise RuleBroken("Choose how many." if most > 1 else "A plan is bought once.")
    return item.price_minor * quantity


def ceiling_minor(agreement: Agreement | None, list_minor: int) -> int | None:
    """The most an integrator may ask for what it resells; None without a ceiling, or without an agreement."""
    if agreement is None or agreement.resale.ceiling_bp is None:
        return None
    return list_minor * agreement.resale.ceiling_bp // WHOLE_BP


def integrator_shares(policy: Policy, agreement: Agreement | None, kind: Kind, *, sold_by_integrator: bool) -> bool:
    """Whether the signed shares give the integrator a part of what is sold: as party, seller, worker or resolver."""
    revenue = Revenue.PACK_USE if kind is Kind.PACK else Revenue.SUBSCRIPTION
    for tranche in share_row(policy, agreement, revenue).tranches:
        if not tranche.bp:
            continue
        if tranche.to in (Recipient.WORKED_TIME, Recipient.RESOLVER):
            return True
        if tranche.to is Recipient.SELLER and sold_by_integrator:
            return True
        if tranche.to is Recipient.PARTY and tranche.party == "integrator":
            return True
    return False
