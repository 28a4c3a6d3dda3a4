"""Subscriptions: begun at a checkout, renewed and retried by the clock, changed and ended by the API or the portal.

One item each, a price by the month or year. What a buyer chose to pay with pays the renewals too; a renewal that fails
leaves the subscription past due, and is tried again three times.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from portal.standin import events, invoice_items, invoice_paying, invoices, objects, payments, promotions, taxes
from portal.standin.catalogue import PRICE_DATA
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import boolean, group, integer, many, merged_metadata, metadata, text
from portal.standin.prorating import begins_anew, changed_price, pricing, prorations
from portal.standin.refusals import bad_parameter, declined, refused
from portal.standin.subscription_states import ACTIVE, CANCELED, KIND, PAST_DUE, TRIALING, end, save
from portal.standin.terms import months_of, months_on

DAY_SECONDS = 24 * 3600
# When a failed renewal is tried again, after the attempt that failed first.
RETRIES_AFTER_DAYS = (3, 5, 7)


def start(call: Call, session: Body, way: str) -> tuple[Body, Body]:
    """A subscription as a paid checkout begins it, and its first invoice."""
    lines = session["line_items"]["data"]
    line = next(each for each in lines if each["price"]["recurring"])
    once = [each for each in lines if each is not line]
    now = call.state.now()
    subscription_id = objects.new_id("sub")
    details = session["_details"]
    trial_end = details.get("trial_end")
    body: Body = {
        "id": subscription_id,
        "object": KIND,
        **_nothing(),
        "automatic_tax": session["automatic_tax"],
        "billing_cycle_anchor": trial_end or now,
        "created": now,
        "currency": session["currency"],
        "customer": session["customer"],
        "default_payment_method": payments.on_file(call, session["customer"], way),
        "description": details.get("description"),
        "discounts": [],
        "items": objects.list_object([], f"/v1/subscription_items?subscription={subscription_id}"),
        "latest_invoice": None,
        "metadata": merged_metadata({}, details.get("metadata")),
        "start_date": now,
        "status": TRIALING if trial_end else ACTIVE,
        "trial_end": trial_end,
        "trial_start": now if trial_end else None,
        "_code": session["_code"],
        "_cycle": -1 if trial_end else 0,
        "_pending": [{"amount": each["amount_subtotal"], "description": each["description"]} for each in once],
        "_retries": 0,
        "_way": way,
    }
    body["items"]["data"] = [_item(body, line)]
    _set_period(body, 0)
    if trial_end:
        body["items"]["data"][0].update(current_period_start=now, current_period_end=trial_end)
    objects.insert(call.state, body)
    events.record(call, "customer.subscription.created", body)
    invoice = bill(call, body, "subscription_create")
    _collect(call, body, invoice["id"])
    current = objects.fetch(call.state, KIND, subscription_id)
    call.state.plan(period_end(current), "renewal", subscription_id)
    return current, objects.fetch(call.state, invoices.KIND, invoice["id"])


def renew(call: Call, subscription_id: str) -> None:
    """The period is over: it ends, or the next one is billed."""
    body = objects.find(call.state, KIND, subscription_id)
    if body is None or body["status"] == CANCELED or period_end(body) > call.state.now():
        return
    if body["cancel_at_period_end"]:
        end(call, body)
        return
    body["_cycle"] += 1
    body["_retries"] = 0
    _set_period(body, body["_cycle"])
    if body["status"] == TRIALING:
        body["status"] = ACTIVE
    save(call, body)
    invoice = bill(call, body, "subscription_cycle")
    _collect(call, body, invoice["id"])
    call.state.plan(period_end(body), "renewal", subscription_id)


def retry(call: Call, subscription_id: str) -> None:
    """A failed renewal is tried again with what the customer pays with by now."""
    body = objects.find(call.state, KIND, subscription_id)
    if body is None or body["status"] != PAST_DUE:
        return
    invoice = objects.fetch(call.state, invoices.KIND, body["latest_invoice"])
    if invoice["status"] == "open":
        _collect(call, body, invoice["id"])


def bill(call: Call, body: Body, reason: str) -> Body:
    """The invoice of a period, finalized, with what earlier changes left to be billed."""
    item = body["items"]["data"][0]
    lasting = promotions.given_to(call.state, body["_code"])
    code = lasting if reason == "subscription_create" or promotions.lasts(call.state, lasting) else None
    amount = 0 if body["status"] == TRIALING else int(item["price"]["unit_amount"]) * item["quantity"]
    period = {"start": item["current_period_start"], "end": item["current_period_end"]}
    this = {"amount": amount, "description": name_of(call, item), "period": period, "pricing_of": item["price"]}
    lines = [*body.get("_pending", []), this]
    # A code counts for what is bought at the checkout with it, and for the price of a renewal.
    discounted = sum(line["amount"] for line in lines) if reason == "subscription_create" else amount
    invoice = invoice_of(call, body, reason, lines, discount=promotions.discount_on(
        call.state, discounted, body["currency"], code
    ))  # fmt: skip
    body.update(latest_invoice=invoice["id"], _pending=[])
    objects.save(call.state, body)
    return invoice


def invoice_of(call: Call, body: Body, reason: str, lines: list[Body], *, discount: int = 0) -> Body:
    """A finalized invoice of a subscription; its collection is another step."""
    made = invoices.create_invoice(
        replace(call, parameters={"customer": body["customer"], "currency": body["currency"], "auto_advance": True})
    )
    invoice = objects.fetch(call.state, invoices.KIND, made["id"])
    for line in lines:
        added = invoice_items.create_item(replace(call, parameters={"invoice": invoice["id"], **line}))
        owner = {"_subscription": body["id"], "_subscription_item": body["items"]["data"][0]["id"]}
        if line.get("pricing_of"):
            owner["pricing"] = pricing(line["pricing_of"], line["amount"])
        objects.save(call.state, {**added, **owner, "proration": bool(line.get("proration"))})
    taxable = sum(line["amount"] for line in lines) - discount
    customer = objects.fetch(call.state, "customer", body["customer"])
    details = {"subscription": body["id"], "metadata": body["metadata"], "subscription_proration_date": None}
    invoice.update(
        billing_reason=reason,
        parent={"type": "subscription_details", "subscription_details": details, "quote_details": None},
        automatic_tax=body["automatic_tax"],
        _discount=discount,
        _tax=taxes.tax_on(max(taxable, 0), customer, body["automatic_tax"]),
    )
    objects.save(call.state, invoice)
    return invoices.finalized(call, invoice)


def update_subscription(call: Call, subscription_id: str) -> Body:
    body = objects.fetch(call.state, KIND, subscription_id)
    given = call.parameters
    if body["status"] == CANCELED:
        raise refused("A canceled subscription can only update its cancellation_details.")
    changes: Body = {}
    if "metadata" in given:
        changes["metadata"] = merged_metadata(body["metadata"], given["metadata"])
    if given.get("cancel_at_period_end") is not None:
        wanted = given["cancel_at_period_end"]
        changes.update(
            cancel_at_period_end=wanted,
            cancel_at=period_end(body) if wanted else None,
            canceled_at=call.state.now() if wanted else None,
        )
    if given.get("description") is not None:
        changes["description"] = given["description"]
    if given.get("trial_end") is not None:
        if given.get("items"):
            body["items"]["data"][0]["price"] = changed_price(call, body["items"]["data"][0], _wanted(call, body))
        return _move_end(call, body, given["trial_end"], changes)
    if given.get("items"):
        return _change_price(call, body, changes)
    return save(call, body, **changes)


def _move_end(call: Call, body: Body, ends: int, changes: Body) -> Body:
    """docs.stripe.com/billing/subscriptions/billing-cycle: the next bill moves; without proration nothing is asked."""
    if ends <= call.state.now():
        raise bad_parameter("The `trial_end` date has to be in the future.", "trial_end")
    if (call.parameters.get("proration_behavior") or "create_prorations") != "none":
        raise bad_parameter("The stand-in moves a period's end with `proration_behavior` none only.", "trial_end")
    body["items"]["data"][0]["current_period_end"] = ends
    if body["cancel_at_period_end"]:
        changes["cancel_at"] = ends
    call.state.plan(ends, "renewal", body["id"])
    moved = {"billing_cycle_anchor": ends, "trial_end": ends, "status": TRIALING, "_cycle": -1}
    return save(call, body, **changes, **moved, trial_start=body["trial_start"] or call.state.now())


def cancel_subscription(call: Call, subscription_id: str) -> Body:
    body = objects.fetch(call.state, KIND, subscription_id)
    if body["status"] == CANCELED:
        raise refused(f"No such subscription: '{subscription_id}'", code="resource_missing")
    return end(call, body)


def retrieve_subscription(call: Call, subscription_id: str) -> Body:
    return objects.fetch(call.state, KIND, subscription_id)


def list_subscriptions(call: Call) -> Body:
    """Without a status canceled ones are left out, as at Stripe."""
    given = call.parameters
    status = given.get("status")
    equal = {"customer": given.get("customer"), "status": None if status in (None, "all") else status}
    also: tuple[str, list[Any]] = ("1", [])
    if status is None:
        also = ("json_extract(body, '$.status') <> ?", [CANCELED])
    return objects.page(call.state, KIND, given, url="/v1/subscriptions", equal=equal, also=also)


def period_end(body: Body) -> int:
    return int(body["items"]["data"][0]["current_period_end"])


def _collect(call: Call, body: Body, invoice_id: str) -> None:
    """Charge what the customer pays with; what fails is tried again later."""
    if objects.fetch(call.state, invoices.KIND, invoice_id)["status"] != "open":
        return
    method, outcome, ends = payments.WAYS[body["_way"]]
    invoice_paying.pay_at_page(call, invoice_id, method=method, outcome=outcome, ends=ends)
    if outcome == payments.FAILED:
        plan_retry(call, body["id"])


def plan_retry(call: Call, subscription_id: str) -> None:
    body = objects.fetch(call.state, KIND, subscription_id)
    if body["_retries"] < len(RETRIES_AFTER_DAYS):
        call.state.plan(call.state.now() + RETRIES_AFTER_DAYS[body["_retries"]] * DAY_SECONDS, "retry", body["id"])
        objects.save(call.state, {**body, "_retries": body["_retries"] + 1})


def _change_price(call: Call, body: Body, changes: Body) -> Body:
    given = call.parameters
    wanted, item = _wanted(call, body), body["items"]["data"][0]
    price, quantity = changed_price(call, item, wanted), wanted.get("quantity") or item["quantity"]
    at = given.get("proration_date") or call.state.now()
    lines = prorations(call, item, price, quantity, at)
    behaviour = given.get("proration_behavior") or "create_prorations"
    anew = begins_anew(item, price)
    if anew and behaviour != "always_invoice":
        raise refused("The stand-in changes an interval with `always_invoice`, or where the period ends (`trial_end`).")
    fails = payments.WAYS[body["_way"]][1] == payments.FAILED
    if given.get("payment_behavior") == "error_if_incomplete" and behaviour == "always_invoice" and lines and fails:
        raise declined()
    item.update(price=price, quantity=quantity)
    if anew:
        body.update(billing_cycle_anchor=call.state.now(), _cycle=0)
        _set_period(body, 0)
        call.state.plan(period_end(body), "renewal", body["id"])
    if behaviour == "create_prorations":
        body["_pending"] = [*body.get("_pending", []), *lines]
    save(call, body, **changes)
    if behaviour == "always_invoice" and lines:
        invoice = invoice_of(call, body, "subscription_update", lines)
        body = save(call, objects.fetch(call.state, KIND, body["id"]), latest_invoice=invoice["id"])
        _collect(call, body, invoice["id"])
    return objects.fetch(call.state, KIND, body["id"])


def _wanted(call: Call, body: Body) -> Body:
    wanted: Body = call.parameters["items"][0]
    if wanted.get("id") and wanted["id"] != body["items"]["data"][0]["id"]:
        raise bad_parameter(f"No such subscription item: '{wanted['id']}'", "items[0][id]", code="resource_missing")
    return wanted


def _item(body: Body, line: Body) -> Body:
    return {
        "id": objects.new_id("si", 14),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": body["created"],
        "current_period_end": 0,
        "current_period_start": 0,
        "discounts": [],
        "metadata": {},
        "price": line["price"],
        "quantity": line["quantity"],
        "subscription": body["id"],
        "tax_rates": [],
    }


def _set_period(body: Body, cycle: int) -> None:
    item = body["items"]["data"][0]
    months = months_of(item["price"]["recurring"])
    anchor = datetime.fromtimestamp(body["billing_cycle_anchor"], UTC)
    item["current_period_start"] = int(months_on(anchor, cycle * months).timestamp())
    item["current_period_end"] = int(months_on(anchor, (cycle + 1) * months).timestamp())


def name_of(call: Call, item: Body) -> str:
    """What the thing is called that is paid for."""
    return str(objects.fetch(call.state, "product", item["price"]["product"])["name"])


def _nothing() -> Body:
    absent = dict.fromkeys(
        (
            "application", "application_fee_percent", "billing_thresholds", "cancel_at", "canceled_at",
            "customer_account", "days_until_due", "default_source", "ended_at",
            "next_pending_invoice_item_invoice", "on_behalf_of", "pause_collection", "pending_setup_intent",
            "pending_update", "schedule", "test_clock", "transfer_data", "trial_end", "trial_start",
        )
    )  # fmt: skip
    details = {"comment": None, "feedback": None, "reason": None}
    return {
        **absent,
        "cancel_at_period_end": False,
        "cancellation_details": details,
        "collection_method": "charge_automatically",
        "livemode": False,
    }


ITEM = group({"id": text(), "price": text(), "price_data": PRICE_DATA, "quantity": integer(1)})
PRORATION = text("always_invoice", "create_prorations", "none")
UPDATE = {
    "cancel_at_period_end": boolean(),
    "description": text(longest=500),
    "items": many(ITEM, most=1),
    "metadata": metadata(),
    "payment_behavior": text("allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"),
    "proration_behavior": PRORATION,
    "proration_date": integer(0),
    "trial_end": integer(0),
}
ENDPOINTS = (
    Endpoint("GET", "/v1/subscriptions", list_subscriptions, {**PAGING, "customer": text(), "status": text()}),
    Endpoint("GET", "/v1/subscriptions/<id>", retrieve_subscription),
    Endpoint("POST", "/v1/subscriptions/<id>", update_subscription, UPDATE),
    Endpoint("DELETE", "/v1/subscriptions/<id>", cancel_subscription, {"invoice_now": boolean(), "prorate": boolean()}),
)
