"""What leaving a plan early owes is shared as its invoice is paid; what was earned before stays payable as it was."""

import sqlalchemy as sa
from alembic import op

revision = "0072"
down_revision = "0071"

_TABLE = "plan_cash"
_READERS = "portal_organisation() IN (manufacturer_id, integrator_id, party_id)"


def upgrade() -> None:
    op.add_column("plan_share", sa.Column("funding", sa.Text(), server_default="at_once", nullable=False))
    op.create_check_constraint(op.f("ck_plan_share_funding"), "plan_share", "funding IN ('at_once', 'cash')")
    companies = ("manufacturer_id", "integrator_id", "party_id")
    op.create_table(
        _TABLE,
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in (*companies, "receipt_id", "plan_share_id")),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f(f"ck_{_TABLE}_not_zero")),
        *(_reference(name, "organisation") for name in companies),
        _reference("receipt_id", "cash_receipt"),
        _reference("plan_share_id", "plan_share"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{_TABLE}")),
    )
    for column in ("receipt_id", "plan_share_id"):
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
    op.execute(
        """
        CREATE FUNCTION refuse_too_much_plan_cash() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        DECLARE whole bigint;
        BEGIN
            SELECT amount_minor INTO whole FROM plan_share
            WHERE id = NEW.plan_share_id AND funding = 'cash' AND party_id = NEW.party_id FOR UPDATE;
            IF whole IS NULL OR (SELECT sum(amount_minor) FROM plan_cash WHERE plan_share_id = NEW.plan_share_id)
                    NOT BETWEEN 0 AND whole THEN
                RAISE EXCEPTION 'cash pays no more of a share than there is of it, and only of one that waits for it'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'plan_cash_within_share';
            END IF;
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        f"CREATE TRIGGER within_share AFTER INSERT ON {_TABLE}"
        " FOR EACH ROW EXECUTE FUNCTION refuse_too_much_plan_cash()"
    )


def _reference(column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{_TABLE}_{column}"))


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
