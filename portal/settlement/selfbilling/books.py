"""Whether self-billed documents and the tax on shares agree with each other, with their statements and the ledger."""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.ledger.queries import BookProblem, problems_of

_ISSUED = """
    SELECT made.manufacturer_id, made.party_id, made.currency, made.tax_minor, 'self_billed_document' AS document_type,
           made.id::text AS document_id
    FROM self_billed_document made WHERE made.tax_minor <> 0
    UNION ALL
    SELECT statement.manufacturer_id, statement.party_id, statement.currency,
           (preparation.plan -> 'billing' ->> 'tax_minor')::bigint, 'party_invoice',
           (SELECT max(own.id) FROM party_invoice own WHERE own.statement_id = statement.id)::text
    FROM statement_approval approval
    JOIN statement ON statement.id = approval.statement_id
    JOIN statement_preparation preparation ON preparation.id = approval.preparation_id
    WHERE preparation.plan -> 'billing' ->> 'basis' = 'own_invoice'
      AND (preparation.plan -> 'billing' ->> 'tax_minor')::bigint <> 0
      AND (EXISTS (SELECT FROM disposition part WHERE part.approval_id = approval.id)
           OR EXISTS (SELECT FROM journal_transaction journal JOIN party_invoice own
                          ON journal.document_type = 'party_invoice' AND journal.document_id = own.id::text
                      WHERE own.statement_id = statement.id))
"""

# Each finds rows (subject, detail) that break it. What sums accounts that only the manufacturer sees is named below.
TAX_CHECKS = {
    "self-billed numbers have no gap": """
        SELECT kind || 's of manufacturer ' || manufacturer_id, count(*) || ' documents, last number ' || max(number)
        FROM self_billed_document GROUP BY manufacturer_id, kind HAVING count(*) <> max(number)
    """,
    "a self-billed document sums": """
        SELECT 'document ' || made.name,
               'net ' || made.net_minor || ', lines ' || sum((line ->> 'amount_minor')::bigint)
        FROM self_billed_document made, jsonb_array_elements(made.content -> 'lines') line
        GROUP BY made.id HAVING sum((line ->> 'amount_minor')::bigint) <> made.net_minor
    """,
    "a self-billed document is what was approved": """
        SELECT 'document ' || made.name, 'says other than the plan of its approval'
        FROM self_billed_document made
        JOIN statement_approval approval ON approval.id = made.approval_id
        JOIN statement_preparation preparation ON preparation.id = approval.preparation_id
        WHERE NOT made.content @> (preparation.plan -> 'billing') OR preparation.plan -> 'billing' IS NULL
    """,
    "tax on shares is in the ledger": f"""
        SELECT issued.document_type || ' ' || issued.document_id,
               'tax ' || issued.tax_minor || ', posted ' || coalesce(sum(posting.amount_minor), 0)
        FROM ({_ISSUED}) issued
        LEFT JOIN journal_transaction journal ON journal.kind = 'share_taxed'
            AND (journal.document_type, journal.document_id) = (issued.document_type, issued.document_id)
        LEFT JOIN posting ON posting.transaction_id = journal.id AND posting.amount_minor * issued.tax_minor > 0
        GROUP BY issued.document_type, issued.document_id, issued.tax_minor
        HAVING coalesce(sum(posting.amount_minor), 0) <> issued.tax_minor
    """,
    "input tax is the tax on shares": f"""
        SELECT 'manufacturer ' || one.manufacturer_id || ' ' || one.currency,
               'posted ' || sum(one.posted) || ', on documents ' || sum(one.issued)
        FROM (
            SELECT posting.manufacturer_id, posting.currency, posting.amount_minor AS posted, 0::bigint AS issued
            FROM posting JOIN account ON account.id = posting.account_id AND account.purpose = 'input_tax'
            UNION ALL
            SELECT issued.manufacturer_id, issued.currency, 0, issued.tax_minor FROM ({_ISSUED}) issued
        ) one GROUP BY one.manufacturer_id, one.currency HAVING sum(one.posted) <> sum(one.issued)
    """,
    "tax a party has coming is what was not paid": f"""
        SELECT 'party ' || one.party_id || ' ' || one.currency,
               'in the ledger ' || sum(one.posted) || ', on documents less paid ' || sum(one.issued)
        FROM (
            SELECT posting.manufacturer_id, posting.party_id, posting.currency, -posting.amount_minor AS posted,
                   0::bigint AS issued
            FROM posting JOIN account ON account.id = posting.account_id AND account.purpose = 'payable_tax'
            UNION ALL
            SELECT issued.manufacturer_id, issued.party_id, issued.currency, 0, issued.tax_minor FROM ({_ISSUED}) issued
            UNION ALL
            SELECT paid.manufacturer_id, paid.party_id, paid.currency, 0, -paid.amount_minor FROM disposition_tax paid
        ) one GROUP BY one.manufacturer_id, one.party_id, one.currency HAVING sum(one.posted) <> sum(one.issued)
    """,
}
# Whoever is only a party in another's books sees neither its whole series, its journal nor its plan.
TAX_NEEDS_ALL_BOOKS = frozenset(TAX_CHECKS)


def tax_problems(session: Session) -> list[BookProblem]:
    """What is wrong between documents, tax and the ledger."""
    return problems_of(session, TAX_CHECKS)
