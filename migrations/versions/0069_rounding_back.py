"""What an invoice had rounded up goes back with the last of what was paid."""

from alembic import op

revision = "0069"
down_revision = "0068"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_adjustment_part_stage"), "adjustment_part")
    op.create_check_constraint(
        op.f("ck_adjustment_part_stage"),
        "adjustment_part",
        "stage IN ('accrued', 'payable', 'deferred', 'commission', 'prepaid', 'tax', 'rounding')",
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
