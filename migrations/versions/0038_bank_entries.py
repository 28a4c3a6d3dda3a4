"""Lines of the bank's statement as uploaded; a recorded line may be one of them."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"

_OWN = "manufacturer_id = portal_organisation()"


def upgrade() -> None:
    op.create_table(
        "bank_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("nth", sa.BigInteger(), nullable=False),
        sa.Column("uploaded_by", sa.BigInteger(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_entry")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_bank_entry_manufacturer_id")),
        sa.ForeignKeyConstraint(["uploaded_by"], ["person.id"], name=op.f("fk_bank_entry_uploaded_by")),
        sa.UniqueConstraint(
            "manufacturer_id", "currency", "booked_on", "amount_minor", "reference", "nth", name="uq_bank_entry_said"
        ),
        sa.CheckConstraint("nth > 0", name=op.f("ck_bank_entry_nth")),
    )
    op.execute("ALTER TABLE bank_entry ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY web ON bank_entry TO portal_web USING ({_OWN}) WITH CHECK ({_OWN})")
    op.execute("CREATE POLICY work ON bank_entry TO portal_work USING (true) WITH CHECK (true)")
    op.execute("REVOKE ALL ON bank_entry FROM portal_web, portal_work")
    op.execute("GRANT SELECT, INSERT ON bank_entry TO portal_web")
    op.execute("GRANT SELECT, INSERT ON bank_entry TO portal_work")
    op.execute(
        "CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON bank_entry"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.add_column("bank_line", sa.Column("entry_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_bank_line_entry_id"), "bank_line", "bank_entry", ["entry_id"], ["id"])
    op.create_unique_constraint(op.f("uq_bank_line_entry_id"), "bank_line", ["entry_id"])


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
