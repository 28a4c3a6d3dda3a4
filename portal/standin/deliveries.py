"""Delivering events: signed, by a background thread, again and again until the receiver answers 2xx.

The queue is the delivery table, so what was not accepted before a restart is tried after it. One delivery at a time, in
order of rank then id; the control API holds, releases, repeats and reorders them, or drains the queue at once.
Signature: docs.stripe.com/webhooks#verify-manually. Stripe tries for up to three days with growing pauses.
"""

import hashlib
import hmac
import http.client
import json
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from portal.standin import events, objects
from portal.standin.state import State

PAUSES_SECONDS = (1, 2, 5, 15, 60, 300, 900, 3600, 10_800)
GIVE_UP_SECONDS = 3 * 24 * 3600
ANSWER_TIMEOUT_SECONDS = 20
IDLE_SECONDS = 30.0


class Courier:
    """The thread that delivers what is due, and the lock that keeps deliveries one at a time."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._sending = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        state.after_commit.append(self._wake.set)

    def start(self) -> None:
        threading.Thread(target=self._run, name="courier", daemon=True).start()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def drain(self, *, seconds: float, attempts: int = 1) -> dict[str, int]:
        """Try everything not held right now, pauses or not, until nothing is left to try or the time is over."""
        deadline = time.monotonic() + seconds
        tried: dict[int, int] = {}
        while time.monotonic() < deadline:
            with self._sending:
                sql = "SELECT id FROM delivery WHERE status = 'waiting' AND held = 0 ORDER BY rank, id"
                waiting = [row[0] for row in self._state.rows(sql) if tried.get(row[0], 0) < attempts]
                if not waiting:
                    break
                tried[waiting[0]] = tried.get(waiting[0], 0) + 1
                attempt(self._state, waiting[0])
        return counts(self._state)

    def _run(self) -> None:
        while not self._stopped:
            self._wake.clear()
            pause = self._deliver_due()
            self._wake.wait(pause)

    def _deliver_due(self) -> float:
        """Deliver what is due; the seconds until something else is."""
        while not self._stopped and self._state.setting("delivery_policy", {}).get("automatic", True):
            with self._sending:
                sql = "SELECT id, next_at FROM delivery WHERE status = 'waiting' AND held = 0"
                due = self._state.rows(sql + " AND next_at <= ? ORDER BY rank, id LIMIT 1", time.time())
                if due:
                    attempt(self._state, due[0][0])
                    continue
                later = self._state.rows(sql + " ORDER BY next_at LIMIT 1")
            return min(IDLE_SECONDS, max(0.05, later[0][1] - time.time())) if later else IDLE_SECONDS
        return IDLE_SECONDS


def attempt(state: State, delivery_id: int) -> bool:
    """One try; the outcome is on the row."""
    sql = "SELECT event_id, endpoint, attempts, created_at FROM delivery WHERE id = ?"
    found = state.rows(sql, delivery_id)
    if not found:
        # A reset emptied the queue meanwhile.
        return False
    event_id, endpoint, attempts, created_at = found[0]
    target = state.setting(f"endpoint_{endpoint}", {})
    answer, accepted = _post(state, event_id, target)
    if accepted:
        outcome, pause = "delivered", 0
    else:
        pause = PAUSES_SECONDS[min(attempts, len(PAUSES_SECONDS) - 1)]
        outcome = "given_up" if time.time() - created_at > GIVE_UP_SECONDS else "waiting"
    state.write(
        "UPDATE delivery SET status = ?, attempts = attempts + 1, next_at = ?, last_answer = ? WHERE id = ?",
        outcome,
        time.time() + pause,
        answer,
        delivery_id,
    )
    return accepted


def signature(body: bytes, secrets: list[str], at: int) -> str:
    """The Stripe-Signature header: one v1 per secret, since several are valid while they are rotated."""
    signed = f"{at}.".encode() + body
    codes = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={code}" for code in codes)])


def counts(state: State) -> dict[str, int]:
    found = {"waiting": 0, "held": 0, "delivered": 0, "given_up": 0, "attempts": 0}
    sql = "SELECT CASE WHEN held AND status = 'waiting' THEN 'held' ELSE status END, count(*), sum(attempts)"
    for status, number, attempts in state.rows(sql + " FROM delivery GROUP BY 1"):
        found[status] = number
        found["attempts"] += attempts
    return found


def release(state: State, *, newest_first: bool = False, copies: int = 1) -> int:
    """Let held deliveries go, in their order or the reverse, each as often as asked. How many were held."""
    with state.transaction():
        held = state.rows(
            "SELECT id, event_id, endpoint FROM delivery WHERE held = 1 AND status = 'waiting' ORDER BY id"
        )
        ordered = held[::-1] if newest_first else held
        for rank, (delivery_id, event_id, endpoint) in enumerate(ordered):
            state.write("UPDATE delivery SET held = 0, rank = ? WHERE id = ?", rank - len(ordered), delivery_id)
            for _ in range(copies - 1):
                again(state, event_id, endpoint, rank=rank - len(ordered))
    return len(held)


def again(state: State, event_id: str, endpoint: str, *, rank: int = 0) -> None:
    """Queue one more delivery of an event, as the dashboard's Resend does."""
    state.write(
        "INSERT INTO delivery (event_id, endpoint, status, rank, held, attempts, next_at, created_at)"
        " VALUES (?, ?, 'waiting', ?, 0, 0, 0, ?)",
        event_id,
        endpoint,
        rank,
        time.time(),
    )


def _post(state: State, event_id: str, target: dict[str, Any]) -> tuple[str, bool]:
    found = objects.find(state, "event", event_id) or objects.find(state, "v2.core.event", event_id)
    if found is None or not target.get("url"):
        return "no address", False
    body = json.dumps(
        events.delivered_body(found, pending=events.pending_deliveries(state, event_id)), indent=2
    ).encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": signature(body, target.get("secrets", []), int(time.time())),
    }
    try:
        status = _send(target["url"], body, headers)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"no answer: {type(error).__name__}", False
    return str(status), 200 <= status < 300


def _send(address: str, body: bytes, headers: dict[str, str]) -> int:
    """The status of the answer. Redirections are not followed: Stripe counts them as refusals."""
    url = urlsplit(address)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.netloc, timeout=ANSWER_TIMEOUT_SECONDS)
    try:
        connection.request("POST", url.path + (f"?{url.query}" if url.query else ""), body, headers)
        return connection.getresponse().status
    finally:
        connection.close()
