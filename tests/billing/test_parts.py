"""A part that the customer bears: billed with its case, shared by its own rule, refunded as any line, taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from portal.billing.actions import bill, bill_case, cut, cut_period_end, rebill_case
from portal.billing.books import check_books
from portal.billing.models import BillLine, Share
from portal.billing.queries import live_items
from portal.billing.unbilled import cases_with_unbilled_work, unbilled_work
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.metering.models import FittedPart, PartConfirmation
from portal.metering.parts import NewPart, confirm_part, record_part, take_back_part
from portal.metering.queries import parts_to_confirm
from tests.support.billed import BILLED_AT, billed, open_books, paid_case, settled, worked
from tests.support.cases import accepted
from tests.support.cast import NOW, hours_later
from tests.support.versions import signed_policy

SUPPLY = NewPart("Power supply", 8_000, "manufacturer", "returned", on_customer=True, serial="4711", rma="R-9")
STRIKE = NewPart("Strike", 4_100, "integrator", "kept", on_customer=True)


@pytest.fixture
def books(work_session, cast):
    open_books(work_session, cast)
    return cast


def fitted(session, cast, case, new, *, who="ana", at=2.0):
    return record_part(session, getattr(cast, who), case, new, fitted_at=hours_later(at), now=hours_later(5))


def lines(session, item):
    rows = session.scalars(select(BillLine).where(BillLine.bill_item_id == item.id).order_by(BillLine.position))
    return [(row.kind, row.description, row.amount_minor) for row in rows]


def of_parts(session, item):
    rows = session.scalars(select(Share).where(Share.bill_item_id == item.id, Share.revenue_kind == "materials"))
    return {(row.party_role, row.amount_minor, row.funding) for row in rows}


def test_a_part_is_billed_with_its_case_and_paid_to_its_supplier(work_session, books):
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=60)
    fitted(work_session, books, case, SUPPLY)
    fitted(work_session, books, case, STRIKE, who="tom", at=3.0)
    settled(work_session, books, case)
    item = billed(work_session, case)
    ours = "Power supply, serial 4711, RMA R-9, supplied by the manufacturer, at its list price: 80.00 EUR."
    theirs = "Strike, supplied by the integrator, at its list price: 41.00 EUR."
    assert lines(work_session, item)[1:] == [("material", ours, 8_000), ("material", theirs, 4_100)]
    assert item.amount_minor == 15_000 + 12_100
    assert of_parts(work_session, item) == {("manufacturer", 8_000, "cash"), ("integrator", 4_100, "cash")}
    assert check_books(work_session) == []


def test_what_was_recorded_by_mistake_goes_back_with_its_bill(work_session, books):
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=60)
    row = fitted(work_session, books, case, SUPPLY)
    settled(work_session, books, case)
    billed(work_session, case)
    with pytest.raises(NotFound):
        take_back_part(work_session, books.tom, row.id, reason="Another case", now=BILLED_AT)
    with pytest.raises(NotAllowed):
        take_back_part(work_session, books.eli, row.id, reason="Another case", now=BILLED_AT)
    with pytest.raises(Invalid):
        take_back_part(work_session, books.ana, row.id, reason=" ", now=BILLED_AT)
    take_back_part(work_session, books.leo, row.id, reason="Another case", now=BILLED_AT)
    with pytest.raises(Conflict):
        take_back_part(work_session, books.ana, row.id, reason="Again", now=BILLED_AT)
    assert rebill_case(work_session, case.id, reason="a part was taken back", now=BILLED_AT) == 1
    (item,) = live_items(work_session, case.id)
    assert (item.amount_minor, item.revision) == (15_000, 1)
    assert check_books(work_session) == []


def test_a_periods_end_bills_an_old_part_of_a_case_without_work(work_session, books):
    old, young, gone = (paid_case(work_session, books) for _ in range(3))
    fitted(work_session, books, old, SUPPLY)
    record_part(
        work_session, books.ana, young, SUPPLY, fitted_at=hours_later(24 * 30), now=hours_later(24 * 30)
    )  # fmt: skip
    mistaken = fitted(work_session, books, gone, SUPPLY)
    take_back_part(work_session, books.ana, mistaken.id, reason="Another case", now=BILLED_AT)
    until, whose = hours_later(24 * 20), books.factory.id
    assert cases_with_unbilled_work(work_session, whose, before=until, after=0, most=9) == [old.id]
    (owed,) = unbilled_work(work_session, [old.id], before=until)
    assert (owed.payer_id, owed.amount_minor) == (books.customer.id, 8_000)
    period_end = NOW + timedelta(days=40)
    assert [cut_period_end(work_session, whose, cut_at=period_end, now=period_end) for _ in range(2)] == [1, 0]
    assert bill_case(work_session, old.id, now=period_end) == 1
    (item,) = live_items(work_session, old.id)
    assert (item.amount_minor, live_items(work_session, young.id), live_items(work_session, gone.id)) == (8_000, [], [])
    assert cases_with_unbilled_work(work_session, whose, before=until, after=0, most=9) == []
    assert check_books(work_session) == []


def test_a_dear_part_waits_for_somebody_else_and_is_billed_once_confirmed(work_session, books):
    signed_policy(work_session, books, ('above = "400.00"', 'above = "79.99"'))
    case = paid_case(work_session, books)
    worked(work_session, books, case, minutes=60)
    dear, cheap = fitted(work_session, books, case, SUPPLY, who="leo"), fitted(work_session, books, case, STRIKE)
    assert (dear.needs_second, cheap.needs_second) == (True, False)
    gone = fitted(work_session, books, case, SUPPLY)
    take_back_part(work_session, books.ana, gone.id, reason="Twice", now=hours_later(6))
    settled(work_session, books, case)
    assert bill(work_session, cut(work_session, case, "closing", now=BILLED_AT).id, now=BILLED_AT) == []
    period_end = NOW + timedelta(days=40)
    assert cases_with_unbilled_work(work_session, books.factory.id, before=period_end, after=0, most=9) == [case.id]
    (owed,) = unbilled_work(work_session, [case.id], before=period_end)
    assert owed.amount_minor == 15_000 + 4_100
    # Whoever recorded it, an engineer, another company: nobody of these.
    for who, refusal in (("leo", NotAllowed), ("eli", NotAllowed), ("mia", NotFound), ("bea", NotFound)):
        with pytest.raises(refusal):
            confirm_part(work_session, getattr(books, who), dear.id, now=BILLED_AT)
    other = replace(books.leo, person_id=books.eli.person_id, display_name="Eli")
    for part, sentence in ((cheap, "needs nobody"), (gone, "taken back meanwhile")):
        with pytest.raises(Conflict, match=sentence):
            confirm_part(work_session, other, part.id, now=BILLED_AT)
    assert list(parts_to_confirm(work_session, books.leo)) == []
    assert list(parts_to_confirm(work_session, other)) == [dear]
    assert [confirm_part(work_session, other, dear.id, now=BILLED_AT) for _ in range(2)] == [True, False]
    assert list(parts_to_confirm(work_session, other)) == []
    assert rebill_case(work_session, case.id, reason="confirmed", now=BILLED_AT) == 1
    (item,) = live_items(work_session, case.id)
    assert item.amount_minor == 15_000 + 8_000 + 4_100
    assert check_books(work_session) == []
    # Nobody confirms its own, whatever writes the row.
    own = PartConfirmation(
        **{name: getattr(gone, name) for name in ("case_id", "manufacturer_id", "integrator_id", "customer_id")},
        part_id=gone.id, recorded_by=gone.recorded_by, confirmed_by=gone.recorded_by, confirmed_name="Ana",
        confirmed_at=BILLED_AT,
    )  # fmt: skip
    work_session.add(own)
    with pytest.raises(IntegrityError, match="ck_part_confirmation_by_another"):
        work_session.flush()


def test_a_part_beyond_what_was_authorized_is_the_manufacturers(work_session, books):
    case = paid_case(work_session, books, nte_minor=20_000)
    worked(work_session, books, case, minutes=60)
    fitted(work_session, books, case, SUPPLY, at=4.0)
    settled(work_session, books, case)
    item = billed(work_session, case)
    assert item.amount_minor == 15_000
    kind, _, minor = lines(work_session, item)[-1]
    assert (kind, minor) == ("beyond_nte", 0)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"part": " "}, "part"),
        ({"price_minor": 0}, "price"),
        ({"disposition": ""}, "disposition"),
        ({"supplier": "customer"}, "supplier"),
        ({"serial": "9" * 101}, "serial"),
    ],
)
def test_what_is_no_part_is_refused_at_its_field(work_session, books, change, field):
    case = accepted(work_session, books)
    new = NewPart(**{**SUPPLY.__dict__, **change})
    with pytest.raises(Invalid) as refused:
        fitted(work_session, books, case, new)
    assert list(refused.value.fields) == [field]


def test_only_the_companies_service_people_record_parts_of_a_running_case(work_session, books):
    case = accepted(work_session, books)
    for who, refusal in (("bea", NotFound), ("sam", NotFound), ("fay", NotAllowed)):
        with pytest.raises(refusal):
            fitted(work_session, books, case, SUPPLY, who=who)
    for at in (-1.0, 6.0):
        with pytest.raises(Invalid):
            fitted(work_session, books, case, SUPPLY, at=at)
    row = fitted(work_session, books, case, SUPPLY)
    # The supplier is one of the companies, whatever writes the row.
    wrong = {name: getattr(row, name) for name in row.__table__.c.keys() if name != "id"}  # noqa: SIM118
    work_session.add(FittedPart(**{**wrong, "supplier_id": row.customer_id}))
    with pytest.raises(IntegrityError, match="ck_fitted_part_supplier"):
        work_session.flush()
