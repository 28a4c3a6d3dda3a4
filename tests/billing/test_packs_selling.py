"""Packs are sold once, owed or paid, deferred in full; their seller's commission is payable as they are paid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.adjustments.dividing import Taking, divide
from portal.adjustments.rules.sharing import Stake, by_party, parts_of_line
from portal.billing.actions import PackOrder, PackPrice, apply_cash, sell_pack
from portal.billing.books import check_books
from portal.billing.packs.models import PackEarning, PackSale, PackShare
from portal.billing.packs.rules import commission_of, earned_minor
from portal.billing.rules.cash import pack_line, pack_sale_of, parts_paid, plan_sale_of, shares_paid
from portal.entitlement.models import GrantBalance, UsageGrant
from portal.errors import Conflict, NotFound, RuleBroken
from portal.ledger.models import JournalTransaction, Posting
from portal.ledger.queries import balances
from portal.settlement.models import StatementLine
from tests.billing.test_gross import COMMISSION, once
from tests.billing.test_money import PAID_AT, invoiced, paid
from tests.support.billed import open_books
from tests.support.cast import NOW, Cast
from tests.support.packs import PRICE_MINOR, bought, order_of
from tests.support.settling import close, statement_of
from tests.support.versions import signed_agreement


@pytest.fixture
def books(work_session: Session, cast: Cast) -> Cast:
    open_books(work_session, cast)
    return cast


def held(session: Session, cast: Cast) -> dict[tuple[str, int | None], int]:
    return balances(session, manufacturer_id=cast.factory.id, currency="EUR")


def test_a_pack_becomes_a_grant_with_the_policys_end(work_session: Session, books: Cast) -> None:
    grant, sale = bought(work_session, books, quantity=2)
    assert (grant.granted_seconds, grant.granted_incidents, grant.pack_code) == (20 * 3600, 0, "hours_10")
    # Twelve months from the tenth of March, by the clock of Berlin.
    assert grant.expires_at == datetime(2027, 3, 9, 23, tzinfo=UTC)
    assert (sale.amount_minor, sale.payer_id, sale.quantity) == (270_000, books.customer.id, 2)
    assert held(work_session, books) == {
        ("receivable_unbilled", books.customer.id): 270_000,
        ("deferred_revenue", books.customer.id): -270_000,
    }
    assert check_books(work_session) == []


def test_incidents_are_counted_not_timed(work_session: Session, books: Cast) -> None:
    grant, _ = bought(work_session, books, pack_code="incidents_5", price_minor=145_000)
    balance = work_session.get_one(GrantBalance, grant.id)
    assert (balance.free_seconds, balance.free_incidents) == (0, 5)
    assert grant.terms["priority"] == 1


def test_the_same_source_sells_once(work_session: Session, books: Cast) -> None:
    first, again = bought(work_session, books), bought(work_session, books)
    assert first == again
    assert len(work_session.scalars(select(UsageGrant).where(UsageGrant.kind == "pack")).all()) == 1
    assert len(work_session.scalars(select(PackSale)).all()) == 1


def test_the_same_source_with_something_else_is_refused(work_session: Session, books: Cast) -> None:
    bought(work_session, books)
    with pytest.raises(Conflict, match="another pack"):
        bought(work_session, books, quantity=3)
    with pytest.raises(Conflict, match="another price"):
        bought(work_session, books, price_minor=1)


def test_what_was_paid_stands_against_clearing_and_tax_is_not_deferred(work_session: Session, books: Cast) -> None:
    price = PackPrice(135_000, "EUR", books.integrator.id, paid_by="stripe", tax_minor=25_650)
    sell_pack(work_session, order_of(books), price, now=NOW)
    assert held(work_session, books) == {
        ("stripe_clearing", None): 160_650,
        ("deferred_revenue", books.customer.id): -135_000,
        ("tax", None): -25_650,
    }
    assert check_books(work_session) == []


def test_an_integrator_that_collects_owes_the_wholesale_price(work_session: Session, books: Cast) -> None:
    price = PackPrice(120_000, "EUR", books.integrator.id, integrator_collects=True)
    _, sale = sell_pack(work_session, order_of(books), price, now=NOW)
    assert (sale.payer_id, sale.collector_id) == (books.integrator.id, books.integrator.id)
    assert held(work_session, books)["receivable_unbilled", books.integrator.id] == 120_000
    assert check_books(work_session) == []


@pytest.mark.parametrize(
    "price",
    [
        {"price_minor": 0},
        {"price_minor": 100, "currency": "USD"},
        {"price_minor": 100, "tax_minor": 19},
        {"price_minor": 100, "tax_minor": -1, "paid_by": "stripe"},
    ],
)
def test_a_price_that_cannot_be_is_refused(work_session: Session, books: Cast, price) -> None:
    wanted = PackPrice(**{"currency": "EUR", "seller_id": books.integrator.id, **price})
    with pytest.raises(RuleBroken):
        sell_pack(work_session, order_of(books), wanted, now=NOW)


def test_what_nobody_sells_is_refused(work_session: Session, books: Cast) -> None:
    with pytest.raises(RuleBroken, match="no pack"):
        bought(work_session, books, pack_code="unknown")
    with pytest.raises(RuleBroken, match="At least one"):
        bought(work_session, books, quantity=0)
    wanted = PackOrder(books.site.id, None, books.agreement_version.id, "hours_10", 1, NOW, "checkout:1")
    with pytest.raises(NotFound):
        sell_pack(work_session, wanted, PackPrice(1, "EUR", books.factory.id), now=NOW)


@pytest.mark.parametrize(("price", "granted"), [(100, 3), (7, 36_000), (135_000, 36_000), (1, 1)])
def test_what_is_earned_by_use_never_falls_and_ends_at_the_price(price: int, granted: int) -> None:
    steps = [earned_minor(price, gone, granted) for gone in range(0, granted + 1, max(granted // 500, 1))]
    assert steps == sorted(steps)
    assert (steps[0], earned_minor(price, granted, granted)) == (0, price)


def test_a_sale_cannot_earn_more_than_its_price(work_session: Session, books: Cast) -> None:
    _, sale = bought(work_session, books)
    work_session.add(
        PackEarning(
            pack_sale_id=sale.id, manufacturer_id=sale.manufacturer_id, integrator_id=sale.integrator_id, seq=1,
            kind="expiry", seconds=1, incidents=0, currency="EUR", amount_minor=sale.amount_minor + 1,
            agreement_version_id=None, explanation={}, earned_at=NOW,
        )
    )  # fmt: skip
    with pytest.raises(IntegrityError, match="more than its price"):
        work_session.flush()


@pytest.mark.parametrize("column", ["free_seconds", "free_incidents", "reserved_seconds", "reserved_incidents"])
def test_what_is_left_of_a_pack_is_never_below_zero(work_session: Session, books: Cast, column: str) -> None:
    grant, _ = bought(work_session, books)
    with pytest.raises(IntegrityError, match="not_negative"):
        work_session.execute(text(f"UPDATE grant_balance SET {column} = -1 WHERE grant_id = {grant.id}"))


@pytest.mark.parametrize("paid_by", ["invoice", "stripe"])
def test_a_commission_is_posted_once_to_the_seller_and_stands_on_its_statement(
    work_session: Session, books: Cast, paid_by: str
) -> None:
    signed_agreement(work_session, books, once(COMMISSION))
    price = PackPrice(PRICE_MINOR, "EUR", books.integrator.id, paid_by=paid_by)
    for _ in range(2):
        sell_pack(work_session, order_of(books), price, now=NOW)
    asset = ("stripe_clearing", None) if paid_by == "stripe" else ("receivable_unbilled", books.customer.id)
    # A tenth is the seller's at the sale, and only what is left of the price is still owed to the customer in service.
    assert held(work_session, books) == {
        asset: PRICE_MINOR,
        ("deferred_revenue", books.customer.id): -(PRICE_MINOR - 13_500),
        ("payable" if paid_by == "stripe" else "payable_accrued", books.integrator.id): -13_500,
    }
    (earning,) = work_session.scalars(select(PackEarning))
    (share,) = work_session.scalars(select(PackShare))
    assert (earning.kind, earning.amount_minor, earning.seconds) == ("commission", 13_500, 0)
    assert (share.party_id, share.revenue_kind, share.weight_bp) == (books.integrator.id, "selling_commission", 10_000)
    posted = work_session.execute(
        select(JournalTransaction.kind, Posting.document_type, Posting.document_id)
        .join(Posting, Posting.transaction_id == JournalTransaction.id)
        .where(Posting.party_id == books.integrator.id, Posting.amount_minor == -13_500)
    ).one()
    assert tuple(posted) == ("pack_earned", "pack_share", str(share.id))
    assert check_books(work_session) == []


@pytest.mark.parametrize(
    ("paid_minor", "payable_minor"),
    [(-1, 0), (0, 0), (5, 1), (4, 0), (67_500, 6_750), (135_000, 13_500), (200_000, 13_500)],
)
def test_what_is_paid_of_a_price_pays_for_that_part_of_its_commission(paid_minor: int, payable_minor: int) -> None:
    assert commission_of(paid_minor, PRICE_MINOR, 13_500) == payable_minor


@pytest.mark.parametrize("line", [-1, -2, -3, -4, -7, 4, 1])
def test_only_a_packs_line_is_known_by_its_number(line: int) -> None:
    assert pack_sale_of(line) == {-1: 0, -4: 1, -7: 2}.get(line)
    assert pack_line(9) == -28


@pytest.mark.parametrize("line", [-1, -2, -3, -4, -6, 3, 0])
def test_only_the_line_of_a_plans_sale_is_known_by_its_number(line: int) -> None:
    assert plan_sale_of(line) == {-3: 1, -6: 2}.get(line)


@pytest.mark.parametrize(
    ("paid_minor", "amounts", "payable"),
    [
        (-5, [60, 30, 10], (0, 0, 0)),
        (0, [60, 30, 10], (0, 0, 0)),
        (50, [60, 30, 10], (30, 15, 5)),
        (100, [60, 30, 10], (60, 30, 10)),
        (150, [60, 30, 10], (60, 30, 10)),
        # What takes something back has no part of what is paid, and without any share nothing is payable.
        (50, [60, -20, 40], (30, 0, 20)),
        (50, [-20], (0,)),
        (50, [], ()),
    ],
)
def test_what_is_paid_of_a_sale_pays_for_that_part_of_its_shares(paid_minor, amounts, payable) -> None:
    assert shares_paid(paid_minor, amounts) == payable


@pytest.mark.parametrize("amounts", [(1, 2, 1), (33, 33, 34), (5, -2, 8), (101, 57, 13)])
def test_what_is_credited_of_a_rest_and_what_is_paid_of_it_is_what_each_party_has(amounts) -> None:
    """Of three shares the first and the last are one party's."""
    shares = list(zip((1, 2, 1), amounts, strict=True))
    stakes = [Stake(0, 1, amounts[0] + amounts[2]), Stake(0, 2, max(amounts[1], 0))]
    whole = sum(stake.weight_minor for stake in stakes)
    for credited in range(whole + 1):
        lost = by_party(parts_of_line(stakes, credited))
        paid = parts_paid(whole - credited, shares)
        assert [paid[0] + paid[2] + lost.get(1, 0), paid[1] + lost.get(2, 0)] == [each.weight_minor for each in stakes]


def test_a_commission_is_payable_as_the_invoice_is_paid_and_goes_back_with_a_refund(
    work_session: Session, work_engine: Engine, books: Cast
) -> None:
    signed_agreement(work_session, books, once(COMMISSION))
    bought(work_session, books)
    (invoice,) = invoiced(work_session, books)
    seller = books.integrator.id

    def stages() -> tuple[int, int]:
        found = held(work_session, books)
        return -found.get(("payable_accrued", seller), 0), -found.get(("payable", seller), 0)

    assert stages() == (13_500, 0)
    first = paid(work_session, invoice, 45_005)
    assert stages() == (8_999, 4_501)
    assert apply_cash(work_session, first.id, now=PAID_AT) == 0
    assert check_books(work_session) == []
    paid(work_session, invoice, PRICE_MINOR - 45_005)
    assert stages() == (0, 13_500)
    assert check_books(work_session) == []
    taking = Taking(books.factory.id, invoice.id, None, 13_505, paid_at=PAID_AT)
    (loss,) = divide(work_session, taking, now=PAID_AT)
    assert {part.party_id: part.amount_minor for part in loss.parts} == {seller: 1_351, books.factory.id: 12_154}
    late = divide(work_session, taking, now=PAID_AT + timedelta(days=181))
    assert {part.party_id for part in late[0].parts} == {books.factory.id}
    work_session.commit()
    statement = statement_of(work_session, close(work_engine, books), seller)
    lines = work_session.scalars(select(StatementLine).where(StatementLine.statement_id == statement.id)).all()
    assert [(line.amount_minor, line.kind) for line in lines] == [(4_501, "pack"), (8_999, "pack")]
    assert all("selling commission" in line.description for line in lines)
