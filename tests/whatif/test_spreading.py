"""Several processes find what one finds."""

from __future__ import annotations

from portal.db import open_session
from portal.whatif.running import compare
from tests.support.billed_log import billed_log
from tests.support.cast import NOW, build_cast
from tests.whatif.test_running import drafted, question


def test_result_is_the_same_when_several_processes_share_the_work(committed_database) -> None:
    engine = committed_database.work_engine
    with open_session(engine) as session:
        cast = build_cast(session, NOW)
        session.commit()
        billed_log(session, cast)
    asked = question(cast, policy=drafted(('per_hour = "150.00"', 'per_hour = "450.00"')))
    told: list[tuple[int, int]] = []
    spread = compare(engine, asked, progress=lambda done, total: told.append((done, total)), spread_from=0, at_once=1)
    assert spread == compare(engine, asked)
    assert told == [(done, 5) for done in range(1, 6)]
