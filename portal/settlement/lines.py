"""The SQL that statements are made of: which postings are lines, and the text that the content hash covers.

One statement inserts all statements of a closed period with their lines, so a million lines cost one pass. The hash is
over texts that PostgreSQL makes of the lines alone, the same when they are written and when they are read back. Beside
it what became of approved amounts, with what was held first and transferred later.
"""

from __future__ import annotations

from sqlalchemy import text

# What moves out of the payables when a statement is approved is no line; what a disposition brings back is one.
_CANDIDATES = """
    SELECT posting.id AS posting_id, posting.party_id, posting.currency, -posting.amount_minor AS amount_minor,
           share.id AS share_id, share.case_id, coalesce(support_case.name, '') AS case_name,
           CASE WHEN journal.kind = 'disposed_carried' THEN 'carried'
                WHEN journal.kind = 'held_released' THEN 'released'
                WHEN journal.kind IN ('shares_taken_back', 'shares_given_back') THEN
                    CASE journal.document_type WHEN 'chargeback' THEN 'chargeback' ELSE 'refund' END
                WHEN journal.kind = 'lost_shares_redivided' THEN 'refund'
                WHEN journal.kind = 'chargeback_fee_borne' THEN 'chargeback'
                WHEN posting.document_type IN ('claw_back', 'claw_back_step') THEN 'claw_back'
                WHEN posting.document_type = 'adjustment' THEN 'adjustment'
                WHEN share.id IS NOT NULL AND posting.amount_minor > 0 THEN 'correction'
                WHEN share.id IS NOT NULL THEN 'share'
                WHEN posting.document_type = 'plan_share' THEN 'plan'
                WHEN posting.document_type = 'pack_share' THEN 'pack'
                ELSE 'other' END AS kind,
           -- A reason may end with a full stop.
           replace(CASE WHEN journal.kind IN ('shares_taken_back', 'shares_given_back', 'lost_shares_redivided')
                    THEN journal.description
                WHEN share.id IS NOT NULL THEN replace(share.revenue_kind, '_', ' ')
                WHEN journal.kind IN ('cash_applied', 'cash_moved') AND posting.document_type = 'plan_share'
                    THEN 'rest of a plan''s minimum term'
                WHEN journal.kind IN ('cash_applied', 'cash_moved') THEN 'selling commission'
                ELSE journal.description END
               || coalesce(', from ' || origin.label, ''), '., from ', ', from ') AS description,
           journal.occurred_at, journal.origin_period_id,
           row_number() OVER (PARTITION BY posting.party_id, posting.currency ORDER BY posting.id) AS position
    FROM posting
    JOIN account ON account.id = posting.account_id AND account.purpose = 'payable'
        AND (CAST(:only AS bigint[]) IS NULL OR account.party_id = ANY (CAST(:only AS bigint[])))
    JOIN journal_transaction journal ON journal.id = posting.transaction_id
    JOIN period ON period.id = posting.period_id
    JOIN period closing ON closing.id = :period_id AND period.starts_at <= closing.starts_at
    LEFT JOIN share ON posting.document_type = 'share' AND share.id = CASE
        WHEN posting.document_type = 'share' THEN posting.document_id::bigint END
    LEFT JOIN support_case ON support_case.id = share.case_id
    LEFT JOIN period origin ON origin.id = journal.origin_period_id
    WHERE posting.manufacturer_id = :manufacturer_id
      AND posting.document_type <> 'statement_approval'
      -- Not joined: each posting is looked up, as LOOK_UP says.
      AND NOT EXISTS (
          SELECT FROM statement_line earlier WHERE earlier.posting_id = posting.id
          AND NOT EXISTS (SELECT FROM statement_discard gone WHERE gone.statement_id = earlier.statement_id)
          OFFSET 0)
"""

_LINE_TEXT = """
    jsonb_build_array({line}.position, {line}.kind, {line}.posting_id, {line}.share_id, {line}.case_id,
                      {line}.case_name, {line}.description, {line}.amount_minor,
                      extract(epoch FROM {line}.occurred_at))::text
"""

_HASH = """
    encode(sha256(convert_to(
        jsonb_build_array({head})::text || chr(10) || string_agg({text}, chr(10) ORDER BY {line}.position), 'UTF8')),
        'hex')
"""

_MADE_HASH = _HASH.format(
    head="CAST(:manufacturer_id AS bigint), one.party_id, one.currency, CAST(:period_id AS bigint)",
    text=_LINE_TEXT.format(line="one"),
    line="one",
)

MAKE_STATEMENTS = text(
    f"""
    WITH candidate AS MATERIALIZED ({_CANDIDATES}),
    summed AS (
        SELECT one.party_id, one.currency, sum(one.amount_minor)::bigint AS net_minor, count(*) AS line_count,
               {_MADE_HASH} AS content_sha256
        FROM candidate one GROUP BY one.party_id, one.currency ORDER BY one.party_id, one.currency
    ),
    numbered AS (
        SELECT summed.*, next_number(:manufacturer_id, 'statement') AS number,
               (SELECT coalesce(max(before.revision) + 1, 0) FROM statement before
                WHERE before.manufacturer_id = :manufacturer_id AND before.period_id = :period_id
                  AND (before.party_id, before.currency) = (summed.party_id, summed.currency)) AS revision
        FROM summed
    ),
    made AS (
        INSERT INTO statement (manufacturer_id, party_id, period_id, revision, number, name, currency, net_minor,
                               line_count, content_sha256, review_until, made_at)
        SELECT :manufacturer_id, numbered.party_id, :period_id, numbered.revision, numbered.number,
               (SELECT code FROM organisation WHERE id = :manufacturer_id) || '-S' || numbered.number,
               numbered.currency, numbered.net_minor, numbered.line_count, numbered.content_sha256,
               coalesce(reviewed.until_at, CAST(:review_until AS timestamptz)), :now
        FROM numbered
        LEFT JOIN unnest(CAST(:parties AS bigint[]), CAST(:untils AS timestamptz[])) AS reviewed (party_id, until_at)
            USING (party_id)
        ORDER BY numbered.number
        RETURNING id, party_id, currency
    )
    INSERT INTO statement_line (statement_id, manufacturer_id, party_id, position, kind, posting_id, share_id, case_id,
                                case_name, description, amount_minor, occurred_at, origin_period_id)
    SELECT made.id, :manufacturer_id, one.party_id, one.position, one.kind, one.posting_id, one.share_id, one.case_id,
           one.case_name, one.description, one.amount_minor, one.occurred_at, one.origin_period_id
    FROM candidate one JOIN made USING (party_id, currency)
    ORDER BY made.id, one.position
    """
)

# While a close adds lines the database knows them as they were before; after a crash it may take a full table for an
# empty one, and go through all lines for each posting. What is left it to choose needs a key: a look by bitmap.
LOOK_UP = text(
    "SELECT set_config(name, 'off', true)"
    " FROM unnest(ARRAY['enable_seqscan', 'enable_indexscan', 'enable_indexonlyscan']) AS given (name)"
)

# Whose statements are to be made, and how many lines they will have.
PARTIES = text(f"SELECT party_id, count(*) AS line_count FROM ({_CANDIDATES}) one GROUP BY party_id ORDER BY party_id")

_KEPT_HASH = _HASH.format(
    head="statement.manufacturer_id, statement.party_id, statement.currency, statement.period_id",
    text=_LINE_TEXT.format(line="line"),
    line="line",
)

# Hash, sum and count of a statement's lines as they stand in the database now.
CONTENT = text(
    f"""
    SELECT {_KEPT_HASH} AS content_sha256, sum(line.amount_minor)::bigint AS net_minor, count(*) AS line_count
    FROM statement JOIN statement_line line ON line.statement_id = statement.id
    WHERE statement.id = :statement_id GROUP BY statement.id
    """
)

# One row for each transfer to a party, or back from it, under the disposition it carries out.
TRANSFERRED_PARTS = """(
    SELECT id AS disposition_id, statement_id, manufacturer_id, party_id, currency, amount_minor, intent_id
    FROM disposition WHERE kind = 'transferred'
    UNION ALL
    SELECT disposition_id, statement_id, manufacturer_id, party_id, currency, amount_minor, intent_id
    FROM held_transfer
)"""

# An approval's parts as they stand now, one row a kind: what was transferred since is no longer held.
PARTS_NOW = """(
    SELECT approval_id, kind, sum(amount_minor)::bigint AS amount_minor FROM (
        SELECT approval_id, kind, amount_minor FROM disposition
        UNION ALL
        SELECT held.approval_id, side.kind, side.sign * late.amount_minor
        FROM held_transfer late JOIN disposition held ON held.id = late.disposition_id
        CROSS JOIN (VALUES ('held', -1), ('transferred', 1)) side (kind, sign)
    ) one GROUP BY approval_id, kind HAVING sum(amount_minor) <> 0
)"""
