"""The balance and its transactions; top-ups and payouts.

Each movement of money is one balance transaction; the balance is their sum. Money that comes in becomes available
after ``available_after_seconds`` (a setting of the control API, at once by default); money going out counts at once.
"""

from typing import Any

from portal.standin import events, objects
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import currency_code, integer, merged_metadata, metadata, text
from portal.standin.refusals import bad_parameter, refused
from portal.standin.state import State

KIND = "balance_transaction"
REPORTING_CATEGORIES = {
    "adjustment": "other_adjustment",
    "payment": "charge",
    "payment_refund": "refund",
    "payout_failure": "payout_reversal",
    "transfer_refund": "transfer_reversal",
}
DEFAULT_CURRENCY = "usd"


def move(call: Call, kind: str, amount: int, currency: str, source: str, *, account: str = "", **details: Any) -> Body:
    """Record a movement. *Details*: fee, fee_text, description, category (else by kind), available_at, exchange_rate.

    Without ``available_at`` money that comes in is available by the setting, money that goes out counts at once.
    """
    now = call.state.now()
    fee = int(details.get("fee", 0))
    delay = int(call.state.setting("available_after_seconds", 0)) if amount > 0 and not account else 0
    available_at = details.get("available_at")
    available_at = now + delay if available_at is None else available_at
    text_of_fee = details.get("fee_text", "Stripe processing fees")
    body: Body = {
        "id": objects.new_id("txn"),
        "object": KIND,
        "amount": amount,
        "available_on": available_at,
        "balance_type": "payments",
        "created": now,
        "currency": currency,
        "description": details.get("description"),
        "exchange_rate": details.get("exchange_rate"),
        "fee": fee,
        "fee_details": [_fee_detail(fee, currency, text_of_fee)] if fee else [],
        "net": amount - fee,
        "reporting_category": details.get("category") or REPORTING_CATEGORIES.get(kind, kind),
        "source": source,
        "status": "available" if available_at <= now else "pending",
        "type": kind,
    }
    objects.insert(call.state, body, account)
    call.state.write(
        "INSERT INTO balance_entry (transaction_id, account, currency, net, available_at) VALUES (?, ?, ?, ?, ?)",
        body["id"],
        account,
        currency,
        amount - fee,
        available_at,
    )
    return body


def available(state: State, currency: str, account: str = "") -> int:
    sql = "SELECT coalesce(sum(net), 0) FROM balance_entry WHERE account = ? AND currency = ? AND available_at <= ?"
    return int(state.rows(sql, account, currency, state.now())[0][0])


def retrieve_balance(call: Call) -> Body:
    return balance_of(call.state, call.account)


def balance_of(state: State, account: str = "") -> Body:
    sql = (
        "SELECT currency, sum(CASE WHEN available_at <= ?1 THEN net ELSE 0 END),"
        " sum(CASE WHEN available_at > ?1 THEN net ELSE 0 END) FROM balance_entry WHERE account = ?2 GROUP BY currency"
    )
    found = state.rows(sql, state.now(), account) or [(DEFAULT_CURRENCY, 0, 0)]

    def column(index: int) -> list[Body]:
        return [{"amount": row[index], "currency": row[0], "source_types": {"card": row[index]}} for row in found]

    return {"object": "balance", "available": column(1), "livemode": False, "pending": column(2)}


def list_transactions(call: Call) -> Body:
    given = call.parameters
    if given.get("payout"):
        message = "Balance transaction history can only be filtered on automatic transfers, not manual."
        raise bad_parameter(message, "payout")
    equal = {name: given.get(name) for name in ("currency", "source", "type")}
    found = objects.page(call.state, KIND, given, url="/v1/balance_transactions", account=call.account, equal=equal)
    found["data"] = [_current(call.state, body) for body in found["data"]]
    return found


def retrieve_transaction(call: Call, transaction_id: str) -> Body:
    return _current(call.state, objects.fetch(call.state, KIND, transaction_id, account=call.account))


def create_topup(call: Call) -> Body:
    """Top-ups succeed at once; at Stripe they take days and may fail."""
    given = call.parameters
    topup_id = objects.new_id("tu")
    moved = move(call, "topup", given["amount"], given["currency"], topup_id, available_at=call.state.now())
    body: Body = {
        "id": topup_id,
        "object": "topup",
        "amount": given["amount"],
        "balance_transaction": moved["id"],
        "created": call.state.now(),
        "currency": given["currency"],
        "description": given.get("description"),
        "expected_availability_date": call.state.now(),
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata")),
        "source": None,
        "statement_descriptor": given.get("statement_descriptor"),
        "status": "succeeded",
        "transfer_group": given.get("transfer_group"),
    }
    objects.insert(call.state, body)
    events.record(call, "topup.created", body)
    events.record(call, "topup.succeeded", body)
    return body


def create_payout(call: Call) -> Body:
    """Payouts arrive at once. Raises: Refusal beyond the available balance."""
    given = call.parameters
    if given["amount"] > available(call.state, given["currency"], call.account):
        message = "You have insufficient funds in your Stripe account. One balance in your account is too small."
        raise refused(message, code="balance_insufficient")
    payout_id = objects.new_id("po")
    moved = move(call, "payout", -given["amount"], given["currency"], payout_id, account=call.account)
    body: Body = {
        "id": payout_id,
        "object": "payout",
        "amount": given["amount"],
        "arrival_date": call.state.now(),
        "automatic": False,
        "balance_transaction": moved["id"],
        "created": call.state.now(),
        "currency": given["currency"],
        "description": given.get("description"),
        "destination": None,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata")),
        "method": "standard",
        "original_payout": None,
        "reconciliation_status": "not_applicable",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": given.get("statement_descriptor"),
        "status": "paid",
        "type": "bank_account",
    }
    objects.insert(call.state, body, call.account)
    events.record(call, "payout.created", body, account=call.account)
    events.record(call, "payout.paid", body, account=call.account)
    return body


def fail_payout(call: Call, payout_id: str) -> Body:
    """The bank sends a payout back, which Stripe learns days later: the money is in the balance again."""
    body = objects.fetch(call.state, "payout", payout_id, account=call.account)
    if body["status"] == "failed":
        raise refused("This payout has failed already.")
    before = dict(body)
    returned = move(
        call,
        "payout_failure",
        body["amount"],
        body["currency"],
        payout_id,
        account=call.account,
        available_at=call.state.now(),
        description="REFUND FOR FAILED PAYOUT",
    )
    body.update(
        status="failed",
        failure_balance_transaction=returned["id"],
        failure_code="account_closed",
        failure_message="The bank account has been closed.",
    )
    objects.save(call.state, body)
    events.record(call, "payout.failed", body, previous=before, account=call.account)
    return body


def list_topups(call: Call) -> Body:
    equal = {"status": call.parameters.get("status")}
    return objects.page(call.state, "topup", call.parameters, url="/v1/topups", equal=equal)


def retrieve_topup(call: Call, topup_id: str) -> Body:
    return objects.fetch(call.state, "topup", topup_id)


def list_payouts(call: Call) -> Body:
    equal = {"status": call.parameters.get("status")}
    return objects.page(call.state, "payout", call.parameters, url="/v1/payouts", account=call.account, equal=equal)


def retrieve_payout(call: Call, payout_id: str) -> Body:
    return objects.fetch(call.state, "payout", payout_id, account=call.account)


def set_available(call: Call, amount: int, currency: str) -> Body:
    """Bring the platform's available balance to an amount by one adjustment, so that the books still add up."""
    difference = amount - available(call.state, currency)
    if difference:
        move(
            call,
            "adjustment",
            difference,
            currency,
            "",
            available_at=call.state.now(),
            description="Adjusted by the stand-in's control API",
        )
    return balance_of(call.state)


def _fee_detail(fee: int, currency: str, description: str) -> Body:
    return {"amount": fee, "application": None, "currency": currency, "description": description, "type": "stripe_fee"}


def _current(state: State, body: Body) -> Body:
    return {**body, "status": "available" if body["available_on"] <= state.now() else "pending"}


MONEY_IN = {
    "amount": integer(1, required=True),
    "currency": currency_code(required=True),
    "description": text(),
    "metadata": metadata(),
    "statement_descriptor": text(longest=22),
}
LIST_TRANSACTIONS = {**PAGING, "currency": currency_code(), "payout": text(), "source": text(), "type": text()}
ENDPOINTS = (
    Endpoint("GET", "/v1/balance", retrieve_balance, for_accounts=True),
    Endpoint("GET", "/v1/balance_transactions", list_transactions, LIST_TRANSACTIONS, for_accounts=True),
    Endpoint("GET", "/v1/balance_transactions/<id>", retrieve_transaction, for_accounts=True),
    Endpoint("POST", "/v1/topups", create_topup, {**MONEY_IN, "transfer_group": text()}),
    Endpoint("GET", "/v1/topups", list_topups, {**PAGING, "status": text()}),
    Endpoint("GET", "/v1/topups/<id>", retrieve_topup),
    Endpoint("POST", "/v1/payouts", create_payout, MONEY_IN, for_accounts=True),
    Endpoint("GET", "/v1/payouts", list_payouts, {**PAGING, "status": text()}, for_accounts=True),
    Endpoint("GET", "/v1/payouts/<id>", retrieve_payout, for_accounts=True),
)
