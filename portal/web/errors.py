"""Families of errors to answers, in one place.

An unknown id and another company's id give the same body to the byte: the page of ``NotFound`` holds nothing that
changes with the request, and the error's own sentence is not printed there.
"""

from __future__ import annotations

import structlog
from flask import Flask, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from psycopg import errors as postgres
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException, InternalServerError

from portal.errors import Conflict, NotAllowed, NotFound, PortalError, ProviderTrouble, RuleBroken, TooOften

# Most specific first: the first family that fits decides.
STATUS_OF_FAMILY: tuple[tuple[type[PortalError], int], ...] = (
    (NotFound, 404),
    (NotAllowed, 403),
    (Conflict, 409),
    (TooOften, 429),
    (RuleBroken, 422),
    (ProviderTrouble, 503),
)
PLAIN_PAGES = frozenset({400, 403, 404, 405, 409, 413, 422, 429, 500, 503})

# The database refused because somebody else was first: the same answer as a stale form.
RACES = (
    postgres.UniqueViolation,
    postgres.ExclusionViolation,
    postgres.SerializationFailure,
    postgres.DeadlockDetected,
    postgres.LockNotAvailable,
)
# Somebody looks on: the transaction only reads.
READ_ONLY = "You are looking on: nothing can be changed in somebody else's name."
UNREACHABLE = (postgres.OperationalError, postgres.InterfaceError)

log = structlog.get_logger("portal.web")


def register(app: Flask) -> None:
    """Answer every error of the portal, of the database and of HTTP with a page in plain words."""
    app.register_error_handler(PortalError, _portal_error)
    app.register_error_handler(DBAPIError, _database_error)
    app.register_error_handler(StaleDataError, lambda error: _page(409, Conflict(_MOVED_ON)))
    app.register_error_handler(CSRFError, lambda error: _page(400, None))
    app.register_error_handler(HTTPException, _http_error)


_MOVED_ON = "Somebody else changed this a moment ago. Look at it again before you go on."


def status_of(error: PortalError) -> int:
    """The status that an error of the portal is answered with."""
    return next((status for family, status in STATUS_OF_FAMILY if isinstance(error, family)), 500)


def _portal_error(error: PortalError) -> ResponseReturnValue:
    status = status_of(error)
    if status == 500:
        log.error("unmapped error", kind=type(error).__name__)
    return _page(status, error if status != 500 else None)


def _database_error(error: DBAPIError) -> ResponseReturnValue:
    cause = error.orig
    if isinstance(cause, RACES):
        return _page(409, Conflict(_MOVED_ON))
    if isinstance(cause, postgres.ReadOnlySqlTransaction):
        return _page(403, NotAllowed(READ_ONLY))
    log.error("database error", kind=type(cause).__name__, sqlstate=getattr(cause, "sqlstate", None), exc_info=error)
    if error.connection_invalidated or isinstance(cause, UNREACHABLE):
        return _page(503, None)
    return _page(500, None)


def _http_error(error: HTTPException) -> ResponseReturnValue:
    if isinstance(error, InternalServerError) and error.original_exception is not None:
        log.error("defect", kind=type(error.original_exception).__name__)
    if error.response is not None or error.code is None or error.code < 400:
        return error
    status = error.code if error.code in PLAIN_PAGES else 400
    body, _, headers = _page(status, None)
    kept = [(name, value) for name, value in error.get_headers() if name in ("Allow", "Retry-After")]
    return body, status, [*headers.items(), *kept]


def _page(status: int, error: PortalError | None) -> tuple[str, int, dict[str, str]]:
    session = g.pop("session", None)
    if session is not None:
        session.rollback()
        session.close()
    headers: dict[str, str] = {}
    if isinstance(error, TooOften):
        headers["Retry-After"] = str(error.retry_seconds)
    body = render_template(
        f"errors/{status}.html",
        error=error if status != 404 else None,
        request_id=g.get("request_id", ""),
        back=request.referrer if status in (409, 422) and _is_own(request.referrer) else None,
    )
    return body, status, headers


def _is_own(address: str | None) -> bool:
    return bool(address) and str(address).startswith(request.host_url)
