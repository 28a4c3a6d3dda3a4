"""The payer at the hosted invoice page, or the control API in the payer's place, pays an invoice by card or bank."""

from portal.standin import events, invoices, objects, payments, subscription_states
from portal.standin.endpoints import Call
from portal.standin.objects import Body
from portal.standin.refusals import refused


def pay_at_page(call: Call, invoice_id: str, *, method: str, outcome: str, ends: str | None = None) -> Body:
    """The invoice afterwards. Raises: Refusal for an invoice that cannot be paid, or is a draft."""
    body = objects.fetch(call.state, invoices.KIND, invoice_id)
    invoices.check_payable(body)
    opened = [payment for payment in body["payments"]["data"] if payment["status"] == "open"]
    if not opened:
        raise refused("This invoice is not open for payment; finalize it first.")
    payment = opened[0]
    intent = payments.pay_intent(call, payment["payment"]["payment_intent"], method=method, outcome=outcome, ends=ends)
    body["attempt_count"] += 1
    body["attempted"] = True
    if intent["status"] == "succeeded":
        return _paid(call, body, payment, intent)
    objects.save(call.state, body)
    if outcome == payments.FAILED:
        events.record(call, "invoice.payment_failed", invoices.full(call.state, body))
        subscription_states.unpaid(call, body)
    return invoices.full(call.state, body)


def _paid(call: Call, body: Body, payment: Body, intent: Body) -> Body:
    transitions = {**payment["status_transitions"], "paid_at": call.state.now()}
    paid = {**payment, "status": "paid", "amount_paid": intent["amount"], "status_transitions": transitions}
    invoices.save_payment(call, body, paid)
    settled = invoices.settle(call, body, amount_off_stripe=0)
    events.record(call, "invoice_payment.paid", paid)
    events.record(call, "invoice.payment_succeeded", settled)
    subscription_states.paid(call, body)
    return settled
