"""A time entry keeps the zone of whoever worked, as it was: bands can go by the engineer's own clock."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    op.add_column("time_entry", sa.Column("zone", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
