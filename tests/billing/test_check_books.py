"""``portal check-books`` finds what is wrong and says that nothing is."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.billing.actions import PackOrder, PackPrice, apply_cash, gather_invoices, sell_pack
from portal.billing.books import check_books, stripe_tie_out
from portal.cli import main
from portal.db import open_session
from portal.ledger.models import Period
from portal.payments import cash
from portal.payments.models import CashReceipt
from tests.conftest import CommittedDatabase
from tests.support.billed import BILLED_AT, billed, open_books, paid_case, settled, worked
from tests.support.cast import Cast, build_cast

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
    "a reservation": (
        "UPDATE grant_balance SET free_seconds = free_seconds - 60, reserved_seconds = reserved_seconds + 60",
        "is reserved is in reservations",
    ),
    "what is accrued": (
        "UPDATE posting SET amount_minor = -amount_minor"
        " WHERE account_id IN (SELECT id FROM account WHERE purpose = 'payable_accrued') AND amount_minor < 0",
        "nothing accrued is below zero",
    ),
    "what is accrued of a share": (
        "UPDATE posting SET amount_minor = amount_minor + 1"
        " WHERE account_id IN (SELECT id FROM account WHERE purpose = 'payable_accrued')",
        "accrued equals shares",
    ),
    "cash that is left on a bill": (
        "INSERT INTO bill_item_reversal (manufacturer_id, integrator_id, customer_id, case_id, audience, owner_id,"
        " bill_item_id, reason, reversed_at)"
        " SELECT manufacturer_id, integrator_id, customer_id, case_id, audience, owner_id, id, 'Lost', now()"
        " FROM bill_item",
        "taken back keeps no cash",
    ),
    "a payment": ("UPDATE cash_receipt SET amount_minor = amount_minor - 1", "receivable was invoiced and not paid"),
    "what a pack earned": (
        "INSERT INTO pack_earning (pack_sale_id, manufacturer_id, integrator_id, seq, kind, seconds, incidents,"
        " currency, amount_minor, explanation, earned_at)"
        " SELECT id, manufacturer_id, integrator_id, 9, 'expiry', 0, 0, currency, amount_minor + 1, '{}', now()"
        " FROM pack_sale",
        "earns its price at most",
    ),
    "what is deferred when a month was closed": (
        "WITH closed AS (UPDATE period SET state = 'closing')"
        " UPDATE posting SET amount_minor = -amount_minor"
        " WHERE account_id IN (SELECT id FROM account WHERE purpose = 'deferred_revenue')",
        "nothing deferred is below zero",
    ),
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
        _paid_in_part(session, cast)
        order = PackOrder(
            cast.plain_site.id, cast.integrator.id, cast.policy_version.id, "hours_10", 1, BILLED_AT, "check-books"
        )
        sell_pack(session, order, PackPrice(90_000, "EUR", cast.integrator.id, "bank"), now=BILLED_AT)
        session.commit()
    return committed_database


def _paid_in_part(session: Session, cast: Cast) -> None:
    (invoice,) = gather_invoices(session, session.scalars(select(Period.id)).one(), now=BILLED_AT)
    said = cash.record_payment(
        session, cast.fay, invoice_id=invoice.id, amount_minor=invoice.total_minor // 3, method="wire", reference="R1",
        received_at=BILLED_AT, now=BILLED_AT,
    )  # fmt: skip
    cash.confirm_payment(session, cast.fin, said.id, livemode=False, now=BILLED_AT)
    receipt_id = session.scalars(select(CashReceipt.id)).one()
    cash.book_cash(session, receipt_id, BILLED_AT)
    apply_cash(session, receipt_id, now=BILLED_AT)


def test_right_books_are_said_to_be_right(billed_books: CommittedDatabase) -> None:
    done = run(billed_books, "--stripe")
    assert (done.exit_code, done.stdout) == (0, "The books are right.\n")


def test_every_damage_is_found(billed_books: CommittedDatabase) -> None:
    with open_session(billed_books.owner_engine) as session:
        for table in ("posting", "share", "bill_line", "cash_receipt", "pack_earning"):
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
