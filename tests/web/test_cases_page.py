"""The page of a case and the lists: who sees what, and what is never shown to whom."""

from __future__ import annotations

import pytest

from tests.support import cases as stories
from tests.support.cast import hours_later

EVERYBODY = ["ana", "leo", "fay", "adam", "tom", "mia", "ivo", "bea", "cal", "flo"]


@pytest.fixture
def case(work_session, cast):
    found = stories.escalated(work_session, cast)
    work_session.commit()
    return found


@pytest.fixture
def resolved(work_session, cast, clock):
    found = stories.resolved(work_session, cast)
    work_session.commit()
    clock.now = hours_later(3)
    return found


@pytest.mark.parametrize("who", EVERYBODY)
def test_every_role_of_the_three_parties_reads_the_case(visit, cast, case, who):
    shown = visit(getattr(cast, who)).get(f"/cases/{case.name}")
    assert shown.status_code == 200
    assert "With: integrator" in shown.text
    assert "Doors stay locked" in shown.text


@pytest.mark.parametrize("who", EVERYBODY)
def test_every_role_has_first_page_and_lists(visit, cast, case, resolved, who):
    browser = visit(getattr(cast, who))
    for path in ("/", "/cases", "/search", "/search?words=doors"):
        assert browser.get(path).status_code == 200, path
