"""Idempotency keys as documented: the first answer is kept and replayed, within limits that differ by API version.

v1 keeps any answer once the endpoint began executing, a 500 and a refused balance included, for at least a day;
refused parameters, 401 and 429 keep nothing. v2 keeps successes for 30 days and executes failures again. The same key
with other parameters or another address is an error, and so is a second call while the first is executing.
Source: docs.stripe.com/api/idempotent_requests, docs.stripe.com/error-low-level (2026-11).
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from portal.standin.refusals import bad_parameter, key_in_use, key_reused
from portal.standin.state import State

KEPT_SECONDS = {"v1": 24 * 3600, "v2": 30 * 24 * 3600}
LONGEST_KEY = 255


@dataclass(frozen=True)
class Key:
    api: str
    account: str
    text: str
    path: str
    fingerprint: str


@dataclass(frozen=True)
class KeptAnswer:
    status: int
    body: str
    request_id: str


class KeysInUse:
    """The keys whose first call is executing at this moment, in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: set[tuple[str, str, str]] = set()

    @contextmanager
    def claim(self, key: Key) -> Iterator[None]:
        """Raises: Refusal 409 when another call holds the key."""
        name = (key.api, key.account, key.text)
        with self._lock:
            if name in self._keys:
                raise key_in_use(key.text)
            self._keys.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard(name)


def make_key(text: str, *, api: str, account: str, method: str, path: str, raw: dict[str, Any]) -> Key:
    if len(text) > LONGEST_KEY:
        raise bad_parameter(f"Idempotency keys must be at most {LONGEST_KEY} characters", "idempotency_key")
    canonical = json.dumps([method, path, raw], sort_keys=True)
    return Key(api, account, text, path, hashlib.sha256(canonical.encode()).hexdigest())


def kept_answer(state: State, key: Key) -> KeptAnswer | None:
    """Raises: Refusal idempotency_error when the key was first used for something else."""
    expired = state.now() - KEPT_SECONDS[key.api]
    sql = "SELECT fingerprint, path, status, body, request_id FROM kept_answer"
    found = state.rows(
        sql + " WHERE api = ? AND account = ? AND key = ? AND kept_at > ?", key.api, key.account, key.text, expired
    )
    if not found:
        return None
    fingerprint, path, status, body, request_id = found[0]
    if path != key.path:
        raise key_reused(key.text, other_path=path)
    if fingerprint != key.fingerprint:
        raise key_reused(key.text, other_path=None)
    return KeptAnswer(status, body, request_id)


def keep(state: State, key: Key, answer: KeptAnswer) -> None:
    state.write(
        "INSERT OR REPLACE INTO kept_answer (api, account, key, fingerprint, path, status, body, request_id, kept_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        key.api,
        key.account,
        key.text,
        key.fingerprint,
        key.path,
        answer.status,
        answer.body,
        answer.request_id,
        state.now(),
    )


def forget_keys(state: State) -> int:
    """As if every key had outlived its time. How many there were."""
    return state.write("DELETE FROM kept_answer")
