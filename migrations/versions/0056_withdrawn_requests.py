"""A request to a payer that nobody had answered is withdrawn when it is asked anew at another price."""

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"

_TABLE = "authorization_withdrawal"
_PARTIES = ("case_id", "manufacturer_id", "integrator_id", "customer_id")
_COMPANIES = "manufacturer_id = portal_organisation() OR integrator_id = portal_organisation()"
_READERS = f"({_COMPANIES} OR (audience = 'customer' AND customer_id = portal_organisation()))"


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _PARTIES),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("replaced_by_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("withdrawn_by", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("replaced_by_id > request_id", name=op.f(f"ck_{_TABLE}_later")),
        sa.CheckConstraint("audience IN ('companies', 'customer')", name=op.f(f"ck_{_TABLE}_audience")),
        sa.ForeignKeyConstraint(
            _PARTIES,
            [f"support_case.{name}" for name in ("id", *_PARTIES[1:])],
            name=op.f(f"fk_{_TABLE}_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        *(_reference(name, "authorization_request") for name in ("request_id", "replaced_by_id")),
        _reference("withdrawn_by", "person"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{_TABLE}")),
        sa.UniqueConstraint("request_id", name=op.f(f"uq_{_TABLE}_request_id")),
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


def _reference(column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{_TABLE}_{column}"))


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
