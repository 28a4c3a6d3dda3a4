"""Row security: who reads which row, by comparing columns only; and what each role may do to which table.

The web role sees the rows of the organisation (and person) that the transaction was told to read for; without a scope
it sees none. The work role sees all rows. The owner is not bound by row security, so that definer functions and the
triggers that re-sum rows always see whole transactions.
"""

from alembic import op

revision = "0010"
down_revision = "0009"

_SCOPE_FUNCTIONS = (
    """
    CREATE FUNCTION portal_organisation() RETURNS bigint
        LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('portal.organisation_id', true), '')::bigint $$
    """,
    """
    CREATE FUNCTION portal_person() RETURNS bigint
        LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('portal.person_id', true), '')::bigint $$
    """,
    "GRANT EXECUTE ON FUNCTION portal_organisation() TO portal_web, portal_work",
    "GRANT EXECUTE ON FUNCTION portal_person() TO portal_web, portal_work",
)

MANUFACTURER = "manufacturer_id = portal_organisation()"
COMPANIES = f"({MANUFACTURER} OR integrator_id = portal_organisation())"
PARTIES = f"({COMPANIES} OR customer_id = portal_organisation())"
TO_COMPANIES_OR_CUSTOMER = f"({COMPANIES} OR (audience = 'customer' AND customer_id = portal_organisation()))"
BY_AUDIENCE = (
    "(owner_id = portal_organisation()"
    f" OR (audience IN ('companies', 'customer') AND {COMPANIES})"
    " OR (audience = 'customer' AND customer_id = portal_organisation()))"
)
OWN = "organisation_id = portal_organisation()"
OWN_OR_PERSON = f"({OWN} OR person_id = portal_person())"
PARTY = f"({MANUFACTURER} OR party_id = portal_organisation())"
PAYER = f"({MANUFACTURER} OR payer_id = portal_organisation())"
KNOWN = "portal_organisation() = ANY (visible_to)"
CATALOGUE = "portal_organisation() IS NOT NULL"
DOCUMENT = f"({CATALOGUE} AND (integrator_id IS NULL OR {COMPANIES}))"
NOBODY = "false"

# Who reads a table's rows; the same claim must hold for rows that the web inserts or changes.
READERS = {
    "organisation": f"(id = portal_organisation() OR {KNOWN})",
    "site": f"(customer_id = portal_organisation() OR {KNOWN})",
    "system": f"({MANUFACTURER} OR customer_id = portal_organisation() OR {KNOWN})",
    "system_site": f"({MANUFACTURER} OR customer_id = portal_organisation())",
    "product_line": CATALOGUE,
    "service_relationship": PARTIES,
    "technical_history": PARTIES,
    "punch_item": PARTIES,
    "certificate": f"({OWN} OR {MANUFACTURER})",
    "number_counter": NOBODY,
    "deployment_fact": CATALOGUE,
    "person": f"(id = portal_person() OR {KNOWN})",
    "credential": "person_id = portal_person()",
    "membership": OWN_OR_PERSON,
    "web_session": OWN_OR_PERSON,
    "mailed_link": OWN_OR_PERSON,
    "mailed_link_use": OWN,
    "mailed_link_void": OWN,
    "invitation": OWN,
    "audit_entry": OWN,
    "document": DOCUMENT,
    "document_draft": OWN,
    "document_version": DOCUMENT,
    "document_signature": DOCUMENT,
    "document_in_force": DOCUMENT,
    "plan_choice": PARTIES,
    "support_case": PARTIES,
    "case_event": BY_AUDIENCE,
    "custody_offer": COMPANIES,
    "custody_decline": COMPANIES,
    "custody_acceptance": PARTIES,
    "case_clock": PARTIES,
    "clock_closing": PARTIES,
    "case_pause": PARTIES,
    "pause_end": PARTIES,
    "note": BY_AUDIENCE,
    "upload": f"({OWN} AND person_id = portal_person())",
    "attachment": BY_AUDIENCE,
    "case_reference": PARTIES,
    "resolution": COMPANIES,
    "resolution_answer": COMPANIES,
    "challenge": f"({COMPANIES} OR company_id = portal_organisation())",
    "challenge_step": COMPANIES,
    "challenge_proposal": COMPANIES,
    "challenge_decision": COMPANIES,
    "case_closing": PARTIES,
    "case_link": PARTIES,
    "known_issue": CATALOGUE,
    "case_known_issue": PARTIES,
    "coverage_decision": TO_COMPANIES_OR_CUSTOMER,
    "usage_grant": PARTIES,
    "grant_balance": PARTIES,
    "grant_reservation": PARTIES,
    "reservation_release": PARTIES,
    "grant_draw": PARTIES,
    "standing_authorization": PARTIES,
    "standing_month": PARTIES,
    "authorization_request": TO_COMPANIES_OR_CUSTOMER,
    "authorization": TO_COMPANIES_OR_CUSTOMER,
    "authorization_balance": TO_COMPANIES_OR_CUSTOMER,
    "authorization_refusal": TO_COMPANIES_OR_CUSTOMER,
    "emergency": TO_COMPANIES_OR_CUSTOMER,
    "emergency_refusal": TO_COMPANIES_OR_CUSTOMER,
    "running_timer": OWN,
    "time_entry": BY_AUDIENCE,
    "time_occupancy": OWN,
    "time_approval": PARTIES,
    "time_reversal": PARTIES,
    "billing_cut": PARTIES,
    "bill_item": BY_AUDIENCE,
    "bill_item_reversal": BY_AUDIENCE,
    "bill_line": BY_AUDIENCE,
    "bill_segment": BY_AUDIENCE,
    "share": f"({COMPANIES} OR party_id = portal_organisation())",
    "invoice": PAYER,
    "invoice_item": PAYER,
    "cash_application": f"({COMPANIES} OR party_id = portal_organisation())",
    "line_query": PARTIES,
    "line_query_answer": PARTIES,
    "account": PARTY,
    "period": CATALOGUE,
    "journal_transaction": MANUFACTURER,
    "posting": PARTY,
    "chain_block": MANUFACTURER,
    "connected_account": OWN,
    "provider_customer": PAYER,
    "intent": f"({MANUFACTURER} OR {OWN})",
    "intent_attempt": f"({MANUFACTURER} OR {OWN})",
    "provider_event": NOBODY,
    "provider_event_outcome": NOBODY,
    "balance_movement": MANUFACTURER,
    "payment_record": PAYER,
    "cash_receipt": PAYER,
    "statement": PARTY,
    "statement_line": PARTY,
    "statement_acceptance": PARTY,
    "contest": PARTY,
    "contest_decision": PARTY,
    "statement_preparation": PARTY,
    "statement_approval": PARTY,
    "disposition": PARTY,
    "close_manifest": MANUFACTURER,
    "delivery": OWN,
}

# Rows that may change, and by whom; everything else is a fact that is only inserted.
MUTABLE = {
    "organisation": ("UPDATE", "UPDATE"),
    "site": ("UPDATE", "UPDATE"),
    "product_line": ("UPDATE", "UPDATE"),
    "system": ("UPDATE", "UPDATE"),
    "system_site": ("DELETE", "DELETE"),
    "service_relationship": ("UPDATE", "UPDATE"),
    "punch_item": ("UPDATE", "UPDATE"),
    "certificate": ("UPDATE", "UPDATE"),
    "known_issue": ("UPDATE", "UPDATE"),
    "deployment_fact": ("", "UPDATE"),
    "person": ("UPDATE", "UPDATE"),
    "credential": ("UPDATE", "UPDATE"),
    "membership": ("UPDATE", "UPDATE"),
    "web_session": ("UPDATE", "UPDATE, DELETE"),
    "throttle": ("UPDATE, DELETE", "UPDATE, DELETE"),
    "number_counter": ("", ""),
    "document_draft": ("UPDATE, DELETE", "UPDATE, DELETE"),
    "support_case": ("UPDATE", "UPDATE"),
    "upload": ("DELETE", "DELETE"),
    "grant_balance": ("UPDATE", "UPDATE"),
    "standing_month": ("UPDATE", "UPDATE"),
    "authorization_balance": ("UPDATE", "UPDATE"),
    "running_timer": ("UPDATE, DELETE", "UPDATE, DELETE"),
    "time_occupancy": ("DELETE", "DELETE"),
    "period": ("", "UPDATE"),
    "connected_account": ("UPDATE", "UPDATE"),
    "intent": ("UPDATE", "UPDATE"),
    "delivery": ("", "UPDATE"),
}

# Facts that only jobs write: the web reads them, it never makes them.
WRITTEN_BY_JOBS = (
    "number_counter",
    "deployment_fact",
    "technical_history",
    "case_closing",
    "usage_grant",
    "grant_draw",
    "billing_cut",
    "bill_item",
    "bill_item_reversal",
    "bill_line",
    "bill_segment",
    "share",
    "invoice",
    "invoice_item",
    "cash_application",
    "account",
    "period",
    "journal_transaction",
    "posting",
    "chain_block",
    "provider_event",
    "provider_event_outcome",
    "balance_movement",
    "statement",
    "statement_line",
    "disposition",
    "close_manifest",
)


def upgrade() -> None:
    for statement in _SCOPE_FUNCTIONS:
        op.execute(statement)
    for table, claim in READERS.items():
        op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
        op.execute(f'CREATE POLICY web ON "{table}" TO portal_web USING ({claim}) WITH CHECK ({claim})')
        op.execute(f'CREATE POLICY work ON "{table}" TO portal_work USING (true) WITH CHECK (true)')
    for table in (*READERS, "throttle"):
        op.execute(f'REVOKE ALL ON "{table}" FROM portal_web, portal_work')
        op.execute(f'GRANT SELECT, INSERT ON "{table}" TO portal_work')
        op.execute(f'GRANT SELECT{"" if table in WRITTEN_BY_JOBS else ", INSERT"} ON "{table}" TO portal_web')
    for table, (web, work) in MUTABLE.items():
        if web:
            op.execute(f'GRANT {web} ON "{table}" TO portal_web')
        if work:
            op.execute(f'GRANT {work} ON "{table}" TO portal_work')


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
