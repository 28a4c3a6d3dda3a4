"""What a payment is invoiced by: self-billed documents without gaps, own invoices, and tax beside the share."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import and_, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from portal.db import Scope, open_session, transaction
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, Stale
from portal.ledger.rules import Purpose
from portal.payments import calls
from portal.payments.models import Intent
from portal.settlement import actions, disposing
from portal.settlement import queries as settled
from portal.settlement.books import settlement_problems
from portal.settlement.models import Statement
from portal.settlement.remaking import remake_statements
from portal.settlement.selfbilling import actions as selfbilling
from portal.settlement.selfbilling import queries
from portal.settlement.selfbilling.billing import billing_of
from portal.settlement.selfbilling.models import DispositionTax, PartyInvoice, SelfBilledDocument
from portal.taxes.actions import end_registration, keep_details, record_registration
from portal.taxes.queries import own_registrations, tax_identity
from tests.support.cast import NOW, add_person, build_cast
from tests.support.payments import balance_of, connected, earn, open_books
from tests.support.queued import queued
from tests.support.self_billing import agreed, both_details, details, offered
from tests.support.settling import (
    CLOSED_AT,
    NEXT_CLOSED_AT,
    REVIEWED_AT,
    approve,
    approved_and_disposed,
    close,
    statement_of,
)

LATER = NEXT_CLOSED_AT + timedelta(days=11)


@pytest.fixture
def account(work_session, cast, gateway, standin):
    standin.control.fund(100_000, "eur")
    found = connected(work_session, gateway, standin, cast.integrator)
    work_session.commit()
    return found


@pytest.fixture
def statement(work_engine, work_session, cast):
    open_books(work_session, cast)
    for number, amount in enumerate((10_000, 7_500), start=1):
        earn(work_session, cast, amount, number)
    both_details(work_session, cast)
    work_session.commit()
    return statement_of(work_session, close(work_engine, cast), cast.integrator.id)


def document_of(session, statement) -> SelfBilledDocument:
    found = queries.document_of(session, statement.id)
    assert found is not None
    return found


def test_a_share_is_invoiced_by_the_payer_and_its_tax_goes_along(
    work_engine, work_session, cast, gateway, account, statement
):
    agreed(work_session, cast)
    assert approved_and_disposed(work_session, cast, statement) == {"transferred": 17_500}
    made = document_of(work_session, statement)
    assert (made.name, made.kind, made.number) == ("NOR-SB1", "invoice", 1)
    assert (made.net_minor, made.tax_minor, made.gross_minor) == (17_500, 3_325, 20_825)
    said = made.content
    assert said["supplier"] == {
        "name": "Kessler Sicherheit GmbH", "address": "Hafen 1\n24103 Kiel", "number": "DE123456789",
    }  # fmt: skip
    assert said["customer"]["number"] == "DE987654321"
    assert (said["supply_from"], said["supply_to"]) == ("2026-03-01", "2026-03-31")
    assert "Gutschrift" in said["words"][0]
    assert (balance_of(work_session, Purpose.INPUT_TAX), balance_of(work_session, Purpose.PAYABLE_TAX)) == (3_325, 0)
    assert balance_of(work_session, Purpose.IN_TRANSFER) == -20_825
    intent = work_session.scalars(select(Intent).where(Intent.kind == "transfer")).one()
    work_session.commit()
    assert calls.perform(work_engine, gateway, intent.id, REVIEWED_AT) == "succeeded"
    assert (balance_of(work_session, Purpose.IN_TRANSFER), balance_of(work_session, Purpose.STRIPE)) == (0, -20_825)
    assert settlement_problems(work_session) == []


def test_without_details_of_the_payer_nothing_is_invoiced(work_engine, work_session, cast, account):
    open_books(work_session, cast)
    earn(work_session, cast, 5_000, 1)
    work_session.commit()
    made = statement_of(work_session, close(work_engine, cast), cast.integrator.id)
    assert approved_and_disposed(work_session, cast, made) == {"transferred": 5_000}
    assert queries.document_of(work_session, made.id) is None


def test_without_an_agreement_it_is_paid_against_the_partys_own_invoice(work_session, cast, account, statement):
    with pytest.raises(Conflict, match="its own invoice"):
        approve(work_session, cast, statement)
    said = {"dated_on": date(2026, 4, 3), "now": REVIEWED_AT}
    selfbilling.record_own_invoice(work_session, cast.ivo, statement.id, number="R-17", **said)
    selfbilling.record_own_invoice(work_session, cast.ivo, statement.id, number="R-18", **said)
    assert approved_and_disposed(work_session, cast, statement) == {"transferred": 17_500}
    assert queries.document_of(work_session, statement.id) is None
    assert balance_of(work_session, Purpose.INPUT_TAX) == 3_325
    assert settlement_problems(work_session) == []
    with pytest.raises(Conflict, match="approved already"):
        selfbilling.record_own_invoice(work_session, cast.ivo, statement.id, number="R-19", **said)


@pytest.mark.parametrize(
    ("number", "dated_on", "field"),
    [(" ", date(2026, 4, 3), "number"), ("x" * 41, date(2026, 4, 3), "number"), ("R", date(2027, 1, 1), "dated_on")],
)
def test_an_own_invoice_has_a_number_and_a_day(work_session, cast, statement, number, dated_on, field):
    with pytest.raises(Invalid) as refused:
        selfbilling.record_own_invoice(
            work_session, cast.ivo, statement.id, number=number, dated_on=dated_on, now=REVIEWED_AT
        )
    assert set(refused.value.fields) == {field}
    with pytest.raises(NotAllowed):
        selfbilling.record_own_invoice(
            work_session, cast.fay, statement.id, number="R", dated_on=date(2026, 4, 3), now=REVIEWED_AT
        )


def test_a_number_is_used_by_the_statement_it_stands_for_last(work_engine, work_session, cast, statement):
    """Not by one that was discarded since, nor by one for which another number was said after it."""

    def say(of, number):
        said = {"dated_on": date(2026, 4, 3), "now": REVIEWED_AT}
        selfbilling.record_own_invoice(work_session, cast.ivo, of.id, number=number, **said)

    say(statement, "R-1")
    remake_statements(
        work_session, statement.period_id, person_id=cast.fay.person_id, reason="Signed late", now=REVIEWED_AT
    )
    stands = and_(Statement.party_id == cast.integrator.id, settled.stands())
    (again,) = work_session.scalars(select(Statement).where(stands))
    say(again, "R-1")
    earn(work_session, cast, 500, 9, now=REVIEWED_AT)
    work_session.commit()
    next_one = statement_of(work_session, close(work_engine, cast, NEXT_CLOSED_AT), cast.integrator.id)
    with pytest.raises(Invalid, match="used already"):
        say(next_one, "R-1")
    say(again, "R-2")
    say(next_one, "R-1")


def test_days_are_those_of_the_companies_when_it_is_tomorrow_there(work_session, cast, statement):
    agreement = agreed(work_session, cast)
    at_night = datetime(2026, 4, 13, 22, 30, tzinfo=UTC)
    today = date(2026, 4, 14)
    said = {"number": "R-1", "now": at_night}
    assert (
        selfbilling.record_own_invoice(work_session, cast.ivo, statement.id, dated_on=today, **said).dated_on == today
    )
    with pytest.raises(Invalid):
        selfbilling.record_own_invoice(work_session, cast.ivo, statement.id, dated_on=today + timedelta(days=1), **said)
    ended = selfbilling.end_agreement(work_session, cast.ivo, agreement.id, reason="We invoice again", now=at_night)
    assert ended.ends_on == today
    yesterday = today - timedelta(days=1)
    parties = {"manufacturer_id": cast.factory.id, "party_id": cast.integrator.id}
    in_force = [queries.agreement_in_force(work_session, **parties, day=day) for day in (yesterday, today)]
    assert in_force == [agreement, None]


def test_what_changed_after_the_preparation_is_not_approved(work_session, cast, account, statement):
    agreement = agreed(work_session, cast)
    shown = statement.content_sha256
    prepared = actions.prepare_statement(work_session, cast.fay, statement.id, shown_sha256=shown, now=REVIEWED_AT)
    selfbilling.end_agreement(work_session, cast.ivo, agreement.id, reason="We invoice again", now=REVIEWED_AT)
    selfbilling.record_own_invoice(
        work_session, cast.ivo, statement.id, number="R-1", dated_on=date(2026, 4, 3), now=REVIEWED_AT
    )
    with pytest.raises(Stale, match="invoice"):
        actions.approve_statement(work_session, cast.fin, prepared.id, shown_sha256=shown, now=REVIEWED_AT)


def test_tax_of_what_is_held_waits_and_comes_with_it(work_engine, work_session, cast, account, statement):
    agreed(work_session, cast)
    line_id = work_session.scalar(text("SELECT min(id) + 1 FROM statement_line WHERE party_id = :id"),
                                  {"id": cast.integrator.id})  # fmt: skip
    raised = actions.contest_line(work_session, cast.ivo, line_id, reason="Ours", now=CLOSED_AT)
    assert approved_and_disposed(work_session, cast, statement) == {"transferred": 10_000, "held": 7_500}
    assert document_of(work_session, statement).tax_minor == 3_325
    assert work_session.scalars(select(DispositionTax.amount_minor)).all() == [1_900]
    actions.decide_contest(work_session, cast.fay, raised.id, outcome="stands", explanation="It does.", now=REVIEWED_AT)
    work_session.commit()
    later = statement_of(work_session, close(work_engine, cast, NEXT_CLOSED_AT), cast.integrator.id)
    # What comes back was invoiced when it was earned: money and tax move, no second document is made.
    assert approved_and_disposed(work_session, cast, later, LATER) == {"transferred": 7_500}
    assert queries.document_of(work_session, later.id) is None
    assert work_session.scalars(select(DispositionTax.amount_minor).order_by(DispositionTax.id)).all() == [1_900, 1_425]
    assert balance_of(work_session, Purpose.PAYABLE_TAX) == 0
    assert settlement_problems(work_session) == []


def test_a_negative_statement_makes_a_credit_note_that_names_the_invoice(
    work_engine, work_session, cast, account, statement
):
    agreed(work_session, cast)
    approved_and_disposed(work_session, cast, statement)
    earn(work_session, cast, -20_000, 9, now=CLOSED_AT)
    work_session.commit()
    later = statement_of(work_session, close(work_engine, cast, NEXT_CLOSED_AT), cast.integrator.id)
    assert approved_and_disposed(work_session, cast, later, LATER) == {"invoiced": -20_000}
    made = document_of(work_session, later)
    assert (made.name, made.net_minor, made.tax_minor) == ("NOR-SC1", -20_000, -3_800)
    assert [each["name"] for each in made.content["corrects"]] == ["NOR-SB1"]
    # The party is invoiced what it owes with the tax.
    assert work_session.scalar(text("SELECT total_minor FROM invoice WHERE payer_id = :id"),
                               {"id": cast.integrator.id}) == 23_800  # fmt: skip
    assert (balance_of(work_session, Purpose.PAYABLE_TAX), balance_of(work_session, Purpose.PARTY_RECEIVABLE)) == (
        0, 23_800,
    )  # fmt: skip
    assert settlement_problems(work_session) == []


def test_the_database_refuses_a_gap(work_session, cast, account, statement):
    agreed(work_session, cast)
    # A number that somebody drew and kept nothing under.
    work_session.execute(select(func.next_number(cast.factory.id, "self_billed_invoice")))
    with pytest.raises(IntegrityError, match="leaves a gap"):
        approved_and_disposed(work_session, cast, statement)


def test_an_agreement_is_accepted_by_its_text(work_session, cast):
    agreement = offered(work_session, cast)
    assert queued(work_session, "notify_self_billing") == [("notify_self_billing", {"agreement_id": agreement.id})]
    accept = {"shown_sha256": agreement.text_sha256, "now": NOW}
    with pytest.raises(NotAllowed):
        selfbilling.accept_agreement(work_session, cast.fay, agreement.id, **accept)
    with pytest.raises(NotAllowed):
        selfbilling.accept_agreement(work_session, cast.tom, agreement.id, **accept)
    with pytest.raises(Stale):
        selfbilling.accept_agreement(work_session, cast.ivo, agreement.id, shown_sha256="0" * 64, now=NOW)
    accepted = selfbilling.accept_agreement(work_session, cast.ivo, agreement.id, **accept)
    assert (accepted.accepted_name, accepted.text_sha256) == ("Ivo", agreement.text_sha256)
    with pytest.raises(Conflict):
        selfbilling.accept_agreement(work_session, cast.ivo, agreement.id, **accept)
    assert [one.state for one in queries.needing_attention(work_session, cast.fay, NOW)] == []
    ends_at = datetime.combine(agreement.expires_on, time(9), tzinfo=UTC)
    soon = ends_at - timedelta(days=40)
    for actor in (cast.fay, cast.ivo):
        assert [one.state for one in queries.needing_attention(work_session, actor, soon)] == ["in_force"]
    assert [one.agreement.id for one in queries.ending(work_session, ends_at - timedelta(days=7))] == [agreement.id]


def test_details_are_read_by_those_who_settle_and_by_nobody_else(work_session, web_session, cast, statement):
    work_session.commit()

    def read(reader, company):
        with web_session(Scope(reader.organisation_id, reader.person_id)) as session:
            return tax_identity(session, company.id)

    assert read(cast.fay, cast.integrator).number_on(NOW.date()) == "DE123456789"
    assert read(cast.ivo, cast.factory).legal_name == "Nordlicht Access GmbH"
    assert read(cast.bea, cast.integrator) is None
    assert read(cast.eve, cast.integrator) is None
    assert read(cast.sam, cast.factory) is None


@pytest.mark.parametrize(
    ("country", "number", "valid_to", "field"),
    [
        ("FR", "FR1", None, "country"),
        ("US", "12-3456789", None, "country"),
        ("DE", "ATU12345678", None, "number"),
        ("DE", "DE123456789", None, "number"),
        ("DE", "DE999999999", date(2019, 1, 1), "valid_to"),
    ],
)
def test_a_registration_is_refused_at_its_field(work_session, cast, country, number, valid_to, field):
    details(work_session, cast.ivo, number="DE123456789")
    with pytest.raises(Invalid) as refused:
        record_registration(
            work_session, cast.ivo, country=country, number=number, valid_from=date(2020, 1, 1), valid_to=valid_to,
            now=NOW,
        )  # fmt: skip
    assert set(refused.value.fields) == {field}


def test_details_name_a_known_country_and_registrations_end_once(work_session, cast):
    with pytest.raises(Invalid) as refused:
        keep_details(work_session, cast.ivo, legal_name="", address="A", country="FR", is_small_business=False, now=NOW)
    assert set(refused.value.fields) == {"legal_name", "country"}
    with pytest.raises(NotAllowed):
        details(work_session, cast.bea)
    details(work_session, cast.ivo, number="DE123456789")
    ((held, _),) = own_registrations(work_session, cast.ivo)
    with pytest.raises(NotFound):
        end_registration(work_session, cast.fay, held.id, ends_on=date(2026, 4, 1), now=NOW)
    with pytest.raises(Invalid):
        end_registration(work_session, cast.ivo, held.id, ends_on=date(2019, 1, 1), now=NOW)
    end_registration(work_session, cast.ivo, held.id, ends_on=date(2026, 4, 1), now=NOW)
    with pytest.raises(Conflict):
        end_registration(work_session, cast.ivo, held.id, ends_on=date(2026, 4, 1), now=NOW)
    known = tax_identity(work_session, cast.integrator.id)
    assert [known.number_on(date(2026, month, 1)) for month in (3, 4)] == ["DE123456789", ""]


def test_two_at_once_leave_no_hole_when_one_of_them_fails(committed_database, gateway, standin):
    """The first draws a number and is undone while the second waits for it: the second gets the same number."""
    engine = committed_database.work_engine
    with transaction(engine) as session:
        cast = build_cast(session)
        other = add_person(session, cast.other_integrator, "olga", *cast.ivo.roles)
        open_books(session, cast)
        connected(session, gateway, standin, cast.integrator)
        earn(session, cast, 10_000, 1)
        earn(session, cast, 7_000, 1, party_id=cast.other_integrator.id)
        both_details(session, cast)
        details(session, other, country="AT", number="ATU12345678")
        agreed(session, cast)
        theirs = selfbilling.offer_agreement(
            session, cast.fay, party_id=cast.other_integrator.id, starts_on=date(2026, 1, 1),
            expires_on=date(2027, 1, 1), now=NOW,
        )  # fmt: skip
        selfbilling.accept_agreement(session, other, theirs.id, shown_sha256=theirs.text_sha256, now=NOW)
    period_id = close(engine, cast)
    with transaction(engine) as session:
        approvals = [
            approve(session, cast, statement_of(session, period_id, party.id)).id
            for party in (cast.integrator, cast.other_integrator)
        ]
    with open_session(engine) as first:
        disposing.dispose(first, approvals[0], livemode=False, now=REVIEWED_AT)
        assert first.scalars(select(SelfBilledDocument.number)).one() == 1
        with open_session(engine) as second:
            second.execute(text("SET LOCAL lock_timeout = '200ms'"))
            with pytest.raises(DBAPIError, match="lock timeout"):
                disposing.dispose(second, approvals[1], livemode=False, now=REVIEWED_AT)
        first.rollback()
    for approval_id in reversed(approvals):
        with transaction(engine) as session:
            disposing.dispose(session, approval_id, livemode=False, now=REVIEWED_AT)
    with transaction(engine) as session:
        rows = session.execute(
            select(SelfBilledDocument.number, Statement.party_id, SelfBilledDocument.tax_minor)
            .join(Statement, Statement.id == SelfBilledDocument.statement_id)
            .order_by(SelfBilledDocument.number)
        ).all()
        assert [tuple(row) for row in rows] == [(1, cast.other_integrator.id, 0), (2, cast.integrator.id, 1_900)]
        assert settlement_problems(session) == []


def test_books_find_tax_that_is_not_in_the_ledger(work_session, owner_session, cast, account, statement):
    agreed(work_session, cast)
    approved_and_disposed(work_session, cast, statement)
    work_session.commit()
    for statement_text in (
        "ALTER TABLE self_billed_document DISABLE TRIGGER USER",
        "UPDATE self_billed_document SET tax_minor = tax_minor + 1, gross_minor = gross_minor + 1, number = 2,"
        " content = jsonb_set(content, '{lines,0,amount_minor}', '1')",
    ):
        owner_session.execute(text(statement_text))
    owner_session.commit()
    work_session.expire_all()
    found = {problem.check for problem in settlement_problems(work_session)}
    assert found == {
        "self-billed numbers have no gap",
        "a self-billed document sums",
        "a self-billed document is what was approved",
        "tax on shares is in the ledger",
        "input tax is the tax on shares",
        "tax a party has coming is what was not paid",
    }


def test_a_statement_is_invoiced_by_the_number_that_was_said(work_session, cast, statement):
    row = PartyInvoice(
        statement_id=statement.id, manufacturer_id=cast.factory.id, party_id=cast.integrator.id, number="R-1",
        dated_on=date(2026, 4, 1), recorded_by=cast.ivo.person_id, recorded_at=NOW,
    )  # fmt: skip
    work_session.add(row)
    work_session.flush()
    assert billing_of(work_session, statement, REVIEWED_AT).billing.invoice_number == "R-1"
