"""What the check of all books found, kept with its time; why a period's job failed, for its own manufacturer."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"

# A failed job of a period is kept until it succeeds; its words are ours, others' may hold personal data.
_FAILURES = """
    CREATE FUNCTION period_failures(period bigint)
        RETURNS TABLE (job_name text, error text, attempt bigint, is_final boolean, recorded_at timestamptz)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT failure.name, failure.error, failure.attempt, failure.is_final, failure.recorded_at
        FROM job_failure failure
        JOIN procrastinate_jobs job ON job.id = failure.job_id
        WHERE failure.name IN ('close_period', 'hard_close_period') AND job.args ->> 'period_id' = period::text
          AND EXISTS (SELECT FROM period known
                      WHERE known.id = period_failures.period AND known.manufacturer_id = portal_organisation())
        ORDER BY failure.recorded_at DESC, failure.id DESC
        LIMIT 1
    $$
"""


def upgrade() -> None:
    op.execute(_FAILURES)
    op.execute("REVOKE EXECUTE ON FUNCTION period_failures(bigint) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION period_failures(bigint) TO portal_web, portal_work")
    op.create_table(
        "books_check",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("problem_count", sa.BigInteger(), nullable=False),
        sa.Column("content", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("problem_count >= 0", name=op.f("ck_books_check_count")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_books_check_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_books_check")),
    )
    op.create_index("ix_books_check_organisation_id", "books_check", ["organisation_id", "id"])
    own = "organisation_id = portal_organisation()"
    op.execute("ALTER TABLE books_check ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY web ON books_check TO portal_web USING ({own}) WITH CHECK ({own})")
    op.execute("CREATE POLICY work ON books_check TO portal_work USING (true) WITH CHECK (true)")
    op.execute("REVOKE ALL ON books_check FROM portal_web, portal_work")
    op.execute("GRANT SELECT ON books_check TO portal_web")
    op.execute("GRANT SELECT, INSERT ON books_check TO portal_work")
    op.execute(
        "CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON books_check"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
