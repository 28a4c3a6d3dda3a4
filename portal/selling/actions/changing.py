"""A plan that is paid by subscription is changed to another one, from the period on that is not paid yet.

Invariants: the policy is accepted by its hash with the price; Stripe is told before the plan is chosen here, and it is
chosen once, by job; a running case keeps its cover, which is decided for each piece of work by the plan of its moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.audit import actions as audit
from portal.contracts import queries as contracts
from portal.contracts.actions import Taking, take_plan
from portal.contracts.models import PlanChoice
from portal.contracts.queries import PolicyInForce
from portal.directory.models import Site
from portal.errors import Conflict, NotAllowed, RuleBroken
from portal.payments import checkouts, rules
from portal.payments.checkouts import Wares
from portal.payments.models import Intent
from portal.selling.actions.ending import each_minor, minimum_until
from portal.selling.models import Purchase
from portal.selling.queries import Bought, choices_of
from portal.selling.rules import PlanChange, Step, catalogue, plan_changes
from portal.selling.rules.changing import Held


@dataclass(frozen=True)
class Changes:
    """What a subscription can be changed to, by the policy in force."""

    in_force: PolicyInForce
    found: tuple[PlanChange, ...]


def changes_possible(session: Session, found: Bought, *, now: datetime) -> Changes:
    """The other plans of a running subscription. *Raises*: Conflict where none runs."""
    seen, held = found.seen, _held(session, found.purchase)
    if seen is None or held is None or Step.SOLD not in found.steps or seen.status not in rules.SUBSCRIPTION_RUNS:
        raise Conflict("There is no running subscription that is paid.")
    in_force = contracts.policy_in_force(session, found.purchase.manufacturer_id, now)
    said = Held(
        code=held.plan_code,
        interval=found.purchase.interval,
        price_minor=each_minor(session, found),
        covers_until=seen.covers_until,
        minimum_until=minimum_until(session, found),
        changes_to=_on_its_way(session, found, now),
        ends=seen.ends_with_period,
    )
    return Changes(in_force, plan_changes(catalogue(in_force.policy), said))


def change_plan(
    session: Session, actor: Actor, found: Bought, code: str, *, sha256: str, shown_minor: int, now: datetime
) -> Intent:
    """Change a subscription to another plan, from its next period on.

    *Raises*: NotAllowed; RuleBroken for a plan it cannot be changed to; Conflict where what was shown no longer holds.
    """
    if actor.side is not Side.CUSTOMER or not actor.has(Role.BUYER):
        raise NotAllowed("Your organisation's buyer changes a plan.")
    there = changes_possible(session, found, now=now)
    change = next((each for each in there.found if each.item.code == code), None)
    if change is None:
        raise RuleBroken("This plan is not sold for it. Look at what the policy offers now.")
    if change.refusal:
        raise RuleBroken(change.refusal)
    if (sha256, shown_minor) != (there.in_force.version.sha256, change.item.price_minor):
        raise Conflict("The policy or the price has changed. Look at it again before you say yes.")
    if found.subscription is None:
        raise Conflict("There is no running subscription.")
    item, site = change.item, session.get_one(Site, found.purchase.site_id)
    plan_said = {
        "code": item.code,
        "version_id": there.in_force.version.id,
        "accepted_by": actor.person_id,
        "from_at": change.from_at.isoformat(),
    }
    wares = Wares(f"{item.name}, {site.name}", item.price_minor, item.currency, interval=item.interval)
    planned = checkouts.plan_other_price(session, found.subscription, wares, plan_said, now=now)
    details = {"plan": item.code, "from": plan_said["from_at"], "sha256": sha256}
    audit.record(session, actor, "change_plan", "purchase", found.purchase.id, details=details, now=now)
    return planned


def carry_out_changes(session: Session, found: Bought, *, now: datetime) -> None:
    """Choose what Stripe was told of; a job's. Again is harmless."""
    for intent in _changes(session, found, rules.SUCCEEDED):
        known = {choice.terms.get("change_intent") for choice in choices_of(session, found.purchase)}
        held = _held(session, found.purchase)
        if held is None or str(intent.id) in known:
            continue
        said = intent.request["plan"]
        taking = Taking(
            site=session.get_one(Site, found.purchase.site_id),
            version=contracts.version(session, said["version_id"]),
            plan_code=said["code"],
            integrator_id=held.integrator_id,
            seller_id=held.seller_id,
            accepted_by=said["accepted_by"],
            terms={**carried_on(held), "change_intent": str(intent.id)},
        )
        take_plan(session, taking, from_at=datetime.fromisoformat(said["from_at"]), now=now)


def carried_on(held: PlanChoice) -> dict[str, Any]:
    """What was agreed with a plan and holds on for the choice after it: a reinstatement is owed once, by the first."""
    return {name: said for name, said in held.terms.items() if name not in ("reinstatement", "change_intent")}


def _held(session: Session, purchase: Purchase) -> PlanChoice | None:
    """The last choice that a purchase stands for."""
    found = choices_of(session, purchase)
    return found[-1] if found else None


def _on_its_way(session: Session, found: Bought, now: datetime) -> str:
    planned = _changes(session, found, *rules.UNFINISHED)
    if planned:
        return str(planned[0].request["plan"]["code"])
    return next((each.plan_code for each in choices_of(session, found.purchase) if each.from_at > now), "")


def _changes(session: Session, found: Bought, *states: str) -> list[Intent]:
    wanted = select(Intent).where(
        Intent.kind == "plan_change",
        Intent.request["checkout_intent"].astext == str(found.purchase.intent_id),
        Intent.state.in_(states),
    )
    return list(session.scalars(wanted.order_by(Intent.created_at)))
