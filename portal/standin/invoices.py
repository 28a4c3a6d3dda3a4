"""Invoices: draft, open, paid, void or uncollectible. By the passing of time only bank debits for them end.

Lines are the invoice's items; ``payments`` shows only when expanded, as at Stripe.
"""

from typing import Any

from portal.standin import events, invoice_items, invoice_taxes, objects, payments, taxes
from portal.standin.endpoints import Call, Endpoint
from portal.standin.invoice_items import NOT_A_DRAFT
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import boolean, currency_code, group, integer, many, merged_metadata, metadata, text
from portal.standin.refusals import bad_parameter, refused
from portal.standin.state import State

KIND = "invoice"
DAY_SECONDS = 24 * 3600
SHOWN_LINES = 10
PLAIN = ("description", "footer", "custom_fields", "statement_descriptor", "number", "effective_at", "rendering")


def create_invoice(call: Call) -> Body:
    given = call.parameters
    customer = objects.fetch(call.state, "customer", given["customer"], param="customer")
    collection = given.get("collection_method") or "charge_automatically"
    _check_terms(given, collection)
    invoice_id = objects.new_id("in")
    body: Body = {
        "id": invoice_id,
        "object": KIND,
        **_blank(call, customer),
        "collection_method": collection,
        "currency": given.get("currency") or customer["currency"] or "usd",
        "auto_advance": bool(given.get("auto_advance")),
        "automatic_tax": taxes.shown_switch(given.get("automatic_tax")),
        "metadata": merged_metadata({}, given.get("metadata")),
        "_days_until_due": given.get("days_until_due"),
        "_token": objects.new_id("test", 40),
        **{name: given.get(name) for name in PLAIN},
    }
    body["due_date"] = _due_date(body, given.get("due_date"), call.state.now())
    objects.insert(call.state, body)
    if given.get("pending_invoice_items_behavior") == "include":
        for item in invoice_items.pending_items(call.state, customer["id"], body["currency"]):
            objects.save(call.state, {**item, "invoice": invoice_id})
    events.record(call, "invoice.created", full(call.state, body))
    return full(call.state, body)


def update_invoice(call: Call, invoice_id: str) -> Body:
    body = objects.fetch(call.state, KIND, invoice_id)
    before = dict(body)
    given = call.parameters
    if body["status"] != "draft" and set(given) - {"metadata", "auto_advance"}:
        raise refused(NOT_A_DRAFT, code="invoice_not_editable")
    if "metadata" in given:
        body["metadata"] = merged_metadata(body["metadata"], given["metadata"])
    body.update({name: given[name] for name in (*PLAIN, "auto_advance", "collection_method") if name in given})
    body["automatic_tax"] = taxes.shown_switch(given.get("automatic_tax") or body["automatic_tax"])
    if given.get("days_until_due") is not None or given.get("due_date"):
        _check_terms(given, body["collection_method"])
        body["_days_until_due"] = given.get("days_until_due")
        body["due_date"] = _due_date(body, given.get("due_date"), call.state.now())
    return _saved(call, body, "invoice.updated", before)


def finalize_invoice(call: Call, invoice_id: str) -> Body:
    if (body := objects.fetch(call.state, KIND, invoice_id))["status"] != "draft":
        raise refused("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    return finalized(call, body)


def finalized(call: Call, body: Body) -> Body:
    """Numbered, due, payable at its hosted page; paid at once when nothing is owed."""
    before = dict(body)
    now = call.state.now()
    body = full(call.state, body)
    total = body["total"]
    if body["automatic_tax"]["status"] == "requires_location_inputs":
        raise taxes.not_located()
    if total < 0:
        raise refused("The stand-in does not keep credit: an invoice with a negative total cannot be finalized.")
    body.update(invoice_taxes.kept(call.state, body))
    customer = objects.fetch(call.state, "customer", body["customer"])
    sequence = customer["next_invoice_sequence"]
    objects.save(call.state, {**customer, "next_invoice_sequence": sequence + 1, "currency": body["currency"]})
    body.update(
        number=body["number"] or f"{customer['invoice_prefix']}-{sequence:04d}",
        status="open",
        effective_at=body["effective_at"] or now,
        hosted_invoice_url=f"{call.public_url}/hosted/invoice/{body['_token']}",
        due_date=_due_date(body, None, now) or body["due_date"],
        customer_name=customer["name"],
        customer_email=customer["email"],
        customer_address=customer["address"],
    )
    body["status_transitions"]["finalized_at"] = now
    if total:
        _open_payment(call, body, total)
    saved = _saved(call, body, "invoice.finalized", before)
    return saved if total else settle(call, body, amount_off_stripe=0)


def send_invoice(call: Call, invoice_id: str) -> Body:
    body = objects.fetch(call.state, KIND, invoice_id)
    if body["collection_method"] != "send_invoice":
        raise refused("You can only manually send an invoice if its collection method is 'send_invoice'.")
    if body["status"] == "draft":
        finalized(call, body)
        body = objects.fetch(call.state, KIND, invoice_id)
    if body["status"] not in ("open", "paid"):
        raise refused(f"You can only send open invoices. This invoice is {body['status']}.")
    return _saved(call, body, "invoice.sent")


def void_invoice(call: Call, invoice_id: str) -> Body:
    body = objects.fetch(call.state, KIND, invoice_id)
    if body["status"] not in ("open", "uncollectible"):
        raise refused("You can only pass in open or uncollectible invoices. This invoice isn't one.")
    if any(payment["status"] == "open" for payment in body["payments"]["data"]):
        _check_not_processing(call, body)
        _close_payment(call, body, "canceled")
    body["status"] = "void"
    body["status_transitions"]["voided_at"] = call.state.now()
    return _saved(call, body, "invoice.voided")


def mark_uncollectible(call: Call, invoice_id: str) -> Body:
    body = objects.fetch(call.state, KIND, invoice_id)
    if body["status"] != "open":
        raise refused("You can only mark open invoices as uncollectible.")
    body["status"] = "uncollectible"
    body["status_transitions"]["marked_uncollectible_at"] = call.state.now()
    return _saved(call, body, "invoice.marked_uncollectible")


def pay_invoice(call: Call, invoice_id: str) -> Body:
    """By the API only out of band: there is no payment method on file that could be charged."""
    body = objects.fetch(call.state, KIND, invoice_id)
    check_payable(body)
    if not call.parameters.get("paid_out_of_band"):
        message = "There is no `default_payment_method` set on this Customer or Invoice. Please attach one first."
        raise refused(message)
    if body["status"] == "draft":
        finalized(call, body)
        body = objects.fetch(call.state, KIND, invoice_id)
    _check_not_processing(call, body)
    if body["status"] == "paid":
        return full(call.state, body)
    _close_payment(call, body, "canceled")
    return settle(call, body, amount_off_stripe=body["amount_due"])


def settle(call: Call, body: Body, *, amount_off_stripe: int) -> Body:
    """Mark as paid in full, part of it perhaps outside Stripe."""
    body.update(
        status="paid",
        amount_paid=body["amount_due"],
        amount_paid_off_stripe=amount_off_stripe,
        amount_remaining=0,
        attempted=True,
    )
    body["status_transitions"]["paid_at"] = call.state.now()
    return _saved(call, body, "invoice.paid")


def note_credit(call: Call, invoice_id: str, amount: int, *, before_payment: bool) -> None:
    """A credit note was issued: an open invoice is payable for less, and paid when nothing is left."""
    body = objects.fetch(call.state, KIND, invoice_id)
    before = dict(body)
    name = "pre_payment_credit_notes_amount" if before_payment else "post_payment_credit_notes_amount"
    body[name] += amount
    left = full(call.state, body)["amount_remaining"]
    if before_payment and left:
        for payment in body["payments"]["data"]:
            if payment["status"] == "open":
                payments.resize_intent(call, payment["payment"]["payment_intent"], left)
                save_payment(call, body, {**payment, "amount_requested": left})
    _saved(call, body, "invoice.updated", before)
    if before_payment and not left:
        body = objects.fetch(call.state, KIND, invoice_id)
        _close_payment(call, body, "canceled")
        settle(call, full(call.state, body), amount_off_stripe=0)


def check_payable(body: Body) -> None:
    """Raises: Refusal for an invoice that is paid, void or otherwise beyond payment."""
    if body["status"] == "paid":
        raise refused("Invoice is already paid", code="invoice_already_paid")
    if body["status"] == "void":
        raise refused("This invoice can no longer be paid.", code="invoice_not_payable")


def retrieve_invoice(call: Call, invoice_id: str) -> Body:
    return full(call.state, objects.fetch(call.state, KIND, invoice_id))


def list_invoices(call: Call) -> Body:
    equal = {name: call.parameters.get(name) for name in ("customer", "status", "collection_method")}
    found = objects.page(call.state, KIND, call.parameters, url="/v1/invoices", equal=equal)
    found["data"] = [full(call.state, body) for body in found["data"]]
    return found


def delete_invoice(call: Call, invoice_id: str) -> Body:
    body = objects.fetch(call.state, KIND, invoice_id)
    if body["status"] != "draft":
        raise refused("You can only delete draft invoices. Void it instead.", code="invoice_not_editable")
    for item in invoice_items.items_of(call.state, invoice_id):
        objects.remove(call.state, item["id"])
    objects.remove(call.state, invoice_id)
    events.record(call, "invoice.deleted", full(call.state, body))
    return {"id": invoice_id, "object": KIND, "deleted": True}


def full(state: State, body: Body) -> Body:
    """The invoice with its lines and what they sum to; a draft is taxed anew whenever it is looked at."""
    lines = invoice_taxes.lines_of(state, body)
    body = invoice_taxes.taxed(state, body, lines)
    url = f"/v1/invoices/{body['id']}/lines"
    shown = objects.list_object(lines[:SHOWN_LINES], url, has_more=len(lines) > SHOWN_LINES)
    sums = taxes.sums(body, sum(line["amount"] for line in lines))
    due = max(sums["total"] - body["pre_payment_credit_notes_amount"], 0)
    remaining = 0 if body["status"] == "paid" else due
    return {**body, **sums, "amount_due": due, "amount_remaining": remaining, "lines": shown}


def save_payment(call: Call, body: Body, payment: Body) -> None:
    """An invoice payment changed: on its own and where the invoice shows it."""
    objects.save(call.state, payment)
    shown = [payment if entry["id"] == payment["id"] else entry for entry in body["payments"]["data"]]
    body["payments"] = {**body["payments"], "data": shown}


def list_invoice_payments(call: Call) -> Body:
    equal = {name: call.parameters.get(name) for name in ("invoice", "status")}
    payment = call.parameters.get("payment") or {}
    equal["payment.payment_intent"] = payment.get("payment_intent")
    return objects.page(call.state, "invoice_payment", call.parameters, url="/v1/invoice_payments", equal=equal)


def retrieve_invoice_payment(call: Call, payment_id: str) -> Body:
    return objects.fetch(call.state, "invoice_payment", payment_id)


def _check_terms(given: dict[str, Any], collection: str) -> None:
    days, due = given.get("days_until_due"), given.get("due_date")
    if collection == "send_invoice":
        if (days is None) == (due is None):
            message = (
                "If collection_method is 'send_invoice', exactly one of `days_until_due` or `due_date` must be set."
            )
            raise bad_parameter(message, "days_until_due")
    elif days is not None or due is not None:
        raise bad_parameter(
            "Only invoices with collection_method 'send_invoice' can have a due date.", "days_until_due"
        )


def _due_date(body: Body, due_date: int | None, now: int) -> int | None:
    if due_date is not None:
        return due_date
    days = body["_days_until_due"]
    return None if days is None else now + days * DAY_SECONDS


def _check_not_processing(call: Call, body: Body) -> None:
    for payment in body["payments"]["data"]:
        intent = objects.fetch(call.state, "payment_intent", payment["payment"]["payment_intent"])
        if intent["status"] == "processing":
            raise refused(
                "This invoice has a payment that is still processing.", code="invoice_payment_intent_requires_action"
            )


def _open_payment(call: Call, body: Body, total: int) -> None:
    """The default payment of an invoice: an intent waiting for the payer."""
    intent = payments.create_intent(
        call, total, body["currency"], customer=body["customer"], description=f"Payment for Invoice {body['number']}"
    )
    payment: Body = {
        "id": objects.new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": total,
        "created": call.state.now(),
        "currency": body["currency"],
        "invoice": body["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": intent["id"]},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
        "_intent": intent["id"],
    }
    objects.insert(call.state, payment)
    body["payments"] = objects.list_object([payment], "/v1/invoice_payments")


def _close_payment(call: Call, body: Body, status: str) -> None:
    for payment in body["payments"]["data"]:
        if payment["status"] != "open":
            continue
        payments.cancel_intent(call, payment["payment"]["payment_intent"], "void_invoice")
        transitions = {**payment["status_transitions"], "canceled_at": call.state.now()}
        save_payment(call, body, {**payment, "status": status, "status_transitions": transitions})


def _saved(call: Call, body: Body, event_type: str, before: Body | None = None) -> Body:
    complete = full(call.state, body)
    objects.save(call.state, {key: value for key, value in complete.items() if key != "lines"})
    changed = before if event_type.endswith("updated") else None
    events.record(call, event_type, complete, previous=changed)
    return complete


def _blank(call: Call, customer: Body) -> Body:
    now = call.state.now()
    nothing = dict.fromkeys(
        (
            "application", "customer_account", "default_payment_method", "default_source", "from_invoice",
            "hosted_invoice_url", "invoice_pdf", "last_finalization_error", "latest_revision", "next_payment_attempt",
            "on_behalf_of", "parent", "receipt_number", "test_clock",
        )
    )  # fmt: skip
    empty: Body = {name: [] for name in ("default_tax_rates", "discounts", "total_discount_amounts", "total_taxes")}
    zero = dict.fromkeys(
        (
            "amount_overpaid", "amount_paid", "amount_shipping", "attempt_count", "post_payment_credit_notes_amount",
            "pre_payment_credit_notes_amount", "starting_balance",
        ),
        0,
    )  # fmt: skip
    return {
        **nothing,
        **empty,
        **zero,
        "account_country": "US",
        "account_name": "Stand-in",
        "amount_paid_off_stripe": 0,
        "attempted": False,
        "billing_reason": "manual",
        "created": now,
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "issuer": {"type": "self"},
        "livemode": False,
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "payments": objects.list_object([], "/v1/invoice_payments"),
        "period_end": now,
        "period_start": now,
        "status": "draft",
        "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
    }


SHARED = {
    "auto_advance": boolean(),
    "automatic_tax": group({"enabled": boolean(required=True)}),
    "collection_method": text("charge_automatically", "send_invoice"),
    "custom_fields": many(group({"name": text(required=True), "value": text(required=True)}), most=4),
    "days_until_due": integer(0, 3650),
    "description": text(),
    "due_date": integer(0),
    "effective_at": integer(0),
    "footer": text(),
    "metadata": metadata(),
    "number": text(longest=26),
    "rendering": group({"amount_tax_display": text()}),
    "statement_descriptor": text(longest=22),
}
CREATE = {
    **SHARED,
    "currency": currency_code(),
    "customer": text(required=True),
    "pending_invoice_items_behavior": text("exclude", "include"),
}
LIST = {**PAGING, "customer": text(), "status": text(), "collection_method": text()}
PAYMENT = group({"type": text(required=True), "payment_intent": text()})
ENDPOINTS = (
    Endpoint("POST", "/v1/invoices", create_invoice, CREATE),
    Endpoint("GET", "/v1/invoices", list_invoices, LIST),
    Endpoint("GET", "/v1/invoices/<id>", retrieve_invoice),
    Endpoint("POST", "/v1/invoices/<id>", update_invoice, SHARED),
    Endpoint("DELETE", "/v1/invoices/<id>", delete_invoice),
    Endpoint("POST", "/v1/invoices/<id>/finalize", finalize_invoice, {"auto_advance": boolean()}),
    Endpoint("POST", "/v1/invoices/<id>/send", send_invoice),
    Endpoint("POST", "/v1/invoices/<id>/void", void_invoice),
    Endpoint("POST", "/v1/invoices/<id>/mark_uncollectible", mark_uncollectible),
    Endpoint("POST", "/v1/invoices/<id>/pay", pay_invoice, {"paid_out_of_band": boolean()}),
    Endpoint(
        "GET",
        "/v1/invoice_payments",
        list_invoice_payments,
        {**PAGING, "invoice": text(), "payment": PAYMENT, "status": text()},
    ),
    Endpoint("GET", "/v1/invoice_payments/<id>", retrieve_invoice_payment),
)
