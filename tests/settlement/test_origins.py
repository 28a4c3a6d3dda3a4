"""A statement line opens to the minute that earned it, and back; as CSV it is no formula."""

from __future__ import annotations

import csv
import io

import pytest
from sqlalchemy import select, text

from portal.billing.actions import apply_cash
from portal.db import Scope
from portal.errors import NotAllowed, NotFound
from portal.payments import calls, handling
from portal.payments.models import CashReceipt, Intent
from portal.settlement import cockpit, origins, queries
from tests.support.billed import billed, paid_case, settled, worked
from tests.support.payments import earn, open_books
from tests.support.settling import CLOSED_AT, NEXT_CLOSED_AT, close, statement_of


@pytest.fixture
def statement(work_engine, work_session, cast):
    open_books(work_session, cast)
    earn(work_session, cast, 10_000, 1)
    work_session.commit()
    return statement_of(work_session, close(work_engine, cast), cast.integrator.id)


def test_a_statement_is_one_csv_row_per_line(work_session, cast, statement):
    rows = list(csv.reader(io.StringIO("".join(origins.statement_csv(work_session, cast.ivo, statement.id)))))
    assert rows[0] == list(origins.CSV_HEAD)
    assert rows[1][:2] == [statement.name, statement.content_sha256]
    assert rows[1][-2:] == ["EUR", "10000"]
    assert len(rows) == 2
    for stranger in (cast.eve, cast.sam, cast.flo):
        with pytest.raises((NotFound, NotAllowed)):
            origins.statement_csv(work_session, stranger, statement.id)


@pytest.fixture
def paid(work_engine, work_session, cast, gateway, standin):
    """A case worked on, billed, invoiced at the close, paid at Stripe, and payable in the next month's statement."""
    open_books(work_session, cast)
    case = paid_case(work_session, cast)
    entry = worked(work_session, cast, case, minutes=90)
    settled(work_session, cast, case)
    billed(work_session, case)
    work_session.commit()
    close(work_engine, cast)
    intent = work_session.scalars(select(Intent).where(Intent.kind == "invoice")).one()
    calls.perform(work_engine, gateway, intent.id, CLOSED_AT)
    work_session.refresh(intent)
    standin.control.pay_invoice(intent.provider_object_id)
    handling.refresh_invoice(work_engine, gateway, intent.provider_object_id, CLOSED_AT)
    apply_cash(work_session, work_session.scalars(select(CashReceipt.id)).one(), now=CLOSED_AT)
    work_session.commit()
    return entry, close(work_engine, cast, NEXT_CLOSED_AT)


def test_a_line_opens_down_to_the_time_entry_and_the_entry_finds_its_lines(web_session, work_session, cast, paid):
    entry, period_id = paid
    work_session.commit()
    statement = statement_of(work_session, period_id, cast.integrator.id)
    session = web_session(Scope(cast.integrator.id, cast.ivo.person_id))
    (line,) = queries.lines(session, cast.ivo, statement.id)
    assert (line.kind, line.amount_minor) == ("share", statement.net_minor)
    origin = origins.line_origin(session, cast.ivo, line.id)
    assert origin.share.party_id == cast.integrator.id
    assert origin.share.amount_minor == line.amount_minor
    worked_on = [(one.entry.id, one.entry.note) for billed_line in origin.billed for one in billed_line.worked]
    assert worked_on == [(entry.id, "Looked into the door controller")]
    assert [found.id for found in origins.lines_of_entry(session, cast.ivo, entry.id)] == [line.id]
    factory = web_session(Scope(cast.factory.id, cast.fay.person_id))
    everybody = origins.lines_of_entry(factory, cast.fay, entry.id)
    assert {found.party_id for found in everybody} == {cast.integrator.id, cast.factory.id}
    assert sum(found.amount_minor for found in everybody) == origin.item.amount_minor
    stranger = web_session(Scope(cast.other_integrator.id, cast.sam.person_id))
    with pytest.raises((NotFound, NotAllowed)):
        origins.line_origin(stranger, cast.ivo, line.id)


def test_every_payable_cent_of_the_month_is_on_a_statement(work_session, cast, paid):
    _, period_id = paid
    payable = work_session.scalar(
        text(
            "SELECT -sum(amount_minor)::bigint FROM posting JOIN account ON account.id = account_id"
            " WHERE purpose = 'payable'"
        )
    )
    shown = work_session.scalar(
        text("SELECT sum(net_minor)::bigint FROM statement WHERE period_id = :id"), {"id": period_id}
    )
    assert payable == shown > 0


def test_lines_posted_by_hand_are_opened_before_approval(work_engine, work_session, cast):
    open_books(work_session, cast)
    for number, amount in enumerate((100, 300, 200), start=1):
        earn(work_session, cast, amount, number)
    work_session.commit()
    statement = statement_of(work_session, close(work_engine, cast), cast.integrator.id)
    to_open = cockpit.lines_to_open(work_session, cast.fay, statement.id)
    assert {(each.because.split()[0], each.line.amount_minor) for each in to_open} == {
        ("The", 300), ("The", 200), ("Posted", 100),
    }  # fmt: skip
