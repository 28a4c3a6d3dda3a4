"""A plan given up after its month was sold: what the policy gives back of it, before the choice and with it.

What goes back is a sale below zero on the next invoice; the month earns so much less, so that its shares fall by the
weights it is shared by. A plan that a subscription paid for and that is changed at once gives its rest to the plan that
takes its place; one that is ended at once gives it to its payer, as money paid ahead that then goes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.actions.changed import ChangedTerm, changed_term_at, unsold_minor
from portal.billing.actions.months import GIVEN_UP, MONTH, keep_sale
from portal.billing.actions.used import used_of_sale
from portal.billing.models import PlanSale
from portal.billing.packs.rules import AHEAD, BY_INVOICE
from portal.billing.queries import given_back_minor
from portal.billing.rules.plans import GivenUp, changed_back_minor, given_up
from portal.calendars import Period
from portal.contracts.models import PlanChoice
from portal.contracts.policy import Policy
from portal.contracts.queries import policies_of
from portal.contracts.rules import plan_named
from portal.contracts.terms import Plan
from portal.entitlement.queries import terms_in_force
from portal.money import Money
from portal.payments.models import SubscriptionBill


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
        found.append(GivenUpMonth(sale, _back_of(session, sale, policies[sale.policy_version_id], at)))
    return found


def _back_of(session: Session, sale: PlanSale, policy: Policy, at: datetime) -> GivenUp:
    return given_up(
        Money(sale.amount_minor, sale.currency),
        plan_named(policy, sale.plan_code),
        Period(sale.starts_at, sale.ends_at),
        at=at,
        used_minor=used_of_sale(session, sale),
        gone_minor=given_back_minor(session, sale.id),
        zone=policy.zone,
    )


@dataclass(frozen=True)
class RunningMonth:
    """The month of a plan that a subscription paid and that runs at an instant, and what goes back if it ends there."""

    sale: PlanSale
    plan: Plan
    back: GivenUp


def running_month(session: Session, intent_id: UUID, at: datetime) -> RunningMonth | None:
    """The month of a checkout's subscription at an instant; None where none is sold, or it was given up before."""
    sale = session.scalars(
        select(PlanSale)
        .join(PlanChoice, PlanChoice.id == PlanSale.plan_choice_id)
        .where(
            PlanChoice.terms["intent_id"].astext == str(intent_id),
            PlanSale.kind == MONTH,
            PlanSale.paid_by == AHEAD,
            PlanSale.starts_at <= at,
            PlanSale.ends_at > at,
            PlanSale.id.not_in(select(PlanSale.credits_id).where(PlanSale.credits_id.is_not(None))),
        )
        .order_by(PlanSale.starts_at.desc(), PlanSale.id.desc())
        .limit(1)
    ).one_or_none()
    if sale is None:
        return None
    policy = policies_of(session, {sale.policy_version_id})[sale.policy_version_id]
    return RunningMonth(sale, plan_named(policy, sale.plan_code), _back_of(session, sale, policy, at))


def give_up_ended(
    session: Session, sale: PlanSale, back: GivenUp, at: datetime, *, now: datetime, livemode: bool = False
) -> PlanSale | None:
    """What goes back of a month whose plan ended is its payer's again; its sale below zero, None where nothing does.

    Again is harmless.
    """
    _credit(session, GivenUpMonth(sale, back), at, now=now, livemode=livemode)
    return session.scalars(select(PlanSale).where(PlanSale.credits_id == sale.id)).one_or_none()


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


def give_up_changed(session: Session, choice: PlanChoice, *, now: datetime, livemode: bool = False) -> int:
    """Give back what a change at once takes over of the month that ran; how many sales. Again is harmless."""
    at = choice.from_at
    changed = changed_term_at(session, UUID(choice.terms["intent_id"]), at)
    change_id = choice.terms.get("change_intent")
    bills = [] if changed is None else [row for row in changed.bills if str(row.change_intent_id) == change_id]
    if changed is None or not bills:
        return 0
    credited = {sale.credits_id for sale in changed.sales}
    running = [
        sale
        for sale in changed.sales
        if sale.kind == MONTH and sale.starts_at < at < sale.ends_at and sale.plan_choice_id != choice.id
    ]
    return sum(
        _give_over(session, changed, sale, bills[0], choice, now=now, livemode=livemode)
        for sale in running
        if sale.id not in credited
    )


def _give_over(
    session: Session,
    changed: ChangedTerm,
    sale: PlanSale,
    bill: SubscriptionBill,
    choice: PlanChoice,
    *,
    now: datetime,
    livemode: bool,
) -> int:
    stands = sale.amount_minor - given_back_minor(session, sale.id)
    unsold = unsold_minor(session, changed, until=bill)
    covered, used = Period(sale.starts_at, sale.ends_at), used_of_sale(session, sale)
    back = changed_back_minor(stands, bill.credit_minor, unsold, used_minor=used, covered=covered, at=choice.from_at)
    if not back:
        return 0
    terms = terms_in_force(
        session, manufacturer_id=sale.manufacturer_id, integrator_id=sale.integrator_id, at=sale.starts_at
    )
    words = (
        f"The plan was changed at once: {Money(back, sale.currency)} of {Money(sale.amount_minor, sale.currency)} is"
        f" for the rest of its time and goes into the plan that took its place; {Money(used, sale.currency)} was used."
    )
    return keep_sale(
        session,
        session.get_one(PlanChoice, sale.plan_choice_id),
        terms,
        kind=GIVEN_UP,
        price_minor=-back,
        covered=Period(choice.from_at, sale.ends_at),
        gives_back=sale,
        explanation={"sentences": [words]},
        now=now,
        livemode=livemode,
    )
