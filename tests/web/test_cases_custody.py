"""Custody in the browser: accept, decline, hand back, take back, ask, answer; strangers, stale and repeated forms."""

from __future__ import annotations

import pytest

from tests.support import cases as stories


@pytest.fixture
def case(work_session, cast):
    found = stories.escalated(work_session, cast)
    work_session.commit()
    return found


@pytest.fixture
def accepted(work_session, cast, case, clock):
    found = stories.accepted(work_session, cast)
    work_session.commit()
    return found


def test_engineer_accepts_with_one_click_from_the_queue(visit, cast, case):
    ana = visit(cast.ana)
    queue = ana.get("/queue").text
    assert f'action="/cases/{case.name}/acceptances"' in queue
    assert ana.post(f"/cases/{case.name}/acceptances", {"seq": case.seq}).location == f"/cases/{case.name}"
    assert "With: factory (Ana)" in ana.get(f"/cases/{case.name}").text
