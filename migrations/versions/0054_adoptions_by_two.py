"""What was made at Stripe itself is taken into the books by two people: an adjustment that names it."""

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"


def upgrade() -> None:
    op.add_column("adjustment", sa.Column("outside_change_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_adjustment_outside_change_id"), "adjustment", "outside_change", ["outside_change_id"], ["id"]
    )
    op.create_index("ix_adjustment_outside_change_id", "adjustment", ["outside_change_id"])
    op.create_check_constraint(
        op.f("ck_adjustment_adoption_takes_two"), "adjustment", "outside_change_id IS NULL OR needs_second"
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
