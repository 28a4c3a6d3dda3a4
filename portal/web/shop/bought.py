"""What was bought: orders with their state in words, the way to pay, the end of a plan, Stripe's customer portal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.access import Side, may_see_prices
from portal.billing.plan_reading import reinstatement_sale_id
from portal.billing.supplements.lasting import moved
from portal.billing.supplements.models import Supplement
from portal.cases import queries as cases
from portal.contracts import queries as contracts
from portal.contracts.models import PlanChoice
from portal.contracts.rules import plan_named
from portal.directory import queries as directory
from portal.errors import NotFound, ProviderTrouble
from portal.jobs import enqueue
from portal.payments import queries as payments
from portal.payments.rules import CANCELLED, END_NOW, FAILED, SUBSCRIPTION_ENDED, is_at_once
from portal.selling import queries
from portal.selling.actions import (
    cancel,
    charged_sale,
    credits_of,
    give_up,
    grace_until,
    last_change,
    leaving_cost,
    may_promote,
    minimum_until,
    returns_of,
)
from portal.selling.actions.ending import Leaving, agreed_on, end_now_planned, is_ending
from portal.selling.leaving import early_end_of
from portal.selling.models import Purchase
from portal.selling.queries import Bought, may_see_purchases
from portal.selling.rules import State
from portal.web.gate import current_actor, current_edges, current_now, current_session, open_to
from portal.web.plans.choosing import minor_shown
from portal.web.shop.blueprint import blueprint
from portal.web.shop.catalogue import INTERVALS, may_buy
from portal.web.shop.changing import new_figures
from portal.web.shop.paying import gateway, to_checkout

# State to (words, tone, what happens next).
STATES: dict[State, tuple[str, str, str]] = {
    State.OPEN: (
        "Not paid",
        "warn",
        "Nothing is covered yet. Pay at Stripe's page, or leave it: it ends by itself.",
    ),
    State.PAYING: ("Bank debit on its way", "accent", "Cover starts when the money arrives, usually within four days."),
    State.PAID: ("Paid", "accent", "The payment has arrived and is being recorded."),
    State.FAILED: ("Payment failed", "bad", "The bank refused the debit and nothing was charged. Order it again."),
    State.EXPIRED: ("Expired", "plain", "It was not paid and can be no more. Order it again if you still want it."),
    State.ACTIVE: ("Bought", "good", "It serves your cases from the moment of the payment."),
    State.UNSALEABLE: ("To be returned", "bad", "The payment arrived, but this could not be sold any more."),
    State.LAPSED: (
        "Ended unpaid",
        "bad",
        "It was not paid within the days of grace. Order it again to renew it.",
    ),
    State.RETURNED: ("Returned", "plain", "All that was paid for it went back to the payer."),
    State.ENDED: ("Ended", "plain", "The plan ended with what was paid. A running case keeps its cover."),
}


@blueprint.get("/bought")
@open_to(may_see_purchases)
def bought() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = queries.purchases(session, actor)
    return render_template(
        "shop/bought.html",
        bought=found,
        states=STATES,
        intervals=INTERVALS,
        names=_names(found),
        makers=_makers(found) if actor.side is Side.CUSTOMER else {},
        may_buy=may_buy(actor),
        may_promote=may_promote(actor),
        # What a customer paid is between it and the factory.
        sees_payments=actor.side is not Side.INTEGRATOR,
    )


@blueprint.get("/bought/<uuid:purchase_key>")
@open_to(may_see_purchases)
def purchase(purchase_key: UUID) -> ResponseReturnValue:
    return _page(_found(purchase_key))


@blueprint.get("/bought/number/<int:purchase_id>")
@open_to(may_see_purchases)
def purchase_by_number(purchase_id: int) -> ResponseReturnValue:
    """Where the ledger leads: the purchase of a number."""
    found = current_session().get(Purchase, purchase_id)
    if found is None:
        raise NotFound()
    return redirect(url_for("shop.purchase", purchase_key=_found(found.form_key).purchase.form_key), code=303)


@blueprint.get("/bought/<uuid:purchase_key>/back")
@open_to(may_see_purchases)
def back(purchase_key: UUID) -> ResponseReturnValue:
    """Where Stripe leads a buyer who is done: the checkout is looked at by job, whatever the address says."""
    found = _found(purchase_key)
    if found.state in (State.OPEN, State.PAYING) and found.intent is not None:
        enqueue(current_session(), "look_at_checkout", intent_id=found.intent.id)
    flash("Thank you. The state here follows as soon as Stripe has told us of your payment.", "good")
    return redirect(url_for("shop.purchase", purchase_key=purchase_key), code=303)


@blueprint.post("/bought/<uuid:purchase_key>/payment")
@open_to(may_buy)
def pay(purchase_key: UUID) -> ResponseReturnValue:
    found = _found(purchase_key)
    if found.state is not State.OPEN:
        flash("This order no longer waits for a payment.", "warn")
        return redirect(url_for("shop.purchase", purchase_key=purchase_key), code=303)
    return to_checkout(found.purchase)


@blueprint.post("/bought/<uuid:purchase_key>/abandonment")
@open_to(may_buy)
def give_order_up(purchase_key: UUID) -> ResponseReturnValue:
    give_up(current_session(), current_actor(), _found(purchase_key), now=current_now())
    flash("The order is given up: Stripe's page closes, and a code used for it is free again in a minute.", "good")
    return redirect(url_for("shop.purchase", purchase_key=purchase_key), code=303)


@blueprint.post("/bought/<uuid:purchase_key>/cancellation")
@open_to(may_buy)
def end_plan(purchase_key: UUID) -> ResponseReturnValue:
    cancel(current_session(), current_actor(), _found(purchase_key), wanted=True, now=current_now())
    flash("The plan ends with the period that is paid. A running case keeps its cover until it closes.", "good")
    return redirect(url_for("shop.purchase", purchase_key=purchase_key), code=303)


@blueprint.post("/bought/<uuid:purchase_key>/early-end")
@open_to(may_buy)
def leave_plan(purchase_key: UUID) -> ResponseReturnValue:
    """End a plan within its minimum term, with the yes to what is owed for the rest, as it was shown."""
    accepted = minor_shown(request.form.get("owed_minor"))
    now = current_now()
    cancel(current_session(), current_actor(), _found(purchase_key), wanted=True, accepted_minor=accepted, now=now)
    flash("The plan ends with the period that is paid. The rest of its term goes on your next invoice then.", "good")
    return redirect(url_for("shop.purchase", purchase_key=purchase_key), code=303)


@blueprint.post("/bought/<uuid:purchase_key>/resumption")
@open_to(may_buy)
def keep_plan(purchase_key: UUID) -> ResponseReturnValue:
    cancel(current_session(), current_actor(), _found(purchase_key), wanted=False, now=current_now())
    flash("The plan goes on.", "good")
    return redirect(url_for("shop.purchase", purchase_key=purchase_key), code=303)


@blueprint.post("/bought/payment-method/<int:manufacturer_id>")
@open_to(may_see_purchases)
def payment_method(manufacturer_id: int) -> ResponseReturnValue:
    """Stripe's page with invoices and the way to pay, by an address for this visit."""
    session, actor = current_session(), current_actor()
    known = payments.customer_of(session, manufacturer_id=manufacturer_id, payer_id=actor.organisation_id)
    if known is None or actor.side is not Side.CUSTOMER:
        raise NotFound()
    back_to = current_edges().settings.base_url + url_for("shop.bought")
    configuration = payments.portal_configuration(session)
    if configuration is None:
        enqueue(session, "prepare_customer_portal")
        return render_template("shop/preparing.html", sentence="Come back in a minute.", key=None), 503
    try:
        link = gateway().customer_portal_link(known.provider_customer_id, configuration, back_to)
        return redirect(link, code=303)
    except ProviderTrouble as trouble:
        return render_template("shop/preparing.html", sentence=trouble.sentence, key=None), 503


def _found(key: UUID) -> Bought:
    return queries.purchase_by_key(current_session(), current_actor(), key)


def _page(found: Bought) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    row = found.purchase
    change = last_change(session, found) if may_buy(actor) and found.seen is not None else None
    case = cases.cases_by_id(session, actor, [row.case_id]).get(row.case_id) if row.case_id else None
    return render_template(
        "shop/purchase.html",
        found=found,
        row=row,
        state=_state(found),
        names=_names([found]),
        interval=INTERVALS[row.interval],
        case_name=case.name if case is not None else None,
        page=found.page(now),
        grace_until=grace_until(session, found),
        minimum_until=minimum_until(session, found) if row.kind == "plan" else None,
        may_buy=may_buy(actor),
        reason=_reason(found),
        sold_at=_sold_at(found),
        moved=_moved(found),
        change=change,
        change_at_once=change is not None and is_at_once(change.request),
        new_figures=new_figures(found, change) if change is not None else "",
        held_name=_held_name(found),
        left_early=early_end_of(session, found),
        borne_by=queries.discount_borne_by(session, found) if actor.side is not Side.CUSTOMER else "",
        leaving=_leaving(found) if may_buy(actor) else None,
        charged=charged_sale(session, found),
        is_company=actor.side is not Side.CUSTOMER,
        end_now=_end_now(found),
        may_end_now=may_buy(actor) and _gives_back(found),
    )


def _state(found: Bought) -> tuple[str, str, str]:
    """How it stands in words; a plan that its buyer ended at once did not end with what was paid."""
    ended = found.steps.get("ended")
    if found.state is State.ENDED and ended is not None and "intent_id" in ended.details:
        return (*STATES[State.ENDED][:2], "The plan was ended at once. A running case keeps its cover.")
    return STATES[found.state]


def _end_now(found: Bought) -> Mapping[str, Any] | None:
    """The end at once that was asked for, for who may read payments: what it said, how it stands, its refunds."""
    session = current_session()
    planned = end_now_planned(session, found) if current_actor().side is not Side.INTEGRATOR else None
    if planned is None:
        return None
    is_made = "ended" in found.steps and planned.state not in (FAILED, CANCELLED)
    return {
        "said": planned.request[END_NOW],
        "at": datetime.fromisoformat(planned.request[END_NOW]["at"]),
        "has_failed": planned.state in (FAILED, CANCELLED),
        "failure": planned.failure,
        "is_made": is_made,
        "returns": returns_of(session, found, planned) if is_made else (),
        "credits": [(note, note.state in (FAILED, CANCELLED)) for note in credits_of(session, planned)],
    }


def _gives_back(found: Bought) -> bool:
    """Whether a running plan gives back what is left of a month, by the policy that was accepted with it."""
    if found.seen is None or found.seen.status == SUBSCRIPTION_ENDED or is_ending(current_session(), found):
        return False
    agreed = agreed_on(current_session(), found)
    return plan_named(agreed.policy, agreed.code).given_up_by_days


def _leaving(found: Bought) -> Leaving | None:
    """What ending a running plan now would still owe."""
    runs = found.seen is not None and found.seen.status != SUBSCRIPTION_ENDED and not found.seen.ends_with_period
    return leaving_cost(current_session(), found) if runs else None


def _held_name(found: Bought) -> str:
    """The plan that holds now, where it is no longer the one that was ordered."""
    session, row = current_session(), found.purchase
    choices = [each for each in queries.choices_of(session, row) if each.from_at <= current_now()]
    if not choices or "change_intent" not in choices[-1].terms:
        return ""
    policy = contracts.policy_of(contracts.version(session, choices[-1].version_id))
    plan = plan_named(policy, choices[-1].plan_code)
    return f"{plan.name}, {INTERVALS[choices[-1].terms.get('interval', row.interval)]}"


def _moved(found: Bought) -> Sequence[Supplement]:
    """What moved the end of what is paid, and why, as far as the reader may read prices."""
    session, sold = current_session(), found.steps.get("sold")
    choice = session.get(PlanChoice, sold.details.get("plan_choice_id")) if sold is not None and found.seen else None
    return moved(session, choice) if choice is not None and may_see_prices(current_actor()) else ()


def _sold_at(found: Bought) -> str:
    """Where a reinstatement leads: to its sale once it is sold, to the policy that asks it before."""
    row, sold = found.purchase, found.steps.get("sold")
    if sold is not None and "plan_choice_id" in sold.details:
        sale_id = reinstatement_sale_id(current_session(), sold.details["plan_choice_id"])
        if sale_id is not None:
            return url_for("billing.plan_month", plan_sale_id=sale_id)
    return url_for("contracts.version", version_id=row.policy_version_id)


def _reason(found: Bought) -> str:
    step = found.steps.get("unsaleable")
    if step is not None:
        return str(step.details.get("reason", ""))
    return found.intent.failure if found.state is State.EXPIRED and found.intent is not None else ""


def _names(found: list[Bought]) -> Mapping[int, str]:
    session = current_session()
    ids = {row.purchase.customer_id for row in found} | {row.purchase.seller_id for row in found}
    return directory.organisation_names(session, sorted(ids | {row.purchase.manufacturer_id for row in found}))


def _makers(found: list[Bought]) -> dict[int, Any]:
    """Manufacturers that Stripe knows this payer for."""
    session, actor = current_session(), current_actor()
    known = {row.purchase.manufacturer_id for row in found if row.intent is not None}
    return {
        maker: payments.customer_of(session, manufacturer_id=maker, payer_id=actor.organisation_id)
        for maker in sorted(known)
    }
