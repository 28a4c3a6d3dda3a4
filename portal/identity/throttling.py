"""How often something may be tried, counted in PostgreSQL so that all web hosts count together."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import case, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.errors import TooOften
from portal.identity import rules
from portal.identity.models import Throttle

_WAIT = "That was tried too often. Wait a quarter of an hour, or ask for a new password by mail."


def count_try(session: Session, kind: str, values: tuple[str, ...], allowance: rules.Allowance, now: datetime) -> int:
    """Count one try, the how-manyth it is; every web host counts in the same row.

    *Raises*: TooOften.
    """
    key = rules.throttle_key(kind, *values)
    started = Throttle.window_started_at <= now - allowance.window
    statement = insert(Throttle).values(key=key, window_started_at=now, attempts=1)
    attempts, window_started_at = session.execute(
        statement.on_conflict_do_update(
            index_elements=[Throttle.key],
            set_={
                "attempts": case((started, 1), else_=Throttle.attempts + 1),
                "window_started_at": case((started, now), else_=Throttle.window_started_at),
            },
        ).returning(Throttle.attempts, Throttle.window_started_at)
    ).one()
    if attempts > allowance.attempts:
        left: timedelta = window_started_at + allowance.window - now
        raise TooOften(_WAIT, max(1, int(left.total_seconds())))
    return int(attempts)


def forgive(session: Session, kind: str, *values: str) -> None:
    """Begin to count anew: the right answer came."""
    session.execute(update(Throttle).where(Throttle.key == rules.throttle_key(kind, *values)).values(attempts=0))


def take_back_try(session: Session, kind: str, *values: str) -> None:
    """One try that was counted ahead does not count; those before it do."""
    row = Throttle.key == rules.throttle_key(kind, *values)
    session.execute(update(Throttle).where(row, Throttle.attempts > 0).values(attempts=Throttle.attempts - 1))
