"""Fees, roles and overtime of a signed policy on the bills of its cases."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.books import check_books
from portal.billing.models import BillLine, BillSegment
from portal.contracts.conditions import WorkKey
from portal.contracts.policy import parse_policy
from portal.entitlement.rules.beside import prices_beside
from portal.rating.explanation import replay
from tests.support.billed import billed, open_books, paid_case, settled, shares_of, worked
from tests.support.cast import Cast, hours_later
from tests.support.documents import POLICY, changed
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

ROLES = """
[[roles]]
code = "master"

[[skills]]
code = "programming"

[[rates]]
roles = ["master"]
per_hour = "300.00"

[[rates]]
skills = ["programming"]
per_hour = "200.00"

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


def test_role_and_skill_of_the_work_decide_its_price(work_session: Session, cast: Cast) -> None:
    open_books(work_session, cast)
    travel = '[[rates]]\nmodes = ["travel"]'
    signed_policy(work_session, cast, (travel, ROLES.lstrip() + travel))
    case = paid_case(work_session, cast)
    worked(work_session, cast, case, minutes=60, role="master")
    worked(work_session, cast, case, minutes=60, start=hours_later(2), skill="programming")
    settled(work_session, cast, case)
    item = billed(work_session, case)
    assert item.amount_minor == 30_000 + 20_000
    lines = work_session.scalars(select(BillLine).where(BillLine.bill_item_id == item.id).order_by(BillLine.position))
    assert [line.description for line in lines] == [
        "1 h business, master, remote at 300.00 EUR an hour: 300.00 EUR.",
        "1 h business, programming, remote at 200.00 EUR an hour: 200.00 EUR.",
    ]
    assert check_books(work_session) == []


def test_payer_is_shown_fees_and_prices_of_roles_before_the_act() -> None:
    text = changed(POLICY, ('[[warranty]]\nproduct_lines = ["DoorController"]\n', FEES.lstrip()))
    policy = parse_policy(
        text.replace('[[rates]]\nmodes = ["travel"]', ROLES.lstrip() + '[[rates]]\nmodes = ["travel"]')
    )
    said = [
        each.sentence for each in prices_beside(policy, WorkKey("remote", "business", "support", plan="complimentary"))
    ]
    assert said == [
        "An hour costs otherwise for: master 300.00 EUR, programming 200.00 EUR.",
        "Beside time: Case intake 30.00 EUR.",
    ]
