"""Statements that may be discarded and made again, and holds of a case, a party or a chargeback."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"

_OWN = "manufacturer_id = portal_organisation()"
_PARTY = f"{_OWN} OR party_id = portal_organisation()"
_DEFINER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp"

# A posting is on one statement that stands. Whoever adds lines of a manufacturer waits for whoever adds some now.
_LINE_ONCE = f"""
CREATE FUNCTION statement_line_once() RETURNS trigger {_DEFINER} AS $$
DECLARE
    wrong bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('statement_lines:' || one.manufacturer_id, 0))
    FROM (SELECT DISTINCT manufacturer_id FROM added ORDER BY manufacturer_id) one;
    SELECT added.posting_id INTO wrong
    FROM added JOIN statement_line other ON other.posting_id = added.posting_id AND other.id <> added.id
    WHERE NOT EXISTS (SELECT FROM statement_discard gone WHERE gone.statement_id = other.statement_id)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'posting % is on a statement already', wrong USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NULL;
END
$$
"""

# The verbs hold the statement by a lock; this is what no other writer gets around.
_NOT_BOTH = f"""
CREATE FUNCTION approved_or_discarded() RETURNS trigger {_DEFINER} AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('statement:' || NEW.statement_id, 0));
    IF EXISTS (SELECT FROM statement_approval WHERE statement_id = NEW.statement_id)
       AND EXISTS (SELECT FROM statement_discard WHERE statement_id = NEW.statement_id) THEN
        RAISE EXCEPTION 'statement % is approved and discarded', NEW.statement_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "statement_discard",
        *_identity("statement_discard"),
        sa.Column("statement_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("discarded_by", sa.BigInteger(), nullable=False),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=False),
        _reference("statement_discard", "statement_id", "statement"),
        _reference("statement_discard", "party_id", "organisation"),
        _reference("statement_discard", "discarded_by", "person"),
        sa.UniqueConstraint("statement_id", name=op.f("uq_statement_discard_statement_id")),
    )
    op.create_table(
        "hold",
        *_identity("hold"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=True),
        sa.Column("case_id", sa.BigInteger(), nullable=True),
        sa.Column("invoice_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.BigInteger(), nullable=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "CASE kind WHEN 'case' THEN case_id IS NOT NULL AND invoice_id IS NULL"
            " WHEN 'party' THEN party_id IS NOT NULL AND case_id IS NULL AND invoice_id IS NULL"
            " WHEN 'chargeback' THEN invoice_id IS NOT NULL AND case_id IS NULL ELSE false END",
            name=op.f("ck_hold_subject"),
        ),
        sa.CheckConstraint("kind = 'chargeback' OR placed_by IS NOT NULL", name=op.f("ck_hold_person")),
        _reference("hold", "party_id", "organisation"),
        _reference("hold", "case_id", "support_case"),
        _reference("hold", "invoice_id", "invoice"),
        _reference("hold", "placed_by", "person"),
    )
    op.create_index("ix_hold_manufacturer_id", "hold", ["manufacturer_id", "id"])
    op.create_table(
        "hold_end",
        *_identity("hold_end"),
        sa.Column("hold_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        _reference("hold_end", "hold_id", "hold"),
        _reference("hold_end", "ended_by", "person"),
        sa.UniqueConstraint("hold_id", name=op.f("uq_hold_end_hold_id")),
    )
    _guard("statement_discard", _PARTY, writes="SELECT")
    _guard("hold", _OWN, writes="SELECT, INSERT")
    _guard("hold_end", _OWN, writes="SELECT, INSERT")
    op.drop_constraint("uq_statement_line_posting_id", "statement_line")
    op.create_index("ix_statement_line_posting_id", "statement_line", ["posting_id"])
    op.execute(_LINE_ONCE)
    op.execute(
        "CREATE TRIGGER statement_line_once AFTER INSERT ON statement_line REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION statement_line_once()"
    )
    op.execute(_NOT_BOTH)
    for table in ("statement_approval", "statement_discard"):
        op.execute(
            f"CREATE TRIGGER approved_or_discarded AFTER INSERT ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION approved_or_discarded()"
        )


def _identity(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        _reference(table, "manufacturer_id", "organisation"),
    )


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}"))


def _guard(table: str, readers: str, *, writes: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY web ON {table} TO portal_web USING ({readers}) WITH CHECK ({readers})")
    op.execute(f"CREATE POLICY work ON {table} TO portal_work USING (true) WITH CHECK (true)")
    op.execute(f"REVOKE ALL ON {table} FROM portal_web, portal_work")
    op.execute(f"GRANT {writes} ON {table} TO portal_web")
    op.execute(f"GRANT SELECT, INSERT ON {table} TO portal_work")
    op.execute(
        f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
