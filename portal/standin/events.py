"""Events: snapshots (v1, with the object inside) and thin ones (v2, naming the object), and reading them back.

Recording an event queues its delivery in the same transaction, when an address for its kind is configured.
"""

import copy
import re

from portal.standin import objects
from portal.standin.endpoints import API_VERSION, Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import boolean, integer, many, text
from portal.standin.refusals import Refusal, bad_parameter
from portal.standin.state import State

SNAPSHOT, THIN = "snapshot", "thin"
MOST_TYPES = 20
UNDELIVERED = "SELECT 1 FROM delivery WHERE event_id = object.id AND status <> 'delivered'"
# A star at the end of a type stands for the rest of it.
EVENT_TYPE = re.compile(r"[a-z0-9_.]*\*?")


def record(call: Call, event_type: str, body: Body, *, previous: Body | None = None, account: str = "") -> Body:
    """A snapshot event about the object as it is now."""
    content: Body = {"object": objects.shown(call.state, copy.deepcopy(body), [])}
    if previous is not None:
        content["previous_attributes"] = {key: value for key, value in previous.items() if body.get(key) != value}
    event: Body = {
        "id": objects.new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": call.state.now(),
        "data": content,
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": call.request_id, "idempotency_key": call.idempotency_key},
        "type": event_type,
    }
    if account:
        event["account"] = account
    objects.insert(call.state, event)
    _queue(call.state, event["id"], SNAPSHOT)
    return event


def record_thin(call: Call, event_type: str, related: Body, content: Body | None = None) -> Body:
    """A thin event about a v2 object. What ``fetch_event`` adds lies under ``data``."""
    reason = None
    if call.request_id:
        reason = {"type": "request", "request": {"id": call.request_id, "idempotency_key": call.idempotency_key or ""}}
    event: Body = {
        "id": objects.new_id("evt_test"),
        "object": "v2.core.event",
        "type": event_type,
        "created": objects.iso(call.state.now()),
        "livemode": False,
        "context": None,
        "reason": reason,
        "snapshot_event": None,
        "changes": None,
        "related_object": {
            "id": related["id"],
            "type": related["object"],
            "url": f"/v2/core/accounts/{related['id']}",
        },
    }
    if content is not None:
        event["data"] = content
    objects.insert(call.state, event)
    _queue(call.state, event["id"], THIN)
    return event


def delivered_body(event: Body, *, pending: int) -> Body:
    """What goes over the wire: a snapshot whole, a thin event without its data."""
    if event["object"] == "event":
        return {**event, "pending_webhooks": pending}
    return {key: value for key, value in event.items() if key not in ("data", "changes", "snapshot_event")}


def pending_deliveries(state: State, event_id: str) -> int:
    sql = "SELECT count(*) FROM delivery WHERE event_id = ? AND status = 'waiting'"
    return int(state.rows(sql, event_id)[0][0])


def list_events(call: Call) -> Body:
    given = call.parameters
    if given.get("type") and given.get("types"):
        raise bad_parameter("You may pass either `type` or `types`, not both.", "types")
    wanted = given.get("types") or ([given["type"]] if given.get("type") else [])
    if not all(EVENT_TYPE.fullmatch(pattern) for pattern in wanted):
        raise bad_parameter("Invalid event type.", "types")
    conditions = ["json_extract(body, '$.type') GLOB ?"] * len(wanted)
    sql = f"({' OR '.join(conditions)})" if conditions else "1"
    if given.get("delivery_success") is not None:
        sql += f" AND {'NOT' if given['delivery_success'] else ''} EXISTS ({UNDELIVERED})"
    found = objects.page(call.state, "event", given, url="/v1/events", also=(sql, wanted))
    found["data"] = [_with_pending(call.state, event) for event in found["data"]]
    return found


def retrieve_event(call: Call, event_id: str) -> Body:
    return _with_pending(call.state, objects.fetch(call.state, "event", event_id))


def retrieve_thin_event(call: Call, event_id: str) -> Body:
    event = objects.find(call.state, "v2.core.event", event_id)
    if event is None:
        raise Refusal(404, f"Event {event_id} not found.", code="not_found")
    return event


def list_thin_events(call: Call) -> Body:
    """Newest first. The page to go on with is named by the last id."""
    given = call.parameters
    bodies = objects.every(call.state, "v2.core.event")[::-1]
    if given.get("object_id"):
        bodies = [event for event in bodies if event["related_object"]["id"] == given["object_id"]]
    if given.get("types"):
        bodies = [event for event in bodies if event["type"] in given["types"]]
    return thin_page(call, bodies, "/v2/core/events")


def thin_page(call: Call, bodies: list[Body], url: str) -> Body:
    """A page as v2 shapes it: data, next_page_url, previous_page_url."""
    given = call.parameters
    limit = given.get("limit") or 20
    start = given.get("page") or 0
    kept = {key: value for key, value in given.items() if key not in ("page", "types") and value is not None}
    query = "".join(f"&{key}={value}" for key, value in kept.items())
    query += "".join(f"&types[{index}]={name}" for index, name in enumerate(given.get("types") or []))
    more = len(bodies) > start + limit
    following = f"{url}?page={start + limit}{query}" if more else None
    before = f"{url}?page={max(0, start - limit)}{query}" if start else None
    return {"data": bodies[start : start + limit], "next_page_url": following, "previous_page_url": before}


def _queue(state: State, event_id: str, endpoint: str) -> None:
    if not state.setting(f"endpoint_{endpoint}", {}).get("url"):
        return
    policy = state.setting("delivery_policy", {})
    for _ in range(int(policy.get("copies", 1))):
        state.write(
            "INSERT INTO delivery (event_id, endpoint, status, rank, held, attempts, next_at, created_at)"
            " VALUES (?, ?, 'waiting', 0, ?, 0, 0, strftime('%s', 'now'))",
            event_id,
            endpoint,
            int(bool(policy.get("held"))),
        )


def _with_pending(state: State, event: Body) -> Body:
    return {**event, "pending_webhooks": pending_deliveries(state, event["id"])}


V1_LIST = {**PAGING, "type": text(), "types": many(text(), most=MOST_TYPES), "delivery_success": boolean()}
V2_LIST = {
    "limit": PAGING["limit"],
    "page": integer(0),
    "object_id": text(),
    "types": many(text(), most=MOST_TYPES),
}
ENDPOINTS = (
    Endpoint("GET", "/v1/events", list_events, V1_LIST),
    Endpoint("GET", "/v1/events/<id>", retrieve_event),
    Endpoint("GET", "/v2/core/events", list_thin_events, V2_LIST),
    Endpoint("GET", "/v2/core/events/<id>", retrieve_thin_event),
)
