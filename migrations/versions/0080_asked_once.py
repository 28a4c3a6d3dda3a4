"""A form that asks for a refund or credit counts once, however often it is sent."""

import sqlalchemy as sa
from alembic import op

revision = "0080"
down_revision = "0079"


def upgrade() -> None:
    op.add_column("adjustment", sa.Column("form_key", sa.Uuid(), nullable=True))
    op.create_unique_constraint(op.f("uq_adjustment_form_key"), "adjustment", ["form_key"])


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
