"""Fees, roles and overtime of a signed policy on the bills of its cases."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.books import check_books
from portal.billing.models import BillLine, BillSegment
from portal.rating.explanation import replay
from tests.support.billed import billed, open_books, paid_case, settled, shares_of, worked
from tests.support.cast import Cast, hours_later
from tests.support.versions import signed_policy

FEES = """
[[caps]]
level = "case"
modes = ["remote"]
amount = "200.00"

[[fees]]
code = "intake"
label = "Case intake"
amount = "30.00"
included_minutes = 30

[[warranty]]
product_lines = ["DoorController"]
"""


@pytest.fixture
def books(work_session: Session, cast: Cast) -> Cast:
    open_books(work_session, cast)
    signed_policy(work_session, cast, ('[[warranty]]\nproduct_lines = ["DoorController"]\n', FEES.lstrip()))
    return cast


def test_fee_stands_on_the_bill_pays_for_its_minutes_and_is_shared(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=85)
    settled(work_session, books, case)
    item = billed(work_session, case)
    # 90 minutes after rounding: 30 are in the fee, the others cost 150.00 an hour.
    assert item.amount_minor == 3_000 + 15_000
    lines = work_session.scalars(select(BillLine).where(BillLine.bill_item_id == item.id).order_by(BillLine.position))
    said = [(line.kind, line.seconds, line.amount_minor, line.description) for line in lines]
    assert said[0] == ("fee", 0, 3_000, "Case intake: 30.00 EUR.")
    assert ("in_fee", 1_800, 0) in [row[:3] for row in said]
    assert sum(minor for _, minor in shares_of(work_session, item)) == item.amount_minor
    assert replay(item.explanation).amount_minor == item.amount_minor
    assert check_books(work_session) == []


def test_most_money_holds_over_two_cuts_of_one_case(work_session: Session, books: Cast) -> None:
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=120)
    worked(work_session, books, case, minutes=60, start=hours_later(5))
    settled(work_session, books, case)
    item = billed(work_session, case)
    # Two and a half hours beyond the fee would cost 375.00; the cap takes them to 200.00.
    assert item.amount_minor == 3_000 + 20_000
    assert work_session.scalars(select(BillSegment).where(BillSegment.case_id == case.id)).first() is not None
    assert check_books(work_session) == []
