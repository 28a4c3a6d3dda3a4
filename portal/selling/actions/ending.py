"""How a plan that is paid by subscription ends: cancelled by its buyer, or given up after the policy's days of grace.

Invariants: what is paid is covered to its end; a case that runs is covered to its own end, as cover of a case is read;
a plan ends by the choice of the complimentary one, never by taking a choice back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.audit import actions as audit
from portal.contracts import queries as contracts
from portal.contracts.actions import Taking, integrator_of_site, take_plan
from portal.contracts.models import PlanChoice
from portal.contracts.packs import Lapse
from portal.contracts.policy import Policy
from portal.contracts.rules import plan_named
from portal.directory.models import Site
from portal.errors import Conflict, NotAllowed, RuleBroken
from portal.payments import checkouts, rules
from portal.payments import queries as payments
from portal.payments.models import Intent, ProviderSubscription, SubscriptionSeen
from portal.rows import insert_once
from portal.selling.models import Purchase, PurchaseStep
from portal.selling.queries import Bought, bought, choices_of
from portal.selling.rules import State, Step, item_named
from portal.selling.rules.terms import ends_early, minimum_ends, owed_minor
from portal.zones import local_day


def cancel(
    session: Session, actor: Actor, found: Bought, *, wanted: bool, now: datetime, accepted_minor: int | None = None
) -> Intent:
    """End a subscription with the period that is paid, or take that back.

    Within the minimum term the rest of it is owed, which the buyer accepts as ``accepted_minor``.

    *Raises*: NotAllowed; Conflict when it has ended, or the rest costs another amount than was accepted; RuleBroken
    within the plan's minimum term where nothing was accepted.
    """
    if actor.side is not Side.CUSTOMER or not actor.has(Role.BUYER):
        raise NotAllowed("Your organisation's buyer cancels a plan.")
    subscription, seen = found.subscription, found.seen
    if subscription is None or seen is None or seen.status == rules.SUBSCRIPTION_ENDED:
        raise Conflict("There is no running subscription.")
    if is_ending(session, found):
        raise Conflict("The plan is being ended at once already. Its page shows what goes back.")
    leaving = leaving_cost(session, found)
    if wanted and leaving is not None:
        _must_accept(session, actor, found, leaving, accepted_minor=accepted_minor, now=now)
    number = 1 + payments.changes_of(session, subscription)
    return checkouts.plan_change(session, subscription, {"cancel_at_period_end": wanted}, number=number, now=now)


@dataclass(frozen=True)
class Leaving:
    """What leaving a plan with the period that is paid owes: whole periods until its minimum term is reached.

    Days are those of the plan's policy.
    """

    ends_at: datetime
    ends_on: date
    minimum_until: date
    owed_minor: int
    each_minor: int


def leaving_cost(session: Session, found: Bought) -> Leaving | None:
    """What a plan that ends with what is paid still owes; None beyond its minimum term, or without one."""
    seen, until = found.seen, minimum_until(session, found)
    if seen is None or until is None:
        return None
    ends_on = local_day(agreed_on(session, found).policy.zone, seen.covers_until)
    if not ends_early(ends=True, covers_until=ends_on, minimum_until=until):
        return None
    price = each_minor(session, found)
    owed = owed_minor(price, interval_of(session, found), covers_until=ends_on, minimum_until=until)
    return Leaving(seen.covers_until, ends_on, until, owed, price)


def _must_accept(
    session: Session, actor: Actor, found: Bought, leaving: Leaving, *, accepted_minor: int | None, now: datetime
) -> None:
    until = leaving.minimum_until
    if accepted_minor is None:
        raise RuleBroken(f"The plan is taken until {until}. To leave it before, accept what is owed for the rest.")
    if accepted_minor != leaving.owed_minor:
        raise Conflict("Leaving the plan costs another amount by now. Look at it before you say yes.")
    details = {"owed_minor": leaving.owed_minor, "minimum_until": until.isoformat()}
    audit.record(session, actor, "leave_early", "purchase", found.purchase.id, details=details, now=now)


def give_up(session: Session, actor: Actor, found: Bought, *, now: datetime) -> None:
    """Have Stripe's page of an order closed before anybody pays there. Again is harmless.

    *Raises*: NotAllowed; Conflict when it is paid or has ended, or the page is not made yet.
    """
    if actor.side is not Side.CUSTOMER or not actor.has(Role.BUYER):
        raise NotAllowed("Your organisation's buyer gives an order up.")
    if found.state is not State.OPEN or found.intent is None:
        raise Conflict("This order no longer waits for a payment.")
    if found.intent.state != rules.SUCCEEDED:
        raise Conflict("Stripe's page is still being prepared. Try again in a minute.")
    planned = select(Intent.id).where(
        Intent.kind == "checkout_expiry", Intent.request["checkout_intent"].astext == str(found.intent.id)
    )
    if session.scalar(planned.limit(1)) is None:
        checkouts.plan_expiry(session, found.intent, now=now)


def minimum_until(session: Session, found: Bought) -> date | None:
    """The first day on which a plan may have ended; None without a minimum term."""
    if not found.bills:
        return None
    agreed = agreed_on(session, found)
    months = plan_named(agreed.policy, agreed.code).minimum_months
    return minimum_ends(agreed.policy.zone, agreed.begins, months) if months else None


@dataclass(frozen=True)
class Agreed:
    """The plan that a purchase pays for last, since when, and the policy it was accepted with."""

    policy: Policy
    code: str
    begins: datetime


def agreed_on(session: Session, found: Bought) -> Agreed:
    """As it was ordered, or changed to."""
    row = found.purchase
    begins = found.bills[0].covers_from if found.bills else row.ordered_at
    version_id, code = row.policy_version_id, row.code
    changed = [each for each in choices_of(session, row) if "change_intent" in each.terms]
    if changed:
        begins, version_id, code = changed[-1].from_at, changed[-1].version_id, changed[-1].plan_code
    return Agreed(contracts.policy_of(contracts.version(session, version_id)), code, begins)


def each_minor(session: Session, found: Bought) -> int:
    """What a period of a plan costs from the next one on."""
    purchase = found.purchase
    changed = [each for each in choices_of(session, purchase) if "change_intent" in each.terms]
    if not changed:
        return int(purchase.reinstatement.get("renews_at_minor", purchase.price_minor))
    policy = contracts.policy_of(contracts.version(session, changed[-1].version_id))
    return item_named(policy, purchase.kind, changed[-1].plan_code, interval_of(session, found)).price_minor


def interval_of(session: Session, found: Bought) -> str:
    """How often a plan is paid: as it was ordered, or changed to."""
    choices = choices_of(session, found.purchase)
    return str(choices[-1].terms.get("interval", found.purchase.interval)) if choices else found.purchase.interval


def note_early_end(session: Session, found: Bought, *, now: datetime) -> None:
    """Record that a plan ends at Stripe within its minimum term, with what is still owed; a job's. Again is harmless.

    What the portal itself ended, because it was not paid or went back, is no finding.
    """
    seen, leaving = found.seen, leaving_cost(session, found)
    if seen is None or leaving is None or Step.SOLD not in found.steps:
        return
    if not seen.ends_with_period and seen.status != rules.SUBSCRIPTION_ENDED:
        return
    if {Step.LAPSED, Step.RETURNED} & set(found.steps) or _ended_by_us(session, found):
        return
    details = {
        "minimum_until": leaving.minimum_until.isoformat(),
        "covers_until": leaving.ends_at.isoformat(),
        "owed_minor": leaving.owed_minor,
        "each_minor": leaving.each_minor,
    }
    insert_once(session, _step(found.purchase, Step.LEFT_EARLY, details, now, now), unique=["purchase_id", "kind"])


def end_now_planned(session: Session, found: Bought) -> Intent | None:
    """The end at once that a plan's buyer asked for last, however it went; None where nobody did."""
    planned = select(Intent).where(
        Intent.kind == "subscription_end",
        Intent.request.has_key(rules.END_NOW),
        Intent.request["checkout_intent"].astext == str(found.purchase.intent_id),
    )
    return session.scalars(planned.order_by(Intent.created_at.desc(), Intent.id).limit(1)).one_or_none()


def is_ending(session: Session, found: Bought) -> bool:
    """Whether a plan is being ended at once, or was."""
    planned = end_now_planned(session, found)
    return planned is not None and planned.state in (*rules.UNFINISHED, rules.SUCCEEDED)


def _ended_by_us(session: Session, found: Bought) -> bool:
    if found.subscription is None:
        return False
    not_made = Intent.request.has_key(rules.END_NOW) & Intent.state.in_((rules.FAILED, rules.CANCELLED))
    planned = select(Intent.id).where(
        Intent.kind == "subscription_end",
        Intent.request["subscription"].astext == found.subscription.provider_subscription_id,
        ~not_made,
    )
    return session.scalar(planned.limit(1)) is not None


def end_with_subscription(session: Session, found: Bought, *, now: datetime) -> None:
    """When a subscription has ended, its plan ends with what was paid; a job's. Again is harmless."""
    seen = found.seen
    if seen is None or Step.SOLD not in found.steps or seen.status != rules.SUBSCRIPTION_ENDED:
        return
    end_from(session, found, Step.ENDED, min(seen.covers_until, now) if _owes(found) else seen.covers_until, now)


def end_overdue(session: Session, *, now: datetime) -> int:
    """Give up the plans whose days of grace are over; how many. What was used meanwhile stays owed."""
    latest = select(func.max(SubscriptionSeen.id)).group_by(SubscriptionSeen.subscription_id)
    late = (
        select(Purchase)
        .join(ProviderSubscription, ProviderSubscription.intent_id == Purchase.intent_id)
        .join(SubscriptionSeen, SubscriptionSeen.subscription_id == ProviderSubscription.id)
        .where(SubscriptionSeen.id.in_(latest), SubscriptionSeen.status == rules.SUBSCRIPTION_PAST_DUE)
        .order_by(Purchase.id)
    )
    return sum(_give_up(session, bought(session, purchase), now) for purchase in session.scalars(late).all())


def grace_until(session: Session, found: Bought) -> datetime | None:
    """Until when an unpaid plan still holds; None while nothing is overdue."""
    seen = found.seen
    if seen is None or seen.status != rules.SUBSCRIPTION_PAST_DUE:
        return None
    policy = contracts.policy_of(contracts.version(session, found.purchase.policy_version_id))
    return seen.covers_from + timedelta(days=(policy.lapse or Lapse()).grace_days)


def _give_up(session: Session, found: Bought, now: datetime) -> bool:
    until = grace_until(session, found)
    if until is None or now < until or found.subscription is None or Step.SOLD not in found.steps:
        return False
    if is_ending(session, found):
        return False
    if not end_from(session, found, Step.LAPSED, now, now):
        return False
    checkouts.plan_end(session, found.subscription, now=now)
    return True


def end_returned(session: Session, found: Bought, *, now: datetime) -> None:
    """Everything that was paid for it went back: its subscription and its plan end at once. Again is harmless."""
    if found.subscription is None:
        return
    if Step.SOLD in found.steps:
        end_from(session, found, Step.ENDED, now, now)
    stop(session, found, now=now)


def stop(session: Session, found: Bought, *, now: datetime) -> None:
    """Have Stripe end a subscription at once, once."""
    subscription, seen = found.subscription, found.seen
    if subscription is None or (seen is not None and seen.status == rules.SUBSCRIPTION_ENDED):
        return
    if not _ended_by_us(session, found):
        checkouts.plan_end(session, subscription, now=now)


def _owes(found: Bought) -> bool:
    """Whether the last bill was not paid."""
    return sum(bill.amount_minor + bill.tax_minor for bill in found.bills) > found.paid_minor


def end_from(
    session: Session,
    found: Bought,
    step: Step,
    at: datetime,
    now: datetime,
    *,
    details: Mapping[str, Any] | None = None,
) -> bool:
    """Choose the complimentary plan from an instant on, in place of each plan of the purchase; whether it is news."""
    purchase = found.purchase
    if {Step.ENDED, Step.LAPSED} & set(found.steps):
        return False
    row = _step(purchase, step, {"at": at.isoformat(), **(details or {})}, at, now)
    if insert_once(session, row, unique=["purchase_id", "kind"]) is None:
        return False
    of_site = {"site_id": purchase.site_id, "manufacturer_id": purchase.manufacturer_id}
    held = contracts.plan_choice_at(session, **of_site, at=at)
    # A plan that was to follow it ends as well, as soon as it would begin.
    later = [each for each in contracts.plan_choices(session, **of_site) if each.from_at > at]
    for each in [*([held] if held is not None else []), *later]:
        if each.terms.get("purchase_id") == purchase.id:
            _end_choice(session, each, step, at=max(at, each.from_at + timedelta(seconds=1)), now=now)
    return True


def _end_choice(session: Session, choice: PlanChoice, step: Step, *, at: datetime, now: datetime) -> None:
    in_force = contracts.policy_in_force(session, choice.manufacturer_id, now)
    site = session.get_one(Site, choice.site_id)
    serviced = integrator_of_site(session, site, choice.manufacturer_id, at)
    taking = Taking(
        site=site,
        version=in_force.version,
        plan_code=plan_named(in_force.policy, None).code,
        integrator_id=serviced,
        seller_id=serviced or choice.manufacturer_id,
        accepted_by=choice.accepted_by,
        terms={"ends_purchase_id": choice.terms["purchase_id"], "because": step},
    )
    take_plan(session, taking, from_at=at, now=now)


def _step(
    purchase: Purchase, kind: Step, details: dict[str, Any], happened_at: datetime, now: datetime
) -> PurchaseStep:
    return PurchaseStep(
        purchase_id=purchase.id,
        manufacturer_id=purchase.manufacturer_id,
        integrator_id=purchase.integrator_id,
        customer_id=purchase.customer_id,
        kind=kind,
        details=details,
        happened_at=happened_at,
        recorded_at=now,
    )
