"""Cases in the states that pages meet, committed, with the clock of the test moved along."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from portal.cases.models import SupportCase
from tests.support import cases as stories
from tests.support.cast import Cast, hours_later
from tests.web.support.client import Clock

MakeCase = Callable[..., SupportCase]


@pytest.fixture
def escalated(request: pytest.FixtureRequest, work_session: Session, cast: Cast) -> SupportCase:
    """Tom has escalated; the factory is asked."""
    return _kept(request, work_session, cast, stories.escalated)


@pytest.fixture
def accepted(request: pytest.FixtureRequest, work_session: Session, cast: Cast, clock: Clock) -> SupportCase:
    """Ana has it."""
    clock.now = hours_later(1)
    return _kept(request, work_session, cast, stories.accepted)


@pytest.fixture
def resolved(request: pytest.FixtureRequest, work_session: Session, cast: Cast, clock: Clock) -> SupportCase:
    """Ana has resolved it; nobody has answered."""
    clock.now = hours_later(3)
    return _kept(request, work_session, cast, stories.resolved)


# What a test begins with that asks for one of these and for no other: see tests/support/beginnings.py.
BEGINNINGS: dict[str, MakeCase] = {
    "escalated": stories.escalated,
    "accepted": stories.accepted,
    "resolved": stories.resolved,
}


def _kept(request: pytest.FixtureRequest, session: Session, cast: Cast, make: MakeCase) -> SupportCase:
    mark = request.node.get_closest_marker("begins_with")
    if mark is not None and mark.args[0] is make:
        return request.getfixturevalue("begun")
    case = make(session, cast)
    session.commit()
    return case
