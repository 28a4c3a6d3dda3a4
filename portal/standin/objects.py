"""Objects as Stripe shows them: storing, finding, paging, expanding.

An object is its JSON body. Keys that begin with an underscore are the stand-in's own and never leave it.
"""

import json
import secrets
import string
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from portal.standin.parameters import Fields, integer, moment_or_range, text
from portal.standin.refusals import bad_parameter, missing_object
from portal.standin.state import State

Body = dict[str, Any]
# Left out unless named in expand, although they are part of the object.
INCLUDABLE = {"invoice": ("payments",), "checkout.session": ("line_items",), "charge": ("refunds",)}
DEEPEST_EXPAND = 4
LETTERS = string.ascii_letters + string.digits
PAGING: Fields = {
    "limit": integer(1, 100),
    "starting_after": text(),
    "ending_before": text(),
    "created": moment_or_range(),
}
BOUNDS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def new_id(prefix: str, length: int = 24) -> str:
    return prefix + "_" + "".join(secrets.choice(LETTERS) for _ in range(length))


def iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def insert(state: State, body: Body, account: str = "") -> Body:
    state.write(
        "INSERT INTO object (id, kind, account, body) VALUES (?, ?, ?, ?)",
        body["id"],
        body["object"],
        account,
        json.dumps(body),
    )
    return body


def save(state: State, body: Body) -> Body:
    state.write("UPDATE object SET body = ? WHERE id = ?", json.dumps(body), body["id"])
    return body


def remove(state: State, object_id: str) -> None:
    state.write("DELETE FROM object WHERE id = ?", object_id)


def find(state: State, kind: str, object_id: str, account: str = "") -> Body | None:
    found = state.rows(
        "SELECT body FROM object WHERE id = ? AND kind = ? AND account = ?", str(object_id), kind, account
    )
    return json.loads(found[0][0]) if found else None


def fetch(state: State, kind: str, object_id: str, *, param: str = "id", account: str = "", noun: str = "") -> Body:
    """Raises: Refusal resource_missing, 404 for the object in the address, 400 for one named by a parameter."""
    body = find(state, kind, object_id, account)
    if body is None:
        raise missing_object(noun or kind, object_id, param)
    return body


def every(state: State, kind: str, account: str = "", **equal: Any) -> list[Body]:
    """Oldest first, those whose top-level values equal the given ones."""
    conditions = "".join(f" AND json_extract(body, '$.{name}') = ?" for name in equal)
    sql = f"SELECT body FROM object WHERE kind = ? AND account = ?{conditions} ORDER BY seq"
    return [json.loads(row[0]) for row in state.rows(sql, kind, account, *equal.values())]


def page(
    state: State,
    kind: str,
    parameters: Mapping[str, Any],
    *,
    url: str,
    account: str = "",
    equal: Body | None = None,
    also: tuple[str, list[Any]] = ("1", []),
) -> Body:
    """One page, newest first; ``also`` is one more condition in SQL. *Shape*: Stripe's list object with has_more."""
    sql: list[str] = ["kind = ? AND account = ?", f"({also[0]})"]
    values: list[Any] = [kind, account, *also[1]]
    for path, wanted in (equal or {}).items():
        if wanted is not None:
            sql.append(f"json_extract(body, '$.{path}') = ?")
            values.append(wanted)
    for bound, moment in (parameters.get("created") or {}).items():
        sql.append(f"json_extract(body, '$.created') {BOUNDS[bound]} ?")
        values.append(moment)
    limit = parameters.get("limit") or 10
    backwards = bool(parameters.get("ending_before"))
    for name, sign in (("starting_after", "<"), ("ending_before", ">")):
        if parameters.get(name):
            sql.append(f"seq {sign} ?")
            values.append(_position(state, kind, parameters[name], param=name))
    order = "ASC" if backwards else "DESC"
    found = state.rows(
        f"SELECT body FROM object WHERE {' AND '.join(sql)} ORDER BY seq {order} LIMIT ?", *values, limit + 1
    )
    bodies = [json.loads(row[0]) for row in found[:limit]]
    return list_object(bodies[::-1] if backwards else bodies, url, has_more=len(found) > limit)


def page_of(bodies: list[Body], parameters: Mapping[str, Any], url: str) -> Body:
    """One page of objects already at hand, in their order."""
    ids = [body["id"] for body in bodies]
    after = parameters.get("starting_after")
    if after and after not in ids:
        raise missing_object("object", after, "starting_after")
    start = ids.index(after) + 1 if after else 0
    limit = parameters.get("limit") or 10
    return list_object(bodies[start : start + limit], url, has_more=len(bodies) > start + limit)


def list_object(bodies: list[Body], url: str, *, has_more: bool = False) -> Body:
    return {"object": "list", "data": bodies, "has_more": has_more, "url": url}


def shown(state: State, body: Any, expand: list[str]) -> Any:
    """The body as it leaves the stand-in: own keys and unexpanded includables gone, the named properties expanded.

    Raises: Refusal for a property that cannot be expanded.
    """
    for path in expand:
        keys = path.split(".")
        if len(keys) > DEEPEST_EXPAND + (keys[0] == "data"):
            raise bad_parameter("You cannot expand more than 4 levels of a property", "expand")
        _expand(state, body, keys, path)
    return _public(body, expand)


def _expand(state: State, body: Any, keys: list[str], path: str) -> None:
    if not keys or body is None:
        return
    if isinstance(body, list):
        for entry in body:
            _expand(state, entry, keys, path)
        return
    key, rest = keys[0], keys[1:]
    if not isinstance(body, dict) or key not in body:
        raise bad_parameter(f"This property cannot be expanded ({path}).", "expand")
    if isinstance(body[key], str):
        found = state.rows("SELECT body FROM object WHERE id = ?", body[key])
        if not found:
            raise bad_parameter(f"This property cannot be expanded ({path}).", "expand")
        body[key] = json.loads(found[0][0])
    _expand(state, body[key], rest, path)


def _public(body: Any, expand: list[str]) -> Any:
    if isinstance(body, list):
        return [_public(entry, expand) for entry in body]
    if not isinstance(body, dict):
        return body
    hidden = [name for name in INCLUDABLE.get(str(body.get("object")), ()) if not _named(name, expand)]
    return {key: _public(value, expand) for key, value in body.items() if not key.startswith("_") and key not in hidden}


def _named(name: str, expand: list[str]) -> bool:
    return any(name in path.split(".") for path in expand)


def _position(state: State, kind: str, object_id: str, *, param: str) -> int:
    found = state.rows("SELECT seq FROM object WHERE id = ? AND kind = ?", object_id, kind)
    if not found:
        raise missing_object(kind, object_id, param)
    return int(found[0][0])
