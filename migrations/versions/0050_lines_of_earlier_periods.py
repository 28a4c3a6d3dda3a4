"""Lines of statements name the closed period that they adjust."""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"


def upgrade() -> None:
    op.add_column("statement_line", sa.Column("origin_period_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_statement_line_origin_period_id"), "statement_line", "period", ["origin_period_id"], ["id"]
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
