"""A plan given up after its month was sold: what the policy gives back of it, before the choice and with it.

What goes back is a sale below zero on the next invoice; the month earns so much less, so that its shares fall by the
weights it is shared by.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.actions.months import GIVEN_UP, MONTH, keep_sale
from portal.billing.actions.used import used_of_sale
from portal.billing.models import PlanSale
from portal.billing.packs.rules import BY_INVOICE
from portal.billing.rules.plans import GivenUp, given_up
from portal.calendars import Period
from portal.contracts.models import PlanChoice
from portal.contracts.queries import policies_of
from portal.contracts.rules import plan_named
from portal.entitlement.queries import terms_in_force
from portal.money import Money


@dataclass(frozen=True)
class GivenUpMonth:
    """A sold month that a choice ends, and what of it goes back."""

    sale: PlanSale
    back: GivenUp


def months_given_up(
    session: Session, *, site_id: int, manufacturer_id: int, at: datetime, keeps: str = ""
) -> list[GivenUpMonth]:
    """The sold months that end early when another plan begins at an instant; the plan that ``keeps`` names goes on.

    What a subscription paid ahead ends with its period and is not given up.
    """
    wanted = select(PlanSale).where(
        PlanSale.site_id == site_id,
        PlanSale.manufacturer_id == manufacturer_id,
        PlanSale.kind == MONTH,
        PlanSale.paid_by == BY_INVOICE,
        PlanSale.plan_code != keeps,
        PlanSale.starts_at < at,
        PlanSale.ends_at > at,
        PlanSale.id.not_in(select(PlanSale.credits_id).where(PlanSale.credits_id.is_not(None))),
    )
    sales = session.scalars(wanted.order_by(PlanSale.id)).all()
    policies = policies_of(session, {sale.policy_version_id for sale in sales})
    found = []
    for sale in sales:
        policy = policies[sale.policy_version_id]
        back = given_up(
            Money(sale.amount_minor, sale.currency),
            plan_named(policy, sale.plan_code),
            Period(sale.starts_at, sale.ends_at),
            at=at,
            used_minor=used_of_sale(session, sale),
            zone=policy.zone,
        )
        found.append(GivenUpMonth(sale, back))
    return found


def give_up_months(session: Session, choice: PlanChoice, *, now: datetime, livemode: bool = False) -> int:
    """Credit what a new choice gives up; how many months. Again is harmless."""
    ended = months_given_up(
        session,
        site_id=choice.site_id,
        manufacturer_id=choice.manufacturer_id,
        at=choice.from_at,
        keeps=choice.plan_code,
    )
    return sum(_credit(session, each, choice.from_at, now=now, livemode=livemode) for each in ended)


def _credit(session: Session, ended: GivenUpMonth, at: datetime, *, now: datetime, livemode: bool) -> int:
    sale, back = ended.sale, ended.back
    if not back.amount_minor:
        return 0
    terms = terms_in_force(
        session, manufacturer_id=sale.manufacturer_id, integrator_id=sale.integrator_id, at=sale.starts_at
    )
    return keep_sale(
        session,
        session.get_one(PlanChoice, sale.plan_choice_id),
        terms,
        kind=GIVEN_UP,
        price_minor=-back.amount_minor,
        covered=Period(at, sale.ends_at),
        gives_back=sale,
        explanation={"sentences": list(back.sentences)},
        now=now,
        livemode=livemode,
    )
