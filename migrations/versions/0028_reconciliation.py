"""Reconciliation: what the bank showed, where the four books differ, who looks after it, and how it ended."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"

_OWN = "manufacturer_id = portal_organisation()"
# What people of the manufacturer write in the browser; differences are found by job.
_WRITTEN_BY_WEB = ("bank_line", "difference_owner", "difference_end")


def upgrade() -> None:
    op.create_table(
        "bank_line",
        *_identity("bank_line"),
        sa.Column("posting_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("recorded_by", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        _reference("bank_line", "posting_id", "posting"),
        _reference("bank_line", "recorded_by", "person"),
        sa.UniqueConstraint("posting_id", name=op.f("uq_bank_line_posting_id")),
    )
    op.create_index("ix_bank_line_manufacturer_id", "bank_line", ["manufacturer_id", "id"])
    op.create_table(
        "reconciliation_difference",
        *_identity("reconciliation_difference"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("expected_minor", sa.BigInteger(), nullable=False),
        sa.Column("found_minor", sa.BigInteger(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("expected_minor <> found_minor", name=op.f("ck_reconciliation_difference_differs")),
    )
    op.create_index(
        "ix_reconciliation_difference_manufacturer_id", "reconciliation_difference", ["manufacturer_id", "id"]
    )
    op.create_index("ix_reconciliation_difference_subject", "reconciliation_difference", ["kind", "subject"])
    op.create_table(
        "difference_owner",
        *_identity("difference_owner"),
        sa.Column("difference_id", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("owned_at", sa.DateTime(timezone=True), nullable=False),
        _reference("difference_owner", "difference_id", "reconciliation_difference"),
        _reference("difference_owner", "owner_id", "person"),
    )
    op.create_index("ix_difference_owner_difference_id", "difference_owner", ["difference_id", "id"])
    op.create_table(
        "difference_end",
        *_identity("difference_end"),
        sa.Column("difference_id", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome IN ('gone', 'booked', 'accepted')", name=op.f("ck_difference_end_outcome")),
        sa.CheckConstraint("(outcome = 'gone') = (ended_by IS NULL)", name=op.f("ck_difference_end_person")),
        _reference("difference_end", "difference_id", "reconciliation_difference"),
        _reference("difference_end", "ended_by", "person"),
        sa.UniqueConstraint("difference_id", name=op.f("uq_difference_end_difference_id")),
    )
    for table in (*_WRITTEN_BY_WEB, "reconciliation_difference"):
        _guard(table)


def _identity(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        _reference(table, "manufacturer_id", "organisation"),
    )


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}"))


def _guard(table: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY web ON {table} TO portal_web USING ({_OWN}) WITH CHECK ({_OWN})")
    op.execute(f"CREATE POLICY work ON {table} TO portal_work USING (true) WITH CHECK (true)")
    op.execute(f"REVOKE ALL ON {table} FROM portal_web, portal_work")
    op.execute(f"GRANT SELECT{', INSERT' if table in _WRITTEN_BY_WEB else ''} ON {table} TO portal_web")
    op.execute(f"GRANT SELECT, INSERT ON {table} TO portal_work")
    op.execute(
        f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
