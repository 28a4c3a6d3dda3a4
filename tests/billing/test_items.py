"""Bill items: one per cut, made when nothing holds it, with lines, shares and postings that sum."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.actions import bill, bill_case, cut, rebill_case
from portal.billing.books import check_books
from portal.billing.models import BillItem, BillLine, BillSegment
from portal.billing.queries import blockers, live_items
from portal.cases import actions as cases
from portal.directory.models import System
from portal.entitlement.models import AuthorizationBalance, GrantBalance
from portal.errors import NotFound, RuleBroken
from portal.ledger.queries import balances
from portal.metering.actions import start_timer
from tests.support.billed import BILLED_AT, approve, billed, open_books, paid_case, settled, shares_of, worked
from tests.support.cases import accepted
from tests.support.cast import NOW, Cast, everything, hours_later


@pytest.fixture
def books(work_session: Session, cast: Cast) -> Cast:
    open_books(work_session, cast)
    return cast


def held(session: Session, cast: Cast) -> dict[tuple[str, int | None], int]:
    return balances(session, manufacturer_id=cast.factory.id, currency="EUR")


def test_included_minutes_cost_nothing_and_are_payable_at_use(work_session: Session, books: Cast) -> None:
    case = accepted(work_session, books)
    worked(work_session, books, case, minutes=40)
    settled(work_session, books, case)
    item = billed(work_session, case)
    # 45 minutes after rounding, each hour worth 120.00 when it is used.
    assert (item.amount_minor, item.list_amount_minor, item.use_minor) == (0, 11_250, 9_000)
    assert shares_of(work_session, item) == [("integrator", 900), ("manufacturer", 7_830), ("operator", 270)]
    assert held(work_session, books) == {
        ("deferred_revenue", books.customer.id): 9_000,
        ("payable", books.integrator.id): -900,
        ("payable", books.factory.id): -8_100,
    }
    (balance,) = work_session.scalars(select(GrantBalance))
    assert (balance.free_seconds, balance.reserved_seconds) == (75 * 60, 0)


def test_time_and_materials_accrue_until_cash_arrives(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=65)
    worked(work_session, books, case, minutes=20, worker=books.tom, start=hours_later(3))
    settled(work_session, books, case)
    item = billed(work_session, case)
    # 85 minutes are 90 at 150.00 an hour; 300 bp to the operator, 700 to the seller (the factory, without a plan).
    assert (item.amount_minor, item.payer_id, item.collector_id) == (22_500, books.customer.id, books.factory.id)
    assert sum(minor for _, minor in shares_of(work_session, item)) == 22_500
    assert [party for party, _ in shares_of(work_session, item)] == ["integrator", "manufacturer", "operator"]
    ledger = held(work_session, books)
    assert ledger["receivable_unbilled", books.customer.id] == 22_500
    assert ledger["payable_accrued", books.integrator.id] + ledger["payable_accrued", books.factory.id] == -22_500
    (left,) = work_session.scalars(select(AuthorizationBalance.left_minor))
    assert left == 100_000 - 22_500
    assert check_books(work_session) == []


def test_every_line_leads_to_entries_and_keeps_its_steps(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books)
    entry = worked(work_session, books, case, minutes=65)
    settled(work_session, books, case)
    item = billed(work_session, case)
    lines = work_session.scalars(select(BillLine).order_by(BillLine.position)).all()
    assert [(line.kind, line.seconds, line.amount_minor) for line in lines] == [
        ("billed", 3_900, 16_250),
        ("rounding", 600, 2_500),
    ]
    segments = work_session.scalars(select(BillSegment)).all()
    assert {segment.entry_id for segment in segments} == {entry.id}
    assert sum(segment.billed_seconds for segment in segments) == 4_500
    assert lines[0].explanation["steps"][0]["seconds_after"] == 4_500
    assert item.explanation["currency"] == "EUR"


def test_work_without_a_yes_is_the_manufacturers_line(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books, nte_minor=None)
    worked(work_session, books, case, minutes=60)
    settled(work_session, books, case)
    item = billed(work_session, case)
    (line,) = work_session.scalars(select(BillLine))
    assert (item.amount_minor, line.kind, line.bearer) == (0, "unauthorized", "manufacturer")
    assert everything(work_session, "posting") == []


def test_work_beyond_the_authorized_sum_is_the_manufacturers_line(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books, nte_minor=10_000)
    worked(work_session, books, case, minutes=120)
    settled(work_session, books, case)
    item = billed(work_session, case)
    assert item.amount_minor == 10_000
    (left,) = work_session.scalars(select(AuthorizationBalance.left_minor))
    assert left == 0


def test_a_free_cause_makes_an_item_of_zero(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=60)
    settled(work_session, books, case, cause="firmware_defect", last_action="firmware_update")
    item = billed(work_session, case)
    assert (item.amount_minor, item.list_amount_minor) == (0, 15_000)


def test_a_case_without_work_gets_an_item_of_zero(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books)
    settled(work_session, books, case)
    item = billed(work_session, case)
    assert (item.amount_minor, item.list_amount_minor) == (0, 0)


def test_what_the_integrator_pays_stands_on_an_item_of_its_own(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=60)
    settled(work_session, books, case, cause="installation", last_action="rewired")
    item = billed(work_session, case)
    assert (item.payer_id, item.audience) == (books.integrator.id, "companies")
    # Nobody of the integrator had said yes to its net price: the work is the manufacturer's to bear.
    assert item.amount_minor == 0


def test_blockers_hold_the_item_by_name(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books)
    entry = worked(work_session, books, case, minutes=60, approved=False)
    start_timer(work_session, books.eli, case, mode="remote", task_class="support", now=hours_later(4))
    made = cut(work_session, case, "closing", now=BILLED_AT)
    assert [each.code for each in blockers(work_session, case, now=BILLED_AT)] == ["unapproved_time", "running_timer"]
    assert list(bill(work_session, made.id, now=BILLED_AT)) == []
    approve(work_session, books, entry)
    work_session.execute(BillItem.__table__.metadata.tables["running_timer"].delete())
    assert bill_case(work_session, case.id, now=BILLED_AT) == 1


def test_a_challenge_of_the_cause_holds_the_item(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=60)
    settled(work_session, books, case, confirmed=False)
    cases.challenge(
        work_session, books.mia, case, subject="cause", reason="It was the firmware",
        proposal={"cause": "firmware_defect"}, seq=case.seq, now=hours_later(32),
    )  # fmt: skip
    assert [each.code for each in blockers(work_session, case, now=BILLED_AT)] == ["open_challenge"]


def test_billing_again_changes_nothing(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=60)
    settled(work_session, books, case)
    item = billed(work_session, case)
    ledger = held(work_session, books)
    assert [each.id for each in bill(work_session, item.cut_id, now=BILLED_AT)] == [item.id]
    assert billed(work_session, case).id == item.id
    assert rebill_case(work_session, case.id, reason="nothing new", now=BILLED_AT) == 0
    assert held(work_session, books) == ledger


def test_an_unknown_cut_is_not_found(work_session: Session, books: Cast) -> None:
    with pytest.raises(NotFound):
        bill(work_session, 0, now=BILLED_AT)


def test_a_later_cut_bills_the_difference(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=10)
    first_cut = cut(work_session, case, "period_end", now=BILLED_AT, cut_at=hours_later(24))
    (first,) = bill(work_session, first_cut.id, now=BILLED_AT)
    # Ten minutes are billed as the minimum of thirty.
    assert first.amount_minor == 7_500
    worked(work_session, books, case, minutes=40, start=hours_later(25))
    settled(work_session, books, case)
    second = billed(work_session, case)
    # Fifty minutes in all are sixty: the second item takes back the minimum and bills the rest.
    assert second.amount_minor == 7_500
    kinds = work_session.scalars(
        select(BillLine.kind).where(BillLine.bill_item_id == second.id, BillLine.amount_minor < 0)
    )
    assert list(kinds) == ["minimum"]
    assert check_books(work_session) == []


def test_an_earlier_cut_is_made_again_when_the_case_turns_out_free(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=60)
    bill(work_session, cut(work_session, case, "period_end", now=BILLED_AT, cut_at=hours_later(24)).id, now=BILLED_AT)
    settled(work_session, books, case, cause="firmware_defect", last_action="firmware_update")
    billed(work_session, case)
    assert [(item.revision, item.amount_minor) for item in live_items(work_session, case.id)] == [(1, 0), (0, 0)]
    assert held(work_session, books) == {}
    (left,) = work_session.scalars(select(AuthorizationBalance.left_minor))
    assert left == 100_000


def test_a_closed_case_is_not_cut_at_a_periods_end(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books)
    settled(work_session, books, case)
    billed(work_session, case)
    with pytest.raises(RuleBroken):
        cut(work_session, case, "period_end", now=BILLED_AT, cut_at=hours_later(24))


def test_work_before_day_one_is_commissioning_for_the_integrator(work_session: Session, books: Cast) -> None:
    system = work_session.get_one(System, books.plain_system.id)
    system.day_one_on = (NOW + timedelta(days=30)).date()
    work_session.flush()
    case = paid_case(work_session, books, nte_minor=None)
    worked(work_session, books, case, minutes=60)
    settled(work_session, books, case)
    item = billed(work_session, case)
    assert item.payer_id == books.integrator.id
