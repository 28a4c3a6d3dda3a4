"""Unused minutes of a plan's month are kept for the next within the plan's most, and so is what they are worth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.actions import bill, cut, earn_plans, open_month, reserve_hours
from portal.billing.books import check_books
from portal.billing.models import PlanEarning
from portal.entitlement.actions import end_grants
from portal.entitlement.models import GrantBalance, GrantExpiry, GrantExtension, UsageGrant
from portal.ledger.actions import begin_close
from portal.ledger.queries import balances
from tests.support.billed import open_books, worked
from tests.support.cases import accepted
from tests.support.cast import NOW, Cast
from tests.support.versions import signed_policy

HOUR = 3600
# Just after the midnights of Berlin that end March, April and May.
APRIL, MAY = datetime(2026, 3, 31, 22, 5, tzinfo=UTC), datetime(2026, 4, 30, 22, 5, tzinfo=UTC)


@pytest.fixture
def books(work_session: Session, cast: Cast) -> Cast:
    included = "included_minutes_per_month = 120\n"
    signed_policy(work_session, cast, (included, f"{included}rollover_minutes = 60\n"))
    open_books(work_session, cast)
    open_month(work_session, now=NOW)
    return cast


def used(session: Session, cast: Cast, *, minutes: int, start: datetime):
    case = accepted(session, cast)
    worked(session, cast, case, minutes=minutes, start=start)
    at = start + timedelta(days=1)
    return bill(session, cut(session, case, "closing", now=at).id, now=at)[0]


def grants(session: Session) -> list[tuple[int, int]]:
    """Free seconds of each month, oldest first, and whether it still holds in days from its beginning."""
    rows = session.execute(
        select(GrantBalance, UsageGrant)
        .join(UsageGrant)
        .order_by(UsageGrant.starts_at)
        .execution_options(populate_existing=True)
    ).tuples()
    return [(balance.free_seconds // 60, (balance.ends_at - grant.starts_at).days) for balance, grant in rows]


def into_april(session: Session, cast: Cast) -> None:
    end_grants(session, APRIL)
    begin_close(session, manufacturer_id=cast.factory.id, now=APRIL)
    open_month(session, now=APRIL)


def test_what_is_left_is_kept_within_the_most_and_the_rest_expires(work_session: Session, books: Cast) -> None:
    used(work_session, books, minutes=30, start=NOW + timedelta(hours=1))
    into_april(work_session, books)
    assert grants(work_session) == [(60, 60), (120, 30)]
    (expiry,) = work_session.scalars(select(GrantExpiry))
    (extension,) = work_session.scalars(select(GrantExtension))
    assert (expiry.seconds, extension.reason) == (30 * 60, "rolled_over")
    assert end_grants(work_session, APRIL) == 0
    assert check_books(work_session) == []


def test_kept_minutes_are_used_first_and_gone_a_month_later(work_session: Session, books: Cast) -> None:
    into_april(work_session, books)
    used(work_session, books, minutes=75, start=APRIL + timedelta(days=1, hours=9))
    assert [free for free, _ in grants(work_session)] == [0, 105]
    end_grants(work_session, MAY)
    assert [free for free, _ in grants(work_session)] == [0, 60]
    assert check_books(work_session) == []


def test_late_work_of_the_old_month_takes_what_expired_and_leaves_what_was_kept(
    work_session: Session, books: Cast
) -> None:
    case = accepted(work_session, books)
    into_april(work_session, books)
    worked(work_session, books, case, minutes=45, start=NOW + timedelta(hours=1))
    assert reserve_hours(work_session, case.id, now=APRIL) == 0
    assert [free for free, _ in grants(work_session)] == [60, 120]
    assert [row.seconds for row in work_session.scalars(select(GrantExpiry))] == [HOUR, -45 * 60]


def test_what_kept_minutes_are_worth_is_earned_when_they_are_over(work_session: Session, books: Cast) -> None:
    """A month costs 290.00; an hour that is kept is worth 120.00 of it and waits until April, and April's until May."""
    end_grants(work_session, APRIL)
    assert earn_plans(work_session, books.factory.id, now=APRIL) == 1
    begin_close(work_session, manufacturer_id=books.factory.id, now=APRIL)
    open_month(work_session, now=APRIL)
    assert earn_plans(work_session, books.factory.id, now=APRIL + timedelta(days=9)) == 0
    end_grants(work_session, MAY)
    assert [free for free, _ in grants(work_session)] == [0, 60]
    assert earn_plans(work_session, books.factory.id, now=MAY) == 2
    earned = [row.amount_minor for row in work_session.scalars(select(PlanEarning).order_by(PlanEarning.id))]
    assert earned == [17_000, 12_000, 17_000]
    held = balances(work_session, manufacturer_id=books.factory.id, currency="EUR")
    assert held["deferred_revenue", books.customer.id] == -12_000
    assert check_books(work_session) == []
