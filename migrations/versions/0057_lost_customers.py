"""A payer deleted at Stripe gets a new customer there; what is lost with the old one is recorded."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0057"
down_revision = "0056"

_TABLE = "provider_customer_end"
_PAYER = "(manufacturer_id = portal_organisation() OR payer_id = portal_organisation())"


def upgrade() -> None:
    op.add_column("provider_customer", sa.Column("number", sa.BigInteger(), server_default="1", nullable=False))
    op.drop_constraint(op.f("uq_provider_customer_manufacturer_id_payer_id"), "provider_customer")
    op.create_unique_constraint(
        op.f("uq_provider_customer_manufacturer_id_payer_id_number"),
        "provider_customer",
        ["manufacturer_id", "payer_id", "number"],
    )
    op.create_table(
        _TABLE,
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{_TABLE}")),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("learned_by", sa.Text(), nullable=False),
        sa.Column("ended", postgresql.JSONB(), nullable=False),
        sa.Column("learned_at", sa.DateTime(timezone=True), nullable=False),
        _reference("customer_id", "provider_customer"),
        _reference("manufacturer_id", "organisation"),
        _reference("payer_id", "organisation"),
        sa.UniqueConstraint("customer_id", name=op.f(f"uq_{_TABLE}_customer_id")),
        sa.CheckConstraint("learned_by IN ('event', 'call')", name=op.f(f"ck_{_TABLE}_learned_by")),
    )
    op.execute(f"ALTER TABLE {_TABLE} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY web ON {_TABLE} TO portal_web USING ({_PAYER}) WITH CHECK ({_PAYER})")
    op.execute(f"CREATE POLICY work ON {_TABLE} TO portal_work USING (true) WITH CHECK (true)")
    op.execute(f"REVOKE ALL ON {_TABLE} FROM portal_web, portal_work")
    # A page that waits for Stripe learns it as well as a job does.
    op.execute(f"GRANT SELECT, INSERT ON {_TABLE} TO portal_web, portal_work")
    op.execute(
        f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {_TABLE}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _reference(column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{_TABLE}_{column}"))


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
