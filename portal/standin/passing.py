"""What happens by the passing of time: debits end, periods renew, failed renewals are tried again, checkouts close.

Each act was planned for a moment and happens as of that moment, in order, once the clock has come there: with the next
call of the API, or at once when the control API moves the clock.
"""

from collections.abc import Callable

from portal.standin import checkout, checkout_paying, invoice_paying, invoices, objects, payments, subscriptions
from portal.standin.endpoints import Call
from portal.standin.refusals import Refusal
from portal.standin.state import State
from portal.standin.subscription_states import subscription_of

MOST_AT_ONCE = 10_000


def catch_up(state: State, public_url: str) -> None:
    """Everything that is due by now."""
    for _ in range(MOST_AT_ONCE):
        if not state.rows("SELECT 1 FROM due WHERE at <= ? LIMIT 1", state.now()):
            return
        with state.transaction() as connection:
            due = connection.execute("SELECT id, at, act, object_id FROM due ORDER BY at, id LIMIT 1").fetchone()
            if due is None or due[1] > state.now():
                return
            connection.execute("DELETE FROM due WHERE id = ?", (due[0],))
            with state.moment(due[1]):
                ACTS[due[2]](Call(state, public_url), due[3])


def _debit_succeeds(call: Call, intent_id: str) -> None:
    _end_debit(call, intent_id, payments.SUCCEEDED)


def _debit_fails(call: Call, intent_id: str) -> None:
    _end_debit(call, intent_id, payments.FAILED)


def _end_debit(call: Call, intent_id: str, outcome: str) -> None:
    """By its invoice where there is one, so that the invoice ends with it."""
    if objects.fetch(call.state, "payment_intent", intent_id)["status"] != "processing":
        return
    of_invoice = objects.every(call.state, "invoice_payment", _intent=intent_id)
    if of_invoice:
        invoice_id = of_invoice[0]["invoice"]
        invoice_paying.pay_at_page(call, invoice_id, method=payments.BANK, outcome=outcome)
        invoice = objects.fetch(call.state, invoices.KIND, invoice_id)
        subscription_id = subscription_of(invoice)
        if outcome == payments.FAILED and subscription_id:
            subscriptions.plan_retry(call, subscription_id)
    else:
        payments.pay_intent(call, intent_id, method=payments.BANK, outcome=outcome)
    checkout_paying.debit_ended(call, intent_id, succeeded=outcome == payments.SUCCEEDED)


def _retry(call: Call, subscription_id: str) -> None:
    try:
        subscriptions.retry(call, subscription_id)
    except Refusal:
        # The invoice is being paid at its page meanwhile.
        return


ACTS: dict[str, Callable[[Call, str], None]] = {
    "debit_succeeded": _debit_succeeds,
    "debit_failed": _debit_fails,
    "renewal": subscriptions.renew,
    "retry": _retry,
    "session_over": checkout.over,
}
