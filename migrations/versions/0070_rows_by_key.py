"""What other promises over many new rows look at is found by key too, whatever the connection looked at first.

A statement of half a million lines, made by a connection that knew the table as empty, compared each of its lines with
each. A look by bitmap needs a key, so that no plan goes through all lines for one.
"""

from alembic import op

revision = "0070"
down_revision = "0069"

_LINE_ONCE = """
CREATE OR REPLACE FUNCTION statement_line_once() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_indexscan = off SET enable_indexonlyscan = off AS $$
DECLARE
    wrong bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('statement_lines:' || one.manufacturer_id, 0))
    FROM (SELECT DISTINCT manufacturer_id FROM added ORDER BY manufacturer_id) one;
    SELECT added.posting_id INTO wrong
    FROM added
    WHERE EXISTS (
        SELECT FROM statement_line other
        WHERE other.posting_id = added.posting_id AND other.id <> added.id
          AND NOT EXISTS (SELECT FROM statement_discard gone WHERE gone.statement_id = other.statement_id)
        -- Kept from being joined: each line is looked up.
        OFFSET 0)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'posting % is on a statement already', wrong USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NULL;
END
$$
"""
_OTHERS = ("dispositions_sum", "custody_in_order", "plan_shares_sum", "pack_shares_sum", "pack_within_price")


def upgrade() -> None:
    op.execute(_LINE_ONCE)
    for function in _OTHERS:
        op.execute(f"ALTER FUNCTION {function}() SET enable_seqscan = off")


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
