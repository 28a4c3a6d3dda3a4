"""What PostgreSQL itself refuses about bill items, lines, shares and revisions, also to a writer who sees a part."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.billing.actions import bill, cut, gather_invoices
from portal.billing.books import check_books
from portal.billing.models import BillItem
from portal.db import Scope, open_session
from portal.ledger.queries import balances
from tests.conftest import CommittedDatabase
from tests.support.billed import BILLED_AT, billed, open_books, paid_case, settled, worked
from tests.support.cast import Cast, build_cast, hours_later

_COPY = (
    "INSERT INTO share (case_id, manufacturer_id, integrator_id, customer_id, bill_item_id, kind, party_id, party_role,"
    " revenue_kind, funding, weight_bp, currency, amount_minor, reverses_id, explanation, recorded_at)"
    " SELECT case_id, manufacturer_id, integrator_id, customer_id, bill_item_id, {kind}, {party}, party_role,"
    " revenue_kind, {funding}, weight_bp, {currency}, {amount}, {reverses}, explanation, recorded_at"
    " FROM share {where}"
)
_SAME = {"kind": "kind", "party": "party_id", "funding": "funding", "currency": "currency", "reverses": "reverses_id",
         "where": "WHERE party_role = 'integrator'"}  # fmt: skip


def copied(session: Session, **changes: str) -> None:
    session.execute(text(_COPY.format(**{**_SAME, **changes})))


@pytest.fixture
def item(work_session: Session, cast: Cast) -> BillItem:
    open_books(work_session, cast)
    case = paid_case(work_session, cast)
    worked(work_session, cast, case, minutes=65)
    worked(work_session, cast, case, minutes=20, worker=cast.tom, start=hours_later(5))
    settled(work_session, cast, case)
    made = billed(work_session, case)
    work_session.commit()
    return made


def test_shares_beyond_the_item_are_refused(work_session: Session, item: BillItem) -> None:
    with pytest.raises(DBAPIError, match="do not sum"):
        copied(work_session, amount="1")


def test_a_share_in_another_currency_is_refused(work_session: Session, item: BillItem) -> None:
    with pytest.raises(DBAPIError, match="do not sum"):
        copied(work_session, amount="amount_minor", currency="'USD'")


def test_worth_of_use_cannot_stand_for_money(work_session: Session, item: BillItem) -> None:
    with pytest.raises(DBAPIError, match="do not sum"):
        copied(work_session, amount="amount_minor", funding="'use'")


def test_no_share_is_reversed_beyond_what_it_gave(work_session: Session, item: BillItem) -> None:
    with pytest.raises(DBAPIError, match="beyond what it gave"):
        work_session.execute(
            text(
                _COPY.format(
                    **{**_SAME, "kind": "v.kind", "amount": "amount_minor * v.factor", "reverses": "v.reverses"}
                ).replace(
                    "FROM share WHERE",
                    "FROM share CROSS JOIN LATERAL (VALUES ('reversal', -2, share.id), ('decided', 2, NULL))"
                    " AS v (kind, factor, reverses) WHERE",
                )
            )
        )


def test_a_writer_who_sees_a_part_is_judged_by_the_whole(
    owner_session: Session, web_session: Callable[[Scope | None], Session], cast: Cast, item: BillItem
) -> None:
    owner_session.execute(text("GRANT INSERT ON share TO portal_web"))
    # Only its own shares are the integrator's to read here.
    owner_session.execute(text("DROP POLICY web ON share"))
    owner_session.execute(
        text(
            "CREATE POLICY web ON share TO portal_web USING (party_id = portal_organisation())"
            " WITH CHECK (party_id = portal_organisation())"
        )
    )
    owner_session.commit()
    session = web_session(Scope(cast.integrator.id, cast.mia.person_id))
    seen = session.scalar(text("SELECT sum(amount_minor) FROM share"))
    assert 0 < seen < item.amount_minor
    # As a whole it stays the item's sum: accepted. What would make the visible part the item's sum: refused.
    values = "FROM share CROSS JOIN (VALUES (7), (-7)) AS v (amount) WHERE"
    session.execute(text(_COPY.format(**_SAME, amount="v.amount").replace("FROM share WHERE", values)))
    session.commit()
    with pytest.raises(DBAPIError, match="do not sum"):
        copied(session, amount=str(item.amount_minor - seen), where="WHERE party_role = 'integrator' LIMIT 1")


def test_lines_beyond_the_item_are_refused(work_session: Session, item: BillItem) -> None:
    with pytest.raises(DBAPIError, match="lines of bill item"):
        work_session.execute(
            text(
                "INSERT INTO bill_line (case_id, manufacturer_id, integrator_id, customer_id, audience, owner_id,"
                " bill_item_id, position, kind, bearer, band, mode, task_class, seconds, rate_num, rate_den, currency,"
                " amount_minor, list_amount_minor, description, explanation) SELECT case_id, manufacturer_id,"
                " integrator_id, customer_id, audience, owner_id, bill_item_id, 99, kind, bearer, band, mode,"
                " task_class, seconds, rate_num, rate_den, currency, 1, 1, description, explanation FROM bill_line"
                " LIMIT 1"
            )
        )


_NEXT = (
    "INSERT INTO bill_item (case_id, manufacturer_id, integrator_id, customer_id, audience, owner_id, cut_id, revision,"
    " replaces_id, payer_id, collector_id, seller_of_record_id, currency, amount_minor, list_amount_minor,"
    " included_seconds, policy_version_id, period_id, explanation, occurred_at, recorded_at) SELECT case_id,"
    " manufacturer_id, integrator_id, customer_id, audience, owner_id, cut_id, {revision}, {replaces}, payer_id,"
    " collector_id, seller_of_record_id, currency, 0, 0, 0, policy_version_id, period_id, explanation, occurred_at,"
    " recorded_at FROM bill_item"
)


def test_a_revision_without_a_reversal_is_refused(work_session: Session, item: BillItem) -> None:
    with pytest.raises(DBAPIError, match="replaces no reversed item"):
        work_session.execute(text(_NEXT.format(revision="1", replaces="id")))


def test_a_cut_has_one_item_of_a_revision(work_session: Session, item: BillItem) -> None:
    with pytest.raises(DBAPIError, match="uq_bill_item_cut_id_revision"):
        work_session.execute(text(_NEXT.format(revision="0", replaces="NULL")))


def test_an_item_is_refused_on_anothers_invoice(work_session: Session, cast: Cast, item: BillItem) -> None:
    (invoice,) = gather_invoices(work_session, item.period_id, now=BILLED_AT)
    work_session.commit()
    credited = text(
        "INSERT INTO invoice_item (invoice_id, manufacturer_id, payer_id, bill_item_id, position, kind, description,"
        " amount_minor) SELECT id, manufacturer_id, :payer, :item, 99, 'credit', '', -1 FROM invoice WHERE id = :id"
    )
    values = {"id": invoice.id, "payer": cast.other_customer.id, "item": item.id}
    with pytest.raises(DBAPIError, match="fk_invoice_item_invoice_id_manufacturer_id_payer_id"):
        work_session.execute(credited, values)


def test_two_jobs_that_bill_one_cut_make_one_item(committed_database: CommittedDatabase) -> None:
    with open_session(committed_database.work_engine) as session:
        cast = build_cast(session)
        open_books(session, cast)
        case = paid_case(session, cast)
        worked(session, cast, case, minutes=65)
        settled(session, cast, case)
        made = cut(session, case, "closing", now=BILLED_AT)
        session.commit()
    start = threading.Barrier(2)
    found: list[int] = []

    def run() -> None:
        with open_session(committed_database.work_engine) as session:
            start.wait(timeout=20)
            found.extend(item.id for item in bill(session, made.id, now=BILLED_AT))
            session.commit()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(found) == 2
    assert len(set(found)) == 1
    with open_session(committed_database.work_engine) as session:
        ledger = balances(session, manufacturer_id=cast.factory.id, currency="EUR")
        assert ledger["receivable_unbilled", cast.customer.id] == 18_750
        assert check_books(session) == []
