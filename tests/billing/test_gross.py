"""What is sold as principal stands in the books whole, with its shares as its cost; as agent nothing of it does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.billing.actions import decide_shares, earn_packs, earn_plans, open_month, rebill_case
from portal.billing.books import check_books
from portal.billing.rules.gross import gross_legs, sold_as
from portal.billing.rules.postings import ShareAmount, revenue_legs
from portal.billing.supplements.actions import settle_remedy
from portal.cases import actions as cases
from portal.cases.models import PromiseRemedy
from portal.contracts.blocks import ActsAs
from portal.contracts.differences import differences
from portal.contracts.rules import gross_kinds
from portal.entitlement.actions import end_grants
from portal.errors import DocumentInvalid
from portal.ledger.models import Period
from portal.ledger.queries import balances
from portal.ledger.rules import Document, Purpose
from portal.metering.actions import reverse_entry
from tests.support.billed import BILLED_AT, billed, open_books, paid_case, settled, worked
from tests.support.cases import accepted
from tests.support.cast import NOW, Cast, hours_later
from tests.support.checkers import BOTH, complaint, written
from tests.support.documents import agreement, policy
from tests.support.packs import PRICE_MINOR, bought
from tests.support.versions import signed_agreement, signed_policy

KINDS = ("time_and_materials", "included", "subscription", "pack_use", "pack_breakage")
REMEDY = '{ clock = "response", severities = [2], credit = "25.00" }'
NEXT_YEAR = NOW + timedelta(days=370)
_ROWS = ('["time_and_materials"]', '["included"]', '["subscription", "pack_breakage"]', '["pack_use"]')
ALL_GROSS = [(f"revenues = {row}", f'revenues = {row}\nacts_as = "principal"') for row in _ROWS]
COMMISSION = ("[[intercompany]]\ntask_classes", "[selling]\ncommission_bp = 1000\n\n[[intercompany]]\ntask_classes")


def once(change: tuple[str, str]) -> tuple[str, str]:
    """The first intercompany row only."""
    old, new = change
    return f'{old} = ["commissioning"]', f'{new} = ["commissioning"]'


@pytest.mark.parametrize(
    ("parts", "legs"),
    [
        ((), ()),
        ((70, 30), (("cost_of_share", 70), ("cost_of_share", 30), ("gross_revenue", -100))),
        # A decision moves the cost from one share to others, a refund takes both back.
        ((-100, 40, 60), (("cost_of_share", -100), ("cost_of_share", 40), ("cost_of_share", 60))),
        ((-5, 0), (("cost_of_share", -5), ("gross_revenue", 5))),
    ],
)
def test_the_whole_is_revenue_and_each_share_its_cost(parts, legs):
    found = gross_legs((minor, Document("share", str(number))) for number, minor in enumerate(parts))
    assert tuple((leg.purpose.value, leg.amount_minor) for leg in found) == legs


def test_of_an_item_only_the_kinds_sold_as_principal_are_gross():
    shares = (ShareAmount(1, 7, "cash", 70, is_gross=True), ShareAmount(2, 7, "use", 30))
    assert [(leg.amount_minor, leg.document) for leg in revenue_legs(shares)] == [
        (70, Document("share", "1")),
        (-70, None),
    ]
    assert (sold_as(is_gross=True), sold_as(is_gross=False)) == ({"sold_as": "principal"}, {})


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [((), ()), (ALL_GROSS, KINDS), (ALL_GROSS[:1], ("time_and_materials",))],
)
def test_the_signed_document_says_which_kinds_are_sold_as_principal(changes, kinds):
    assert gross_kinds(policy(), agreement("nordlicht_kessler_agreement.toml", *changes)) == set(kinds)
    assert gross_kinds(policy(), None) == set()


def test_a_change_of_it_is_told_in_a_sentence():
    before, after = agreement(), agreement("nordlicht_kessler_agreement.toml", *ALL_GROSS[:1])
    (change,) = differences(before, after)
    assert change.sentence == "Shares, revenues time and materials, acts as: was agent, is now principal."
    assert before.shares[0].acts_as is ActsAs.AGENT


@pytest.fixture
def books(work_session: Session, cast: Cast) -> Cast:
    open_books(work_session, cast)
    return cast


def in_the_books(session: Session, cast: Cast) -> tuple[int, int]:
    held = balances(session, manufacturer_id=cast.factory.id, currency="EUR")
    return -held.get((Purpose.GROSS, None), 0), held.get((Purpose.COST_OF_SHARE, None), 0)


def test_bills_are_gross_until_they_are_taken_back(work_session: Session, books: Cast) -> None:
    signed_agreement(work_session, books, *ALL_GROSS)
    case = paid_case(work_session, books)
    entry = worked(work_session, books, case, minutes=60)
    settled(work_session, books, case, confirmed=False)
    item = billed(work_session, case)
    assert in_the_books(work_session, books) == (item.amount_minor, item.amount_minor) != (0, 0)
    cases.confirm(work_session, books.mia, case, seq=case.seq, now=hours_later(31))
    assert decide_shares(work_session, case.id, now=BILLED_AT) == 1
    assert in_the_books(work_session, books) == (item.amount_minor, item.amount_minor)
    # Each share that stands leads to its cost: the part that was not settled yet is nobody's any more.
    costs = work_session.execute(
        text(
            "SELECT count(*) FROM share WHERE NOT EXISTS (SELECT FROM posting JOIN account ON account.id = account_id"
            " WHERE account.purpose = 'cost_of_share' AND posting.document_type = 'share'"
            " AND posting.document_id = share.id::text AND posting.amount_minor = share.amount_minor)"
        )
    ).scalar_one()
    assert costs == 0
    assert check_books(work_session) == []
    reverse_entry(work_session, books.leo, entry.id, reason="Another case", now=hours_later(40))
    rebill_case(work_session, case.id, reason="the work was on another case", now=BILLED_AT + timedelta(hours=1))
    assert in_the_books(work_session, books) == (0, 0)
    assert check_books(work_session) == []


def test_packs_are_gross_as_they_are_sold_used_and_expire(work_session: Session, books: Cast, tmp_path) -> None:
    signed_agreement(work_session, books, *ALL_GROSS, once(COMMISSION))
    bought(work_session, books, site=books.plain_site)
    assert in_the_books(work_session, books) == (PRICE_MINOR // 10, PRICE_MINOR // 10)
    case = accepted(work_session, books, system_id=books.plain_system.id)
    worked(work_session, books, case, minutes=60)
    settled(work_session, books, case)
    assert billed(work_session, case).use_minor == 12_150
    assert in_the_books(work_session, books)[0] == PRICE_MINOR // 10 + 12_150
    end_grants(work_session, NEXT_YEAR)
    earn_packs(work_session, books.factory.id, now=NEXT_YEAR)
    assert in_the_books(work_session, books) == (PRICE_MINOR, PRICE_MINOR)
    assert check_books(work_session) == []
    period = work_session.scalars(select(Period)).one()
    for program in BOTH:
        if not any(mark.args[0] for mark in program.marks):
            name, journal = written(work_session, period, program.values[0])
            assert "Income:Gross" in journal
            assert "Expenses:Shares" in journal
            assert complaint(tmp_path, name, journal) == ""


def test_a_plans_month_is_gross_by_its_use_its_rest_and_its_remedy(work_session: Session, books: Cast) -> None:
    signed_agreement(work_session, books, *ALL_GROSS)
    signed_policy(work_session, books, ("rank = 20\n", f"rank = 20\nremedies = [{REMEDY}]\n"))
    assert open_month(work_session, now=NOW) == 1
    case = accepted(work_session, books, at=hours_later(1.5))
    worked(work_session, books, case, minutes=30, start=hours_later(2))
    settled(work_session, books, case)
    used = billed(work_session, case).use_minor
    assert in_the_books(work_session, books) == (used, used) != (0, 0)
    assert earn_plans(work_session, books.factory.id, now=NOW + timedelta(days=40)) == 1
    assert in_the_books(work_session, books)[0] == 29_000
    remedy = work_session.scalars(select(PromiseRemedy)).one()
    settle_remedy(work_session, remedy.id, now=NOW + timedelta(days=40))
    assert in_the_books(work_session, books) == (29_000 - 2_500, 29_000 - 2_500)
    assert check_books(work_session) == []


@pytest.mark.parametrize("row", ['["included"]', '["pack_use"]'])
def test_what_is_sold_at_one_price_is_sold_as_the_same(row):
    with pytest.raises(DocumentInvalid) as refused:
        agreement("nordlicht_kessler_agreement.toml", (f"revenues = {row}", f'revenues = {row}\nacts_as = "principal"'))
    (problem,) = refused.value.problems
    assert "are parts of one price: they are sold as the same" in problem.message
    assert problem.key.endswith("acts_as")


def test_a_sale_as_agent_shows_no_gross_revenue(work_session: Session, books: Cast) -> None:
    bought(work_session, books, site=books.plain_site)
    case = accepted(work_session, books, system_id=books.plain_system.id)
    worked(work_session, books, case, minutes=60)
    settled(work_session, books, case)
    billed(work_session, case)
    assert in_the_books(work_session, books) == (0, 0)
