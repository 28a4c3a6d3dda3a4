"""Connected accounts by Accounts v2: recipients that may be sent transfers once their capability is active.

A new capability is pending until onboarding is finished on the hosted page. A change of its status is a thin event.
What is not named in ``include`` comes back null, as at Stripe.
"""

from typing import Any

from portal.standin import events, objects
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import Body
from portal.standin.parameters import Field, boolean, group, integer, many, merged_metadata, metadata, text
from portal.standin.refusals import Refusal, bad_parameter
from portal.standin.state import State

KIND = "v2.core.account"
LINK_SECONDS = 5 * 60
INCLUDES = (
    "configuration.customer",
    "configuration.merchant",
    "configuration.recipient",
    "defaults",
    "future_requirements",
    "identity",
    "requirements",
)
STATUSES = ("pending", "active", "restricted", "unsupported")
STATUS_DETAILS = {
    "pending": [{"code": "determining_status", "resolution": "no_resolution"}],
    "restricted": [{"code": "requirements_past_due", "resolution": "provide_info"}],
    "unsupported": [{"code": "unsupported_country", "resolution": "contact_stripe"}],
    "active": [],
}
CAPABILITY = "stripe_balance.stripe_transfers"


def create_account(call: Call) -> Body:
    given = call.parameters
    identity = given.get("identity") or {}
    if _requested(given) and not identity.get("country"):
        raise bad_parameter("identity.country is required to request capabilities.", "identity.country")
    now = call.state.now()
    body: Body = {
        "id": objects.new_id("acct", 16),
        "object": KIND,
        "applied_configurations": ["recipient"] if given.get("configuration") else [],
        "closed": False,
        "configuration": None,
        "contact_email": given.get("contact_email"),
        "contact_phone": given.get("contact_phone"),
        "created": objects.iso(now),
        "dashboard": given.get("dashboard") or "none",
        "defaults": given.get("defaults") or {},
        "display_name": given.get("display_name"),
        "future_requirements": {"entries": []},
        "identity": identity,
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata")),
        "requirements": None,
        "_status": "pending" if _requested(given) else None,
        "_onboarded": False,
    }
    objects.insert(call.state, body)
    events.record_thin(call, "v2.core.account.created", body)
    return _included(body, given.get("include"))


def retrieve_account(call: Call, account_id: str) -> Body:
    return _included(fetch_account(call.state, account_id), call.parameters.get("include"))


def update_account(call: Call, account_id: str) -> Body:
    body = fetch_account(call.state, account_id)
    given = call.parameters
    for name in ("contact_email", "contact_phone", "display_name", "dashboard"):
        if name in given:
            body[name] = given[name]
    for name in ("identity", "defaults"):
        body[name] = {**body[name], **(given.get(name) or {})}
    if "metadata" in given:
        body["metadata"] = merged_metadata(body["metadata"], given["metadata"])
    if given.get("configuration") and "recipient" not in body["applied_configurations"]:
        body["applied_configurations"].append("recipient")
    if _requested(given) and body["_status"] is None:
        body["_status"] = "active" if body["_onboarded"] else "pending"
    objects.save(call.state, body)
    events.record_thin(call, "v2.core.account.updated", body)
    return _included(body, given.get("include"))


def list_accounts(call: Call) -> Body:
    bodies = objects.every(call.state, KIND)[::-1]
    return events.thin_page(call, [_included(body, None) for body in bodies], "/v2/core/accounts")


def create_account_link(call: Call) -> Body:
    given = call.parameters
    account = fetch_account(call.state, given["account"], status=400)
    kind = given["use_case"]["type"]
    details = given["use_case"].get(kind)
    if details is None:
        raise bad_parameter(f"use_case.{kind} is required.", f"use_case.{kind}", code="parameter_missing")
    now = call.state.now()
    token = objects.new_id("link", 32)
    body: Body = {
        "id": token,
        "object": "v2.core.account_link",
        "account": account["id"],
        "created": objects.iso(now),
        "expires_at": objects.iso(now + LINK_SECONDS),
        "livemode": False,
        "url": f"{call.public_url}/hosted/onboarding/{token}",
        "use_case": given["use_case"],
        "_expires": now + LINK_SECONDS,
        "_used": False,
        "_return_url": details.get("return_url") or details["refresh_url"],
        "_refresh_url": details["refresh_url"],
    }
    objects.insert(call.state, body)
    return {key: value for key, value in body.items() if key != "id"}


def fetch_account(state: State, account_id: str, *, status: int = 404) -> Body:
    body = objects.find(state, KIND, account_id)
    if body is None:
        raise Refusal(status, f"Account {account_id} not found.", code="not_found")
    return body


def set_capability(call: Call, account_id: str, status: str) -> Body:
    """Move the transfers capability and tell so by a thin event, if it is a move at all."""
    body = fetch_account(call.state, account_id)
    if body["_status"] == status:
        return body
    body["_status"] = status
    if status == "active":
        body["_onboarded"] = True
    objects.save(call.state, body)
    changed = "v2.core.account[configuration.recipient].capability_status_updated"
    events.record_thin(call, changed, body, {"updated_capability": CAPABILITY})
    events.record_thin(call, "v2.core.account[requirements].updated", body)
    return body


def transfers_active(body: Body) -> bool:
    return bool(body["_status"] == "active")


def _requested(given: dict[str, Any]) -> bool:
    recipient = (given.get("configuration") or {}).get("recipient") or {}
    balance = (recipient.get("capabilities") or {}).get("stripe_balance") or {}
    return bool((balance.get("stripe_transfers") or {}).get("requested"))


def _included(body: Body, include: list[str] | None) -> Body:
    wanted = include or []
    configuration: Body = {"customer": None, "merchant": None, "recipient": None}
    if "configuration.recipient" in wanted and "recipient" in body["applied_configurations"]:
        configuration["recipient"] = {"applied": True, "capabilities": _capabilities(body["_status"])}
    return {
        **body,
        "configuration": configuration if any(name.startswith("configuration.") for name in wanted) else None,
        "defaults": body["defaults"] if "defaults" in wanted else None,
        "future_requirements": body["future_requirements"] if "future_requirements" in wanted else None,
        "identity": body["identity"] if "identity" in wanted else None,
        "requirements": _requirements(body) if "requirements" in wanted else None,
    }


def _capabilities(status: str | None) -> Body | None:
    if status is None:
        return None
    shown = {"requested": True, "status": status, "status_details": STATUS_DETAILS[status]}
    return {"stripe_balance": {"stripe_transfers": shown}}


def _requirements(body: Body) -> Body:
    """What is still to be provided, in one entry: the stand-in asks for one thing, a bank account."""
    if body["_status"] not in ("pending", "restricted") or (body["_onboarded"] and body["_status"] == "pending"):
        return {"collector": "stripe", "entries": [], "summary": None}
    deadline = "past_due" if body["_status"] == "restricted" else "currently_due"
    entry = {
        "awaiting_action_from": "user",
        "description": "external_account",
        "errors": [],
        "impact": {"restricts_capabilities": [{"capability": CAPABILITY, "configuration": "recipient"}]},
        "minimum_deadline": {"status": deadline},
        "requested_reasons": [{"code": "routine_onboarding"}],
    }
    return {"collector": "stripe", "entries": [entry], "summary": {"minimum_deadline": {"status": deadline}}}


def _fields() -> dict[str, Field]:
    transfers = group({"requested": boolean(required=True)})
    capabilities = group({"stripe_balance": group({"stripe_transfers": transfers})})
    responsibilities = group({"fees_collector": text(), "losses_collector": text()})
    address = group({name: text() for name in ("line1", "line2", "city", "state", "postal_code", "country")})
    business = group({"registered_name": text(), "doing_business_as": text(), "address": address, "phone": text()})
    identity = {"country": text(longest=2), "entity_type": text(), "business_details": business}
    return {
        "configuration": group({"recipient": group({"capabilities": capabilities})}),
        "contact_email": text(),
        "contact_phone": text(),
        "dashboard": text("express", "full", "none"),
        "defaults": group({"currency": text(), "responsibilities": responsibilities, "locales": many(text())}),
        "display_name": text(),
        "identity": group(identity),
        "include": many(text(*INCLUDES)),
        "metadata": metadata(),
    }


ACCOUNT = _fields()
FLOW = group(
    {
        "collection_options": group({"fields": text(), "future_requirements": text()}),
        "refresh_url": text(required=True),
        "return_url": text(),
    }
)
USE_CASE = group(
    {
        "type": text("account_onboarding", "account_update", required=True),
        "account_onboarding": FLOW,
        "account_update": FLOW,
    },
    required=True,
)
ENDPOINTS = (
    Endpoint("POST", "/v2/core/accounts", create_account, ACCOUNT),
    Endpoint("GET", "/v2/core/accounts", list_accounts, {"limit": integer(1, 100), "page": integer(0)}),
    Endpoint("GET", "/v2/core/accounts/<id>", retrieve_account, {"include": many(text(*INCLUDES))}),
    Endpoint("POST", "/v2/core/accounts/<id>", update_account, ACCOUNT),
    Endpoint(
        "POST", "/v2/core/account_links", create_account_link, {"account": text(required=True), "use_case": USE_CASE}
    ),
)
