"""One API request from match to answer, in Stripe's order.

Match, authenticate, version, faults before, kept answer, claim of the key, parameters, execute and commit with the kept
answer, faults after. Every request is in the call log with its outcome.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Request, Response

from portal.standin import accounts, http, idempotency, objects, passing
from portal.standin.endpoints import Call, Endpoint, find_endpoint
from portal.standin.faults import Fault, Faults
from portal.standin.idempotency import KeptAnswer, Key, KeysInUse
from portal.standin.parameters import Fields, many, read_parameters, text
from portal.standin.refusals import Refusal, refused_as_told, server_error, too_many_requests
from portal.standin.settings import Settings
from portal.standin.state import State

EXPAND: Fields = {"expand": many(text())}
MOST_LOGGED_CALLS = 10_000


@dataclass
class Desk:
    """What answering needs, made once per process. ``public_url`` is known once the port is bound."""

    settings: Settings
    state: State
    faults: Faults
    keys: KeysInUse
    endpoints: tuple[Endpoint, ...]
    public_url: str


def answer(desk: Desk, request: Request) -> Response:
    request_id = objects.new_id("req", 14)
    call_id = _log_call(desk.state, request, request_id)
    fault = None
    replayed = False
    try:
        http.authenticate(request, desk.settings.key)
        passing.catch_up(desk.state, desk.public_url)
        fault = desk.faults.take(request.method, request.path)
        _fault_before(desk.faults, fault)
        kept, replayed = _perform(desk, request, request_id, fault)
    except Refusal as refusal:
        kept = KeptAnswer(refusal.status, json.dumps(refusal.body(request_id), indent=2), request_id)
    _log_outcome(desk.state, call_id, kept.status, fault, replayed=replayed)
    response = http.json_answer(kept.body, kept.status, request_id, request)
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
        response.headers["Original-Request"] = kept.request_id
    return _fault_after(desk.faults, fault, response, request)


def _perform(desk: Desk, request: Request, request_id: str, fault: Fault | None) -> tuple[KeptAnswer, bool]:
    """The answer, and whether it is one that was kept."""
    found = find_endpoint(desk.endpoints, request.method, request.path)
    if found is None:
        raise Refusal(404, f"Unrecognized request URL ({request.method}: {request.path}).")
    http.check_version(request)
    raw = http.raw_parameters(request)
    key = _key(request, raw)
    if key is None:
        _hold(desk.faults, fault, "hold_before", "delay")
        return _execute(desk, request, request_id, found, raw, key=None, fault=fault), False
    kept = idempotency.kept_answer(desk.state, key)
    if kept is not None:
        return kept, True
    with desk.keys.claim(key):
        _hold(desk.faults, fault, "hold_before", "delay")
        # The call that held the key a moment ago may have finished between the look above and the claim.
        kept = idempotency.kept_answer(desk.state, key)
        if kept is not None:
            return kept, True
        return _execute(desk, request, request_id, found, raw, key=key, fault=fault), False


def _execute(
    desk: Desk,
    request: Request,
    request_id: str,
    found: tuple[Endpoint, tuple[str, ...]],
    raw: dict[str, Any],
    *,
    key: Key | None,
    fault: Fault | None,
) -> KeptAnswer:
    endpoint, parts = found
    fields = endpoint.fields if request.path.startswith("/v2/") else {**endpoint.fields, **EXPAND}
    given = read_parameters(fields, raw)
    expand = given.pop("expand", None) or []
    call = Call(
        desk.state,
        desk.public_url,
        given,
        account=_account(desk.state, endpoint, request),
        request_id=request_id,
        idempotency_key=key.text if key else None,
        path=request.path,
    )
    failing = fault is not None and fault.kind == "error_kept"

    def effect() -> KeptAnswer:
        body = objects.shown(desk.state, endpoint.handler(call, *parts), expand)
        return KeptAnswer(200, json.dumps(body, indent=2), request_id)

    def no_effect() -> KeptAnswer:
        if fault is not None and fault.execute:
            effect()
        return _answer_of(server_error(), request_id)

    try:
        return _commit(desk.state, key, no_effect if failing else effect)
    except Refusal as refusal:
        refused = _answer_of(refusal, request_id)
        return _commit(desk.state, key, lambda: refused) if refusal.kept else refused


def _account(state: State, endpoint: Endpoint, request: Request) -> str:
    """The connected account that the call is made for, or none. Raises: Refusal for one that is not ours."""
    account_id = request.headers.get("Stripe-Account", "")
    if account_id and objects.find(state, accounts.KIND, account_id) is None:
        message = f"The provided key does not have access to account '{account_id}' (or that account does not exist)."
        raise Refusal(403, message, code="account_invalid")
    if account_id and not endpoint.for_accounts:
        raise Refusal(400, "The stand-in answers this address for the platform only.", param="Stripe-Account")
    return account_id


def _commit(state: State, key: Key | None, effect: Callable[[], KeptAnswer]) -> KeptAnswer:
    """The effect and the kept answer in one transaction. v2 keeps successes only."""
    with state.transaction():
        result = effect()
        if key is not None and (key.api == "v1" or result.status == 200):
            idempotency.keep(state, key, result)
    return result


def _answer_of(refusal: Refusal, request_id: str) -> KeptAnswer:
    return KeptAnswer(refusal.status, json.dumps(refusal.body(request_id), indent=2), request_id)


def _key(request: Request, raw: dict[str, Any]) -> Key | None:
    """GET is idempotent by itself and takes no key, in v1 neither does DELETE."""
    text_given = request.headers.get("Idempotency-Key")
    api = request.path[1:3]
    if not text_given or request.method == "GET" or (api == "v1" and request.method == "DELETE"):
        return None
    return idempotency.make_key(
        text_given,
        api=api,
        account=request.headers.get("Stripe-Account", ""),
        method=request.method,
        path=request.path,
        raw=raw,
    )


def _fault_before(faults: Faults, fault: Fault | None) -> None:
    if fault is None:
        return
    if fault.kind == "rate_limit":
        raise too_many_requests()
    if fault.kind == "refuse":
        raise refused_as_told()
    if fault.kind == "error_before":
        raise server_error()


def _fault_after(faults: Faults, fault: Fault | None, response: Response, request: Request) -> Response:
    if fault is None:
        return response
    _hold(faults, fault, "hold_after")
    if fault.kind in ("lose_answer", "break_body"):
        return http.broken_answer(response, request, half_body=fault.kind == "break_body")
    return response


def _hold(faults: Faults, fault: Fault | None, *kinds: str) -> None:
    if fault is None or fault.kind not in kinds:
        return
    if fault.kind == "delay":
        time.sleep(fault.seconds)
    else:
        faults.hold(fault)


def _log_call(state: State, request: Request, request_id: str) -> int:
    sent = request.get_data(cache=True, as_text=True) if request.content_length else request.query_string.decode()
    if request.mimetype == "multipart/form-data":
        sent = f"multipart/form-data of {request.content_length} bytes"
    with state.transaction() as connection:
        cursor = connection.execute(
            "INSERT INTO call (request_id, method, path, idempotency_key, account, parameters, replayed, at)"
            " VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
            (
                request_id,
                request.method,
                request.path,
                request.headers.get("Idempotency-Key"),
                request.headers.get("Stripe-Account", ""),
                sent,
                time.time(),
            ),
        )
        call_id = int(cursor.lastrowid or 0)
        connection.execute("DELETE FROM call WHERE id <= ?", (call_id - MOST_LOGGED_CALLS,))
    return call_id


def _log_outcome(state: State, call_id: int, status: int, fault: Fault | None, *, replayed: bool) -> None:
    state.write(
        "UPDATE call SET status = ?, fault = ?, replayed = ? WHERE id = ?",
        status,
        fault.kind if fault else None,
        int(replayed),
        call_id,
    )
