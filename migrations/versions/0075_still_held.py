"""What is still held stands in line, so that nobody looks through everything that was ever held."""

import sqlalchemy as sa
from alembic import op

revision = "0075"
down_revision = "0074"

_PARTY = "manufacturer_id = portal_organisation() OR party_id = portal_organisation()"

_IN_LINE = """
CREATE FUNCTION disposition_in_line() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO still_held (disposition_id, manufacturer_id, party_id)
    VALUES (NEW.id, NEW.manufacturer_id, NEW.party_id);
    RETURN NULL;
END
$$
"""
# Out of line only what has left whole: its amount, and each line that was held under its own name.
_OUT_OF_LINE = """
CREATE FUNCTION still_held_has_left() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    held disposition;
    lines text[];
    left_minor bigint;
BEGIN
    SELECT * INTO STRICT held FROM disposition WHERE id = OLD.disposition_id;
    SELECT coalesce(array_agg(part ->> 'line_id'), '{}') INTO lines
    FROM statement_approval approval
    JOIN statement_preparation preparation ON preparation.id = approval.preparation_id
    CROSS JOIN LATERAL jsonb_array_elements(preparation.plan -> 'parts') part
    WHERE approval.id = held.approval_id AND part ->> 'kind' = 'held' AND part ->> 'line_id' IS NOT NULL;
    SELECT coalesce(sum(posting.amount_minor), 0) INTO left_minor
    FROM journal_transaction back
    JOIN posting ON posting.transaction_id = back.id
    JOIN account ON account.id = posting.account_id AND account.purpose = 'held'
    WHERE back.kind = 'held_released'
      AND (back.document_type, back.document_id) IN (
          SELECT 'disposition', held.id::text UNION ALL SELECT 'statement_line', unnest(lines));
    left_minor := left_minor + coalesce((SELECT amount_minor FROM held_transfer WHERE disposition_id = held.id), 0);
    IF left_minor <> held.amount_minor OR EXISTS (
        SELECT FROM unnest(lines) line WHERE NOT EXISTS (
            SELECT FROM journal_transaction back
            WHERE (back.kind, back.document_type, back.document_id) = ('held_released', 'statement_line', line)))
    THEN
        RAISE EXCEPTION 'disposition % still holds something', held.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN OLD;
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "still_held",
        sa.Column("disposition_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("disposition_id", name=op.f("pk_still_held")),
        sa.ForeignKeyConstraint(["disposition_id"], ["disposition.id"], name=op.f("fk_still_held_disposition_id")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_still_held_manufacturer_id")),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_still_held_party_id")),
    )
    op.execute("ALTER TABLE still_held ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY web ON still_held TO portal_web USING ({_PARTY}) WITH CHECK ({_PARTY})")
    op.execute("CREATE POLICY work ON still_held TO portal_work USING (true) WITH CHECK (true)")
    op.execute("REVOKE ALL ON still_held FROM portal_web, portal_work")
    op.execute("GRANT SELECT ON still_held TO portal_web")
    op.execute("GRANT SELECT, DELETE ON still_held TO portal_work")
    op.execute(_IN_LINE)
    op.execute(
        "CREATE TRIGGER disposition_in_line AFTER INSERT ON disposition"
        " FOR EACH ROW WHEN (NEW.kind = 'held') EXECUTE FUNCTION disposition_in_line()"
    )
    op.execute(_OUT_OF_LINE)
    op.execute(
        "CREATE TRIGGER still_held_has_left BEFORE DELETE ON still_held"
        " FOR EACH ROW EXECUTE FUNCTION still_held_has_left()"
    )
    # The first close finds out which of them have left.
    op.execute("INSERT INTO still_held SELECT id, manufacturer_id, party_id FROM disposition WHERE kind = 'held'")


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
