"""A person that never chose a zone has none and goes by its company's: UTC was what a form offered first."""

import sqlalchemy as sa
from alembic import op

revision = "0058"
down_revision = "0057"


def upgrade() -> None:
    op.alter_column("person", "zone", existing_type=sa.Text(), server_default="", existing_nullable=False)
    op.execute("UPDATE person SET zone = '' WHERE zone = 'UTC'")


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
