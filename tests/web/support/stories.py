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
def escalated(work_session: Session, cast: Cast) -> SupportCase:
    """Tom has escalated; the factory is asked."""
    return _kept(work_session, stories.escalated(work_session, cast))


@pytest.fixture
def accepted(work_session: Session, cast: Cast, clock: Clock) -> SupportCase:
    """Ana has it."""
    clock.now = hours_later(1)
    return _kept(work_session, stories.accepted(work_session, cast))


@pytest.fixture
def resolved(work_session: Session, cast: Cast, clock: Clock) -> SupportCase:
    """Ana has resolved it; nobody has answered."""
    clock.now = hours_later(3)
    return _kept(work_session, stories.resolved(work_session, cast))


def _kept(session: Session, case: SupportCase) -> SupportCase:
    session.commit()
    return case
