"""Credit notes: an invoice costs less. Before payment less is due; after it the amount goes back or elsewhere.

A note on an open invoice that leaves nothing to pay makes it paid. One on a paid invoice says where its amount goes:
refunded to the charge here and now, or given back outside Stripe; the stand-in keeps no credit for a customer.
Source: docs.stripe.com/api/credit_notes (2026-11).
"""

from portal.standin import events, invoices, objects, refunds
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import integer, merged_metadata, metadata, text
from portal.standin.refusals import bad_parameter, refused

KIND = "credit_note"
REASONS = ("duplicate", "fraudulent", "order_change", "product_unsatisfactory")


def create_credit_note(call: Call) -> Body:
    given = call.parameters
    invoice = invoices.full(call.state, objects.fetch(call.state, invoices.KIND, given["invoice"], param="invoice"))
    if invoice["status"] not in ("open", "paid"):
        raise refused("You can only create a credit note on an open or paid invoice.")
    before_payment = invoice["status"] == "open"
    amount = given["amount"]
    _check(given, invoice, before_payment=before_payment)
    refund = _refund(call, invoice, given["refund_amount"]) if given.get("refund_amount") else None
    sequence = len(objects.every(call.state, KIND, invoice=invoice["id"])) + 1
    body: Body = {
        "id": objects.new_id("cn"),
        "object": KIND,
        "amount": amount,
        "created": call.state.now(),
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "effective_at": call.state.now(),
        "invoice": invoice["id"],
        "livemode": False,
        "memo": given.get("memo"),
        "metadata": merged_metadata({}, given.get("metadata")),
        "number": f"{invoice['number']}-CN-{sequence:02d}",
        "out_of_band_amount": given.get("out_of_band_amount"),
        "pre_payment_amount": amount if before_payment else 0,
        "post_payment_amount": 0 if before_payment else amount,
        "reason": given.get("reason"),
        "refunds": [{"refund": refund["id"], "amount_refunded": refund["amount"]}] if refund else [],
        "status": "issued",
        "total": amount,
        "type": "pre_payment" if before_payment else "post_payment",
        "voided_at": None,
    }
    objects.insert(call.state, body)
    invoices.note_credit(call, invoice["id"], amount, before_payment=before_payment)
    events.record(call, "credit_note.created", body)
    return body


def retrieve_credit_note(call: Call, note_id: str) -> Body:
    return objects.fetch(call.state, KIND, note_id)


def list_credit_notes(call: Call) -> Body:
    equal = {name: call.parameters.get(name) for name in ("invoice", "customer")}
    return objects.page(call.state, KIND, call.parameters, url="/v1/credit_notes", equal=equal)


def _check(given: Body, invoice: Body, *, before_payment: bool) -> None:
    amount = given["amount"]
    placed = [given.get(name) or 0 for name in ("refund_amount", "out_of_band_amount", "credit_amount")]
    if given.get("credit_amount"):
        raise refused("The stand-in does not keep credit for a customer.", param="credit_amount")
    if before_payment:
        if any(placed):
            raise bad_parameter("An open invoice has nothing to refund yet.", "refund_amount")
        if amount > invoice["amount_remaining"]:
            message = f"The credit note amount ({amount}) exceeds what remains ({invoice['amount_remaining']})."
            raise refused(message, param="amount")
    else:
        if sum(placed) != amount:
            raise bad_parameter("The amounts must sum to the amount of the credit note.", "amount")
        if amount > invoice["amount_paid"] - invoice["post_payment_credit_notes_amount"]:
            raise refused("The credit note amount exceeds what was paid.", param="amount")


def _refund(call: Call, invoice: Body, amount: int) -> Body:
    for payment in invoice["payments"]["data"]:
        if payment["status"] == "paid":
            intent = objects.fetch(call.state, "payment_intent", payment["payment"]["payment_intent"])
            charge = objects.fetch(call.state, "charge", intent["latest_charge"])
            return refunds.refund_charge(call, charge, amount, {})
    raise refused("This invoice was not paid through Stripe.", param="refund_amount")


NOTE = {
    "amount": integer(1, required=True),
    "credit_amount": integer(0),
    "invoice": text(required=True),
    "memo": text(),
    "metadata": metadata(),
    "out_of_band_amount": integer(0),
    "reason": text(*REASONS),
    "refund_amount": integer(0),
}
ENDPOINTS = (
    Endpoint("POST", "/v1/credit_notes", create_credit_note, NOTE),
    Endpoint("GET", "/v1/credit_notes", list_credit_notes, {**PAGING, "invoice": text(), "customer": text()}),
    Endpoint("GET", "/v1/credit_notes/<id>", retrieve_credit_note),
)
