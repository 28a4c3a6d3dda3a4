"""Transfers to connected accounts and their reversals.

A transfer needs the destination's capability to be active and the platform's balance to cover it, or a charge as
source_transaction, whose funds it then waits for. A reversal needs the connected account still to have the money.
Source: docs.stripe.com/connect/separate-charges-and-transfers (2026-11).
"""

from portal.standin import accounts, balance, events, objects
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import boolean, currency_code, integer, merged_metadata, metadata, text
from portal.standin.refusals import bad_parameter, refused

NO_CAPABILITY = (
    "Your destination account needs to have at least one of the following capabilities enabled: transfers,"
    " crypto_transfers, legacy_payments"
)
NO_FUNDS = (
    "You have insufficient available funds in your Stripe account. Try adding funds directly to your available balance"
    " by creating Charges using the 4000000000000077 test card."
)
NO_FUNDS_TO_REVERSE = "The connected account's available balance does not cover this reversal."


def create_transfer(call: Call) -> Body:
    given = call.parameters
    amount, currency = given["amount"], given["currency"]
    source = given.get("source_transaction")
    account = objects.fetch(call.state, accounts.KIND, given["destination"], param="destination", noun="destination")
    if not accounts.transfers_active(account):
        raise refused(NO_CAPABILITY, code="insufficient_capabilities_for_transfer")
    available_at = _funding(call, amount, currency)
    transfer_id, payment_id = objects.new_id("tr"), objects.new_id("py")
    sent = balance.move(call, "transfer", -amount, currency, transfer_id, available_at=available_at)
    balance.move(call, "payment", amount, currency, payment_id, account=account["id"], available_at=available_at)
    body: Body = {
        "id": transfer_id,
        "object": "transfer",
        "amount": amount,
        "amount_reversed": 0,
        "balance_transaction": sent["id"],
        "created": call.state.now(),
        "currency": currency,
        "description": given.get("description"),
        "destination": account["id"],
        "destination_payment": payment_id,
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata")),
        "reversals": objects.list_object([], f"/v1/transfers/{transfer_id}/reversals"),
        "reversed": False,
        "source_transaction": source,
        "source_type": given.get("source_type") or "card",
        "transfer_group": given.get("transfer_group") or (f"group_{source}" if source else None),
    }
    objects.insert(call.state, body)
    events.record(call, "transfer.created", body)
    return body


def retrieve_transfer(call: Call, transfer_id: str) -> Body:
    return objects.fetch(call.state, "transfer", transfer_id)


def update_transfer(call: Call, transfer_id: str) -> Body:
    body = objects.fetch(call.state, "transfer", transfer_id)
    before = dict(body)
    if "metadata" in call.parameters:
        body["metadata"] = merged_metadata(body["metadata"], call.parameters["metadata"])
    if "description" in call.parameters:
        body["description"] = call.parameters["description"]
    objects.save(call.state, body)
    events.record(call, "transfer.updated", body, previous=before)
    return body


def list_transfers(call: Call) -> Body:
    equal = {name: call.parameters.get(name) for name in ("destination", "transfer_group")}
    return objects.page(call.state, "transfer", call.parameters, url="/v1/transfers", equal=equal)


def create_reversal(call: Call, transfer_id: str) -> Body:
    transfer = objects.fetch(call.state, "transfer", transfer_id)
    left = transfer["amount"] - transfer["amount_reversed"]
    amount = call.parameters.get("amount") or left
    if left == 0:
        raise refused(f"Transfer {transfer_id} is already fully reversed.")
    if amount > left:
        raise refused(f"Reversal amount ({amount}) is greater than the unreversed amount ({left}).", param="amount")
    currency, account_id = transfer["currency"], transfer["destination"]
    if amount > balance.available(call.state, currency, account_id):
        raise refused(NO_FUNDS_TO_REVERSE, code="balance_insufficient")
    reversal_id = objects.new_id("trr")
    refund_id = objects.new_id("pyr")
    back = balance.move(call, "transfer_refund", amount, currency, reversal_id, available_at=call.state.now())
    balance.move(call, "payment_refund", -amount, currency, refund_id, account=account_id)
    body: Body = {
        "id": reversal_id,
        "object": "transfer_reversal",
        "amount": amount,
        "balance_transaction": back["id"],
        "created": call.state.now(),
        "currency": currency,
        "destination_payment_refund": refund_id,
        "metadata": merged_metadata({}, call.parameters.get("metadata")),
        "source_refund": None,
        "transfer": transfer_id,
    }
    objects.insert(call.state, body)
    _note_reversal(call, transfer, body)
    return body


def list_reversals(call: Call, transfer_id: str) -> Body:
    objects.fetch(call.state, "transfer", transfer_id)
    url = f"/v1/transfers/{transfer_id}/reversals"
    return objects.page(call.state, "transfer_reversal", call.parameters, url=url, equal={"transfer": transfer_id})


def retrieve_reversal(call: Call, transfer_id: str, reversal_id: str) -> Body:
    objects.fetch(call.state, "transfer", transfer_id)
    return objects.fetch(call.state, "transfer_reversal", reversal_id)


def _funding(call: Call, amount: int, currency: str) -> int:
    """When the money is available. Raises: Refusal when nothing covers the amount."""
    charge_id = call.parameters.get("source_transaction")
    if not charge_id:
        if amount > balance.available(call.state, currency):
            raise refused(NO_FUNDS, code="balance_insufficient")
        return call.state.now()
    charge = objects.fetch(call.state, "charge", charge_id, param="source_transaction")
    moved = objects.find(call.state, balance.KIND, charge["balance_transaction"] or "")
    # What counts is the currency that the charge settled in, not the one it was made in.
    if moved is None or moved["currency"] != currency:
        raise bad_parameter("The source_transaction must be a succeeded charge in the same currency.", "currency")
    used = sum(
        transfer["amount"] - transfer["amount_reversed"]
        for transfer in objects.every(call.state, "transfer", source_transaction=charge_id)
    )
    # What was refunded counts at the charge's own rate.
    left = moved["amount"] * (charge["amount"] - charge["amount_refunded"]) // charge["amount"]
    if used + amount > left:
        message = "Transfers using this transaction as a source must not exceed the source amount."
        raise refused(message, param="amount")
    return int(moved["available_on"])


def _note_reversal(call: Call, transfer: Body, reversal: Body) -> None:
    before = dict(transfer)
    transfer["amount_reversed"] += reversal["amount"]
    transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
    shown = [reversal, *transfer["reversals"]["data"]]
    transfer["reversals"] = {
        **transfer["reversals"],
        "data": shown[:10],
        "has_more": transfer["reversals"]["has_more"] or len(shown) > 10,
    }
    objects.save(call.state, transfer)
    events.record(call, "transfer.reversed", transfer, previous=before)


TRANSFER = {
    "amount": integer(1, required=True),
    "currency": currency_code(required=True),
    "description": text(),
    "destination": text(required=True),
    "metadata": metadata(),
    "source_transaction": text(),
    "source_type": text("bank_account", "card", "fpx"),
    "transfer_group": text(),
}
REVERSAL = {
    "amount": integer(1),
    "description": text(),
    "metadata": metadata(),
    "refund_application_fee": boolean(),
}
ENDPOINTS = (
    Endpoint("POST", "/v1/transfers", create_transfer, TRANSFER),
    Endpoint("GET", "/v1/transfers", list_transfers, {**PAGING, "destination": text(), "transfer_group": text()}),
    Endpoint("GET", "/v1/transfers/<id>", retrieve_transfer),
    Endpoint("POST", "/v1/transfers/<id>", update_transfer, {"description": text(), "metadata": metadata()}),
    Endpoint("POST", "/v1/transfers/<id>/reversals", create_reversal, REVERSAL),
    Endpoint("GET", "/v1/transfers/<id>/reversals", list_reversals, PAGING),
    Endpoint("GET", "/v1/transfers/<id>/reversals/<id>", retrieve_reversal),
)
