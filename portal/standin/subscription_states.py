"""How a subscription stands, changed by what became of its invoices."""

from portal.standin import events, objects
from portal.standin.endpoints import Call
from portal.standin.objects import Body

KIND = "subscription"
ACTIVE, PAST_DUE, CANCELED, TRIALING = "active", "past_due", "canceled", "trialing"


def subscription_of(invoice: Body) -> str | None:
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    return details.get("subscription")


def paid(call: Call, invoice: Body) -> None:
    _stands(call, invoice, PAST_DUE, ACTIVE)


def unpaid(call: Call, invoice: Body) -> None:
    _stands(call, invoice, ACTIVE, PAST_DUE)


def _stands(call: Call, invoice: Body, before: str, after: str) -> None:
    subscription_id = subscription_of(invoice)
    body = objects.find(call.state, KIND, subscription_id) if subscription_id else None
    if body is not None and body["status"] == before:
        save(call, body, status=after)


def save(call: Call, body: Body, **changes: object) -> Body:
    """The subscription changed, and told of."""
    was = dict(body)
    body.update(changes)
    objects.save(call.state, body)
    events.record(call, "customer.subscription.updated", body, previous=was)
    return body


def end(call: Call, body: Body) -> Body:
    now = call.state.now()
    body.update(status=CANCELED, ended_at=now, canceled_at=body["canceled_at"] or now, cancel_at_period_end=False)
    objects.save(call.state, body)
    events.record(call, "customer.subscription.deleted", body)
    return body
