"""What PostgreSQL itself enforces, each with the test that tries to break it.

The table of the design, line by line; tests without a file are below, the racing ones with two real connections.

 - a journal transaction sums to zero: tests/ledger/test_posting.py::test_the_database_refuses_a_leg_added_later
 - the same under a partial scope:
   tests/ledger/test_posting.py::test_the_whole_transaction_is_summed_when_the_writer_sees_a_part
 - shares sum to their item: tests/billing/test_invariants.py::test_shares_beyond_the_item_are_refused
 - the same under a partial scope:
   tests/billing/test_invariants.py::test_a_writer_who_sees_a_part_is_judged_by_the_whole
 - no share is reversed beyond what it gave:
   tests/billing/test_invariants.py::test_no_share_is_reversed_beyond_what_it_gave
 - lines sum to their item: tests/billing/test_invariants.py::test_lines_beyond_the_item_are_refused
 - the same under a partial scope: test_lines_are_summed_as_a_whole_when_the_writer_sees_a_part
 - facts are append-only: tests/test_schema.py::test_every_fact_table_refuses_change_even_from_its_owner
 - the mutable tables are exactly the listed ones: tests/test_schema.py::test_only_the_listed_tables_may_change
 - one holder at each instant: test_custody_is_refused_when_it_runs_backwards
 - the same, racing: test_one_of_two_acceptances_at_once_is_stale
 - the same under a partial scope: test_custody_order_is_judged_by_the_whole_when_the_writer_sees_a_part
 - customers never hold custody: test_custody_of_the_customer_is_refused
 - a row's companies are its case's: test_row_is_refused_when_its_companies_are_not_the_cases
 - a case moves with its event: test_case_is_refused_when_it_changes_without_an_event
 - one bill item per cut and revision: tests/billing/test_invariants.py::test_a_cut_has_one_item_of_a_revision
 - the same, racing: tests/billing/test_invariants.py::test_two_jobs_that_bill_one_cut_make_one_item
 - a revision follows a reversal: tests/billing/test_invariants.py::test_a_revision_without_a_reversal_is_refused
 - one correction of an entry:
   tests/metering/test_metering_actions.py::test_second_correction_of_the_same_entry_is_refused
 - one running timer a person, racing: test_second_timer_of_a_person_is_refused_when_two_start_at_once
 - no overlapping entries, racing: test_overlapping_work_is_refused_when_two_entries_come_at_once
 - time is approved by another: tests/metering/test_metering_actions.py::test_database_refuses_approval_by_the_worker
 - one version in force per instant: test_version_is_refused_when_its_instant_is_taken
 - nothing is in force unsigned:
   tests/contracts/test_contracts_actions.py::test_database_refuses_a_version_in_force_that_lacks_a_signature
 - a grant never goes below zero, racing: test_hours_are_refused_when_another_case_has_just_taken_them
 - an authorization never goes below zero, racing: test_amount_is_refused_when_another_item_has_just_drawn_it
 - a month's standing limit holds, racing: test_standing_yes_is_refused_when_another_case_took_the_months_rest
 - no posting into a closed period:
   tests/ledger/test_periods.py::test_the_database_refuses_a_posting_into_a_closed_period
 - the same, racing: tests/ledger/test_periods.py::test_the_closer_waits_for_a_poster_and_has_its_posting
 - no period opens again: tests/ledger/test_periods.py::test_the_database_refuses_to_open_a_period_again
 - one open period, racing: test_second_open_period_is_refused_when_two_open_at_once
 - a payable is on one statement: test_posting_is_refused_on_a_second_statement
 - a line is of its statement's party: test_line_is_refused_on_the_statement_of_another_party
 - a line is of its invoice's payer: tests/billing/test_invariants.py::test_an_item_is_refused_on_anothers_invoice
 - preparer differs from approver: tests/settlement/test_settling.py::test_the_database_too_refuses_one_person_for_both
 - an approval names what was prepared: test_approval_is_refused_when_it_names_another_content
 - dispositions sum to the approval:
   tests/settlement/test_settling.py::test_dispositions_that_do_not_sum_are_refused_by_the_database
 - the same under a partial scope: test_dispositions_are_summed_as_a_whole_when_the_writer_sees_a_part
 - one intent per document, racing: test_second_transfer_of_a_document_is_refused_when_two_are_planned_at_once
 - one intent per provider object: test_intent_is_refused_when_its_object_is_anothers
 - a provider event is stored once, racing: test_event_is_stored_once_when_two_deliveries_come_at_once
 - no float, every amount with its currency: tests/test_schema.py::test_no_column_can_hold_a_float
 - who reads what: tests/test_row_security.py::test_each_company_reads_exactly_its_rows
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from portal.cases import actions
from portal.cases.models import CustodyAcceptance, SupportCase
from portal.config import ROOT
from portal.db import Scope, engine_for, open_session
from portal.errors import Invalid, Stale
from portal.metering import actions as metering
from portal.metering.actions import Work
from portal.settlement import actions as settlement
from tests.conftest import settings_for
from tests.support.billed import billed, paid_case, settled, worked
from tests.support.cases import accepted, escalated
from tests.support.cast import NOW, Cast, build_cast, hours_later
from tests.support.database import PREFIX, Cluster
from tests.support.payments import earn, open_books
from tests.support.racing import second_of
from tests.support.settling import REVIEWED_AT, approve, close, statement_of

pytestmark = pytest.mark.xdist_group("invariants")

_LINE = re.compile(r"^ - .*?:\s+(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Stage:
    """A database that really commits, with the cast in it."""

    engine: Engine
    cast: Cast

    def do(self, act: Callable[[Session], object]) -> object:
        """Run one act and commit it."""
        with open_session(self.engine) as session, session.begin():
            return act(session)


@pytest.fixture(scope="module")
def stage(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    name = f"{PREFIX}_invariants_{os.getpid()}"
    settings = settings_for(cluster.clone(name), tmp_path_factory.mktemp("instance"))
    engine = engine_for(settings.work_database_url or "")
    with open_session(engine) as session:
        cast = build_cast(session)
        open_books(session, cast)
        session.commit()
        session.expunge_all()
    yield Stage(engine, cast)
    engine.dispose()
    cluster.drop(name)


def test_every_line_of_the_table_names_a_test_that_exists() -> None:
    named = _LINE.findall(__doc__ or "")
    assert len(named) == (__doc__ or "").count("\n - ")
    for entry in named:
        path, _, name = entry.rpartition("::")
        source = (ROOT / path if path else Path(__file__)).read_text()
        assert f"def {name}(" in source, entry


# One case, one holder


def test_custody_is_refused_when_it_runs_backwards(work_session: Session, cast: Cast) -> None:
    case = accepted(work_session, cast)
    work_session.add(acceptance(case, seq=99, company_id=cast.integrator.id, minutes=-60))
    with pytest.raises(DBAPIError, match="runs backwards"):
        work_session.flush()


def test_custody_of_the_customer_is_refused(work_session: Session, cast: Cast) -> None:
    case = accepted(work_session, cast)
    work_session.add(acceptance(case, seq=99, company_id=cast.customer.id, minutes=60))
    with pytest.raises(IntegrityError, match="never_the_customer"):
        work_session.flush()


def test_one_of_two_acceptances_at_once_is_stale(stage: Stage) -> None:
    cast = stage.cast
    case_id = stage.do(lambda session: escalated(session, cast).id)
    with open_session(stage.engine) as session:
        seq = session.get_one(SupportCase, case_id).seq

    def accept(actor):
        def act(session: Session) -> None:
            actions.accept_custody(session, actor, session.get_one(SupportCase, case_id), seq=seq, now=hours_later(1))

        return act

    refused = second_of(stage.engine, accept(cast.ana), accept(cast.eli))
    assert isinstance(refused, Stale)
    assert [happening.who for happening in refused.since] == ["Ana"]
    with open_session(stage.engine) as session:
        holders = session.query(CustodyAcceptance).filter_by(case_id=case_id).order_by(CustodyAcceptance.seq).all()
        assert [row.company_id for row in holders] == [cast.integrator.id, cast.factory.id]


def test_custody_order_is_judged_by_the_whole_when_the_writer_sees_a_part(
    work_session: Session, owner_session: Session, web_session, cast: Cast
) -> None:
    case = accepted(work_session, cast)
    work_session.commit()
    narrow(owner_session, "custody_acceptance", "company_id = portal_organisation()")
    session = web_session(Scope(cast.integrator.id, cast.tom.person_id))
    assert session.query(CustodyAcceptance).filter_by(case_id=case.id).count() == 1
    # Later than the one it sees, earlier than the factory's, which it does not see.
    session.add(acceptance(case, seq=99, company_id=cast.integrator.id, minutes=10))
    with pytest.raises(DBAPIError, match="runs backwards"):
        session.flush()


def test_row_is_refused_when_its_companies_are_not_the_cases(work_session: Session, cast: Cast) -> None:
    case = accepted(work_session, cast)
    row = acceptance(case, seq=99, company_id=cast.factory.id, minutes=60)
    row.customer_id = cast.other_customer.id
    work_session.add(row)
    with pytest.raises(IntegrityError, match="fk_custody_acceptance"):
        work_session.flush()


@pytest.mark.parametrize(
    "change",
    [
        "state = 'resolved'",
        "holder_id = integrator_id",
        "severity = 4",
        "task_class = 'how_to'",
        "state = 'resolved', seq = seq + 1",
    ],
)
def test_case_is_refused_when_it_changes_without_an_event(work_session: Session, cast: Cast, change: str) -> None:
    case = accepted(work_session, cast)
    work_session.commit()
    work_session.execute(text(f"UPDATE support_case SET {change} WHERE id = :id"), {"id": case.id})
    with pytest.raises(DBAPIError, match="changed without an event"):
        work_session.commit()


# Time


def test_second_timer_of_a_person_is_refused_when_two_start_at_once(stage: Stage) -> None:
    start = text(
        "INSERT INTO running_timer (person_id, organisation_id, started_at, seen_at, mode, task_class)"
        " VALUES (:person, :company, now(), now(), 'remote', 'support')"
    )
    values = {"person": stage.cast.leo.person_id, "company": stage.cast.factory.id}
    refused = second_of(stage.engine, *[lambda session: session.execute(start, values)] * 2)
    assert "pk_running_timer" in str(refused)


def test_overlapping_work_is_refused_when_two_entries_come_at_once(stage: Stage) -> None:
    cast = stage.cast
    case_id = stage.do(lambda session: accepted(session, cast).id)

    def log(session: Session) -> None:
        metering.enter_time(
            session, cast.ana, session.get_one(SupportCase, case_id), Work("remote", "support", "Read the log"),
            started_at=hours_later(1), ended_at=hours_later(2), now=hours_later(3),
        )  # fmt: skip

    refused = second_of(stage.engine, log, log)
    assert isinstance(refused, Invalid)
    assert set(refused.fields) == {"started_at"}


# Documents


def test_version_is_refused_when_its_instant_is_taken(work_session: Session, cast: Cast) -> None:
    values = {"version": cast.policy_version.id}
    second = work_session.execute(
        text(
            "INSERT INTO document_version (document_id, kind, manufacturer_id, integrator_id, number, effective_from,"
            " body_toml, canonical_json, sha256, proposed_by, proposed_at) SELECT document_id, kind, manufacturer_id,"
            " integrator_id, 99, effective_from, body_toml, canonical_json, sha256, proposed_by, proposed_at"
            " FROM document_version WHERE id = :version RETURNING id"
        ),
        values,
    ).scalar_one()
    work_session.execute(
        text(
            "INSERT INTO document_signature (version_id, organisation_id, manufacturer_id, integrator_id, person_id,"
            " sha256, signed_at) SELECT :second, organisation_id, manufacturer_id, integrator_id, person_id, sha256,"
            " signed_at FROM document_signature WHERE version_id = :version"
        ),
        {**values, "second": second},
    )
    with pytest.raises(IntegrityError, match="uq_document_in_force_document_id_effective_from"):
        work_session.execute(
            text(
                "INSERT INTO document_in_force (document_id, version_id, kind, manufacturer_id, integrator_id,"
                " effective_from, recorded_at) SELECT document_id, :second, kind, manufacturer_id, integrator_id,"
                " effective_from, recorded_at FROM document_in_force WHERE version_id = :version"
            ),
            {**values, "second": second},
        )


# Hours and amounts left


def test_hours_are_refused_when_another_case_has_just_taken_them(stage: Stage) -> None:
    stage.do(lambda session: escalated(session, stage.cast))
    before = stage.do(lambda session: session.execute(text("SELECT sum(free_seconds) FROM grant_balance")).scalar())
    most = text("UPDATE grant_balance SET free_seconds = free_seconds - :seconds")
    wanted = {"seconds": int(str(before)) * 2 // 3}
    refused = second_of(stage.engine, *[lambda session: session.execute(most, wanted)] * 2)
    assert "free_not_negative" in str(refused)


def test_amount_is_refused_when_another_item_has_just_drawn_it(stage: Stage) -> None:
    case_id = stage.do(lambda session: paid_case(session, stage.cast, nte_minor=30_000).id)
    draw = text("UPDATE authorization_balance SET left_minor = left_minor - 20000 WHERE case_id = :case")
    refused = second_of(stage.engine, *[lambda session: session.execute(draw, {"case": case_id})] * 2)
    assert "not_negative" in str(refused)


def test_standing_yes_is_refused_when_another_case_took_the_months_rest(stage: Stage) -> None:
    cast = stage.cast
    stage.do(lambda session: escalated(session, cast))
    take = text(
        "INSERT INTO standing_month AS used (standing_authorization_id, month_on, manufacturer_id, integrator_id,"
        " customer_id, limit_minor, used_minor) SELECT id, '2020-01-01', manufacturer_id, integrator_id, customer_id,"
        " 100, 60 FROM standing_authorization ORDER BY id LIMIT 1 ON CONFLICT (standing_authorization_id, month_on)"
        " DO UPDATE SET used_minor = used.used_minor + excluded.used_minor"
    )
    refused = second_of(stage.engine, *[lambda session: session.execute(take)] * 2)
    assert "within_limit" in str(refused)


# Bills and books


def test_lines_are_summed_as_a_whole_when_the_writer_sees_a_part(
    work_session: Session, owner_session: Session, web_session, cast: Cast
) -> None:
    open_books(work_session, cast)
    case = paid_case(work_session, cast)
    worked(work_session, cast, case, minutes=65)
    settled(work_session, cast, case)
    item = billed(work_session, case)
    work_session.commit()
    owner_session.execute(text("GRANT INSERT ON bill_line TO portal_web"))
    narrow(owner_session, "bill_line", "position = 99")
    session = web_session(Scope(cast.factory.id, cast.ana.person_id))
    assert session.execute(text("SELECT count(*) FROM bill_line")).scalar() == 0
    line = text(
        "INSERT INTO bill_line (case_id, manufacturer_id, integrator_id, customer_id, audience, owner_id, bill_item_id,"
        " position, kind, bearer, band, mode, task_class, seconds, rate_num, rate_den, currency, amount_minor,"
        " list_amount_minor, description, explanation) SELECT case_id, manufacturer_id, integrator_id, customer_id,"
        " audience, owner_id, id, 99, 'work', 'payer', 'business', 'remote', 'support', 60, 1, 1, currency, :amount,"
        " :amount, 'Once more', '{}' FROM bill_item WHERE id = :item"
    )
    # It would be the item's sum if what this writer sees were all.
    with pytest.raises(DBAPIError, match="lines of bill item"):
        session.execute(line, {"item": item.id, "amount": item.amount_minor})
    session.rollback()
    session.execute(line, {"item": item.id, "amount": 0})


def test_second_open_period_is_refused_when_two_open_at_once(stage: Stage) -> None:
    maker = stage.cast.other_factory.id

    def opening(label: str) -> Callable[[Session], object]:
        first = text(
            "INSERT INTO period (manufacturer_id, label, zone, starts_at, ends_at, state, state_at)"
            " VALUES (:maker, :label, 'UTC', CAST(:label || '-01' AS date), CAST(:label || '-28' AS date), 'open',"
            " now())"
        )
        return lambda session: session.execute(first, {"maker": maker, "label": label})

    assert "uq_period_open" in str(second_of(stage.engine, opening("2026-03"), opening("2026-04")))


def test_second_transfer_of_a_document_is_refused_when_two_are_planned_at_once(stage: Stage) -> None:
    plan = intent(stage.cast, "racing")
    assert "uq_intent_document" in str(second_of(stage.engine, plan, plan))


def test_intent_is_refused_when_its_object_is_anothers(work_session: Session, cast: Cast) -> None:
    intent(cast, "one", "tr_1")(work_session)
    with pytest.raises(IntegrityError, match="uq_intent_provider_object"):
        intent(cast, "two", "tr_1")(work_session)


def test_event_is_stored_once_when_two_deliveries_come_at_once(stage: Stage) -> None:
    stored: list[bool] = []
    store = text("SELECT record_provider_event('evt_1', 'snapshot', 'invoice.paid', 'in_1', '{}', false)")

    def deliver(session: Session) -> None:
        stored.append(bool(session.scalar(store)))

    assert second_of(stage.engine, deliver, deliver) is None
    assert stored == [True, False]


# Statements


@pytest.fixture
def statement(work_engine: Engine, work_session: Session, cast: Cast):
    open_books(work_session, cast)
    earn(work_session, cast, 10_000, 1)
    earn(work_session, cast, 4_000, 1, party_id=cast.factory.id)
    work_session.commit()
    period_id = close(work_engine, cast)
    return statement_of(work_session, period_id, cast.integrator.id)


# A line of the integrator's copied to the statement of another party, said to be of a party.
LINE_COPIED = text(
    "INSERT INTO statement_line (statement_id, manufacturer_id, party_id, position, kind, posting_id, case_name,"
    " description, amount_minor, occurred_at) SELECT :other, manufacturer_id, :party, 99, kind, posting_id, case_name,"
    " description, amount_minor, occurred_at FROM statement_line WHERE statement_id = :statement LIMIT 1"
)


def test_posting_is_refused_on_a_second_statement(work_session: Session, cast: Cast, statement) -> None:
    other = statement_of(work_session, statement.period_id, cast.factory.id)
    values = {"other": other.id, "party": cast.factory.id, "statement": statement.id}
    with pytest.raises(IntegrityError, match="is on a statement already"):
        work_session.execute(LINE_COPIED, values)


def test_line_is_refused_on_the_statement_of_another_party(work_session: Session, cast: Cast, statement) -> None:
    other = statement_of(work_session, statement.period_id, cast.factory.id)
    values = {"other": other.id, "party": cast.integrator.id, "statement": statement.id}
    with pytest.raises(IntegrityError, match="fk_statement_line_statement_id_manufacturer_id_party_id"):
        work_session.execute(LINE_COPIED, values)


def test_approval_is_refused_when_it_names_another_content(work_session: Session, cast: Cast, statement) -> None:
    prepared = settlement.prepare_statement(
        work_session, cast.fay, statement.id, shown_sha256=statement.content_sha256, now=REVIEWED_AT
    )
    with pytest.raises(IntegrityError, match="fk_statement_approval"):
        work_session.execute(
            text(
                "INSERT INTO statement_approval (statement_id, preparation_id, manufacturer_id, party_id, preparer_id,"
                " approver_id, content_sha256, currency, amount_minor, approved_at) SELECT statement_id, id,"
                " manufacturer_id, party_id, preparer_id, :approver, repeat('0', 64), 'EUR', amount_minor, prepared_at"
                " FROM statement_preparation WHERE id = :prepared"
            ),
            {"approver": cast.fin.person_id, "prepared": prepared.id},
        )


def test_dispositions_are_summed_as_a_whole_when_the_writer_sees_a_part(
    work_session: Session, owner_session: Session, web_session, cast: Cast, statement
) -> None:
    approval = approve(work_session, cast, statement)
    dispose = text(
        "INSERT INTO disposition (approval_id, statement_id, manufacturer_id, party_id, kind, currency, amount_minor,"
        " disposed_at) SELECT id, statement_id, manufacturer_id, party_id, :kind, currency, :amount, approved_at"
        " FROM statement_approval WHERE id = :approval"
    )
    values = {"approval": approval.id, "kind": "carried", "amount": approval.amount_minor}
    work_session.execute(dispose, values)
    work_session.commit()
    owner_session.execute(text("GRANT INSERT ON disposition TO portal_web"))
    narrow(owner_session, "disposition", "kind = 'held'")
    session = web_session(Scope(cast.factory.id, cast.fay.person_id))
    assert session.execute(text("SELECT count(*) FROM disposition")).scalar() == 0
    with pytest.raises(DBAPIError, match="do not sum"):
        session.execute(dispose, {**values, "kind": "held"})


def acceptance(case: SupportCase, *, seq: int, company_id: int, minutes: int) -> CustodyAcceptance:
    """One more acceptance of a case, so many minutes after it was opened."""
    at = NOW + timedelta(minutes=minutes)
    return CustodyAcceptance(
        case_id=case.id, manufacturer_id=case.manufacturer_id, integrator_id=case.integrator_id,
        customer_id=case.customer_id, seq=seq, company_id=company_id, from_at=at, channel="page", accepted_by=None,
        accepted_name="Test", recorded_at=at,
    )  # fmt: skip


def intent(cast: Cast, document: str, provider_object: str | None = None) -> Callable[[Session], object]:
    """Plan a transfer for a document."""
    plan = text(
        "INSERT INTO intent (kind, manufacturer_id, organisation_id, document_type, document_id, currency,"
        " amount_minor, request, progress, state, provider_object_id, livemode, created_at)"
        " VALUES ('transfer', :maker, :party,"
        " 'statement', :document, 'EUR', 100, '{}', '{}', 'planned', :object, false, now())"
    )
    values = {"maker": cast.factory.id, "party": cast.integrator.id, "document": document, "object": provider_object}
    return lambda session: session.execute(plan, values)


def narrow(owner: Session, table: str, claim: str) -> None:
    """Have the web see no more of a table than ``claim``; it may write what it could before."""
    owner.execute(text(f"DROP POLICY web ON {table}"))
    owner.execute(text(f"CREATE POLICY web ON {table} TO portal_web USING ({claim}) WITH CHECK (true)"))
    owner.commit()
