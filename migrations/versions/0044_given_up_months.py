"""What goes back of a plan's month that was given up is a sale below zero that names the month."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0044"
down_revision = "0043"

_KINDS = "kind IN ('month', 'reinstatement', 'given_up')"
_AMOUNT = "CASE WHEN kind = 'given_up' THEN amount_minor < 0 ELSE amount_minor > 0 END"


def upgrade() -> None:
    op.add_column("plan_sale", sa.Column("credits_id", sa.BigInteger(), nullable=True))
    op.add_column("plan_sale", sa.Column("explanation", JSONB(), nullable=False, server_default="{}"))
    op.create_foreign_key(op.f("fk_plan_sale_credits_id_plan_sale"), "plan_sale", "plan_sale", ["credits_id"], ["id"])
    op.create_index("ix_plan_sale_credits_id", "plan_sale", ["credits_id"])
    for name, rule in (("kind", _KINDS), ("amount", _AMOUNT)):
        op.drop_constraint(op.f(f"ck_plan_sale_{name}"), "plan_sale")
        op.create_check_constraint(op.f(f"ck_plan_sale_{name}"), "plan_sale", rule)
    rule = "(kind = 'given_up') = (credits_id IS NOT NULL)"
    op.create_check_constraint(op.f("ck_plan_sale_credits"), "plan_sale", rule)


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
