"""A payer can say yes to more of its hours left than a case may use without asking, beside money or instead of it."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"

_SOMETHING = "nte_minor >= 0 AND hours_seconds >= 0 AND nte_minor + hours_seconds > 0"


def upgrade() -> None:
    for table in ("authorization_request", "authorization"):
        op.add_column(table, sa.Column("hours_seconds", sa.BigInteger(), server_default="0", nullable=False))
        op.drop_constraint(op.f(f"ck_{table}_nte"), table)
        op.create_check_constraint(op.f(f"ck_{table}_nte"), table, _SOMETHING)


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
