"""Two transactions that really run at once: the second begins while the first has not committed, and waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.db import open_session
from portal.errors import PortalError

Act = Callable[[Session], object]

# pg_stat_activity alone hides from portal_work what others wait for.
_WAITING = text(
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
)
_LOOKS = 10_000
_SECONDS = 30


def second_of(engine: Engine, first: Act, second: Act) -> BaseException | None:
    """What the second act ends with when the first commits while the second waits for it; None when both succeed."""
    ended: list[BaseException] = []

    def run() -> None:
        try:
            with open_session(engine) as session, session.begin():
                second(session)
        except (PortalError, DBAPIError) as error:
            ended.append(error)

    with open_session(engine) as session, session.begin():
        first(session)
        session.flush()
        other = threading.Thread(target=run)
        other.start()
        _wait_until_blocked(engine, other)
    other.join(timeout=_SECONDS)
    if other.is_alive():
        raise AssertionError("the second act never ended")
    return ended[0] if ended else None


def _wait_until_blocked(engine: Engine, other: threading.Thread) -> None:
    with engine.connect() as connection:
        for _ in range(_LOOKS):
            if connection.execute(_WAITING).scalar():
                return
            connection.rollback()
            if not other.is_alive():
                raise AssertionError("the second act did not wait for the first")
    raise AssertionError("nobody waits")
