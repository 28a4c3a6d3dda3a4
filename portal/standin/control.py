"""The control API: what a test or a demo does that no client of Stripe could.

JSON in, JSON out, under /_control, without a key: the stand-in listens on this machine only unless told otherwise.
It injects faults, steers deliveries, plays the people at hosted pages, moves balance and clock, and shows every call.
"""

import time
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request

from portal.standin import (
    accounts,
    balance,
    checkout_paying,
    deliveries,
    disputes,
    events,
    exchange,
    fraud,
    idempotency,
    invoice_paying,
    passing,
    payments,
    portal_sessions,
    refunds,
    taxes,
)
from portal.standin.api import Desk
from portal.standin.deliveries import Courier
from portal.standin.endpoints import Call
from portal.standin.faults import KINDS, Fault
from portal.standin.objects import Body
from portal.standin.parameters import (
    Fields,
    boolean,
    currency_code,
    decimal_number,
    group,
    integer,
    many,
    read_parameters,
    text,
)
from portal.standin.refusals import Refusal, missing_object

MOST_SHOWN_CALLS = 1000
COUNTED = (
    "customer", "invoice", "invoiceitem", "credit_note", "payment_intent", "charge", "refund", "dispute", "file",
    "transfer", "transfer_reversal", "topup", "payout", "balance_transaction", "checkout.session", "subscription",
    "promotion_code", "billing_portal.configuration", "v2.core.account", "event", "v2.core.event",
)  # fmt: skip
SECONDS = decimal_number()
RATE = decimal_number(required=True)
TAX_RATES = {
    "rates": many(group({"country": text(), "tax_code": text(), "rate_bp": integer(0, 10_000, required=True)}))
}
METHOD = text(payments.CARD, payments.BANK)
WAY = text(*payments.WAYS)
OUTCOME = text(payments.SUCCEEDED, payments.PROCESSING, payments.FAILED)
ADDRESS = group({"url": text(), "secrets": many(text())})


def blueprint(desk: Desk, courier: Courier) -> Blueprint:
    pages = Blueprint("control", __name__, url_prefix="/_control")
    _steer_faults(pages, desk)
    _steer_deliveries(pages, desk, courier)
    _play_people(pages, desk)
    _play_banks(pages, desk)
    _move_money_and_time(pages, desk)
    _set_rates(pages, desk)
    _show(pages, desk)
    pages.before_request(_refuse_browsers)
    pages.register_error_handler(Refusal, _refusal)
    return pages


def _refuse_browsers() -> None:
    """A page of another site, open on the same machine, must not be able to post here."""
    if "Origin" in request.headers or "Sec-Fetch-Site" in request.headers:
        raise Refusal(403, "The control API is not for browsers.")


def _refusal(refusal: Refusal) -> tuple[Response, int]:
    return jsonify(refusal.body("req_control")), refusal.status


def _given(fields: Fields) -> dict[str, Any]:
    sent = request.get_json(silent=True) if request.content_length else {}
    if not isinstance(sent, dict):
        raise Refusal(400, "The request body is not a JSON object.")
    return {key: value for key, value in read_parameters(fields, sent).items() if value is not None}


def _act(desk: Desk, act: Callable[[Call], Body], account: str = "") -> Response:
    """In one transaction, as somebody other than the API's caller."""
    with desk.state.transaction():
        body = act(Call(desk.state, desk.public_url, account=account))
    return jsonify({key: value for key, value in body.items() if not key.startswith("_")})


def _steer_faults(pages: Blueprint, desk: Desk) -> None:
    @pages.post("/faults")
    def add_fault() -> Response:
        fields = {
            "kind": text(*KINDS, required=True), "method": text(), "path": text(), "times": integer(1),
            "seconds": SECONDS, "execute": boolean(),
        }  # fmt: skip
        given = _given(fields)
        if "seconds" in given:
            given["seconds"] = float(given["seconds"])
        desk.faults.add(Fault(**given))
        return jsonify({"left": desk.faults.left()})

    @pages.get("/faults")
    def count_faults() -> Response:
        return jsonify({"left": desk.faults.left()})

    @pages.delete("/faults")
    def clear_faults() -> Response:
        desk.faults.clear()
        return jsonify({"left": 0})

    @pages.post("/faults/wait")
    def wait_until_held() -> Response:
        given = _given({"seconds": SECONDS, "calls": integer(1)})
        held = desk.faults.wait_until_held(seconds=float(given.get("seconds", 10)), calls=given.get("calls", 1))
        return jsonify({"held": held})

    @pages.post("/faults/release")
    def release_held_calls() -> Response:
        return jsonify({"released": desk.faults.release()})

    @pages.post("/keys/expire")
    def expire_keys() -> Response:
        return jsonify({"forgotten": idempotency.forget_keys(desk.state)})


def _steer_deliveries(pages: Blueprint, desk: Desk, courier: Courier) -> None:
    @pages.post("/endpoints")
    def set_endpoints() -> Response:
        for name, given in _given({events.SNAPSHOT: ADDRESS, events.THIN: ADDRESS}).items():
            known = desk.state.setting(f"endpoint_{name}", {})
            if "url" in given:
                known["url"] = given["url"] or ""
            if given.get("secrets"):
                known["secrets"] = given["secrets"]
            desk.state.set_setting(f"endpoint_{name}", known)
        names = (events.SNAPSHOT, events.THIN)
        return jsonify({name: desk.state.setting(f"endpoint_{name}", {}) for name in names})

    @pages.post("/deliveries/policy")
    def set_policy() -> Response:
        given = _given({"held": boolean(), "copies": integer(1, 10), "automatic": boolean()})
        policy = {**desk.state.setting("delivery_policy", {}), **given}
        desk.state.set_setting("delivery_policy", policy)
        return jsonify(policy)

    @pages.post("/deliveries/release")
    def release_deliveries() -> Response:
        """Held deliveries go, and later ones are no longer held."""
        given = _given({"order": text("oldest_first", "newest_first"), "copies": integer(1, 10)})
        policy = {**desk.state.setting("delivery_policy", {}), "held": False}
        with desk.state.transaction():
            desk.state.set_setting("delivery_policy", policy)
            newest_first = given.get("order") == "newest_first"
            released = deliveries.release(desk.state, newest_first=newest_first, copies=given.get("copies", 1))
        return jsonify({"released": released})

    @pages.post("/deliveries/drain")
    def drain() -> Response:
        given = _given({"seconds": SECONDS, "attempts": integer(1, 20)})
        seconds, attempts = float(given.get("seconds", 10)), given.get("attempts", 1)
        return jsonify(courier.drain(seconds=seconds, attempts=attempts))

    @pages.get("/deliveries")
    def list_deliveries() -> Response:
        columns = ("id", "event_id", "endpoint", "status", "held", "attempts", "last_answer")
        found = desk.state.rows(f"SELECT {', '.join(columns)} FROM delivery ORDER BY id")
        rows = [dict(zip(columns, row, strict=True)) for row in found]
        return jsonify({"deliveries": rows, "counts": deliveries.counts(desk.state)})

    @pages.post("/events/<event_id>/redelivery")
    def redeliver(event_id: str) -> Response:
        found = desk.state.rows("SELECT kind FROM object WHERE id = ? AND kind LIKE '%event'", event_id)
        if not found:
            raise missing_object("event", event_id)
        endpoint = events.SNAPSHOT if found[0][0] == "event" else events.THIN
        deliveries.again(desk.state, event_id, endpoint)
        return jsonify({"event": event_id})


def _play_people(pages: Blueprint, desk: Desk) -> None:
    @pages.post("/accounts/<account_id>/onboarding")
    def complete_onboarding(account_id: str) -> Response:
        return _act(desk, lambda call: accounts.set_capability(call, account_id, "active"))

    @pages.post("/accounts/<account_id>/capability")
    def set_capability(account_id: str) -> Response:
        status = _given({"status": text(*accounts.STATUSES, required=True)})["status"]
        return _act(desk, lambda call: accounts.set_capability(call, account_id, status))

    @pages.post("/invoices/<invoice_id>/payment")
    def pay_invoice(invoice_id: str) -> Response:
        given = _given({"method": METHOD, "outcome": OUTCOME})
        method, outcome = given.get("method", payments.CARD), given.get("outcome", payments.SUCCEEDED)
        return _act(desk, lambda call: invoice_paying.pay_at_page(call, invoice_id, method=method, outcome=outcome))

    @pages.post("/checkout/<session_id>/payment")
    def pay_session(session_id: str) -> Response:
        way = _given({"method": WAY}).get("method", payments.CARD)
        return _act(desk, lambda call: checkout_paying.pay_session(call, session_id, way=way))

    @pages.post("/subscriptions/<subscription_id>/method")
    def set_method(subscription_id: str) -> Response:
        """What the renewals are paid with from now on."""
        way = _given({"method": WAY}).get("method", payments.CARD)
        return _act(desk, lambda call: portal_sessions.pay_by(call, subscription_id, way))

    @pages.post("/refunds/<refund_id>/settlement")
    def settle_refund(refund_id: str) -> Response:
        return _act(desk, lambda call: refunds.settle_refund(call, refund_id))

    @pages.post("/refunds/<refund_id>/failure")
    def fail_refund(refund_id: str) -> Response:
        return _act(desk, lambda call: refunds.fail_refund(call, refund_id))


def _play_banks(pages: Blueprint, desk: Desk) -> None:
    @pages.post("/charges/<charge_id>/dispute")
    def dispute(charge_id: str) -> Response:
        given = _given({"amount": integer(1), "reason": text(*disputes.REASONS), "inquiry": boolean()})
        return _act(
            desk,
            lambda call: disputes.open_dispute(
                call,
                charge_id,
                reason=given.get("reason", "fraudulent"),
                inquiry=given.get("inquiry", False),
                amount=given.get("amount"),
            ),
        )

    @pages.post("/disputes/<dispute_id>/escalation")
    def escalate(dispute_id: str) -> Response:
        return _act(desk, lambda call: disputes.escalate(call, dispute_id))

    @pages.post("/disputes/<dispute_id>/outcome")
    def decide(dispute_id: str) -> Response:
        outcome = _given({"outcome": text(*disputes.ENDED, required=True)})["outcome"]
        return _act(desk, lambda call: disputes.decide(call, dispute_id, outcome))

    @pages.post("/charges/<charge_id>/fraud-warning")
    def warn(charge_id: str) -> Response:
        fraud_type = _given({"type": text(*fraud.TYPES)}).get("type", "misc")
        return _act(desk, lambda call: fraud.warn(call, charge_id, fraud_type))

    @pages.post("/payouts/<payout_id>/failure")
    def fail_payout(payout_id: str) -> Response:
        return _act(desk, lambda call: balance.fail_payout(call, payout_id))


def _move_money_and_time(pages: Blueprint, desk: Desk) -> None:
    state = desk.state

    @pages.post("/balance")
    def set_balance() -> Response:
        """``fund`` adds to the available balance by a top-up, ``available`` brings it to an amount."""
        given = _given({"fund": integer(1), "available": integer(-99_999_999_99), "currency": currency_code()})
        currency = given.get("currency", balance.DEFAULT_CURRENCY)
        with state.transaction():
            if "fund" in given:
                balance.create_topup(Call(state, desk.public_url, {"amount": given["fund"], "currency": currency}))
            if "available" in given:
                balance.set_available(Call(state, desk.public_url), given["available"], currency)
        return jsonify(balance.balance_of(state))

    @pages.post("/accounts/<account_id>/payout")
    def pay_out(account_id: str) -> Response:
        """The connected account takes its money out, all of it unless an amount is named."""
        given = _given({"amount": integer(1), "currency": currency_code()})
        currency = given.get("currency", balance.DEFAULT_CURRENCY)
        accounts.fetch_account(state, account_id)
        amount = given.get("amount") or balance.available(state, currency, account_id)
        call = Call(state, desk.public_url, {"amount": amount, "currency": currency}, account=account_id)
        with state.transaction():
            return jsonify(balance.create_payout(call))

    @pages.post("/settings")
    def set_settings() -> Response:
        given = _given({"available_after_seconds": integer(0)})
        for name, value in given.items():
            state.set_setting(name, value)
        return jsonify(given)

    @pages.post("/clock")
    def move_clock() -> Response:
        """``advance_seconds`` moves it on, ``now`` sets it; it then runs as clocks do."""
        given = _given({"advance_seconds": integer(), "now": integer(0)})
        offset = int(state.setting("clock_offset_seconds", 0)) + given.get("advance_seconds", 0)
        if "now" in given:
            offset = given["now"] - int(time.time())
        state.set_setting("clock_offset_seconds", offset)
        passing.catch_up(state, desk.public_url)
        return jsonify({"now": state.now()})

    @pages.post("/reset")
    def reset() -> Response:
        desk.faults.clear()
        state.reset()
        return jsonify({"reset": True})


def _set_rates(pages: Blueprint, desk: Desk) -> None:
    state = desk.state

    @pages.post("/exchange")
    def set_rate() -> Response:
        """What is charged in one currency settles in the other from now on; ``rate`` as in a balance transaction."""
        wanted = {"presented": currency_code(required=True), "settled": currency_code(required=True), "rate": RATE}
        given = _given(wanted)
        if given["presented"] == given["settled"] or given["rate"] <= 0:
            raise Refusal(400, "A rate is above zero and between two currencies.")
        return jsonify(exchange.set_rate(state, given["presented"], given["settled"], str(given["rate"])))

    @pages.delete("/exchange")
    def forget_rates() -> Response:
        exchange.forget_rates(state)
        return jsonify({})

    @pages.post("/tax-rates")
    def set_tax_rates() -> Response:
        """What is taxed at which rate from now on, by the payer's country and the line's tax code."""
        return jsonify({"rates": taxes.set_rates(state, _given(TAX_RATES)["rates"])})


def _show(pages: Blueprint, desk: Desk) -> None:
    @pages.get("/ready")
    def ready() -> Response:
        return jsonify({"ready": True, "public_url": desk.public_url})

    @pages.get("/calls")
    def list_calls() -> Response:
        """Oldest first; ``?method=&path=&idempotency_key=`` narrow it, ``path`` being a prefix."""
        columns = (
            "request_id", "method", "path", "idempotency_key", "account", "parameters", "status", "replayed", "fault",
        )  # fmt: skip
        sql = f"SELECT {', '.join(columns)} FROM call WHERE path LIKE ? || '%' AND method LIKE ?"
        key = request.args.get("idempotency_key", "")
        found = desk.state.rows(
            f"{sql} AND (? = '' OR idempotency_key = ?) ORDER BY id DESC LIMIT {MOST_SHOWN_CALLS}",
            request.args.get("path", ""),
            request.args.get("method", "%"),
            key,
            key,
        )
        return jsonify({"calls": [dict(zip(columns, row, strict=True)) for row in reversed(found)]})

    @pages.get("/counters")
    def counters() -> Response:
        number = dict(desk.state.rows("SELECT kind, count(*) FROM object GROUP BY kind"))
        calls = desk.state.rows("SELECT count(*), coalesce(sum(replayed), 0) FROM call")[0]
        return jsonify({**{kind: number.get(kind, 0) for kind in COUNTED}, "calls": calls[0], "replayed": calls[1]})
