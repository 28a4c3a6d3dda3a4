"""The job queue: procrastinate's own schema, owned by the owner, and the list of failures.

The web may add jobs and do nothing else with them: procrastinate's deferring function runs as the owner, so the web
role needs no right on the tables, in which it could read what other companies' jobs are about.
"""

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager

revision = "0002"
down_revision = "0001"

_TABLES = "procrastinate_workers, procrastinate_jobs, procrastinate_periodic_defers, procrastinate_events"

_GRANTS = (
    f"REVOKE ALL ON {_TABLES} FROM portal_web",
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON {_TABLES} TO portal_work",
    # The functions go by pattern, because procrastinate numbers them.
    """
    DO $grants$
    DECLARE
        one regprocedure;
    BEGIN
        FOR one IN SELECT oid FROM pg_proc
                   WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'procrastinate\\_%' LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO portal_work', one);
        END LOOP;
    END
    $grants$
    """,
    """
    ALTER FUNCTION procrastinate_defer_jobs_v1(procrastinate_job_to_defer_v1[])
        SECURITY DEFINER SET search_path = public, pg_temp
    """,
    "GRANT EXECUTE ON FUNCTION procrastinate_defer_jobs_v1(procrastinate_job_to_defer_v1[]) TO portal_web",
)

_JOB_LAG = """
CREATE FUNCTION job_lag_seconds() RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT coalesce(max(extract(epoch FROM now() - due.at)), 0)::bigint
    FROM (
        SELECT coalesce(job.scheduled_at, min(event.at)) AS at
        FROM procrastinate_jobs job
        JOIN procrastinate_events event ON event.job_id = job.id
        WHERE job.status = 'todo' AND (job.scheduled_at IS NULL OR job.scheduled_at <= now())
        GROUP BY job.id
    ) due
$$
"""


def upgrade() -> None:
    # procrastinate is pinned to 3.10, so this is one fixed text. The release that moves the pin freezes it beside this
    # file and adds procrastinate's own step as a migration. Straight to the driver: it is a script, not a statement.
    op.get_bind().connection.driver_connection.execute(SchemaManager.get_schema())
    for statement in _GRANTS:
        op.execute(statement)
    op.execute(_JOB_LAG)
    op.execute("GRANT EXECUTE ON FUNCTION job_lag_seconds() TO portal_web, portal_work")
    op.create_table(
        "job_failure",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True)),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job_failure"),
        sa.UniqueConstraint("job_id", "attempt", name="uq_job_failure_job_id_attempt"),
        sa.CheckConstraint("attempt > 0", name="ck_job_failure_attempt_counts_from_one"),
    )
    op.execute("REVOKE ALL ON job_failure FROM portal_web")


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
