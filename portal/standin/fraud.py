"""Early fraud warnings: the card's issuer suspects fraud before anybody disputes. Made by the control API only.

A warning is actionable until the charge is refunded in full or disputed.
Source: docs.stripe.com/api/radar/early_fraud_warnings (2026-11).
"""

from portal.standin import events, objects
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import text

KIND = "radar.early_fraud_warning"
TYPES = (
    "card_never_received", "fraudulent_card_application", "made_with_counterfeit_card", "made_with_lost_card",
    "made_with_stolen_card", "misc", "unauthorized_use_of_card",
)  # fmt: skip


def warn(call: Call, charge_id: str, fraud_type: str) -> Body:
    charge = objects.fetch(call.state, "charge", charge_id)
    body: Body = {
        "id": objects.new_id("issfr"),
        "object": KIND,
        "actionable": not charge["refunded"] and not charge["disputed"],
        "charge": charge_id,
        "created": call.state.now(),
        "fraud_type": fraud_type,
        "livemode": False,
        "payment_intent": charge["payment_intent"],
    }
    objects.insert(call.state, body)
    events.record(call, f"{KIND}.created", body)
    return body


def answered(call: Call, charge_id: str) -> None:
    """The charge was refunded or disputed: nothing is left to do about its warnings."""
    charge = objects.fetch(call.state, "charge", charge_id)
    if not charge["refunded"] and not charge["disputed"]:
        return
    for body in objects.every(call.state, KIND, charge=charge_id):
        if body["actionable"]:
            before = dict(body)
            body["actionable"] = False
            objects.save(call.state, body)
            events.record(call, f"{KIND}.updated", body, previous=before)


def retrieve_warning(call: Call, warning_id: str) -> Body:
    return objects.fetch(call.state, KIND, warning_id)


def list_warnings(call: Call) -> Body:
    equal = {name: call.parameters.get(name) for name in ("charge", "payment_intent")}
    return objects.page(call.state, KIND, call.parameters, url="/v1/radar/early_fraud_warnings", equal=equal)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/radar/early_fraud_warnings",
        list_warnings,
        {**PAGING, "charge": text(), "payment_intent": text()},
    ),
    Endpoint("GET", "/v1/radar/early_fraud_warnings/<id>", retrieve_warning),
)
