"""What a load balancer asks: is the process alive, and can it serve."""

from __future__ import annotations

from functools import cache

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from portal.config import MIGRATIONS
from portal.db import code_revision, database_revision
from portal.web.gate import current_session

blueprint = Blueprint("health", __name__)

# Work that waits this long is worth an alarm; it is no reason to stop serving pages.
LATE_SECONDS = 300


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    return jsonify(status="alive")


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    session = current_session()
    found, expected = database_revision(session), _expected_revision()
    if found != expected:
        return jsonify(status="not ready", migrations={"database": found, "code": expected}), 503
    lag_seconds = session.scalar(text("SELECT job_lag_seconds()")) or 0
    return jsonify(status="ready", job_lag_seconds=lag_seconds, jobs_late=lag_seconds > LATE_SECONDS)


@cache
def _expected_revision() -> str | None:
    return code_revision(MIGRATIONS)
