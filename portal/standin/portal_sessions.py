"""The customer portal: Stripe's page where a payer sees invoices, and changes or cancels what it pays.

What a payer may do there stands in a configuration; a session without one allows everything.
"""

from portal.standin import events, objects, payments
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import boolean, group, merged_metadata, metadata, text
from portal.standin.refusals import bad_parameter, refused
from portal.standin.subscription_states import CANCELED, KIND, save
from portal.standin.subscriptions import period_end

SESSION, CONFIGURATION = "billing_portal.session", "billing_portal.configuration"
# docs.stripe.com/customer-management/integrate-customer-portal: an unused session ends after minutes, a used one later.
OPEN_SECONDS = 3600


def create_configuration(call: Call) -> Body:
    given = call.parameters
    body: Body = {
        "id": objects.new_id("bpc"),
        "object": CONFIGURATION,
        "active": True,
        "created": call.state.now(),
        "features": given["features"],
        "is_default": False,
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata")),
        "updated": call.state.now(),
    }
    objects.insert(call.state, body)
    events.record(call, "billing_portal.configuration.created", body)
    return body


def list_configurations(call: Call) -> Body:
    return objects.page(call.state, CONFIGURATION, call.parameters, url="/v1/billing_portal/configurations")


def may_cancel(call: Call, session: Body) -> bool:
    """Whether a subscription can be cancelled at this page."""
    configuration = objects.find(call.state, CONFIGURATION, session["configuration"])
    if configuration is None:
        return True
    cancelling = configuration["features"].get("subscription_cancel") or {}
    return bool(cancelling.get("enabled"))


def create_session(call: Call) -> Body:
    given = call.parameters
    objects.fetch(call.state, "customer", given["customer"], param="customer")
    if given.get("configuration"):
        objects.fetch(call.state, CONFIGURATION, given["configuration"], param="configuration")
    if not given.get("return_url"):
        raise bad_parameter("Pass a return_url: the stand-in has no default configuration.", "return_url")
    session_id = objects.new_id("bps")
    token = objects.new_id("test", 40)
    body: Body = {
        "id": session_id,
        "object": SESSION,
        "configuration": given.get("configuration") or "bpc_standin",
        "created": call.state.now(),
        "customer": given["customer"],
        "flow": None,
        "livemode": False,
        "locale": given.get("locale"),
        "on_behalf_of": None,
        "return_url": given["return_url"],
        "url": f"{call.public_url}/hosted/portal/{token}",
        "_token": token,
    }
    return objects.insert(call.state, body)


def pay_by(call: Call, subscription_id: str, way: str) -> Body:
    """What the renewals are paid with from now on."""
    body = objects.fetch(call.state, KIND, subscription_id)
    method = payments.on_file(call, body["customer"], way)
    return objects.save(call.state, {**body, "_way": way, "default_payment_method": method})


def change_method(call: Call, customer_id: str, way: str) -> None:
    """The customer puts another card or account on file: every subscription is paid with it."""
    for body in objects.every(call.state, KIND, customer=customer_id):
        pay_by(call, body["id"], way)
    customer = objects.fetch(call.state, "customer", customer_id)
    events.record(call, "customer.updated", customer)


def cancel_at_end(call: Call, customer_id: str, subscription_id: str, *, wanted: bool) -> None:
    """The customer cancels to the end of what is paid, or takes that back."""
    body = objects.fetch(call.state, KIND, subscription_id)
    if body["customer"] != customer_id or body["status"] == CANCELED:
        raise refused("This subscription can no longer be changed.")
    save(
        call,
        body,
        cancel_at_period_end=wanted,
        cancel_at=period_end(body) if wanted else None,
        canceled_at=call.state.now() if wanted else None,
    )


SWITCH = group({"enabled": boolean(required=True)}, required=True)
FEATURES = group(
    dict.fromkeys(("invoice_history", "payment_method_update", "subscription_cancel"), SWITCH), required=True
)
ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/billing_portal/configurations",
        create_configuration,
        {"features": FEATURES, "metadata": metadata()},
    ),
    Endpoint("GET", "/v1/billing_portal/configurations", list_configurations, PAGING),
    Endpoint(
        "POST",
        "/v1/billing_portal/sessions",
        create_session,
        {"customer": text(required=True), "configuration": text(), "locale": text(), "return_url": text()},
    ),
)
