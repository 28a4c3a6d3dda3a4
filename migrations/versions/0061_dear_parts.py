"""Dear parts are billed once a second person has confirmed them."""

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"

_TABLE = "part_confirmation"
_PARTIES = ("case_id", "manufacturer_id", "integrator_id", "customer_id")
_READERS = "(portal_organisation() IN (manufacturer_id, integrator_id, customer_id))"


def upgrade() -> None:
    op.add_column("fitted_part", sa.Column("needs_second", sa.Boolean(), server_default="false", nullable=False))
    op.create_unique_constraint(op.f("uq_fitted_part_id_recorded_by"), "fitted_part", ["id", "recorded_by"])
    op.create_table(
        _TABLE,
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _PARTIES),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("part_id", "recorded_by", "confirmed_by")),
        sa.Column("confirmed_name", sa.Text(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("confirmed_by <> recorded_by", name=op.f(f"ck_{_TABLE}_by_another")),
        sa.ForeignKeyConstraint(
            _PARTIES,
            [f"support_case.{name}" for name in ("id", *_PARTIES[1:])],
            name=op.f(f"fk_{_TABLE}_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["part_id", "recorded_by"],
            ["fitted_part.id", "fitted_part.recorded_by"],
            name=op.f(f"fk_{_TABLE}_part_id_recorded_by"),
        ),
        sa.ForeignKeyConstraint(["confirmed_by"], ["person.id"], name=op.f(f"fk_{_TABLE}_confirmed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{_TABLE}")),
        sa.UniqueConstraint("part_id", name=op.f(f"uq_{_TABLE}_part_id")),
    )
    op.create_index(f"ix_{_TABLE}_case_id", _TABLE, ["case_id"])
    op.execute(f"ALTER TABLE {_TABLE} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY web ON {_TABLE} TO portal_web USING {_READERS} WITH CHECK {_READERS}")
    op.execute(f"CREATE POLICY work ON {_TABLE} TO portal_work USING (true) WITH CHECK (true)")
    op.execute(f"REVOKE ALL ON {_TABLE} FROM portal_web, portal_work")
    op.execute(f"GRANT SELECT, INSERT ON {_TABLE} TO portal_web, portal_work")
    op.execute(
        f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {_TABLE}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
