"""Plans by the month: sold once, deferred until used, the rest earned when the month is over, to the last cent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.actions import earn_plans, gather_invoices, open_choice, open_month, rebill_case
from portal.billing.actions.covered import covered_weights
from portal.billing.books import check_books
from portal.billing.deferred.reading import roll_forward
from portal.billing.gathering import read_case
from portal.billing.models import Invoice, InvoiceItem, PlanEarning, PlanSale, PlanShare
from portal.billing.plan_reading import plan_month
from portal.billing.rules.plans import use_by_grant
from portal.contracts import actions as contracts
from portal.contracts.blocks import Weights
from portal.contracts.models import PlanChoice
from portal.ledger.models import JournalTransaction, Period
from portal.ledger.queries import balances
from portal.metering.actions import reverse_entry
from portal.settlement.books import all_problems
from portal.settlement.models import StatementLine
from portal.settlement.origins import line_origin
from tests.billing.test_money import invoiced, paid, two_company_case
from tests.support.billed import approve, billed, open_books, settled, worked
from tests.support.cases import accepted
from tests.support.cast import NOW, Cast, hours_later
from tests.support.settling import close, statement_of
from tests.support.versions import signed_policy

APRIL = datetime(2026, 4, 1, 6, tzinfo=UTC)


@pytest.fixture
def books(work_session: Session, cast: Cast) -> Cast:
    open_books(work_session, cast)
    return cast


def held(session: Session, cast: Cast) -> dict[tuple[str, int | None], int]:
    return balances(session, manufacturer_id=cast.factory.id, currency="EUR")


def used(session: Session, cast: Cast, *, minutes: int = 40):
    case = accepted(session, cast)
    entry = worked(session, cast, case, minutes=minutes)
    settled(session, cast, case)
    billed(session, case)
    return case, entry


@pytest.mark.parametrize(
    ("use_minor", "seconds", "parts"),
    [
        (100, {}, {}),
        (100, {7: 60}, {7: 100}),
        (100, {7: 60, 8: 60, 9: 60}, {7: 34, 8: 33, 9: 33}),
        (100, {7: 60, 8: 0, 9: -60}, {7: 100}),
    ],
)
def test_use_is_divided_among_the_months_it_drew_from(use_minor, seconds, parts) -> None:
    assert use_by_grant(use_minor, seconds) == parts


def test_a_month_is_sold_once_and_deferred(work_session: Session, books: Cast) -> None:
    assert [open_month(work_session, now=NOW), open_month(work_session, now=NOW + timedelta(days=3))] == [1, 0]
    (sale,) = work_session.scalars(select(PlanSale))
    assert (sale.amount_minor, sale.payer_id, sale.plan_code) == (29_000, books.customer.id, "assured")
    assert held(work_session, books) == {
        ("receivable_unbilled", books.customer.id): 29_000,
        ("deferred_revenue", books.customer.id): -29_000,
    }
    assert check_books(work_session) == []


def test_nothing_is_sold_before_the_books_are_open(work_session: Session, cast: Cast) -> None:
    assert open_month(work_session, now=NOW) == 0
    assert work_session.scalars(select(PlanSale)).all() == []


def test_use_comes_out_of_what_the_month_was_sold_for(work_session: Session, books: Cast) -> None:
    open_month(work_session, now=NOW)
    used(work_session, books)
    ledger = held(work_session, books)
    assert ledger["deferred_revenue", books.customer.id] == -(29_000 - 9_000)
    assert check_books(work_session) == []


def test_what_is_left_is_earned_when_the_month_is_over(work_session: Session, books: Cast) -> None:
    open_month(work_session, now=NOW)
    used(work_session, books)
    assert earn_plans(work_session, books.factory.id, now=NOW + timedelta(days=10)) == 0
    assert [earn_plans(work_session, books.factory.id, now=APRIL) for _ in range(2)] == [1, 0]
    (earning,) = work_session.scalars(select(PlanEarning))
    assert (earning.used_minor, earning.amount_minor, earning.unused_seconds) == (9_000, 20_000, 75 * 60)
    shares = work_session.scalars(select(PlanShare)).all()
    assert sum(share.amount_minor for share in shares) == 20_000
    assert ("deferred_revenue", books.customer.id) not in held(work_session, books)
    assert check_books(work_session) == []


def test_work_that_is_not_billed_yet_keeps_its_month(work_session: Session, books: Cast) -> None:
    open_month(work_session, now=NOW)
    case = accepted(work_session, books)
    entry = worked(work_session, books, case, minutes=30, approved=False)
    assert earn_plans(work_session, books.factory.id, now=APRIL) == 0
    approve(work_session, books, entry)
    settled(work_session, books, case)
    billed(work_session, case, now=APRIL)
    assert earn_plans(work_session, books.factory.id, now=APRIL) == 1
    assert check_books(work_session) == []


def test_a_case_billed_again_after_its_month_moves_the_difference(work_session: Session, books: Cast) -> None:
    open_month(work_session, now=NOW)
    case, entry = used(work_session, books)
    earn_plans(work_session, books.factory.id, now=APRIL)
    reverse_entry(work_session, books.leo, entry.id, reason="Another case", now=APRIL)
    rebill_case(work_session, case.id, reason="the work was on another case", now=APRIL + timedelta(hours=1))
    assert earn_plans(work_session, books.factory.id, now=APRIL + timedelta(hours=2)) == 1
    assert [row.amount_minor for row in work_session.scalars(select(PlanEarning).order_by(PlanEarning.seq))] == [
        20_000,
        9_000,
    ]
    assert ("deferred_revenue", books.customer.id) not in held(work_session, books)
    assert check_books(work_session) == []


def test_the_month_stands_on_its_payers_invoice(work_session: Session, books: Cast) -> None:
    open_month(work_session, now=NOW)
    period_id = work_session.scalars(select(Period.id)).one()
    gather_invoices(work_session, period_id, now=APRIL)
    gather_invoices(work_session, period_id, now=APRIL)
    (invoice,) = work_session.scalars(select(Invoice))
    (line,) = work_session.scalars(select(InvoiceItem))
    assert (invoice.total_minor, invoice.payer_id) == (29_000, books.customer.id)
    assert (line.description, line.bill_item_id) == ("Assured, Main building, 2026-03", None)
    assert check_books(work_session) == []


def test_the_next_month_is_sold_on_its_first_day_where_its_use_is_booked(
    work_engine, work_session: Session, books: Cast
) -> None:
    open_month(work_session, now=NOW)
    # March still takes postings on the second of April, and the use of April's minutes is one.
    assert [open_month(work_session, now=at) for at in (APRIL, APRIL + timedelta(hours=1))] == [1, 0]
    case = accepted(work_session, books)
    worked(work_session, books, case, minutes=40, start=APRIL)
    billed(work_session, case, now=APRIL + timedelta(hours=3))
    work_session.commit()
    close(work_engine, books, APRIL + timedelta(days=1))
    march = next(row for row in roll_forward(work_session, books.fay).rows if row.month == "2026-03")
    assert (march.moved["sold"], march.moved["used"], march.moved["expired"]) == (58_000, -9_000, -29_000)
    assert march.closing_minor == 29_000 - 9_000
    assert all_problems(work_session) == []
    # What April leaves over is April's own: nothing of it comes from March.
    work_session.commit()
    close(work_engine, books, APRIL + timedelta(days=31))
    earned = work_session.scalars(select(JournalTransaction).where(JournalTransaction.kind == "plan_earned"))
    assert [each.origin_period_id for each in earned] == [None, None]
    assert all_problems(work_session) == []


def test_use_worth_more_than_is_left_of_its_month_is_the_manufacturers_at_the_close(
    work_engine, work_session: Session, books: Cast
) -> None:
    signed_policy(work_session, books, GIVEN_UP)
    open_month(work_session, now=NOW)
    # Given up before its use is billed: all by days goes back, and the minutes were used all the same.
    cases = [accepted(work_session, books) for _ in range(2)]
    for number, case in enumerate(cases):
        worked(work_session, books, case, minutes=60, start=hours_later(1 + 2 * number))
    give_up(work_session, books)
    for case in cases:
        settled(work_session, books, case)
        billed(work_session, case)
    assert held(work_session, books)["deferred_revenue", books.customer.id] == 5_290
    assert [earn_plans(work_session, books.factory.id, now=NOW + timedelta(days=12)) for _ in range(2)] == [1, 0]
    assert ("deferred_revenue", books.customer.id) not in held(work_session, books)
    (share,) = work_session.scalars(select(PlanShare))
    assert (share.party_id, share.amount_minor) == (books.factory.id, -5_290)
    assert earn_plans(work_session, books.factory.id, now=APRIL) == 0
    assert check_books(work_session) == []


def test_a_plan_accepted_again_within_its_month_is_not_sold_twice(work_session: Session, books: Cast) -> None:
    open_month(work_session, now=NOW)
    again = contracts.choose_plan(
        work_session, books.bea, site=books.site, version=books.policy_version,
        shown_sha256=books.policy_version.sha256, plan_code="assured", from_at=hours_later(1), now=hours_later(1),
    )  # fmt: skip
    open_choice(work_session, again.id, now=hours_later(2))
    assert len(work_session.scalars(select(PlanSale)).all()) == 1


def test_the_statement_line_of_a_month_opens_into_it(work_engine, work_session: Session, books: Cast) -> None:
    open_month(work_session, now=NOW)
    work_session.commit()
    period_id = close(work_engine, books)
    statement = statement_of(work_session, period_id, books.factory.id)
    line = work_session.scalars(select(StatementLine).where(StatementLine.statement_id == statement.id)).first()
    origin = line_origin(work_session, books.fay, line.id)
    assert (line.kind, line.description) == ("plan", "Assured, Main building, 2026-03")
    assert origin.plan_share is not None
    assert origin.plan_share.amount_minor == line.amount_minor
    assert all_problems(work_session) == []


def test_a_month_begun_late_costs_its_days_where_the_plan_says_so(work_session: Session, books: Cast) -> None:
    by_days = ('price_per_month = "290.00"', 'price_per_month = "290.00"\nfirst_month_by_days = true')
    signed_policy(work_session, books, by_days)
    chosen = PlanChoice(
        manufacturer_id=books.factory.id, customer_id=books.customer.id, integrator_id=books.integrator.id,
        seller_id=books.integrator.id, site_id=books.plain_site.id, version_id=books.policy_version.id, sha256="",
        plan_code="assured", from_at=NOW, accepted_by=books.bea.person_id, accepted_at=NOW, terms={},
    )  # fmt: skip
    work_session.add(chosen)
    work_session.flush()
    open_choice(work_session, chosen.id, now=NOW)
    sale = work_session.scalars(select(PlanSale).where(PlanSale.plan_choice_id == chosen.id)).one()
    # The tenth to the last of March are 22 of 31 days.
    assert sale.amount_minor == 20_581
    assert check_books(work_session) == []


def test_what_a_month_left_goes_to_who_resolved_the_cases_it_covered(work_session: Session, books: Cast) -> None:
    open_month(work_session, now=NOW)
    (sale,) = work_session.scalars(select(PlanSale))
    fallback = Weights(integrator_bp=5_000, manufacturer_bp=5_000)
    assert covered_weights(work_session, sale, fallback) == fallback
    case, _ = used(work_session, books)
    weights = covered_weights(work_session, sale, fallback)
    assert weights == read_case(work_session, case).outcome.weights
    assert weights != fallback


GIVEN_UP = ('price_per_month = "290.00"', 'price_per_month = "290.00"\ngiven_up_by_days = true')


def give_up(session: Session, cast: Cast, *, heard_at: datetime = NOW + timedelta(days=10, hours=1)) -> None:
    """Another plan begins on the twentieth: eleven of 31 days are left."""
    chosen = contracts.choose_plan(
        session, cast.bea, site=cast.site, version=cast.policy_version, shown_sha256=cast.policy_version.sha256,
        plan_code="complimentary", from_at=NOW + timedelta(days=10), now=NOW + timedelta(days=10),
    )  # fmt: skip
    for _ in range(2):
        open_choice(session, chosen.id, now=heard_at)


def test_a_month_given_up_goes_back_by_days_on_the_invoice_and_earns_so_much_less(
    work_session: Session, books: Cast
) -> None:
    signed_policy(work_session, books, GIVEN_UP)
    open_month(work_session, now=NOW)
    used(work_session, books)
    give_up(work_session, books)
    (back,) = work_session.scalars(select(PlanSale).where(PlanSale.kind == "given_up"))
    assert (back.amount_minor, back.credits_id is not None) == (-10_290, True)
    assert back.explanation["sentences"] == ["11 of 31 days are left of 290.00 EUR: 102.90 EUR."]
    assert earn_plans(work_session, books.factory.id, now=APRIL) == 1
    (earning,) = work_session.scalars(select(PlanEarning))
    assert earning.amount_minor == 29_000 - 9_000 - 10_290
    assert check_books(work_session) == []
    gather_invoices(work_session, back.period_id, now=APRIL)
    (invoice,) = work_session.scalars(select(Invoice))
    lines = work_session.scalars(select(InvoiceItem).where(InvoiceItem.invoice_id == invoice.id)).all()
    assert sorted(line.amount_minor for line in lines if line.plan_sale_id) == [-10_290, 29_000]
    assert any("Credit: Assured, Main building, given up on 2026-03-20" in line.description for line in lines)
    page = plan_month(work_session, books.bea, back.credits_id)
    assert (page.given_up.id, plan_month(work_session, books.bea, back.id).sentences) == (
        back.id, ("11 of 31 days are left of 290.00 EUR: 102.90 EUR.",),
    )  # fmt: skip
    assert check_books(work_session) == []


def test_work_on_the_invoice_with_what_goes_back_of_a_month_is_paid_whole(work_session: Session, books: Cast) -> None:
    signed_policy(work_session, books, GIVEN_UP)
    open_month(work_session, now=NOW)
    billed(work_session, two_company_case(work_session, books))
    give_up(work_session, books)
    (invoice,) = invoiced(work_session, books)
    assert -held(work_session, books)["payable_accrued", books.integrator.id] > 0
    for minor in (10_000, invoice.total_minor - 10_000):
        paid(work_session, invoice, minor)
        assert check_books(work_session) == []
    accrued = {key: minor for key, minor in held(work_session, books).items() if key[0] == "payable_accrued" and minor}
    assert accrued == {}


def test_what_was_shared_already_is_split_back_by_its_own_weights(work_session: Session, books: Cast) -> None:
    signed_policy(work_session, books, GIVEN_UP)
    open_month(work_session, now=NOW)
    earn_plans(work_session, books.factory.id, now=APRIL)
    before = by_party(work_session)
    # The books hear of the choice only when the month was shared.
    give_up(work_session, books, heard_at=APRIL + timedelta(hours=1))
    assert [earn_plans(work_session, books.factory.id, now=APRIL + timedelta(days=at)) for at in (1, 2)] == [1, 0]
    after = by_party(work_session)
    assert (sum(before.values()), sum(after.values())) == (29_000, 29_000 - 10_290)
    assert all(abs(after[party] - before[party] * 18_710 / 29_000) < 1 for party in before)
    assert check_books(work_session) == []


def by_party(session: Session) -> dict[int, int]:
    found: dict[int, int] = {}
    for share in session.scalars(select(PlanShare)):
        found[share.party_id] = found.get(share.party_id, 0) + share.amount_minor
    return found


def test_a_plan_that_says_nothing_keeps_its_month(work_session: Session, books: Cast) -> None:
    open_month(work_session, now=NOW)
    give_up(work_session, books)
    assert [sale.kind for sale in work_session.scalars(select(PlanSale))] == ["month"]
