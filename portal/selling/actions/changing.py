"""A plan that is paid by subscription is changed to another one: from the period on that is not paid yet, or at once.

Invariants: the policy is accepted by its hash with the price, and with what a change at once charges, which Stripe is
asked for again before the yes counts; a plan that follows is chosen when Stripe was told, one that takes another's
place at once when its charge was paid, once, by job; a running case keeps its cover, which is decided for each piece of
work by the plan of its moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.audit import actions as audit
from portal.cases import actions as cases
from portal.contracts import queries as contracts
from portal.contracts.actions import Taking, take_plan
from portal.contracts.models import PlanChoice
from portal.contracts.queries import PolicyInForce
from portal.directory.models import Site
from portal.entitlement.actions import INSTEAD_OF
from portal.errors import Conflict, NotAllowed, RuleBroken
from portal.jobs import enqueue
from portal.payments import checkouts, rules
from portal.payments.checkouts import Wares, recurring_price
from portal.payments.gateway import Gateway
from portal.payments.models import Intent, SubscriptionBill
from portal.payments.provider import ChangePreview, SubscriptionState
from portal.selling.actions.ending import agreed_on, each_minor, interval_of, is_ending, minimum_until
from portal.selling.models import Purchase
from portal.selling.queries import Bought, choices_of
from portal.selling.rules import PlanChange, Step, catalogue, plan_changes
from portal.selling.rules.changing import Held, is_stale

COLLECTED_ELSEWHERE = (
    "Your integrator collects for this plan and there is no subscription at Stripe: ask it to change the plan."
)
# What of a choice's terms is about its own beginning, and not about what follows it.
_OF_THE_FIRST = ("reinstatement", "change_intent", INSTEAD_OF)
MOVED = "The policy or the price has changed. Look at it again before you say yes."


@dataclass(frozen=True)
class Changes:
    """What a subscription can be changed to, by the policy in force."""

    in_force: PolicyInForce
    found: tuple[PlanChange, ...]

    def named(self, code: str, interval: str) -> PlanChange:
        """One of them. *Raises*: RuleBroken for what is not sold for it."""
        for each in self.found:
            if (each.item.code, each.item.interval) == (code, interval):
                return each
        raise RuleBroken("This plan is not sold for it. Look at what the policy offers now.")


@dataclass(frozen=True)
class AtOnce:
    """What a change at once would charge at an instant, and of which part of the subscription."""

    at: datetime
    preview: ChangePreview
    item_id: str

    @property
    def shown(self) -> tuple[int, int]:
        """What the buyer says yes to: all that is charged, and the tax in it."""
        return self.preview.total_minor, self.preview.tax_minor


def changes_possible(session: Session, found: Bought, *, now: datetime) -> Changes:
    """The other plans of a running subscription. *Raises*: Conflict where none runs."""
    if found.purchase.collector == "integrator":
        raise Conflict(COLLECTED_ELSEWHERE)
    seen, held = found.seen, _held(session, found.purchase)
    if seen is None or held is None or Step.SOLD not in found.steps or seen.status not in rules.SUBSCRIPTION_RUNS:
        raise Conflict("There is no running subscription that is paid.")
    if is_ending(session, found):
        raise Conflict("The plan is being ended at once: it can be changed no more.")
    in_force = contracts.policy_in_force(session, found.purchase.manufacturer_id, now)
    said = Held(
        code=held.plan_code,
        interval=interval_of(session, found),
        price_minor=each_minor(session, found),
        covers_until=seen.covers_until,
        zone=agreed_on(session, found).policy.zone,
        minimum_until=minimum_until(session, found),
        changes_to=change_on_its_way(session, found, now),
        ends=seen.ends_with_period,
        is_longer=seen.status != rules.SUBSCRIPTION_ACTIVE,
    )
    return Changes(in_force, plan_changes(catalogue(in_force.policy), said))


def preview_at_once(
    gateway: Gateway, subscription_id: str, change: PlanChange, name: str, at: datetime, *, now: datetime
) -> AtOnce:
    """Ask Stripe what a change at an instant would charge now; nothing is made of it.

    *Raises*: RuleBroken for what cannot be changed at once, or is not paid at once; Conflict for figures too old.
    """
    if change.not_now:
        raise RuleBroken(change.not_now)
    known = gateway.retrieve_subscription(subscription_id)
    if is_stale(at, known.covers_from, now):
        raise Conflict("These figures are some minutes old. Look at the new ones before you say yes.")
    if gateway.way_to_pay(subscription_id) not in rules.INSTANT_WAYS:
        raise RuleBroken(
            "Only a card is charged at once. Put one on file at Stripe's page (under Bought), or change the plan from"
            " its next period on."
        )
    return AtOnce(at, gateway.preview_change(subscription_id, _asked(known, change, name, at)), known.item_id)


def _asked(known: SubscriptionState, change: PlanChange, name: str, at: datetime) -> dict[str, Any]:
    """The change as the call will state it; its product is not made before the yes, and costs the same by any name."""
    price = {**recurring_price(_wares(change, name)), "product": known.product_id}
    said = rules.change_at_once(at)
    return {
        "items": [{"id": known.item_id, "price_data": price}],
        "proration_behavior": said["proration_behavior"],
        "proration_date": said["proration_date"],
    }


def change_plan(
    session: Session,
    actor: Actor,
    found: Bought,
    code: str,
    *,
    interval: str = "",
    sha256: str,
    shown_minor: int,
    at_once: tuple[AtOnce, tuple[int, int]] | None = None,
    now: datetime,
) -> Intent:
    """Change a subscription to another plan: from its next period on, or with what ``at_once`` charges now.

    ``at_once`` is what Stripe says now, beside what was shown. The same yes again is the same change.
    *Raises*: NotAllowed; RuleBroken for a plan it cannot be changed to; Conflict where what was shown no longer holds.
    """
    if actor.side is not Side.CUSTOMER or not actor.has(Role.BUYER):
        raise NotAllowed("Your organisation's buyer changes a plan.")
    alone(session, found.purchase.id)
    interval = interval or interval_of(session, found)
    if at_once is not None and (known := said_before(session, found, code, interval, at_once[0].at)) is not None:
        return known
    there = changes_possible(session, found, now=now)
    change = there.named(code, interval)
    refusal = change.refusal if at_once is None else change.not_now
    if refusal:
        raise RuleBroken(refusal)
    if (sha256, shown_minor) != (there.in_force.version.sha256, change.item.price_minor):
        raise Conflict(MOVED)
    if at_once is not None and at_once[0].shown != at_once[1]:
        raise Conflict("What is charged today has changed. Look at it again before you say yes.")
    charged = at_once[0] if at_once is not None else None
    planned = _plan(session, actor, found, Wanted(there.in_force, change, charged), now=now)
    details = {"plan": code, "from": planned.request["plan"]["from_at"], "sha256": sha256}
    if charged is not None:
        details |= {"charged_minor": charged.preview.total_minor, "tax_minor": charged.preview.tax_minor}
    audit.record(session, actor, "change_plan", "purchase", found.purchase.id, details=details, now=now)
    return planned


@dataclass(frozen=True)
class Wanted:
    """A change that may be made, under which policy, and what it charges at once; None from the next period on."""

    in_force: PolicyInForce
    change: PlanChange
    charged: AtOnce | None


def _plan(session: Session, actor: Actor, found: Bought, wanted: Wanted, *, now: datetime) -> Intent:
    if found.subscription is None:
        raise Conflict("There is no running subscription.")
    change, charged = wanted.change, wanted.charged
    item, site = change.item, session.get_one(Site, found.purchase.site_id)
    from_at = change.from_at if charged is None else charged.at
    plan_said: dict[str, Any] = {
        "code": item.code,
        "interval": item.interval,
        "version_id": wanted.in_force.version.id,
        "accepted_by": actor.person_id,
        "from_at": from_at.isoformat(),
    }
    other = item.interval != interval_of(session, found)
    how: dict[str, Any] = {"change": rules.change_with_period(from_at, other_interval=other)}
    if charged is not None:
        shown = charged.preview
        plan_said |= {"charge_minor": shown.charge_minor, "credit_minor": shown.credit_minor}
        how = {"change": rules.change_at_once(from_at), "item_id": charged.item_id, "amount_minor": shown.total_minor}
    wares = _wares(change, site.name)
    return checkouts.plan_other_price(session, found.subscription, wares, plan_said, **how, now=now)


def _wares(change: PlanChange, site_name: str) -> Wares:
    item = change.item
    return Wares(
        f"{item.name}, {site_name}", item.price_minor, item.currency, interval=item.interval, tax_code=item.tax_code
    )


def carry_out_changes(session: Session, found: Bought, *, now: datetime) -> None:
    """Choose what Stripe was told of, and what was charged; a job's. Again is harmless."""
    charged = {row.change_intent_id: row for row in found.bills if row.change_intent_id is not None}
    for intent in _changes(session, found):
        known = {choice.terms.get("change_intent") for choice in choices_of(session, found.purchase)}
        held = _held(session, found.purchase)
        if held is None or str(intent.id) in known:
            continue
        if rules.is_at_once(intent.request):
            if intent.id in charged:
                _take_at_once(session, held, intent, charged[intent.id], now=now)
        elif intent.state == rules.SUCCEEDED:
            said = intent.request["plan"]
            from_at = datetime.fromisoformat(said["from_at"])
            moved = said.get("interval", held.terms.get("interval")) != held.terms.get("interval")
            _take(session, held, intent, {"anchor": from_at.isoformat()} if moved else {}, from_at=from_at, now=now)


def _take_at_once(session: Session, held: PlanChoice, intent: Intent, bill: SubscriptionBill, *, now: datetime) -> None:
    """The plan holds from the instant on that its charge is for; what runs at the site is looked at anew."""
    moved = intent.request["plan"]["interval"] != held.terms.get("interval")
    # Stripe's clock may be ahead of ours by a moment: nothing begins in the future for that.
    from_at = min(bill.covers_from, now)
    terms = {INSTEAD_OF: held.id, **({"anchor": from_at.isoformat()} if moved else {})}
    taken = _take(session, held, intent, terms, from_at=from_at, now=now)
    name = intent.request["product"]["name"]
    cases.cover_anew(session, site_id=taken.site_id, manufacturer_id=taken.manufacturer_id, name=name)


def _take(
    session: Session, held: PlanChoice, intent: Intent, terms: Mapping[str, Any], *, from_at: datetime, now: datetime
) -> PlanChoice:
    said = intent.request["plan"]
    kept = carried_on(held)
    if INSTEAD_OF in terms:
        # What a code took off the months before the change is theirs.
        kept.pop("discount_minor", None)
    interval = {"interval": said["interval"]} if "interval" in said else {}
    taking = Taking(
        site=session.get_one(Site, held.site_id),
        version=contracts.version(session, said["version_id"]),
        plan_code=said["code"],
        integrator_id=held.integrator_id,
        seller_id=held.seller_id,
        accepted_by=said["accepted_by"],
        terms={**kept, **interval, **terms, "change_intent": str(intent.id)},
    )
    enqueue(session, "notify_plan_change", intent_id=intent.id)
    return take_plan(session, taking, from_at=from_at, now=now)


def last_change(session: Session, found: Bought) -> Intent | None:
    """The last change of a subscription that was asked for; None where there was none."""
    planned = _changes(session, found)
    return planned[-1] if planned else None


def carried_on(held: PlanChoice) -> dict[str, Any]:
    """What was agreed with a plan and holds on for the choice after it: a reinstatement is owed once, by the first."""
    return {name: said for name, said in held.terms.items() if name not in _OF_THE_FIRST}


def _held(session: Session, purchase: Purchase) -> PlanChoice | None:
    """The last choice that a purchase stands for."""
    found = choices_of(session, purchase)
    return found[-1] if found else None


def change_on_its_way(session: Session, found: Bought, now: datetime) -> str:
    """The plan that is to follow, or is being charged: told to Stripe and not chosen here yet."""
    known = {each.terms.get("change_intent"): each for each in choices_of(session, found.purchase)}
    for intent in _changes(session, found):
        if intent.state in (*rules.UNFINISHED, rules.SUCCEEDED) and str(intent.id) not in known:
            return str(intent.request["plan"]["code"])
    return next((each.plan_code for each in known.values() if each.from_at > now), "")


def said_before(session: Session, found: Bought, code: str, interval: str, at: datetime) -> Intent | None:
    """The change that the same yes planned before."""
    for intent in _changes(session, found):
        said = intent.request["plan"]
        same = (said["code"], said.get("interval"), said["from_at"]) == (code, interval, at.isoformat())
        if same and rules.is_at_once(intent.request):
            return intent
    return None


def _changes(session: Session, found: Bought) -> list[Intent]:
    wanted = select(Intent).where(
        Intent.kind == "plan_change", Intent.request["checkout_intent"].astext == str(found.purchase.intent_id)
    )
    return list(session.scalars(wanted.order_by(Intent.created_at, Intent.id)))


def alone(session: Session, purchase_id: int) -> None:
    """Two yeses at once are one after the other: the second finds what the first planned."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"purchase:{purchase_id}"})
