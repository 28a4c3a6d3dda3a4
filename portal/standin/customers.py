"""Customers, and search by metadata for the objects that Stripe lets one search.

Search at Stripe lags behind writes by up to a minute; here it does not, so nothing should depend on that.
"""

import re

from portal.standin import events, objects, subscription_states
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import group, integer, many, merged_metadata, metadata, text
from portal.standin.refusals import bad_parameter

CLAUSE = re.compile(r"""(?:(metadata)\[(['"])(.+?)\2\]|(\w+))\s*:\s*(['"])(.*?)\5""")
JOINER = re.compile(r"\s+AND\s+", re.IGNORECASE)
PLAIN = ("name", "email", "phone", "description", "address", "preferred_locales", "shipping", "tax_exempt")
# What is left of one: its id, so that it is told apart from one that never was.
DELETED = "customer.deleted"
SEARCHES = {"customers": "customer", "invoices": "invoice", "charges": "charge", "payment_intents": "payment_intent"}


def create_customer(call: Call) -> Body:
    given = call.parameters
    body: Body = {
        "id": objects.new_id("cus", 14),
        "object": "customer",
        "balance": 0,
        "created": call.state.now(),
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "discount": None,
        "invoice_prefix": given.get("invoice_prefix") or objects.new_id("", 8)[1:].upper(),
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata")),
        "next_invoice_sequence": 1,
        "test_clock": None,
        **{name: given.get(name) for name in PLAIN},
    }
    body["preferred_locales"] = body["preferred_locales"] or []
    body["tax_exempt"] = body["tax_exempt"] or "none"
    objects.insert(call.state, body)
    events.record(call, "customer.created", body)
    return body


def retrieve_customer(call: Call, customer_id: str) -> Body:
    gone = objects.find(call.state, DELETED, customer_id)
    return _shown_gone(customer_id) if gone else objects.fetch(call.state, "customer", customer_id)


def delete_customer(call: Call, customer_id: str) -> Body:
    """docs.stripe.com/api/customers/delete: for good, and its subscriptions end at once; invoices stay."""
    body = objects.fetch(call.state, "customer", customer_id)
    for subscription in objects.every(call.state, subscription_states.KIND, customer=customer_id):
        if subscription["status"] != subscription_states.CANCELED:
            subscription_states.end(call, subscription)
    objects.remove(call.state, customer_id)
    objects.insert(call.state, {"id": customer_id, "object": DELETED})
    events.record(call, "customer.deleted", body)
    return _shown_gone(customer_id)


def _shown_gone(customer_id: str) -> Body:
    return {"id": customer_id, "object": "customer", "deleted": True}


def update_customer(call: Call, customer_id: str) -> Body:
    body = objects.fetch(call.state, "customer", customer_id)
    before = dict(body)
    given = call.parameters
    if "metadata" in given:
        body["metadata"] = merged_metadata(body["metadata"], given["metadata"])
    body.update({name: given[name] for name in (*PLAIN, "invoice_prefix") if name in given})
    objects.save(call.state, body)
    events.record(call, "customer.updated", body, previous=before)
    return body


def list_customers(call: Call) -> Body:
    equal = {"email": call.parameters.get("email")}
    return objects.page(call.state, "customer", call.parameters, url="/v1/customers", equal=equal)


def search(call: Call) -> Body:
    """Clauses ``field:"value"`` and ``metadata["key"]:"value"`` joined by AND, all exact."""
    given = call.parameters
    collection = call.path.split("/")[2]
    bodies = objects.every(call.state, SEARCHES[collection])[::-1]
    for clause in JOINER.split(given["query"].strip()):
        match = CLAUSE.fullmatch(clause.strip())
        if not match:
            raise bad_parameter(f"We were unable to parse your search query near: {clause}", "query")
        bodies = [body for body in bodies if _satisfies(body, match)]
    limit, start = given.get("limit") or 10, given.get("page") or 0
    more = len(bodies) > start + limit
    return {
        "object": "search_result",
        "data": bodies[start : start + limit],
        "has_more": more,
        "next_page": str(start + limit) if more else None,
        "url": f"/v1/{collection}/search",
    }


def _satisfies(body: Body, clause: re.Match[str]) -> bool:
    if clause[1]:
        return bool(body.get("metadata", {}).get(clause[3]) == clause[6])
    return str(body.get(clause[4])) == clause[6]


ADDRESS = group({name: text() for name in ("city", "country", "line1", "line2", "postal_code", "state")})
CUSTOMER = {
    "address": ADDRESS,
    "description": text(),
    "email": text(longest=512),
    "invoice_prefix": text(longest=12),
    "metadata": metadata(),
    "name": text(longest=256),
    "phone": text(longest=20),
    "preferred_locales": many(text()),
    "shipping": group({"address": ADDRESS, "name": text(), "phone": text()}),
    "tax_exempt": text("exempt", "none", "reverse"),
}
SEARCH = {"query": text(required=True), "limit": integer(1, 100), "page": integer(0)}
ENDPOINTS = (
    *(Endpoint("GET", f"/v1/{collection}/search", search, SEARCH) for collection in SEARCHES),
    Endpoint("POST", "/v1/customers", create_customer, CUSTOMER),
    Endpoint("GET", "/v1/customers", list_customers, {**PAGING, "email": text()}),
    Endpoint("GET", "/v1/customers/<id>", retrieve_customer),
    Endpoint("POST", "/v1/customers/<id>", update_customer, CUSTOMER),
    Endpoint("DELETE", "/v1/customers/<id>", delete_customer),
)
