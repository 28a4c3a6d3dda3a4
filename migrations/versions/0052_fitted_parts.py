"""Parts that were fitted on a case and that its customer may bear; and those recorded by mistake."""

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"

_READERS = "portal_organisation() IN (manufacturer_id, integrator_id, customer_id)"
_COMPANIES = "IN (manufacturer_id, integrator_id)"


def upgrade() -> None:
    _create_part()
    _create_reversal()
    for table in ("fitted_part", "part_reversal"):
        op.create_index(f"ix_{table}_case_id", table, ["case_id"])
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY web ON {table} TO portal_web USING ({_READERS}) WITH CHECK ({_READERS})")
        op.execute(f"CREATE POLICY work ON {table} TO portal_work USING (true) WITH CHECK (true)")
        op.execute(f"REVOKE ALL ON {table} FROM portal_web, portal_work")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO portal_web, portal_work")
        op.execute(
            f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def _create_part() -> None:
    table = "fitted_part"
    dispositions = "disposition IN ('returned', 'kept', 'scrapped', 'lost')"
    op.create_table(
        table,
        *_of_case(table),
        *_reference(table, "organisation_id", "organisation"),
        *_reference(table, "supplier_id", "organisation"),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("part", "serial", "rma", "disposition")),
        sa.Column("on_customer", sa.Boolean(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("fitted_at", sa.DateTime(timezone=True), nullable=False),
        *_reference(table, "recorded_by", "person"),
        sa.Column("recorded_name", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(btrim(part)) > 0", name=op.f(f"ck_{table}_part")),
        sa.CheckConstraint("price_minor > 0", name=op.f(f"ck_{table}_price")),
        sa.CheckConstraint(dispositions, name=op.f(f"ck_{table}_disposition")),
        sa.CheckConstraint(f"organisation_id {_COMPANIES}", name=op.f(f"ck_{table}_never_the_customer")),
        sa.CheckConstraint(f"supplier_id {_COMPANIES}", name=op.f(f"ck_{table}_supplier")),
    )


def _create_reversal() -> None:
    table = "part_reversal"
    op.create_table(
        table,
        *_of_case(table),
        *_reference(table, "part_id", "fitted_part"),
        sa.Column("reason", sa.Text(), nullable=False),
        *_reference(table, "reversed_by", "person"),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(btrim(reason)) > 0", name=op.f(f"ck_{table}_reason")),
        sa.UniqueConstraint("part_id", name=op.f(f"uq_{table}_part_id")),
    )


def _of_case(table: str) -> list[sa.Column | sa.Constraint]:
    parties = ["case_id", "manufacturer_id", "integrator_id", "customer_id"]
    return [
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in parties),
        sa.ForeignKeyConstraint(
            parties,
            [f"support_case.{name}" for name in ("id", *parties[1:])],
            name=op.f(f"fk_{table}_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def _reference(table: str, column: str, other: str) -> list[sa.Column | sa.Constraint]:
    return [
        sa.Column(column, sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}")),
    ]


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
