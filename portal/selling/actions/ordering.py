"""A buyer's order: the policy accepted by its hash, the price as shown, and the checkout planned with it.

A buyer cannot read the agreement: what is ordered from the catalogue is sold by the site's integrator, and shared by
the agreement in force at the sale.

Invariants: a form sent twice is one order; an order of the same thing that is still to be paid is gone on with, and not
made again; nobody orders what the policy in force no longer sells, or at another price than it shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.audit import actions as audit
from portal.contracts import queries as contracts
from portal.contracts.actions import integrator_of_site
from portal.contracts.models import DocumentVersion
from portal.contracts.policy import Policy
from portal.contracts.reinstatement import MONTHS_OF_A_YEAR, Reinstatement, reinstatement
from portal.directory.models import Site
from portal.errors import Conflict, NotAllowed, NotFound
from portal.jobs import enqueue
from portal.ledger.rules import Document
from portal.payments.checkouts import Checkout, Wares, page_of, plan_checkout
from portal.payments.models import Intent
from portal.selling.actions.promoting import Promoted, promotion_for, promotion_of, use_promotion
from portal.selling.models import Purchase, PurchaseStep
from portal.selling.queries import paid_by_subscription
from portal.selling.rules import Interval, Item, Kind, catalogue, item_named, state_of, total_minor
from portal.selling.rules.steps import State
from portal.taxes.exempting import exemption_at
from portal.zones import local_day


@dataclass(frozen=True)
class Order:
    """What somebody wants and was shown: the policy by its hash, the price; ``case_id`` where a case is to be covered.

    ``shown_minor`` is all of it, with what taking up a lapsed plan asks; ``shown_discount_minor`` what the code typed
    as ``promotion`` takes off. ``form_key`` is the form's own, so that it counts once.
    """

    site_id: int
    manufacturer_id: int
    kind: str
    code: str
    interval: str
    quantity: int
    shown_sha256: str
    shown_minor: int
    form_key: UUID
    case_id: int | None = None
    promotion: str = ""
    shown_discount_minor: int = 0


@dataclass(frozen=True)
class Place:
    """Where a checkout's page leads back to, and the deployment's switches."""

    base_url: str
    automatic_tax: bool = False
    livemode: bool = False


def order(session: Session, actor: Actor, wanted: Order, place: Place, *, now: datetime) -> Purchase:
    """Order a plan or packs of the catalogue, to be paid at Stripe's page.

    *Raises*: NotAllowed, NotFound, RuleBroken for what is not sold, Invalid for a code that cannot be used, Conflict
    where what was shown no longer holds.
    """
    must_buy(actor)
    one_at_a_time(session, f"order:{wanted.form_key}")
    known = known_order(session, actor, wanted.form_key)
    if known is not None:
        return known
    site = _own_site(session, actor, wanted.site_id)
    in_force = contracts.policy_in_force(session, wanted.manufacturer_id, now)
    if wanted.shown_sha256 != in_force.version.sha256:
        raise Conflict("The policy you were shown has changed. Read it again before you buy.")
    item = item_named(in_force.policy, wanted.kind, wanted.code, wanted.interval)
    list_minor = total_minor(item, wanted.quantity)
    must_be_new(session, item, site_id=site.id, manufacturer_id=wanted.manufacturer_id, now=now)
    back = taken_up_again(session, in_force.policy, item, site_id=site.id, maker_id=wanted.manufacturer_id, now=now)
    total = price_with(list_minor, back)
    if total != wanted.shown_minor:
        raise Conflict("The price is another one by now. Look at it before you buy.")
    integrator_id = integrator_of_site(session, site, wanted.manufacturer_id, now)
    waiting = _still_to_pay(session, wanted, total, in_force.version, now)
    if waiting is not None:
        return waiting
    promoted = promotion_for(
        session, actor.organisation_id, wanted.promotion, item, total, maker_id=wanted.manufacturer_id, now=now
    )
    if wanted.shown_discount_minor != (promoted.discount.minor if promoted else 0):
        raise Conflict("The price with the code is another one. Look at it before you buy.")
    made = Purchase(
        manufacturer_id=wanted.manufacturer_id,
        integrator_id=integrator_id or wanted.manufacturer_id,
        customer_id=actor.organisation_id,
        site_id=site.id,
        case_id=wanted.case_id,
        kind=item.kind,
        code=item.code,
        name=item.name,
        quantity=wanted.quantity,
        interval=item.interval,
        collector="operator",
        seller_id=integrator_id or wanted.manufacturer_id,
        policy_version_id=in_force.version.id,
        sha256=in_force.version.sha256,
        currency=item.currency,
        list_minor=list_minor,
        price_minor=total,
        **reinstated(back, list_minor),
        form_key=wanted.form_key,
        ordered_by=actor.person_id,
        ordered_at=now,
    )
    return keep_order(session, actor, made, place, now=now, promoted=promoted)


def taken_up_again(
    session: Session,
    policy: Policy,
    item: Item,
    *,
    site_id: int,
    maker_id: int,
    now: datetime,
    offered_minor: int | None = None,
    by_invoice: bool = False,
) -> Reinstatement | None:
    """What ordering a plan that lapsed asks beside its price, or an offer's; None where it did not lapse.

    *Raises*: RuleBroken where the policy does not let it be taken up again, or not in this way.
    """
    if item.kind is not Kind.PLAN:
        return None
    gap = contracts.gap_at(session, site_id=site_id, manufacturer_id=maker_id, plan_code=item.code, at=now)
    if gap is None:
        return None
    months = None if by_invoice else MONTHS_OF_A_YEAR if item.interval is Interval.YEAR else 1
    return reinstatement(policy, gap, months=months, offered_minor=offered_minor)


def price_with(price_minor: int, back: Reinstatement | None) -> int:
    """What is paid first: the plan, or the rest of a term that began earlier, with what taking it up again asks."""
    if back is None:
        return price_minor
    first = price_minor if back.first_term_minor is None else back.first_term_minor
    return first + back.amount_minor


def reinstated(back: Reinstatement | None, price_minor: int) -> dict[str, Any]:
    if back is None:
        return {}
    return {
        "reinstatement_minor": back.amount_minor,
        "reinstatement": {**back.kept, "renews_at_minor": price_minor},
    }


def keep_order(
    session: Session, actor: Actor, made: Purchase, place: Place, *, now: datetime, promoted: Promoted | None = None
) -> Purchase:
    if made.collector == "operator":
        made.intent_id = _checkout(session, made, place, now, promoted).id
    session.add(made)
    session.flush()
    if promoted is not None:
        use_promotion(session, promoted, made, now=now)
    details = {"code": made.code, "quantity": made.quantity, "sha256": made.sha256}
    audit.record(session, actor, "order", "purchase", made.id, details=details, now=now)
    if made.collector == "integrator":
        enqueue(session, "sell_purchase", purchase_id=made.id)
    return made


def _checkout(session: Session, made: Purchase, place: Place, now: datetime, promoted: Promoted | None) -> Intent:
    site = session.get_one(Site, made.site_id)
    name = f"{made.name}, {site.name}"
    wares = _plan_again(session, made, name) if made.reinstatement else _wares(made, name)
    if place.automatic_tax:
        wares = replace(wares, tax_code=_tax_code(session, made))
    here = f"{place.base_url}/bought/{made.form_key}"
    exempt = exemption_at(session, made.customer_id, now) is not None
    return plan_checkout(
        session,
        wares,
        Checkout(
            f"{here}/back",
            here,
            automatic_tax=place.automatic_tax,
            tax_exempt=exempt,
            accepted={"person_id": made.ordered_by, "sha256": made.sha256},
            discount=(promoted.discount.minor, promoted.code.code) if promoted is not None else None,
        ),
        manufacturer_id=made.manufacturer_id,
        payer_id=made.customer_id,
        document=Document("purchase", str(made.form_key)),
        livemode=place.livemode,
        now=now,
    )


def _tax_code(session: Session, made: Purchase) -> str:
    """The tax class of what is ordered, by the policy it is ordered under; empty where it is the account's."""
    policy = contracts.policy_of(contracts.version(session, made.policy_version_id))
    found = [each for each in catalogue(policy) if (each.kind, each.code) == (made.kind, made.code)]
    return found[0].tax_code if found else ""


def _wares(made: Purchase, name: str) -> Wares:
    each = made.price_minor // made.quantity
    # An offer's price need not be a whole number of units each: it is then paid as one thing.
    exact = each * made.quantity == made.price_minor
    return Wares(
        name=name if exact else f"{made.quantity} × {name}",
        unit_minor=each if exact else made.price_minor,
        currency=made.currency,
        quantity=made.quantity if exact else 1,
        interval=made.interval,
    )


def _plan_again(session: Session, made: Purchase, name: str) -> Wares:
    """A plan that lapsed: the reinstatement is a line of its own, and so is the rest of a term that began earlier."""
    kept = made.reinstatement
    until = datetime.fromisoformat(kept["first_term_until"]) if kept["first_term_until"] else None
    first = made.price_minor - made.reinstatement_minor
    once = [(f"Reinstatement of {name}", made.reinstatement_minor)]
    if until is not None:
        policy = contracts.policy_of(contracts.version(session, made.policy_version_id))
        once.insert(0, (f"{name}, until {local_day(policy.zone, until)}", first))
    return Wares(
        name=name,
        unit_minor=kept["renews_at_minor"],
        currency=made.currency,
        interval=made.interval,
        once=tuple((each, minor) for each, minor in once if minor),
        first_until=until,
    )


def one_at_a_time(session: Session, key: str) -> None:
    """Have who does the same at the same time wait until this is done: it then finds what was made."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


def must_buy(actor: Actor) -> None:
    if actor.side is not Side.CUSTOMER or not actor.has(Role.BUYER):
        raise NotAllowed("Your organisation's buyer orders this.")


def _own_site(session: Session, actor: Actor, site_id: int) -> Site:
    site = session.get(Site, site_id)
    in_scope = actor.site_ids is None or site_id in actor.site_ids
    if site is None or site.customer_id != actor.organisation_id or not in_scope:
        raise NotFound()
    return site


def known_order(session: Session, actor: Actor, form_key: UUID) -> Purchase | None:
    mine = (Purchase.customer_id == actor.organisation_id, Purchase.form_key == form_key)
    return session.scalars(select(Purchase).where(*mine)).one_or_none()


def must_be_new(session: Session, item: Item, *, site_id: int, manufacturer_id: int, now: datetime) -> None:
    """A plan is taken once, and none beside one that a subscription pays: that one is changed. *Raises*: Conflict."""
    if item.kind is not Kind.PLAN:
        return
    of_site = {"site_id": site_id, "manufacturer_id": manufacturer_id}
    held = contracts.plan_choice_at(session, **of_site, at=now)
    if held is not None and held.plan_code == item.code:
        raise Conflict("The site has this plan already.")
    if paid_by_subscription(session, **of_site, at=now) is not None:
        raise Conflict("The site's plan is paid by subscription. Change it on its page, under Bought.")
    chosen = contracts.plan_choices(session, **of_site)
    if any(each.from_at > now and each.plan_code == item.code for each in chosen):
        raise Conflict("The plan was ordered already: it begins when its days of waiting are over.")


def _still_to_pay(
    session: Session, wanted: Order, total: int, version: DocumentVersion, now: datetime
) -> Purchase | None:
    """The same order in another tab, or given up at Stripe's page, while that page can still be paid."""
    same = select(Purchase).where(
        Purchase.site_id == wanted.site_id,
        Purchase.manufacturer_id == wanted.manufacturer_id,
        Purchase.kind == wanted.kind,
        Purchase.code == wanted.code,
        Purchase.interval == wanted.interval,
        Purchase.quantity == wanted.quantity,
        Purchase.price_minor == total,
        Purchase.policy_version_id == version.id,
        Purchase.offer_id.is_(None),
    )
    for found in session.scalars(same.order_by(Purchase.id.desc()).limit(5)):
        steps = session.scalars(select(PurchaseStep.kind).where(PurchaseStep.purchase_id == found.id)).all()
        intent = session.get(Intent, found.intent_id)
        same_code = promotion_of(session, found) == wanted.promotion.strip().upper()
        if same_code and state_of(steps) is State.OPEN and intent is not None and page_of(intent, now):
            return found
    return None


def is_subscription(purchase: Purchase) -> bool:
    """Whether it is paid again and again."""
    return purchase.interval != Interval.ONCE
