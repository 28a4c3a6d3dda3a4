"""A job finds those of its own task that wait, however many others wait before them."""

import sqlalchemy as sa
from alembic import op

revision = "0077"
down_revision = "0076"


def upgrade() -> None:
    op.create_index(
        "ix_procrastinate_jobs_task_name_id",
        "procrastinate_jobs",
        ["task_name", "id"],
        postgresql_where=sa.text("status = 'todo'"),
    )


def downgrade() -> None:
    op.drop_index("ix_procrastinate_jobs_task_name_id", "procrastinate_jobs")
