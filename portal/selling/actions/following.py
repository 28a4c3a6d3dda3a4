"""The job that follows a purchase: what payments learned of its checkout becomes steps, and a payment becomes a sale.

It is run after every event, in any order and as often as it likes: each step is taken once, and what can be sold is
sold in the transaction that says so. Money that cannot become a sale stays the payer's, and the purchase says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.adjustments.queries import returned_minor
from portal.billing.actions import PackOrder, PackPrice, sell_pack
from portal.billing.actions.for_sale import late_months
from portal.billing.packs.rules import AHEAD
from portal.billing.queries import taken_of_payment
from portal.cases import actions as cases
from portal.contracts import queries as contracts
from portal.contracts.actions import Taking, take_plan
from portal.directory.models import Site
from portal.entitlement.actions import grant_pack
from portal.errors import NotFound, PeriodClosed, RuleBroken
from portal.jobs import enqueue
from portal.payments import rules
from portal.rows import insert_once
from portal.selling.actions.changing import carry_out_changes
from portal.selling.actions.ending import end_returned, end_with_subscription, note_early_end, stop
from portal.selling.actions.ending_now import carry_out_end
from portal.selling.actions.promoting import give_back_use
from portal.selling.models import Purchase, PurchaseStep
from portal.selling.queries import Bought, bought, subscribed
from portal.selling.rules import CheckoutFacts, Kind, State, Step, payment_steps
from portal.taxes.exempting import exemption_at


def follow_purchase(session: Session, intent_id: UUID, *, now: datetime, livemode: bool = False) -> None:
    """Take the steps that a checkout's state calls for. Again is harmless. *Raises*: PeriodClosed: tried again then."""
    purchase_id = session.scalar(select(Purchase.id).where(Purchase.intent_id == intent_id))
    if purchase_id is None:
        raise NotFound()
    _alone(session, purchase_id)
    found = bought(session, session.get_one(Purchase, purchase_id))
    for step in payment_steps(_facts(found)):
        take(session, found, step, now=now)
    if found.paid_minor and returned_minor(session, [each.id for each in found.receipts]) >= found.paid_minor:
        take(session, found, Step.RETURNED, now=now)
    found = bought(session, found.purchase)
    if found.state in (State.EXPIRED, State.FAILED):
        give_back_use(session, found.purchase, now=now)
    if Step.RETURNED in found.steps:
        end_returned(session, found, now=now)
        return
    if Step.PAID in found.steps and not {Step.SOLD, Step.UNSALEABLE} & set(found.steps):
        _sell(session, found, now=now, livemode=livemode)
    elif Step.FAILED in found.steps and found.subscription is not None and Step.SOLD not in found.steps:
        # A subscription whose first payment failed never began: Stripe is not to try again.
        stop(session, found, now=now)
    found = bought(session, found.purchase)
    carry_out_changes(session, found, now=now)
    carry_out_end(session, found, now=now, livemode=livemode)
    note_early_end(session, found, now=now)
    end_with_subscription(session, found, now=now)
    if late_months(session, now, site_id=found.purchase.site_id):
        enqueue(session, "sell_late_months", site_id=found.purchase.site_id)


def sell_purchase(session: Session, purchase_id: int, *, now: datetime, livemode: bool = False) -> None:
    """Sell what the integrator collects: it owes the policy's price from the order on. Again is harmless."""
    purchase = session.get(Purchase, purchase_id)
    if purchase is None:
        raise NotFound()
    _alone(session, purchase_id)
    found = bought(session, purchase)
    if purchase.collector == "integrator" and Step.SOLD not in found.steps:
        _sell(session, found, now=now, livemode=livemode)


def sell_after_all(session: Session, purchase_id: int, *, now: datetime, livemode: bool = False) -> bool:
    """Try a sale again that was refused, on finance's word; whether it is sold. What still refuses it stays said."""
    purchase = session.get(Purchase, purchase_id)
    if purchase is None:
        raise NotFound()
    _alone(session, purchase_id)
    found = bought(session, purchase)
    if Step.UNSALEABLE not in found.steps or {Step.SOLD, Step.RETURNED} & set(found.steps):
        return False
    _sell(session, found, now=now, livemode=livemode, on_word=True)
    return Step.SOLD in bought(session, purchase).steps


def take(
    session: Session, found: Bought, step: Step, *, now: datetime, details: Mapping[str, Any] | None = None
) -> bool:
    """Keep a step of a purchase, once; whether it is new."""
    purchase = found.purchase
    row = PurchaseStep(
        purchase_id=purchase.id,
        manufacturer_id=purchase.manufacturer_id,
        integrator_id=purchase.integrator_id,
        customer_id=purchase.customer_id,
        kind=step,
        details=dict(details or {}),
        happened_at=now,
        recorded_at=now,
    )
    return insert_once(session, row, unique=["purchase_id", "kind"]) is not None


def _alone(session: Session, purchase_id: int) -> None:
    """Purchases are facts and cannot be locked: one transaction at a time follows one of them."""
    key = f"purchase:{purchase_id}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


def _facts(found: Bought) -> CheckoutFacts:
    progress = found.intent.progress if found.intent is not None else {}
    # A subscription says by its own state that its first payment failed.
    unpaid = found.seen is not None and found.seen.status not in rules.SUBSCRIPTION_RUNS and not found.receipts
    free = found.subscription is not None and any(not bill.amount_minor for bill in found.bills[:1])
    # A page that Stripe refused to make is none that could still be paid.
    refused = found.intent is not None and found.intent.state == rules.FAILED
    return CheckoutFacts(
        checkout="expired" if refused else progress.get("checkout_status", "open"),
        payment="paid" if free else progress.get("payment_status", "unpaid"),
        has_cash=bool(found.receipts),
        debit_failed=bool(progress.get("debit_failed")) or unpaid,
    )


def _sell(session: Session, found: Bought, *, now: datetime, livemode: bool, on_word: bool = False) -> None:
    """Sell what was paid, or say why not; ``on_word`` of finance a certificate that ended does not matter."""
    sell = _sell_packs if found.purchase.kind == Kind.PACK else _sell_plan
    try:
        with session.begin_nested():
            if not on_word:
                _must_be_exempt(session, found)
            details = sell(session, found, now=now, livemode=livemode)
    except PeriodClosed:
        raise
    except RuleBroken as refusal:
        take(session, found, Step.UNSALEABLE, now=now, details={"reason": refusal.sentence})
        return
    if details is None:
        return
    take(session, found, Step.SOLD, now=now, details=details)
    if found.purchase.case_id is not None:
        cases.buy_cover(session, found.purchase.case_id, name=found.purchase.name, now=now)


def _sell_packs(session: Session, found: Bought, *, now: datetime, livemode: bool) -> dict[str, Any] | None:
    purchase = found.purchase
    collects = purchase.collector == "integrator"
    _must_be_whole(session, found)
    arrived_at = found.receipts[0].received_at if found.receipts else now
    order = PackOrder(
        site_id=purchase.site_id,
        integrator_id=_integrator(purchase),
        policy_version_id=purchase.policy_version_id,
        pack_code=purchase.code,
        quantity=purchase.quantity,
        bought_at=purchase.ordered_at if collects else min(arrived_at, now),
        source=f"purchase:{purchase.id}",
    )
    price_minor = purchase.price_minor if collects else found.paid_minor - found.tax_minor
    if not price_minor:
        # A promotion code took everything off: the hours are given, and nothing is sold.
        values = {name: getattr(order, name) for name in order.__dataclass_fields__}
        return {"grant_id": grant_pack(session, **values, now=now).id}
    how: dict[str, Any] = {"integrator_collects": True}
    if not collects:
        how = {"paid_by": AHEAD, "tax_minor": found.tax_minor, "receipt_id": found.receipts[0].id}
    how["discount_minor"] = found.promotion.discount_minor if found.promotion is not None else 0
    price = PackPrice(price_minor, purchase.currency, purchase.seller_id, **how)
    grant, sale = sell_pack(session, order, price, now=now, livemode=livemode)
    return {"grant_id": grant.id, "pack_sale_id": sale.id}


def _must_be_exempt(session: Session, found: Bought) -> None:
    """What was sold without tax for a certificate, which held no more when the payment arrived, owes the tax."""
    if found.intent is None or found.intent.request.get("tax_status") != "exempt":
        return
    for receipt in found.receipts[:1]:
        if exemption_at(session, found.purchase.customer_id, receipt.received_at) is None:
            raise RuleBroken("The certificate of exemption held no more when the payment arrived: its tax is owed.")


def _must_be_whole(session: Session, found: Bought) -> None:
    if any(taken_of_payment(session, receipt.id).amount_minor for receipt in found.receipts):
        raise RuleBroken("Part of the payment went back, or its bank holds it, before it could be sold.")


def _sell_plan(session: Session, found: Bought, *, now: datetime, livemode: bool) -> dict[str, Any] | None:
    purchase = found.purchase
    _must_be_whole(session, found)
    in_force = contracts.policy_in_force(session, purchase.manufacturer_id, now)
    if purchase.code not in {plan.code for plan in in_force.policy.plans}:
        raise RuleBroken("The plan was withdrawn before the payment arrived.")
    terms: dict[str, Any] = {"purchase_id": purchase.id, "interval": purchase.interval}
    if purchase.reinstatement:
        terms["reinstatement"] = {**purchase.reinstatement, "with_minor": purchase.price_minor}
    if found.promotion is not None:
        terms["discount_minor"] = found.promotion.discount_minor
    from_at = purchase.ordered_at
    if purchase.collector == "integrator":
        terms["collector"] = "integrator"
    elif found.bills and purchase.intent_id is not None:
        begins = found.bills[0].covers_from
        # Stripe's clock may be ahead of ours by a moment: nothing begins in the future for that.
        from_at = min(max(begins, found.receipts[0].received_at if found.receipts else now), now)
        terms |= {"intent_id": str(purchase.intent_id), "anchor": min(begins, from_at).isoformat()}
    else:
        # Its first invoice has not been looked at yet: the event that brings it follows it here.
        return None
    _must_be_the_only_one(session, purchase, from_at)
    if purchase.reinstatement:
        # Days of waiting count from the payment on: nobody is covered before it.
        waits = datetime.fromisoformat(purchase.reinstatement["covers_from"]) - purchase.ordered_at
        from_at += waits
    taking = Taking(
        site=session.get_one(Site, purchase.site_id),
        version=contracts.version(session, purchase.policy_version_id),
        plan_code=purchase.code,
        integrator_id=_integrator(purchase),
        seller_id=purchase.seller_id,
        accepted_by=purchase.ordered_by,
        terms=terms,
    )
    return {"plan_choice_id": take_plan(session, taking, from_at=from_at, now=now).id}


def _must_be_the_only_one(session: Session, purchase: Purchase, from_at: datetime) -> None:
    """A site pays for one plan: what was paid beside it, in another tab or by an offer, is not sold as well."""
    of_site = {"site_id": purchase.site_id, "manufacturer_id": purchase.manufacturer_id}
    # Two payments at once are looked at one after the other.
    key = f"plan:{purchase.site_id}:{purchase.manufacturer_id}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
    held = contracts.plan_choice_at(session, **of_site, at=from_at)
    later = [each for each in contracts.plan_choices(session, **of_site) if each.from_at > from_at]
    others = [
        each
        for each in ([held] if held is not None else []) + later
        if each.terms.get("purchase_id") not in (None, purchase.id)
    ]
    if any(each.plan_code == purchase.code for each in others):
        raise RuleBroken("The site had this plan already when the payment arrived.")
    if any(subscribed(session, each) is not None for each in others):
        raise RuleBroken("Another subscription paid for the site's plan already when the payment arrived.")


def _integrator(purchase: Purchase) -> int | None:
    return purchase.integrator_id if purchase.integrator_id != purchase.manufacturer_id else None
