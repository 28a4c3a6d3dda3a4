"""Packs in use: promised, drawn and earned by the minute or the case, in the policy's order, to the last cent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.billing.actions import earn_packs, rebill_case, reserve_hours
from portal.billing.books import check_books
from portal.billing.models import BillItem, BillLine, Share
from portal.billing.packs.models import PackEarning, PackSale, PackShare, PackUse
from portal.entitlement.actions import end_grants
from portal.entitlement.models import GrantBalance, GrantExpiry, GrantReservation, UsageGrant
from portal.ledger.queries import balances
from portal.metering.actions import reverse_entry
from portal.rating.explanation import replay
from tests.support.billed import BILLED_AT, approve, billed, open_books, settled, shares_of, worked
from tests.support.cases import accepted
from tests.support.cast import NOW, Cast, hours_later
from tests.support.packs import PRICE_MINOR, bought

HOUR = 3600
NEXT_YEAR = NOW + timedelta(days=370)


@pytest.fixture
def books(work_session: Session, cast: Cast) -> Cast:
    open_books(work_session, cast)
    return cast


def deferred(session: Session, cast: Cast) -> int:
    held = balances(session, manufacturer_id=cast.factory.id, currency="EUR")
    return -held.get(("deferred_revenue", cast.customer.id), 0)


def used(session: Session, cast: Cast, *, minutes: int, start: datetime = NOW + timedelta(hours=1), **how: Any):
    """A case at the site without a plan, worked on, settled and billed; the case, its entry and its item."""
    case = accepted(session, cast, system_id=cast.plain_system.id)
    entry = worked(session, cast, case, minutes=minutes, start=start, **how)
    settled(session, cast, case)
    return case, entry, billed(session, case)


def left(session: Session, grant: UsageGrant) -> tuple[int, int]:
    balance = session.get_one(GrantBalance, grant.id, populate_existing=True)
    return (balance.free_seconds, balance.reserved_seconds) if grant.granted_seconds else (
        balance.free_incidents, balance.reserved_incidents)  # fmt: skip


def test_an_hour_of_a_pack_pays_for_work_and_earns_its_part(work_session: Session, books: Cast) -> None:
    grant, _ = bought(work_session, books, site=books.plain_site)
    _, _, item = used(work_session, books, minutes=60)
    (line,) = work_session.scalars(select(BillLine).where(BillLine.bill_item_id == item.id))
    assert (line.kind, line.seconds, item.amount_minor, item.use_minor) == ("hours_bought", HOUR, 0, 13_500)
    (use,) = work_session.scalars(select(PackUse))
    assert (use.seconds, use.amount_minor, use.explanation["used_by_all"]) == (HOUR, 13_500, HOUR)
    # Operator 3 %, seller 12 %, worked time 85 %: the factory worked, the integrator sold.
    assert shares_of(work_session, item) == [("integrator", 1_620), ("manufacturer", 11_475), ("operator", 405)]
    assert {share.funding for share in work_session.scalars(select(Share))} == {"use"}
    assert left(work_session, grant) == (9 * HOUR, 0)
    assert deferred(work_session, books) == PRICE_MINOR - 13_500
    assert replay(item.explanation).amount_minor == 0
    assert check_books(work_session) == []


def test_work_is_promised_before_it_is_billed(work_session: Session, books: Cast) -> None:
    grant, _ = bought(work_session, books, site=books.plain_site)
    case = accepted(work_session, books, system_id=books.plain_system.id)
    worked(work_session, books, case, minutes=60)
    assert reserve_hours(work_session, case.id, now=hours_later(3)) == 0
    assert left(work_session, grant) == (9 * HOUR, HOUR)


def test_an_incident_pays_for_a_whole_case(work_session: Session, books: Cast) -> None:
    grant, _ = bought(work_session, books, site=books.plain_site, pack_code="incidents_5", price_minor=145_000)
    for number in range(2):
        _, _, item = used(work_session, books, minutes=200, start=hours_later(1 + 4 * number))
        assert (item.amount_minor, item.use_minor) == (0, 29_000)
    assert left(work_session, grant) == (3, 0)
    assert [use.incidents for use in work_session.scalars(select(PackUse))] == [1, 1]
    assert check_books(work_session) == []


def test_hours_go_before_incidents_and_a_case_they_cover_costs_none(work_session: Session, books: Cast) -> None:
    hours, _ = bought(work_session, books, site=books.plain_site)
    incidents, _ = bought(
        work_session, books, site=books.plain_site, pack_code="incidents_5", price_minor=145_000, source="checkout:2"
    )
    used(work_session, books, minutes=585)
    assert (left(work_session, hours)[0], left(work_session, incidents)) == (900, (5, 0))
    used(work_session, books, minutes=60, start=hours_later(12))
    assert (left(work_session, hours)[0], left(work_session, incidents)) == (0, (4, 0))
    assert check_books(work_session) == []


def test_the_plans_minutes_go_before_a_pack_and_the_case_keeps_its_limit(work_session: Session, books: Cast) -> None:
    """The plan includes two hours a month, of which one case takes ninety minutes without asking."""
    grant, _ = bought(work_session, books)
    case = accepted(work_session, books)
    worked(work_session, books, case, minutes=120)
    settled(work_session, books, case)
    item = billed(work_session, case)
    kinds = {line.kind: line.seconds for line in work_session.scalars(select(BillLine))}
    assert kinds["included"] == 90 * 60
    assert "hours_bought" not in kinds
    assert left(work_session, grant) == (10 * HOUR, 0)
    assert item.use_minor == 18_000


def test_the_last_minute_takes_the_remainder(work_session: Session, books: Cast) -> None:
    bought(work_session, books, site=books.plain_site, price_minor=1_000)
    amounts = []
    for number in range(3):
        _, _, item = used(work_session, books, minutes=(290, 155, 155)[number], start=hours_later(1 + 6 * number))
        amounts.append(item.use_minor)
    assert sum(amounts) == 1_000
    assert deferred(work_session, books) == 0
    assert check_books(work_session) == []


def test_a_correction_unwinds_what_was_drawn_and_earned(work_session: Session, books: Cast) -> None:
    grant, _ = bought(work_session, books, site=books.plain_site)
    case, entry, _ = used(work_session, books, minutes=60)
    used(work_session, books, minutes=30, start=hours_later(5))
    reverse_entry(work_session, books.leo, entry.id, reason="Another case", now=hours_later(40))
    rebill_case(work_session, case.id, reason="the work was on another case", now=BILLED_AT + timedelta(hours=1))
    assert left(work_session, grant) == (10 * HOUR - 1_800, 0)
    assert deferred(work_session, books) == PRICE_MINOR - 6_750
    draws = work_session.execute(text("SELECT seconds FROM grant_draw ORDER BY id")).scalars().all()
    assert list(draws) == [HOUR, 1_800, -HOUR]
    assert check_books(work_session) == []


def test_what_expires_is_earned_when_it_has(work_session: Session, books: Cast) -> None:
    grant, _ = bought(work_session, books, site=books.plain_site)
    used(work_session, books, minutes=60)
    assert earn_packs(work_session, books.factory.id, now=hours_later(300)) == 0
    assert [end_grants(work_session, NEXT_YEAR), end_grants(work_session, NEXT_YEAR)] == [2, 0]
    assert [earn_packs(work_session, books.factory.id, now=NEXT_YEAR) for _ in range(2)] == [1, 0]
    (earning,) = work_session.scalars(select(PackEarning))
    assert (earning.kind, earning.amount_minor) == ("expiry", PRICE_MINOR - 13_500)
    shares = work_session.scalars(select(PackShare)).all()
    assert sum(share.amount_minor for share in shares) == PRICE_MINOR - 13_500
    assert {share.revenue_kind for share in shares} == {"pack_breakage"}
    assert (left(work_session, grant), deferred(work_session, books)) == ((0, 0), 0)
    assert check_books(work_session) == []


def test_earlier_work_that_turns_up_late_takes_its_hours_back(work_session: Session, books: Cast) -> None:
    grant, _ = bought(work_session, books, site=books.plain_site)
    case = accepted(work_session, books, system_id=books.plain_system.id)
    end_grants(work_session, NEXT_YEAR)
    earn_packs(work_session, books.factory.id, now=NEXT_YEAR)
    assert deferred(work_session, books) == 0
    entry = worked(work_session, books, case, minutes=60, approved=False)
    approve(work_session, books, entry)
    settled(work_session, books, case)
    item = billed(work_session, case, now=NEXT_YEAR + timedelta(days=1))
    assert (item.use_minor, deferred(work_session, books)) == (13_500, 0)
    expired = [row.seconds for row in work_session.scalars(select(GrantExpiry).where(GrantExpiry.grant_id == grant.id))]
    assert expired == [10 * HOUR, -HOUR]
    assert [row.amount_minor for row in work_session.scalars(select(PackEarning).order_by(PackEarning.seq))] == [
        PRICE_MINOR, -13_500,
    ]  # fmt: skip
    assert earn_packs(work_session, books.factory.id, now=NEXT_YEAR + timedelta(days=2)) == 0
    assert check_books(work_session) == []


def test_nothing_expires_that_is_promised(work_session: Session, books: Cast) -> None:
    bought(work_session, books, site=books.plain_site)
    case = accepted(work_session, books, system_id=books.plain_system.id)
    worked(work_session, books, case, minutes=60)
    reserve_hours(work_session, case.id, now=hours_later(3))
    end_grants(work_session, NEXT_YEAR)
    assert earn_packs(work_session, books.factory.id, now=NEXT_YEAR) == 0
    assert [row.seconds for row in work_session.scalars(select(GrantReservation))] == [HOUR]
    settled(work_session, books, case)
    assert billed(work_session, case, now=NEXT_YEAR).use_minor == 13_500
    assert earn_packs(work_session, books.factory.id, now=NEXT_YEAR) == 1
    assert deferred(work_session, books) == 0
    assert isinstance(work_session.scalars(select(BillItem)).one(), BillItem)
    assert work_session.scalars(select(PackSale)).one().amount_minor == PRICE_MINOR
