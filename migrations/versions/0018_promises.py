"""Promises in business days, in whose zone, and the reasons of pauses."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("case_clock", sa.Column("zone", sa.Text(), nullable=True))
    op.add_column("case_clock", sa.Column("promise", postgresql.JSONB(none_as_null=True), nullable=True))
    op.add_column("case_pause", sa.Column("reason_code", sa.Text(), nullable=True))
    # A promise that is due at once, or on the same business day after its close, has no seconds of its own.
    op.drop_constraint(op.f("ck_case_clock_target"), "case_clock")
    op.create_check_constraint(op.f("ck_case_clock_target"), "case_clock", "target_seconds >= 0")


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
