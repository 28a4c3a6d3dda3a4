"""Periods: one open, closing in one short step, chained before they close, and nothing posted into a closed one."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.db import open_session
from portal.errors import PeriodClosed, RuleBroken
from portal.ledger.actions import begin_close, hard_close, open_first_period, reverse, soft_close
from portal.ledger.chain import GENESIS, chain_head, chain_period
from portal.ledger.queries import ledger_problems, period_balances
from portal.ledger.rules import Document
from tests.conftest import CommittedDatabase
from tests.support.books import NEXT_MONTH, NOW, SALE, Books, build_books, post_sale


@pytest.fixture
def books(work_session: Session) -> Books:
    return build_books(work_session)


def period_of(session: Session, transaction_id: int) -> int | None:
    return session.scalar(text("SELECT period_id FROM journal_transaction WHERE id = :id"), {"id": transaction_id})


def test_the_first_period_is_opened_once(work_session: Session, books: Books) -> None:
    again = open_first_period(work_session, manufacturer_id=books.manufacturer_id, zone="Europe/Berlin", now=NEXT_MONTH)
    assert (again.id, again.label, again.state) == (books.period.id, "2026-03", "open")


def test_closing_opens_the_next_month(work_session: Session, books: Books) -> None:
    closing, opened = begin_close(work_session, manufacturer_id=books.manufacturer_id, now=NEXT_MONTH)
    assert (closing.id, closing.state) == (books.period.id, "closing")
    assert (opened.label, opened.state, opened.starts_at) == ("2026-04", "open", closing.ends_at)
    assert period_of(work_session, post_sale(work_session, books, 500)) == opened.id


def test_a_month_is_not_closed_before_it_ends(work_session: Session, books: Books) -> None:
    with pytest.raises(RuleBroken, match="not ended"):
        begin_close(work_session, manufacturer_id=books.manufacturer_id, now=NOW)


def test_without_an_open_period_there_is_nothing_to_close(work_session: Session, books: Books) -> None:
    with pytest.raises(PeriodClosed):
        begin_close(work_session, manufacturer_id=books.customer_id, now=NEXT_MONTH)


def test_a_period_closes_only_when_all_of_it_is_chained(work_session: Session, books: Books) -> None:
    for number in range(5):
        post_sale(work_session, books, 100 + number, number)
    with pytest.raises(RuleBroken):
        chain_period(work_session, books.period.id, now=NOW)
    begin_close(work_session, manufacturer_id=books.manufacturer_id, now=NEXT_MONTH)
    with pytest.raises(RuleBroken, match="in the chain"):
        soft_close(work_session, books.period.id, now=NEXT_MONTH)
    head = chain_period(work_session, books.period.id, now=NEXT_MONTH, block_size=2)
    assert head == chain_head(work_session, books.manufacturer_id) != GENESIS
    assert chain_period(work_session, books.period.id, now=NEXT_MONTH) == head
    assert soft_close(work_session, books.period.id, now=NEXT_MONTH).state == "soft_closed"
    assert hard_close(work_session, books.period.id, now=NEXT_MONTH).state == "hard_closed"
    assert hard_close(work_session, books.period.id, now=NEXT_MONTH).state == "hard_closed"
    with pytest.raises(RuleBroken):
        soft_close(work_session, books.period.id, now=NEXT_MONTH)
    assert ledger_problems(work_session) == []
    assert (
        sum(row.closing_minor for row in period_balances(work_session, currency="EUR", period_id=books.period.id)) == 0
    )


def test_a_reversal_after_the_close_goes_to_the_open_period_and_names_its_origin(
    work_session: Session, books: Books
) -> None:
    transaction_id = post_sale(work_session, books, 500)
    _, opened = begin_close(work_session, manufacturer_id=books.manufacturer_id, now=NEXT_MONTH)
    taken = reverse(
        work_session, transaction_id, kind="sale_reversal", document=Document("test", "1"), allowed_pairs=SALE,
        occurred_at=NEXT_MONTH, now=NEXT_MONTH,
    )  # fmt: skip
    row = work_session.execute(
        text("SELECT period_id, origin_period_id FROM journal_transaction WHERE id = :id"), {"id": taken}
    ).one()
    assert tuple(row) == (opened.id, books.period.id)
    later = period_balances(work_session, currency="EUR", period_id=opened.id)
    assert [(row.opening_minor, row.closing_minor) for row in later] == [(500, 0), (-500, 0)]


def test_tampering_breaks_the_chain(work_session: Session, owner_session: Session, books: Books) -> None:
    for number in range(3):
        post_sale(work_session, books, 100 + number, number)
    begin_close(work_session, manufacturer_id=books.manufacturer_id, now=NEXT_MONTH)
    chain_period(work_session, books.period.id, now=NEXT_MONTH, block_size=2)
    soft_close(work_session, books.period.id, now=NEXT_MONTH)
    work_session.commit()
    assert ledger_problems(work_session) == []
    owner_session.execute(text("ALTER TABLE journal_transaction DISABLE TRIGGER refuse_change"))
    owner_session.execute(text("UPDATE journal_transaction SET description = 'forged'"))
    owner_session.commit()
    assert {problem.check for problem in ledger_problems(work_session)} == {"chain"}


@pytest.mark.parametrize("state", ["soft_closed", "hard_closed"])
def test_the_database_refuses_a_period_that_skips_a_state(work_session: Session, books: Books, state: str) -> None:
    with pytest.raises(DBAPIError, match="cannot go from open"):
        work_session.execute(
            text("UPDATE period SET state = :state WHERE id = :id"), {"state": state, "id": books.period.id}
        )


def test_the_database_refuses_to_open_a_period_again(work_session: Session, books: Books) -> None:
    begin_close(work_session, manufacturer_id=books.manufacturer_id, now=NEXT_MONTH)
    with pytest.raises(DBAPIError, match="cannot go from closing to open"):
        work_session.execute(text("UPDATE period SET state = 'open' WHERE id = :id"), {"id": books.period.id})


def test_the_database_refuses_a_posting_into_a_closed_period(work_session: Session, books: Books) -> None:
    transaction_id = post_sale(work_session, books, 500)
    begin_close(work_session, manufacturer_id=books.manufacturer_id, now=NEXT_MONTH)
    with pytest.raises(DBAPIError, match="takes no more postings"):
        work_session.execute(
            text(
                "INSERT INTO posting (transaction_id, manufacturer_id, currency, period_id, account_id, amount_minor,"
                " document_type, document_id) SELECT transaction_id, manufacturer_id, currency, period_id, account_id,"
                " -amount_minor, 'test', '1' FROM posting WHERE transaction_id = :id"
            ),
            {"id": transaction_id},
        )


@pytest.fixture
def committed_books(committed_database: CommittedDatabase) -> tuple[CommittedDatabase, Books]:
    with open_session(committed_database.work_engine) as session:
        made = build_books(session)
        session.commit()
    return committed_database, made


def test_the_closer_waits_for_a_poster_and_has_its_posting(committed_books: tuple[CommittedDatabase, Books]) -> None:
    database, books = committed_books
    closed = threading.Event()
    closing_total: list[int] = []

    def close() -> None:
        with open_session(database.work_engine) as session:
            closing, _ = begin_close(session, manufacturer_id=books.manufacturer_id, now=NEXT_MONTH)
            session.commit()
            closing_total.append(_debits(session, closing.id))
        closed.set()

    with open_session(database.work_engine) as session:
        post_sale(session, books, 500)
        closer = threading.Thread(target=close)
        closer.start()
        _wait_until_blocked(database)
        assert not closed.is_set()
        session.commit()
    closer.join(timeout=20)
    assert closing_total == [500]


def test_a_poster_that_meets_a_closing_posts_into_the_next_period(
    committed_books: tuple[CommittedDatabase, Books],
) -> None:
    database, books = committed_books
    posted: list[int] = []

    def post() -> None:
        with open_session(database.work_engine) as session:
            posted.append(post_sale(session, books, 500))
            session.commit()

    with open_session(database.work_engine) as session:
        _, opened = begin_close(session, manufacturer_id=books.manufacturer_id, now=NEXT_MONTH)
        poster = threading.Thread(target=post)
        poster.start()
        _wait_until_blocked(database)
        session.commit()
        poster.join(timeout=20)
        assert period_of(session, posted[0]) == opened.id
        assert _debits(session, books.period.id) == 0


def test_one_of_two_posters_of_a_document_wins_and_the_other_finds_it(
    committed_books: tuple[CommittedDatabase, Books],
) -> None:
    database, books = committed_books
    posted: list[int] = []

    def post() -> None:
        with open_session(database.work_engine) as session:
            posted.append(post_sale(session, books, 500))
            session.commit()

    with open_session(database.work_engine) as session:
        first = post_sale(session, books, 500)
        poster = threading.Thread(target=post)
        poster.start()
        _wait_until_blocked(database)
        session.commit()
        poster.join(timeout=20)
        assert posted == [first]
        assert _debits(session, books.period.id) == 500


def _debits(session: Session, period_id: int) -> int:
    total: int = session.scalar(
        text("SELECT coalesce(sum(amount_minor), 0)::bigint FROM posting WHERE period_id = :id AND amount_minor > 0"),
        {"id": period_id},
    )
    return total


def _wait_until_blocked(database: CommittedDatabase) -> None:
    """Until another connection of this database waits for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with database.owner_engine.connect() as connection:
        for _ in range(20_000):
            if connection.execute(waiting).scalar():
                return
            connection.rollback()
    raise AssertionError("nobody waits")
