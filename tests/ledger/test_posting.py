"""Posting: once per document, balanced, into the open period; and what the database refuses by itself."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.access import Side
from portal.db import Scope
from portal.errors import Conflict, NotAllowed, NotFound, PeriodClosed, RuleBroken
from portal.ledger.actions import post, reverse
from portal.ledger.queries import (
    account_postings,
    balances,
    ledger_problems,
    party_balance,
    transaction_legs,
    trial_balance,
)
from portal.ledger.rules import Document, Purpose
from tests.support.books import NOW, SALE, Books, build_books, post_sale, sale


@pytest.fixture
def books(work_session: Session) -> Books:
    made = build_books(work_session)
    work_session.commit()
    return made


def test_posting_the_same_document_again_changes_nothing(work_session: Session, books: Books) -> None:
    first = post_sale(work_session, books, 500)
    assert post_sale(work_session, books, 500) == first
    assert balances(work_session, manufacturer_id=books.manufacturer_id, currency="EUR") == {
        ("payable_accrued", books.integrator_id): -500,
        ("receivable_unbilled", books.customer_id): 500,
    }


def test_posting_the_same_document_with_other_amounts_is_an_error(work_session: Session, books: Books) -> None:
    post_sale(work_session, books, 500)
    with pytest.raises(Conflict):
        post_sale(work_session, books, 501)


def test_a_manufacturer_without_books_cannot_be_posted_to(work_session: Session, books: Books) -> None:
    other = Books(books.integrator_id, books.integrator_id, books.customer_id, books.period)
    with pytest.raises(PeriodClosed):
        post_sale(work_session, other, 500)


def test_a_reversal_restores_every_balance_once(work_session: Session, books: Books) -> None:
    transaction_id = post_sale(work_session, books, 500)
    for _ in range(2):
        reverse(
            work_session, transaction_id, kind="sale_reversal", document=Document("test", "1"), allowed_pairs=SALE,
            occurred_at=NOW, now=NOW,
        )  # fmt: skip
    assert balances(work_session, manufacturer_id=books.manufacturer_id, currency="EUR") == {}
    assert ledger_problems(work_session) == []


def test_what_is_not_there_is_not_reversed(work_session: Session, books: Books) -> None:
    with pytest.raises(RuleBroken):
        reverse(work_session, 0, kind="x", document=Document("test", "1"), allowed_pairs=SALE, occurred_at=NOW, now=NOW)


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amounts=st.lists(st.integers(1, 10**12), min_size=1, max_size=6), undone=st.sets(st.integers(0, 5)))
def test_books_stay_right_whatever_is_posted_and_reversed(
    work_session: Session, books: Books, amounts: list[int], undone: set[int]
) -> None:
    savepoint = work_session.begin_nested()
    try:
        kept = 0
        for number, amount in enumerate(amounts):
            transaction_id = post_sale(work_session, books, amount, number)
            if number in undone:
                reverse(
                    work_session, transaction_id, kind="sale_reversal", document=Document("test", str(number)),
                    allowed_pairs=SALE, occurred_at=NOW, now=NOW,
                )  # fmt: skip
            else:
                kept += amount
        held = party_balance(
            work_session, manufacturer_id=books.manufacturer_id, currency="EUR", party_id=books.integrator_id,
            purpose=Purpose.ACCRUED,
        )  # fmt: skip
        assert held == kept
        assert ledger_problems(work_session) == []
    finally:
        savepoint.rollback()


def leg_rows(session: Session, transaction_id: int, amounts: list[int]) -> None:
    session.execute(
        text(
            "INSERT INTO posting (transaction_id, manufacturer_id, currency, period_id, account_id, amount_minor,"
            " document_type, document_id) SELECT leg.transaction_id, leg.manufacturer_id, leg.currency, leg.period_id,"
            " leg.account_id, amount, 'test', '1' FROM (SELECT * FROM posting WHERE transaction_id = :id LIMIT 1) leg,"
            " unnest(CAST(:amounts AS bigint[])) AS amount"
        ),
        {"id": transaction_id, "amounts": amounts},
    )


def test_the_database_refuses_a_leg_added_later(work_session: Session, books: Books) -> None:
    transaction_id = post_sale(work_session, books, 500)
    leg_rows(work_session, transaction_id, [7, -7])
    with pytest.raises(DBAPIError, match="does not sum to zero"):
        leg_rows(work_session, transaction_id, [1])


def test_the_database_refuses_a_leg_in_another_currency(work_session: Session, books: Books) -> None:
    transaction_id = post_sale(work_session, books, 500)
    with pytest.raises(DBAPIError, match="fk_posting"):
        work_session.execute(
            text(
                "INSERT INTO posting (transaction_id, manufacturer_id, currency, period_id, account_id, amount_minor,"
                " document_type, document_id) SELECT transaction_id, manufacturer_id, 'USD', period_id, account_id,"
                " amount_minor, 'test', '1' FROM posting WHERE transaction_id = :id"
            ),
            {"id": transaction_id},
        )


def test_the_whole_transaction_is_summed_when_the_writer_sees_a_part(
    work_session: Session, owner_session: Session, web_session, books: Books
) -> None:
    transaction_id = post_sale(work_session, books, 500)
    work_session.commit()
    owner_session.execute(text("GRANT INSERT ON posting TO portal_web"))
    owner_session.execute(text("GRANT UPDATE ON period TO portal_web"))
    owner_session.commit()
    session = web_session(Scope(books.integrator_id, 1))
    seen = session.scalar(
        text("SELECT sum(amount_minor) FROM posting WHERE transaction_id = :id"), {"id": transaction_id}
    )
    assert seen == -500
    add = text(
        "INSERT INTO posting (transaction_id, manufacturer_id, currency, period_id, account_id, party_id, amount_minor,"
        " document_type, document_id) SELECT transaction_id, manufacturer_id, currency, period_id, account_id,"
        " party_id, amount, 'test', '1' FROM posting, unnest(CAST(:amounts AS bigint[])) AS amount"
        " WHERE transaction_id = :id"
    )
    # Balanced as a whole, though the part that this writer sees is not: accepted. What balances only its part: refused.
    session.execute(add, {"id": transaction_id, "amounts": [20, -20]})
    session.commit()
    with pytest.raises(DBAPIError, match="does not sum to zero"):
        session.execute(add, {"id": transaction_id, "amounts": [500]})


def test_finance_reads_the_trial_balance_and_the_postings(work_session: Session, books: Books) -> None:
    transaction_id = post_sale(work_session, books, 500)
    post_sale(work_session, books, 300, number=2)
    finance = books.finance()
    rows = trial_balance(work_session, finance, currency="EUR", period_id=books.period.id)
    assert [(row.code, row.opening_minor, row.debit_minor, row.credit_minor, row.closing_minor) for row in rows] == [
        ("Assets:Receivable:Unbilled:LEDC", 0, 800, 0, 800),
        ("Liabilities:Payable:Accrued:LEDI", 0, 0, 800, -800),
    ]
    first = account_postings(work_session, finance, rows[0].account_id, most=1)
    rest = account_postings(work_session, finance, rows[0].account_id, after_id=first[0].posting_id)
    assert [leg.amount_minor for leg in (*first, *rest)] == [500, 300]
    assert len(transaction_legs(work_session, finance, transaction_id)) == 2


def test_nobody_else_reads_the_ledger(work_session: Session, books: Books) -> None:
    transaction_id = post_sale(work_session, books, 500)
    with pytest.raises(NotAllowed):
        trial_balance(
            work_session, books.finance(books.integrator_id, Side.INTEGRATOR), currency="EUR", period_id=books.period.id
        )
    stranger = build_books(work_session, "STR").finance()
    with pytest.raises(NotFound):
        trial_balance(work_session, stranger, currency="EUR", period_id=books.period.id)
    with pytest.raises(NotFound):
        transaction_legs(work_session, stranger, transaction_id)


def test_sales_of_one_document_and_another_kind_stand_beside_each_other(work_session: Session, books: Books) -> None:
    first = post_sale(work_session, books, 500)
    second = post(
        work_session, manufacturer_id=books.manufacturer_id, currency="EUR", kind="another",
        document=Document("test", "1"), legs=sale(books, 5), allowed_pairs=SALE, occurred_at=NOW, now=NOW,
    )  # fmt: skip
    assert first != second
