"""Who reads and writes which row, asked of PostgreSQL directly as portal_web, table by table.

The claims below say it a second time, in Python and by the meaning of the columns, so that a policy that is changed or
forgotten differs from them. Every table holds rows of every mixture of companies and audience (``every_row``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from tests.support import every_row
from tests.support.database import PREFIX, Cluster
from tests.support.every_row import COMPANIES, Stored, person_of, read_as

pytestmark = pytest.mark.xdist_group("row_security")

Row = dict[str, Any]
Claim = Callable[[Row, int], bool]


def manufacturers(row: Row, company: int) -> bool:
    return row["manufacturer_id"] == company


def both_companies(row: Row, company: int) -> bool:
    return company in (row["manufacturer_id"], row["integrator_id"])


def all_parties(row: Row, company: int) -> bool:
    return both_companies(row, company) or row["customer_id"] == company


def by_audience(row: Row, company: int) -> bool:
    readers = {
        "own": {row["owner_id"]},
        "companies": {row["owner_id"], row["manufacturer_id"], row["integrator_id"]},
        "customer": {row["owner_id"], row["manufacturer_id"], row["integrator_id"], row["customer_id"]},
    }
    return company in readers[row["audience"]]


def companies_or_told_customer(row: Row, company: int) -> bool:
    return both_companies(row, company) or (row["audience"] == "customer" and row["customer_id"] == company)


def own(row: Row, company: int) -> bool:
    return row["organisation_id"] == company


def own_company_or_person(row: Row, company: int) -> bool:
    return own(row, company) or row["person_id"] == person_of(company)


def own_person(row: Row, company: int) -> bool:
    return row["person_id"] == person_of(company)


def own_company_and_person(row: Row, company: int) -> bool:
    return own(row, company) and own_person(row, company)


def own_or_maker(row: Row, company: int) -> bool:
    return own(row, company) or manufacturers(row, company)


def party_or_maker(row: Row, company: int) -> bool:
    return company in (row["party_id"], row["manufacturer_id"])


def payer_or_maker(row: Row, company: int) -> bool:
    return company in (row["payer_id"], row["manufacturer_id"])


def companies_or_party(row: Row, company: int) -> bool:
    return both_companies(row, company) or row["party_id"] == company


def companies_or_payer(row: Row, company: int) -> bool:
    return both_companies(row, company) or row["payer_id"] == company


def companies_or_challenger(row: Row, company: int) -> bool:
    return both_companies(row, company) or row["company_id"] == company


def signed_document(row: Row, company: int) -> bool:
    return row["integrator_id"] is None or both_companies(row, company)


def organisation(row: Row, company: int) -> bool:
    return row["id"] == company or company in row["visible_to"]


def person(row: Row, company: int) -> bool:
    return row["id"] == person_of(company) or company in row["visible_to"]


def site(row: Row, company: int) -> bool:
    return row["customer_id"] == company or company in row["visible_to"]


def system(row: Row, company: int) -> bool:
    return company in (row["manufacturer_id"], row["customer_id"]) or company in row["visible_to"]


def integrator_or_customer(row: Row, company: int) -> bool:
    return company in (row["integrator_id"], row["customer_id"])


def maker_or_customer(row: Row, company: int) -> bool:
    return company in (row["manufacturer_id"], row["customer_id"])


def payer_maker_or_asked(row: Row, company: int) -> bool:
    return company in (row["manufacturer_id"], row["payer_id"], row["consent_of"])


def everybody(row: Row, company: int) -> bool:
    return True


def nobody(row: Row, company: int) -> bool:
    return False


CLAIMS: dict[Claim, str] = {
    all_parties: """
        service_relationship technical_history punch_item plan_choice support_case custody_acceptance case_clock
        clock_closing case_pause pause_end case_reference case_closing case_link case_known_issue usage_grant
        grant_balance grant_reservation reservation_release grant_draw standing_authorization standing_month
        time_approval time_reversal billing_cut line_query line_query_answer plan_sale promise_remedy severity_challenge
        severity_decision grant_extension grant_expiry top_up_notice offer_release offer_end purchase purchase_step
        remedy_reversal grant_withdrawal promotion_use promotion_use_end fitted_part part_reversal
        part_confirmation""",
    both_companies: """
        custody_offer custody_decline resolution resolution_answer challenge_step challenge_proposal
        challenge_decision plan_earning pack_use pack_earning offer claim claim_answer""",
    by_audience: "case_event note attachment time_entry bill_item bill_item_reversal bill_line bill_segment",
    companies_or_told_customer: """
        coverage_decision authorization_request authorization authorization_balance authorization_refusal emergency
        emergency_refusal purchase_order_movement supplement authorization_withdrawal""",
    companies_or_party: "share cash_application plan_share plan_cash pack_share pack_cash supplement_share",
    companies_or_payer: "pack_sale",
    companies_or_challenger: "challenge",
    manufacturers: """
        journal_transaction chain_block balance_movement close_manifest hold hold_end bank_entry bank_line
        reconciliation_difference difference_owner difference_end adjustment_decision adjustment_limit chargeback
        chargeback_step chargeback_evidence fraud_warning fraud_warning_end claw_back_write_off
        claw_back_write_off_decision outside_change outside_change_owner outside_change_end exchange promotion_code
        promotion_code_end filing_request filing_approval""",
    party_or_maker: """
        account posting statement statement_line statement_acceptance contest contest_decision statement_preparation
        statement_approval statement_discard disposition adjustment_consent adjustment_part claw_back
        claw_back_step self_billing_agreement self_billing_acceptance self_billing_end party_invoice
        self_billed_document disposition_tax held_transfer still_held""",
    payer_or_maker: """
        invoice invoice_item provider_customer provider_customer_end payment_record
        cash_receipt purchase_order purchase_order_balance
        purchase_order_withdrawal line_reduction adjustment_end provider_subscription subscription_seen
        subscription_bill invoice_tax invoice_item_tax payer_address""",
    payer_maker_or_asked: "adjustment",
    integrator_or_customer: "resale_price",
    own: """
        mailed_link_use mailed_link_void invitation audit_entry document_draft running_timer time_occupancy
        connected_account delivery books_check factor_policy impersonation impersonation_answer impersonation_end
        identity_provider mail_domain role_mapping provider_flow provider_session provider_logout scim_token scim_user
        scim_group scim_group_member what_if tax_exemption tax_exemption_end finance_detail tax_registration
        tax_registration_end taxpayer_form""",
    own_or_maker: "certificate intent intent_attempt",
    own_company_or_person: "membership web_session mailed_link provider_identity",
    own_company_and_person: "upload",
    own_person: """
        credential code_generator passkey recovery_code pending_sign_in known_device address_change""",
    signed_document: "document document_version document_signature document_in_force",
    everybody: "product_line known_issue period deployment_fact",
    nobody: """
        number_counter provider_event provider_event_outcome import_run import_case import_work import_rejection""",
    organisation: "organisation",
    person: "person",
    site: "site",
    system: "system",
    maker_or_customer: "system_site",
}
READS: dict[str, Claim] = {table: claim for claim, tables in CLAIMS.items() for table in tables.split()}


class Tables:
    """The database of these tests: its connection as owner, its rows by table, what portal_web may write."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.rows: dict[str, list[Stored]] = {}
        for table in every_table(connection):
            columns = every_row.columns_of(connection, table)
            self.rows[table] = [
                Stored(every_row.insert(connection, table, row), row) for row in every_row.rows_for(table, columns)
            ]
        connection.commit()

    def may(self, table: str, what: str) -> bool:
        found = self.connection.execute("SELECT has_table_privilege('portal_web', %s, %s)", [table, what]).fetchone()
        return bool(found and found[0])


def every_table(connection: psycopg.Connection[Any]) -> list[str]:
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relrowsecurity"
    )
    return sorted(row[0] for row in rows)


@pytest.fixture(scope="module")
def tables(cluster: Cluster) -> Iterator[Tables]:
    name = f"{PREFIX}_rows_{os.getpid()}"
    with psycopg.connect(cluster.clone(name)) as connection:
        every_row.strip(connection)
        yield Tables(connection)
    cluster.drop(name)


@pytest.fixture
def asking(tables: Tables) -> Iterator[psycopg.Connection[Any]]:
    """The connection, to be used as portal_web; whatever it does is undone."""
    tables.connection.rollback()
    yield tables.connection
    tables.connection.rollback()


def test_every_table_has_a_claim_and_rows(tables: Tables) -> None:
    assert tables.rows.keys() == READS.keys()
    for table, rows in tables.rows.items():
        answers = {READS[table](stored.says, company) for stored in rows for company in COMPANIES}
        assert answers == ({READS[table] is everybody} if READS[table] in (everybody, nobody) else {True, False}), table


@pytest.mark.parametrize("table", sorted(READS))
def test_each_company_reads_exactly_its_rows(tables: Tables, asking: psycopg.Connection[Any], table: str) -> None:
    for company in COMPANIES:
        read_as(asking, company)
        seen = {row[0] for row in asking.execute(sql.SQL("SELECT ctid::text FROM {}").format(sql.Identifier(table)))}
        asking.rollback()
        allowed = {stored.place for stored in tables.rows[table] if READS[table](stored.says, company)}
        assert seen == allowed, f"company {company} reads {len(seen)} rows of {table}, not {len(allowed)}"


@pytest.mark.parametrize("table", sorted(READS))
def test_nothing_is_read_without_scope(asking: psycopg.Connection[Any], table: str) -> None:
    read_as(asking, None)
    assert asking.execute(sql.SQL("SELECT ctid FROM {}").format(sql.Identifier(table))).fetchall() == []


@pytest.mark.parametrize("table", sorted(READS))
def test_no_row_of_others_is_written(tables: Tables, asking: psycopg.Connection[Any], table: str) -> None:
    if not tables.may(table, "INSERT"):
        read_as(asking, COMPANIES[0])
        with pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
            every_row.insert(asking, table, tables.rows[table][0].says)
        return
    for company in COMPANIES:
        read_as(asking, company)
        asking.execute("SAVEPOINT before")
        for stored in tables.rows[table]:
            if READS[table](stored.says, company):
                every_row.insert(asking, table, stored.says)
            else:
                with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
                    every_row.insert(asking, table, stored.says)
                asking.execute("ROLLBACK TO SAVEPOINT before")
        asking.rollback()


@pytest.mark.parametrize("table", sorted(READS))
def test_no_row_of_others_is_changed_or_removed(tables: Tables, asking: psycopg.Connection[Any], table: str) -> None:
    column = sql.Identifier(every_row.columns_of(asking, table)[-1].name)
    change = sql.SQL("UPDATE {0} SET {1} = {1}").format(sql.Identifier(table), column)
    remove = sql.SQL("DELETE FROM {}").format(sql.Identifier(table))
    for what, statement in (("UPDATE", change), ("DELETE", remove)):
        for company in COMPANIES:
            read_as(asking, company)
            allowed = sum(READS[table](stored.says, company) for stored in tables.rows[table])
            if tables.may(table, what):
                # psycopg's own count: rows that row security hides are not touched.
                asking.rollback()
                read_as(asking, company)
                assert asking.execute(statement).rowcount == allowed
            else:
                with pytest.raises(errors.InsufficientPrivilege):
                    asking.execute(statement)
            asking.rollback()
