"""What a promotion code took off stands with the pack and the plan's month that it was taken off.

What was sold before has none: each party bore its part of it, and goes on doing so.
"""

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"


def upgrade() -> None:
    for table, column in (
        ("pack_sale", "discount_minor"),
        ("pack_sale", "discount_left_minor"),
        ("plan_sale", "discount_minor"),
    ):
        op.add_column(table, sa.Column(column, sa.BigInteger(), server_default="0", nullable=False))
    op.create_check_constraint(
        op.f("ck_pack_sale_discount"), "pack_sale", "discount_left_minor BETWEEN 0 AND discount_minor"
    )
    op.create_check_constraint(op.f("ck_plan_sale_discount"), "plan_sale", "discount_minor >= 0")


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
