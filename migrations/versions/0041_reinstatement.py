"""A plan that lapsed is taken up again: what that costs is a part of its order, and sold beside the months."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    op.add_column("plan_sale", sa.Column("kind", sa.Text(), nullable=False, server_default="month"))
    op.create_check_constraint(op.f("ck_plan_sale_kind"), "plan_sale", "kind IN ('month', 'reinstatement')")
    amount = sa.Column("reinstatement_minor", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("purchase", amount)
    op.add_column("purchase", sa.Column("reinstatement", JSONB(), nullable=False, server_default="{}"))
    rule = "reinstatement_minor >= 0 AND reinstatement_minor < price_minor"
    op.create_check_constraint(op.f("ck_purchase_reinstatement"), "purchase", rule)


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
