"""One step of an intent as a call to Stripe: making it, or finding out whether it was made before."""

from __future__ import annotations

from portal.payments.charging.unused import ARCHIVED
from portal.payments.gateway import Gateway
from portal.payments.outcomes import Call, Result
from portal.payments.provider import AccountState, CheckoutState, RefundState, Refused, SubscriptionState, Unknown
from portal.payments.refunding import refund_facts
from portal.payments.rules import ANSWERABLE_DISPUTES, is_at_once, lines_of_step
from portal.payments.taxing.finalizing import number, numbered

_BUYING = (
    "checkout",
    "checkout_expiry",
    "subscription_change",
    "subscription_end",
    "portal_configuration",
    "plan_change",
)


def make(gateway: Gateway, call: Call) -> Result:
    """Make the call with its key. *Raises*: Refused, Unknown, Busy."""
    if lines := lines_of_step(call.step, call.request.get("items", ())):
        return Result(gateway.add_invoice_lines(call.done["invoice"], lines, call.key))
    if call.step == "account":
        return _of_account(gateway.create_account(call.request, call.key))
    if call.step == "customer":
        return Result(gateway.create_customer(call.request, call.key))
    if call.step == "invoice":
        draft = {**call.request["invoice"], "customer": call.done["customer"]}
        return Result(gateway.create_invoice(draft, call.key).id)
    if call.step == "tax_payer":
        return Result(gateway.place_payer(call.done["customer"], call.done["payer"], call.key))
    if call.step == "finalize":
        return number(gateway, call)
    if call.step == "send":
        return Result(gateway.send_invoice(call.done["invoice"], call.key).id)
    if call.kind in _BUYING:
        return _make_buying(gateway, call)
    if call.step == "transfer":
        return Result(gateway.create_transfer(call.request, call.key).id)
    if call.step == "transfer_reversal":
        return Result(gateway.reverse_transfer(call.done["transfer"], call.request["reversal"], call.key))
    if call.step in _GOING_BACK:
        return _make_going_back(gateway, call)
    return Result(gateway.mark_paid_out_of_band(call.done["invoice"], call.key).id)


_GOING_BACK = frozenset({"refund", "credit_note", "file", "submit"})


def _make_going_back(gateway: Gateway, call: Call) -> Result:
    if call.step == "refund":
        return _of_refund(gateway.create_refund(call.request["refund"], call.key))
    if call.step == "credit_note":
        request = {**call.request["credit_note"], "invoice": call.done["invoice"]}
        return Result(gateway.create_credit_note(request, call.key))
    if call.step == "file":
        return Result(gateway.upload_evidence(call.request["file_name"], call.done["content"], call.key))
    evidence = {**call.request["evidence"], "service_documentation": call.done["file"]}
    return Result(gateway.submit_evidence(call.request["dispute"], {"evidence": evidence, "submit": True}, call.key))


def look_up(gateway: Gateway, call: Call) -> Result | None:
    """What the step made, found at Stripe by the intent's id; None is proof that it made nothing."""
    if lines := lines_of_step(call.step, call.request.get("items", ())):
        return _look_up_lines(gateway, call, {line["metadata"]["position"] for line in lines})
    if call.step == "account":
        account = gateway.find_account(call.intent_id)
        # The list leaves out what has to be asked for by name.
        return _of_account(gateway.retrieve_account(account.id)) if account else None
    if call.step == "customer":
        customer = gateway.find_customer(call.intent_id)
        return Result(customer) if customer else None
    if call.kind in _BUYING:
        return _look_up_buying(gateway, call)
    if call.step == "transfer":
        made = [
            one for one in gateway.find_transfers(call.request["transfer_group"]) if one.intent_id == call.intent_id
        ]
        return Result(made[0].id) if made else None
    if call.step == "transfer_reversal":
        reversal = gateway.find_reversal(call.done["transfer"], call.intent_id)
        return Result(reversal) if reversal else None
    if call.step in _GOING_BACK:
        return _look_up_going_back(gateway, call)
    return _look_up_invoice(gateway, call)


def _look_up_going_back(gateway: Gateway, call: Call) -> Result | None:
    if call.step == "refund":
        found = gateway.find_refund(call.request["refund"]["charge"], call.intent_id)
        return _of_refund(found) if found else None
    if call.step == "credit_note":
        note = gateway.find_credit_note(call.done["invoice"], call.intent_id)
        return Result(note) if note else None
    if call.step == "submit" and gateway.retrieve_dispute(call.request["dispute"]).status not in ANSWERABLE_DISPUTES:
        return Result(call.request["dispute"])
    # A file that nothing names does no harm: it is sent again.
    return None


def _look_up_lines(gateway: Gateway, call: Call, positions: set[str]) -> Result | None:
    """Stripe adds the lines of a call together; some without the others are not what was sent."""
    there = positions & gateway.invoice_line_positions(call.done["invoice"])
    if there and there != positions:
        raise Unknown("Stripe has only some of the lines that were sent together; somebody has to look.")
    return Result(call.done["invoice"]) if there else None


def _look_up_invoice(gateway: Gateway, call: Call) -> Result | None:
    if call.step == "tax_payer":
        # What a payer is set to is the same however often it is set.
        return None
    if call.step == "invoice":
        found = gateway.find_invoice(call.done["customer"], call.intent_id)
        return Result(found.id) if found else None
    invoice = gateway.retrieve_invoice(call.done["invoice"])
    if call.step == "finalize" and invoice.status != "draft":
        return numbered(gateway, call, invoice)
    if call.step == "out_of_band" and invoice.status == "paid":
        return Result(invoice.id)
    # Whether it was mailed cannot be seen; a second mail does no harm.
    return None


def _of_refund(refund: RefundState) -> Result:
    return Result(refund.id, refund_facts(refund))


def _make_buying(gateway: Gateway, call: Call) -> Result:
    if call.step == "tax_status":
        return Result(gateway.set_tax_status(call.done["customer"], call.request["tax_status"], call.key))
    if call.step == "checkout":
        wanted = {**call.request["session"], "customer": call.done["customer"]}
        return _of_checkout(gateway.create_checkout(wanted, call.key))
    if call.step == "checkout_expiry":
        return Result(gateway.expire_checkout(call.done["checkout"], call.key).id)
    if call.step == "subscription_change":
        changed = gateway.update_subscription(call.request["subscription"], call.request["change"], call.key)
        return Result(changed.id)
    if call.step == "product":
        return Result(gateway.create_product(call.request["product"], call.key))
    if call.step == "plan_change":
        return _of_change(_changed(gateway, call))
    if call.step == "coupon":
        return Result(gateway.create_coupon(call.request["coupon"], call.key))
    if call.step == "portal_configuration":
        return Result(gateway.create_portal_configuration(call.request, call.key))
    return Result(_ended(gateway, call))


def _look_up_buying(gateway: Gateway, call: Call) -> Result | None:
    if call.step == "checkout":
        made = gateway.find_checkout(call.done["customer"], call.intent_id)
        return _of_checkout(made) if made else None
    if call.step == "checkout_expiry":
        expired = gateway.retrieve_checkout(call.done["checkout"]).status != "open"
        return Result(call.done["checkout"]) if expired else None
    if call.step == "subscription_end":
        ended = gateway.retrieve_subscription(call.request["subscription"]).status == "canceled"
        return Result(call.request["subscription"]) if ended else None
    if call.step == "coupon":
        coupon = gateway.find_coupon(call.request["coupon"]["id"])
        return Result(coupon) if coupon else None
    if call.step == "product":
        product = gateway.find_product(call.request["product"]["id"])
        return Result(product) if product else None
    if call.step == "plan_change":
        found = gateway.retrieve_subscription(call.request["subscription"])
        return _of_change(found) if found.product_id == call.request["product"]["id"] else None
    if call.step == "portal_configuration":
        made_before = gateway.find_portal_configuration(call.intent_id)
        return Result(made_before) if made_before else None
    # A tax status and a change of a subscription are the same however often they are set.
    return None


def _changed(gateway: Gateway, call: Call) -> SubscriptionState:
    """Another price, from the next period on or at once."""
    request, subscription = call.request, call.request["subscription"]
    if call.done.get(ARCHIVED):
        gateway.sell_product(call.done["product"], active=True)
    item = {
        "id": request.get("item") or gateway.retrieve_subscription(subscription).item_id,
        "price_data": {**request["price"], "product": call.done["product"]},
    }
    wanted = {"items": [item], **request.get("change", {"proration_behavior": "none"})}
    if is_at_once(request):
        return gateway.change_at_once(subscription, wanted, call.key)
    return gateway.update_subscription(subscription, wanted, call.key)


def _of_change(changed: SubscriptionState) -> Result:
    return Result(changed.id, {"change_invoice": changed.latest_invoice_id})


def _ended(gateway: Gateway, call: Call) -> str:
    """The end of a subscription takes no key at Stripe: one that has ended already is what was wanted."""
    try:
        return gateway.cancel_subscription(call.request["subscription"], call.key).id
    except Refused:
        found = _look_up_buying(gateway, call)
        if found is None:
            raise
        return found.object_id


def _of_checkout(made: CheckoutState) -> Result:
    facts = {"url": made.url, "open_until": made.expires_at.isoformat(), "checkout_status": made.status}
    return Result(made.id, facts)


def _of_account(account: AccountState) -> Result:
    return Result(account.id, {"transfers_state": account.transfers_state, "requirements": list(account.requirements)})
