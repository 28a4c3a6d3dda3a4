"""Time entries say in which role somebody worked and which skill it took, where the policy's prices ask for them."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    for name in ("role", "skill"):
        op.add_column("time_entry", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.create_check_constraint(op.f("ck_time_entry_words"), "time_entry", "length(role) <= 40 AND length(skill) <= 40")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_time_entry_words"), "time_entry", type_="check")
    for name in ("role", "skill"):
        op.drop_column("time_entry", name)
