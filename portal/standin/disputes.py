"""Disputes: a payer's bank asks about a charge or takes its money back. They are opened and decided by the control API.

An inquiry (``warning_...``) moves no money. A chargeback takes the amount and a fee from the balance at once, below
zero if need be; evidence is submitted once; won brings the amount back, not the fee. Amount and fee are one balance
transaction of type ``adjustment`` whose source is the dispute.
Source: docs.stripe.com/api/disputes, docs.stripe.com/disputes (2026-11).
"""

from portal.standin import balance, events, exchange, fraud, objects, uploads
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import boolean, group, merged_metadata, metadata, text
from portal.standin.refusals import bad_parameter, refused

KIND = "dispute"
FEE_MINOR = 1500
DAYS_TO_ANSWER = 20
DAY_SECONDS = 24 * 3600
INQUIRY, CHARGEBACK = "warning_needs_response", "needs_response"
ANSWERABLE = {INQUIRY: "warning_under_review", CHARGEBACK: "under_review"}
ENDED = ("won", "lost", "warning_closed")
REASONS = (
    "bank_cannot_process", "check_returned", "credit_not_processed", "customer_initiated", "debit_not_authorized",
    "duplicate", "fraudulent", "general", "incorrect_account_details", "insufficient_funds", "noncompliant",
    "product_not_received", "product_unacceptable", "subscription_canceled", "unrecognized",
)  # fmt: skip
FILES = (
    "cancellation_policy", "customer_communication", "customer_signature", "duplicate_charge_documentation", "receipt",
    "refund_policy", "service_documentation", "shipping_documentation", "uncategorized_file",
)  # fmt: skip
TEXTS = (
    "access_activity_log", "billing_address", "cancellation_policy_disclosure", "cancellation_rebuttal",
    "customer_email_address", "customer_name", "customer_purchase_ip", "duplicate_charge_explanation",
    "duplicate_charge_id", "product_description", "refund_policy_disclosure", "refund_refusal_explanation",
    "service_date", "shipping_address", "shipping_carrier", "shipping_date", "shipping_tracking_number",
    "uncategorized_text",
)  # fmt: skip


def open_dispute(call: Call, charge_id: str, *, reason: str, inquiry: bool, amount: int | None = None) -> Body:
    """The payer's bank opens a dispute. Raises: Refusal for a charge with an open one, or more than is left of it."""
    charge = objects.fetch(call.state, "charge", charge_id)
    left = charge["amount"] - charge["amount_refunded"]
    wanted = amount or left
    if any(each["status"] not in ENDED for each in objects.every(call.state, KIND, charge=charge_id)):
        raise refused(f"Charge {charge_id} is disputed already.")
    if charge["status"] != "succeeded" or not 0 < wanted <= left:
        raise refused(f"Charge {charge_id} cannot be disputed for {wanted}.")
    now = call.state.now()
    body: Body = {
        "id": objects.new_id("du"),
        "object": KIND,
        "amount": wanted,
        "balance_transactions": [],
        "charge": charge_id,
        "created": now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys((*FILES, *TEXTS)),
        "evidence_details": {
            "due_by": now + DAYS_TO_ANSWER * DAY_SECONDS,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "status": INQUIRY if inquiry else CHARGEBACK,
    }
    objects.insert(call.state, body)
    if not inquiry:
        _withdraw(call, body)
    objects.save(call.state, {**charge, "disputed": True})
    events.record(call, "charge.dispute.created", body)
    if not inquiry:
        events.record(call, "charge.dispute.funds_withdrawn", body)
    fraud.answered(call, charge_id)
    return body


def escalate(call: Call, dispute_id: str) -> Body:
    """An inquiry becomes a chargeback."""
    body = objects.fetch(call.state, KIND, dispute_id)
    if not body["status"].startswith("warning_") or body["status"] == "warning_closed":
        raise refused("Only an open inquiry becomes a chargeback.")
    before = dict(body)
    body.update(status=CHARGEBACK, is_charge_refundable=False)
    _withdraw(call, body)
    events.record(call, "charge.dispute.updated", body, previous=before)
    events.record(call, "charge.dispute.funds_withdrawn", body)
    return body


def decide(call: Call, dispute_id: str, outcome: str) -> Body:
    """The bank decides: won, lost, or for an inquiry closed. Raises: Refusal once it has."""
    body = objects.fetch(call.state, KIND, dispute_id)
    is_inquiry = body["status"].startswith("warning_")
    if body["status"] in ENDED or is_inquiry != (outcome == "warning_closed"):
        raise refused(f"This dispute has a status of {body['status']} and cannot be {outcome}.")
    before = dict(body)
    body["status"] = outcome
    if outcome == "won":
        settled = _settled(call, body)
        back = balance.move(
            call,
            "adjustment",
            settled.amount,
            settled.currency,
            dispute_id,
            category="dispute_reversal",
            available_at=call.state.now(),
            exchange_rate=settled.rate,
            description=f"Chargeback reversal for {body['charge']}",
        )
        body["balance_transactions"].append(back)
    objects.save(call.state, body)
    events.record(call, "charge.dispute.closed", body, previous=before)
    if outcome == "won":
        events.record(call, "charge.dispute.funds_reinstated", body)
    return body


def update_dispute(call: Call, dispute_id: str) -> Body:
    """Evidence is kept, and with ``submit`` handed to the bank, once."""
    given = call.parameters
    body = objects.fetch(call.state, KIND, dispute_id)
    before = dict(body)
    evidence = {name: value for name, value in (given.get("evidence") or {}).items() if value is not None}
    if body["status"] not in ANSWERABLE and (evidence or given.get("submit")):
        raise refused("This dispute is already closed or has been submitted and cannot be updated.")
    for name in FILES:
        if evidence.get(name):
            _check_file(call, name, evidence[name])
    body["evidence"] = {**body["evidence"], **evidence}
    details = {**body["evidence_details"], "has_evidence": any(body["evidence"].values())}
    if "metadata" in given:
        body["metadata"] = merged_metadata(body["metadata"], given["metadata"])
    if given.get("submit", True) and evidence:
        details["submission_count"] += 1
        body["status"] = ANSWERABLE[body["status"]]
    body["evidence_details"] = details
    objects.save(call.state, body)
    events.record(call, "charge.dispute.updated", body, previous=before)
    return body


def close_dispute(call: Call, dispute_id: str) -> Body:
    """The merchant accepts that it has lost."""
    body = objects.fetch(call.state, KIND, dispute_id)
    if body["status"] not in ANSWERABLE:
        raise refused("This dispute is already closed.")
    return decide(call, dispute_id, "warning_closed" if body["status"] == INQUIRY else "lost")


def retrieve_dispute(call: Call, dispute_id: str) -> Body:
    return objects.fetch(call.state, KIND, dispute_id)


def list_disputes(call: Call) -> Body:
    equal = {name: call.parameters.get(name) for name in ("charge", "payment_intent")}
    return objects.page(call.state, KIND, call.parameters, url="/v1/disputes", equal=equal)


def _withdraw(call: Call, body: Body) -> None:
    settled = _settled(call, body)
    taken = balance.move(
        call,
        "adjustment",
        -settled.amount,
        settled.currency,
        body["id"],
        category="dispute",
        exchange_rate=settled.rate,
        fee=FEE_MINOR,
        fee_text="Dispute fee",
        description=f"Chargeback withdrawal for {body['charge']}",
    )
    body["balance_transactions"].append(taken)
    objects.save(call.state, body)


def _settled(call: Call, body: Body) -> exchange.Settled:
    charge = objects.fetch(call.state, "charge", body["charge"])
    charged = objects.fetch(call.state, balance.KIND, charge["balance_transaction"])
    return exchange.settle_again(call.state, body["amount"], body["currency"], charged)


def _check_file(call: Call, name: str, file_id: str) -> None:
    param = f"evidence[{name}]"
    sent = objects.fetch(call.state, uploads.KIND, file_id, param=param)
    if sent["purpose"] != uploads.EVIDENCE:
        raise bad_parameter(f"The file must have the purpose {uploads.EVIDENCE}.", param)


EVIDENCE = group({**{name: text() for name in FILES}, **{name: text(longest=20_000) for name in TEXTS}})
ENDPOINTS = (
    Endpoint("GET", "/v1/disputes", list_disputes, {**PAGING, "charge": text(), "payment_intent": text()}),
    Endpoint("GET", "/v1/disputes/<id>", retrieve_dispute),
    Endpoint(
        "POST", "/v1/disputes/<id>", update_dispute, {"evidence": EVIDENCE, "metadata": metadata(), "submit": boolean()}
    ),
    Endpoint("POST", "/v1/disputes/<id>/close", close_dispute),
)
