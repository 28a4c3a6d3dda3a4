"""What is owed, unbilled and undetermined for the manufacturer's finance; what the plan was worth for its payer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from portal.access import Role
from portal.billing.actions import cut
from portal.ledger.rules import Purpose, credit, debit
from tests.support.billed import BILLED_AT, billed, open_books, paid_case, settled, worked
from tests.support.cases import accepted
from tests.support.cast import add_person, hours_later
from tests.support.payments import post_one
from tests.web.support import money


@pytest.fixture
def books(work_session, cast):
    open_books(work_session, cast)
    work_session.commit()


@pytest.mark.parametrize(("days", "bucket"), [(20, "Not due"), (40, "1 to 30 days"), (130, "Over 90 days")])
def test_open_invoices_age(visit, cast, work_session, clock, days, bucket):
    money.issued_invoice(work_session, cast)
    work_session.commit()
    clock.now = BILLED_AT + timedelta(days=days)
    page = visit(cast.fay).get("/receivables").text
    assert f'data-label="{bucket}"><span><a href="/invoices?payer={cast.customer.id}">€225.00' in page


def test_unbilled_work_names_what_holds_it_and_what_it_is_worth(visit, cast, books, work_session, clock):
    case = paid_case(work_session, cast)
    worked(work_session, cast, case, minutes=20, approved=False)
    settled(work_session, cast, case)
    cut(work_session, case, "closing", now=BILLED_AT)
    work_session.commit()
    page = visit(cast.fay).get("/unbilled-work").text
    assert case.name in page
    assert "1 time entry is not approved yet." in page
    assert 'data-label="Worth"><span>–' in page
    worked(work_session, cast, case, minutes=60, start=hours_later(3))
    work_session.commit()
    clock.now = BILLED_AT
    page = visit(cast.fay).get("/unbilled-work").text
    assert f'data-label="Worth"><span><a href="/cases/{case.name}">€' in page


def test_undetermined_shares_are_listed_and_summed_by_age(visit, cast, books, work_session, clock):
    case = paid_case(work_session, cast)
    worked(work_session, cast, case, minutes=65)
    settled(work_session, cast, case, confirmed=False)
    item = billed(work_session, case)
    work_session.commit()
    link = f"/bill-items/{item.id}#shares"
    for days, age in ((0, 0), (30, 0), (31, 1), (90, 2), (91, 3), (400, 3)):
        clock.now = BILLED_AT + timedelta(days=days, minutes=1)
        fay = visit(cast.fay)
        assert link in fay.get("/undetermined-shares").text
        narrowed = [fay.get(f"/undetermined-shares?currency=EUR&age={each}").text for each in range(4)]
        assert [link in each for each in narrowed] == [each == age for each in range(4)], days
    assert link in fay.get("/undetermined-shares?currency=<b>&age=9").text


def test_a_party_below_zero_is_listed_with_its_accounts_and_since_when(visit, cast, books, work_session, clock):
    assert "Nobody is below zero" in visit(cast.fay).get("/owing-parties").text
    party = cast.integrator.id
    for number, (minor, days) in enumerate([(500, 0), (-700, 1), (100, 2)]):
        post_one(
            work_session,
            cast,
            (debit(Purpose.ACCRUED, minor, party), credit(Purpose.PAYABLE, minor, party)),
            f"owing-{number}",
            BILLED_AT + timedelta(days=days),
        )
    work_session.commit()
    clock.now = BILLED_AT + timedelta(days=11)
    page = visit(cast.fay).get("/owing-parties").text
    assert "-€1.00" in page
    assert "No statement yet" in page
    assert "10 d" in page
    assert "is below zero" in visit(cast.fay).get("/").text
    for stranger in (cast.ivo, cast.flo, cast.eve):
        assert visit(stranger).get("/owing-parties").status_code in (403, 404)


def test_plan_is_worth_what_it_saved(visit, cast, books, work_session):
    case = accepted(work_session, cast)
    worked(work_session, cast, case, minutes=40)
    settled(work_session, cast, case)
    billed(work_session, case)
    work_session.commit()
    page = visit(cast.bea).get("/value").text
    assert "2026 Q1" in page
    assert page.count("€112.50") == 2
    assert "€0.00" in page


def test_nothing_to_show_says_what_will_come(visit, cast):
    fay = visit(cast.fay)
    assert "Nobody owes anything" in fay.get("/receivables").text
    assert "Everything is billed" in fay.get("/unbilled-work").text
    assert "Every share has its party" in fay.get("/undetermined-shares").text
    assert "Nothing was billed yet" in visit(cast.bea).get("/value").text


@pytest.mark.parametrize("path", ["/receivables", "/unbilled-work", "/undetermined-shares"])
@pytest.mark.parametrize("who", ["leo", "ana", "adam", "ivo", "mia", "flo", "bea"])
def test_overviews_are_for_the_manufacturers_finance(visit, cast, who, path):
    assert visit(getattr(cast, who)).get(path).status_code == 404


@pytest.mark.parametrize("who", ["cal", "fay", "mia", "tom"])
def test_value_is_for_those_who_pay(visit, cast, who):
    assert visit(getattr(cast, who)).get("/value").status_code == 404


@pytest.mark.parametrize("path", ["/receivables", "/unbilled-work", "/undetermined-shares"])
def test_another_manufacturer_reads_nothing_of_it(visit, cast, work_session, path):
    money.issued_invoice(work_session, cast)
    stranger = add_person(work_session, cast.other_factory, "stranger", Role.FINANCE)
    work_session.commit()
    page = visit(stranger).get(path).text
    assert "Klinikum" not in page
    assert "€225.00" not in page
