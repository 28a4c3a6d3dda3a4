"""``portal check-books`` finds what is wrong and says that nothing is."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from portal.billing.books import check_books, stripe_tie_out
from portal.cli import main
from portal.db import open_session
from tests.conftest import CommittedDatabase
from tests.support.billed import billed, open_books, paid_case, settled, worked
from tests.support.cast import build_cast

# Each breaks one promise behind the database's back, and the check that must find it.
DAMAGE = {
    "one cent of a posting": (
        "UPDATE posting SET amount_minor = amount_minor + 1 WHERE amount_minor > 0",
        "sum to zero",
    ),
    "a share": (
        "UPDATE share SET amount_minor = amount_minor - 1 WHERE party_role = 'operator'",
        "shares sum to their",
    ),
    "a line": ("UPDATE bill_line SET amount_minor = amount_minor + 1 WHERE position = 1", "lines sum to their item"),
    "an authorization": ("UPDATE authorization_balance SET left_minor = 0", "drawn by what is billed"),
    "hours": ("UPDATE grant_balance SET free_seconds = free_seconds - 1", "hours are conserved"),
}


def run(database: CommittedDatabase, *options: str) -> Result:
    settings = database.settings
    environ = {
        "DATABASE_URL": settings.database_url,
        "WORK_DATABASE_URL": settings.work_database_url,
        "WEB_DATABASE_URL": settings.web_database_url,
    }
    return CliRunner().invoke(main, ["check-books", *options], env=environ)


@pytest.fixture
def billed_books(committed_database: CommittedDatabase) -> CommittedDatabase:
    with open_session(committed_database.work_engine) as session:
        cast = build_cast(session)
        open_books(session, cast)
        case = paid_case(session, cast)
        worked(session, cast, case, minutes=65)
        settled(session, cast, case)
        billed(session, case)
        session.commit()
    return committed_database


def test_right_books_are_said_to_be_right(billed_books: CommittedDatabase) -> None:
    done = run(billed_books, "--stripe")
    assert (done.exit_code, done.stdout) == (0, "The books are right.\n")


def test_every_damage_is_found(billed_books: CommittedDatabase) -> None:
    with open_session(billed_books.owner_engine) as session:
        for table in ("posting", "share", "bill_line"):
            session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for what, (statement, check) in DAMAGE.items():
            savepoint = session.begin_nested()
            session.execute(text(statement))
            found = {problem.check for problem in check_books(session)}
            assert any(check in each for each in found), (what, found)
            savepoint.rollback()


def test_the_command_fails_when_something_is_wrong(billed_books: CommittedDatabase) -> None:
    with open_session(billed_books.owner_engine) as session:
        session.execute(text("UPDATE authorization_balance SET left_minor = 0"))
        session.commit()
    done = run(billed_books)
    assert done.exit_code == 1
    assert "authorizations are drawn by what is billed" in done.stdout
    assert "Problems found: 1." in done.stderr


def test_a_movement_that_is_not_posted_shows_in_the_tie_out(billed_books: CommittedDatabase) -> None:
    with open_session(billed_books.work_engine) as session:
        session.execute(
            text(
                "INSERT INTO balance_movement (provider_id, category, currency, amount_minor, fee_minor, net_minor,"
                " source_object_id, livemode, occurred_at, recorded_at)"
                " VALUES ('txn_1', 'charge', 'EUR', 100, 3, 97, 'ch_1', false, now(), now())"
            )
        )
        (problem,) = stripe_tie_out(session)
    assert problem.detail == "Stripe 97, clearing account 0"
