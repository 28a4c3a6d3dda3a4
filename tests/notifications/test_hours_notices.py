"""Customers are told which case used the hours they bought, and, once each time, that little is left of them."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.entitlement.models import TopUpNotice
from portal.notifications.hours_notices import notify_pack_use, notify_top_up
from portal.notifications.letters import LETTERS, Writing
from portal.notifications.models import Delivery
from tests.support.billed import billed, open_books, settled, worked
from tests.support.cases import accepted
from tests.support.cast import Cast, hours_later
from tests.support.packs import bought
from tests.support.queued import queued


@pytest.fixture
def books(work_session: Session, cast: Cast) -> Cast:
    open_books(work_session, cast)
    return cast


def used(session: Session, cast: Cast, *, minutes: int, start: int = 1):
    case = accepted(session, cast, system_id=cast.plain_system.id)
    worked(session, cast, case, minutes=minutes, start=hours_later(start))
    settled(session, cast, case)
    return billed(session, case)


def read(session: Session, template: str) -> list[tuple[str, str]]:
    """Who got the letters of a kind, and their text."""
    found = []
    for delivery in session.scalars(select(Delivery).where(Delivery.template == template).order_by(Delivery.id)):
        written = LETTERS[template](Writing(session, delivery, "https://portal.example", "Hello", None))
        text = " ".join(
            (written.subject, *written.sentences, *(f"{fact.label}: {fact.value}" for fact in written.facts))
        )
        found.append((delivery.email, text))
    return found


def test_a_bill_that_uses_bought_hours_is_told_once(work_session: Session, books: Cast) -> None:
    bought(work_session, books, site=books.plain_site)
    item = used(work_session, books, minutes=60)
    assert queued(work_session, "notify_pack_use") == [("notify_pack_use", {"bill_item_id": item.id})]
    for _ in range(2):
        notify_pack_use(work_session, item.id, hours_later(50))
    told = read(work_session, "pack_used")
    assert len(told) == len({email for email, _ in told}) >= 1
    assert all("Ten hours of support: 60 minutes" in text and "Left of it: 540 minutes" in text for _, text in told)
    assert not any("€" in text for _, text in told)


def test_an_incident_is_told_as_a_case(work_session: Session, books: Cast) -> None:
    bought(work_session, books, site=books.plain_site, pack_code="incidents_5", price_minor=145_000)
    notify_pack_use(work_session, used(work_session, books, minutes=60).id, hours_later(50))
    assert "Five support cases: 1 case Left of it: 4 cases" in read(work_session, "pack_used")[0][1]


def test_little_left_is_told_once_for_each_crossing(work_session: Session, books: Cast) -> None:
    """The pack asks to top up below sixty minutes; more is bought and used up again."""
    bought(work_session, books, site=books.plain_site)
    used(work_session, books, minutes=555)
    used(work_session, books, minutes=15, start=12)
    bought(work_session, books, site=books.plain_site, source="checkout:2", bought_at=hours_later(40))
    notices = work_session.scalars(select(TopUpNotice).order_by(TopUpNotice.id)).all()
    assert [(notice.is_below, notice.left_seconds) for notice in notices] == [(True, 45 * 60), (False, 615 * 60)]
    assert [name for name, _ in queued(work_session, "notify_top_up")] == ["notify_top_up"]
    notify_top_up(work_session, notices[0].id, hours_later(50))
    assert "Less than 60 minutes are left" in read(work_session, "top_up")[0][1]
