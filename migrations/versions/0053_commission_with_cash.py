"""A commission for selling is payable as the sale is paid; those earned before stay payable as they were."""

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"

_TABLE = "pack_cash"
_READERS = "portal_organisation() IN (manufacturer_id, integrator_id, party_id)"


def upgrade() -> None:
    op.add_column("pack_share", sa.Column("funding", sa.Text(), server_default="at_once", nullable=False))
    op.create_check_constraint(op.f("ck_pack_share_funding"), "pack_share", "funding IN ('at_once', 'cash')")
    companies = ("manufacturer_id", "integrator_id", "party_id")
    op.create_table(
        _TABLE,
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in (*companies, "receipt_id", "pack_share_id")),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f(f"ck_{_TABLE}_not_zero")),
        *(_reference(name, "organisation") for name in companies),
        _reference("receipt_id", "cash_receipt"),
        _reference("pack_share_id", "pack_share"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{_TABLE}")),
    )
    for column in ("receipt_id", "pack_share_id"):
        op.create_index(f"ix_{_TABLE}_{column}", _TABLE, [column])
    op.execute(f"ALTER TABLE {_TABLE} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY web ON {_TABLE} TO portal_web USING ({_READERS}) WITH CHECK ({_READERS})")
    op.execute(f"CREATE POLICY work ON {_TABLE} TO portal_work USING (true) WITH CHECK (true)")
    op.execute(f"REVOKE ALL ON {_TABLE} FROM portal_web, portal_work")
    op.execute(f"GRANT SELECT ON {_TABLE} TO portal_web")
    op.execute(f"GRANT SELECT, INSERT ON {_TABLE} TO portal_work")
    op.execute(
        f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {_TABLE}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _reference(column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{_TABLE}_{column}"))


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
