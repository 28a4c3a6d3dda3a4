"""Refunds of a charge. The processing fee is not returned, transfers stay untouched, a charge in dispute is refused.

A refund that the balance does not cover stays pending until it is settled through the control API. One that the payer's
bank sends back fails, days later: the money is in the balance again and the charge can be refunded anew. What was
charged in one currency and settled in another leaves the balance in the latter, at the rate of the day.
"""

from portal.standin import balance, events, exchange, fraud, objects
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import integer, merged_metadata, metadata, text
from portal.standin.refusals import bad_parameter, refused


def create_refund(call: Call) -> Body:
    given = call.parameters
    charge = _charge_of(call)
    return refund_charge(call, charge, given.get("amount"), given)


def refund_charge(call: Call, charge: Body, wanted: int | None, given: Body) -> Body:
    """All that is left of a charge, or the wanted part. Raises: Refusal beyond that, or during a dispute."""
    left = charge["amount"] - charge["amount_refunded"]
    amount = wanted or left
    if charge["disputed"] and _open_disputes(call, charge["id"]):
        raise refused(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    if left == 0:
        raise refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if amount > left:
        raise refused(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount")
    body: Body = {
        "id": objects.new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": call.state.now(),
        "currency": charge["currency"],
        "failure_balance_transaction": None,
        "failure_reason": None,
        "metadata": merged_metadata({}, given.get("metadata")),
        "payment_intent": charge["payment_intent"],
        "pending_reason": "insufficient_funds",
        "reason": given.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending",
        "transfer_reversal": None,
    }
    objects.insert(call.state, body)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    objects.save(call.state, charge)
    settled = _settled(call, charge, amount)
    if settled.amount <= balance.available(call.state, settled.currency):
        _settle(call, body)
    events.record(call, "refund.created", body)
    events.record(call, "charge.refunded", charge)
    fraud.answered(call, charge["id"])
    return body


def settle_refund(call: Call, refund_id: str) -> Body:
    """A pending refund goes out after all, as when the balance has been funded."""
    body = objects.fetch(call.state, "refund", refund_id)
    if body["status"] == "pending":
        before = dict(body)
        _settle(call, body)
        events.record(call, "refund.updated", body, previous=before)
    return body


def fail_refund(call: Call, refund_id: str) -> Body:
    """The payer's bank does not take it: what had left the balance is in it again."""
    body = objects.fetch(call.state, "refund", refund_id)
    if body["status"] in ("failed", "canceled"):
        raise refused("This refund has failed already.")
    before = dict(body)
    if body["status"] == "succeeded":
        # What comes back is what had left, whatever the rate has become.
        left = objects.fetch(call.state, balance.KIND, body["balance_transaction"])
        returned = balance.move(
            call,
            "refund_failure",
            -left["amount"],
            left["currency"],
            refund_id,
            available_at=call.state.now(),
            exchange_rate=left["exchange_rate"],
        )
        body["failure_balance_transaction"] = returned["id"]
    reason = "insufficient_funds" if body["status"] == "pending" else "expired_or_canceled_card"
    body.update(status="failed", failure_reason=reason, pending_reason=None)
    objects.save(call.state, body)
    charge = objects.fetch(call.state, "charge", body["charge"])
    charge["amount_refunded"] -= body["amount"]
    charge["refunded"] = False
    objects.save(call.state, charge)
    events.record(call, "refund.updated", body, previous=before)
    events.record(call, "refund.failed", body)
    return body


def retrieve_refund(call: Call, refund_id: str) -> Body:
    return objects.fetch(call.state, "refund", refund_id)


def list_refunds(call: Call) -> Body:
    equal = {name: call.parameters.get(name) for name in ("charge", "payment_intent")}
    return objects.page(call.state, "refund", call.parameters, url="/v1/refunds", equal=equal)


def _charge_of(call: Call) -> Body:
    given = call.parameters
    if bool(given.get("charge")) == bool(given.get("payment_intent")):
        raise bad_parameter("Pass exactly one of charge and payment_intent.", "charge", code="parameter_missing")
    charge_id = given.get("charge")
    if not charge_id:
        intent = objects.fetch(call.state, "payment_intent", given["payment_intent"], param="payment_intent")
        charge_id = intent["latest_charge"] or ""
    charge = objects.fetch(call.state, "charge", charge_id, param="charge")
    if charge["status"] != "succeeded":
        raise refused(f"This {charge['object']} has not succeeded and cannot be refunded.")
    return charge


def _open_disputes(call: Call, charge_id: str) -> bool:
    disputes = objects.every(call.state, "dispute", charge=charge_id)
    return any(not dispute["is_charge_refundable"] for dispute in disputes)


def _settle(call: Call, body: Body) -> None:
    charge = objects.fetch(call.state, "charge", body["charge"])
    kind = "refund" if charge["payment_method_details"]["type"] == "card" else "payment_refund"
    settled = _settled(call, charge, body["amount"])
    moved = balance.move(call, kind, -settled.amount, settled.currency, body["id"], exchange_rate=settled.rate)
    body.update(status="succeeded", pending_reason=None, balance_transaction=moved["id"])
    objects.save(call.state, body)


def _settled(call: Call, charge: Body, amount: int) -> exchange.Settled:
    charged = objects.fetch(call.state, balance.KIND, charge["balance_transaction"])
    return exchange.settle_again(call.state, amount, charge["currency"], charged)


REFUND = {
    "amount": integer(1),
    "charge": text(),
    "metadata": metadata(),
    "payment_intent": text(),
    "reason": text("duplicate", "fraudulent", "requested_by_customer"),
}
ENDPOINTS = (
    Endpoint("POST", "/v1/refunds", create_refund, REFUND),
    Endpoint("GET", "/v1/refunds", list_refunds, {**PAGING, "charge": text(), "payment_intent": text()}),
    Endpoint("GET", "/v1/refunds/<id>", retrieve_refund),
)
