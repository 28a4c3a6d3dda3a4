"""The buyer at the checkout page, or the control API in the buyer's place: paid at once, declined, or a debit for days.

A bank debit completes the session while its money is on the way; days later it is paid after all, or not.
"""

from dataclasses import replace

from portal.standin import checkout, customers, events, objects, payments, promotions, subscriptions
from portal.standin.endpoints import Call
from portal.standin.objects import Body
from portal.standin.parameters import merged_metadata
from portal.standin.refusals import refused


def pay_session(call: Call, session_id: str, *, way: str) -> Body:
    """The session afterwards: still open where the card was declined. Raises: Refusal when it is no longer open."""
    body = objects.fetch(call.state, checkout.KIND, session_id)
    if body["status"] != "open" or body["expires_at"] <= call.state.now():
        raise refused("This checkout session is no longer open.")
    declined = payments.WAYS[way][1] == payments.FAILED
    if declined:
        body["_error"] = "Your card was declined."
        objects.save(call.state, body)
        return body
    if not body["customer"]:
        body["customer"] = _customer(call, body)
    paid = _subscribe(call, body, way) if body["mode"] == checkout.SUBSCRIPTION else _pay_once(call, body, way)
    promotions.redeem(call.state, promotions.given_to(call.state, body["_code"]))
    status = "paid" if paid else "unpaid"
    if body["amount_total"] == 0:
        status = "no_payment_required"
    body.update(status="complete", payment_status=status, url=None, _error=None)
    objects.save(call.state, body)
    events.record(call, "checkout.session.completed", body)
    return body


def debit_ended(call: Call, intent_id: str, *, succeeded: bool) -> None:
    """The debit behind a completed session has ended, as its intent says by now."""
    for body in objects.every(call.state, checkout.KIND, _paid_by=intent_id):
        if succeeded:
            body["payment_status"] = "paid"
        objects.save(call.state, body)
        events.record(call, f"checkout.session.async_payment_{'succeeded' if succeeded else 'failed'}", body)


def _pay_once(call: Call, body: Body, way: str) -> bool:
    if body["amount_total"] == 0:
        return True
    method, outcome, ends = payments.WAYS[way]
    details = body["_details"]
    intent = payments.create_intent(
        call,
        body["amount_total"],
        body["currency"],
        customer=body["customer"],
        description=details.get("description"),
        metadata=merged_metadata({}, details.get("metadata")),
        transfer_group=details.get("transfer_group"),
    )
    body.update(payment_intent=intent["id"], _paid_by=intent["id"])
    objects.save(call.state, body)
    payments.pay_intent(call, intent["id"], method=method, outcome=outcome, ends=ends)
    return outcome == payments.SUCCEEDED


def _subscribe(call: Call, body: Body, way: str) -> bool:
    subscription, invoice = subscriptions.start(call, body, way)
    shown = invoice["payments"]["data"]
    intent_id = shown[-1]["payment"]["payment_intent"] if shown else None
    body.update(subscription=subscription["id"], invoice=invoice["id"], _paid_by=intent_id)
    return bool(invoice["status"] == "paid")


def _customer(call: Call, body: Body) -> str:
    given = {"email": body["customer_email"] or "buyer@customer.example", "name": "Buyer"}
    return str(customers.create_customer(replace(call, parameters=given))["id"])
