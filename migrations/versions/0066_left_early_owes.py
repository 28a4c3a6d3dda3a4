"""What is owed for the rest of a plan's minimum term is sold, and stands on the next invoice."""

from alembic import op

revision = "0066"
down_revision = "0065"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_plan_sale_kind"), "plan_sale")
    op.create_check_constraint(
        op.f("ck_plan_sale_kind"), "plan_sale", "kind IN ('month', 'reinstatement', 'given_up', 'left_early')"
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
