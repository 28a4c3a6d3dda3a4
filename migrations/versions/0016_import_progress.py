"""The progress of an import: runs, their cases, work before and after overlaps are cut, and the rows rejected."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"

# An import is the command line's: nobody reads it in the web.
_TABLES = {
    "import_run": "UPDATE",
    "import_case": "UPDATE",
    "import_work": "UPDATE, DELETE",
    "import_rejection": "",
}


def upgrade() -> None:
    _create_run()
    _create_case()
    _create_work()
    _create_rejection()
    for table, changes in _TABLES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY web ON {table} TO portal_web USING (false) WITH CHECK (false)")
        op.execute(f"CREATE POLICY work ON {table} TO portal_work USING (true) WITH CHECK (true)")
        op.execute(f"REVOKE ALL ON {table} FROM portal_web, portal_work")
        op.execute(f"GRANT SELECT ON {table} TO portal_web")
        op.execute(f"GRANT SELECT, INSERT{', ' + changes if changes else ''} ON {table} TO portal_work")
    op.execute(
        "CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON import_rejection"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _create_run() -> None:
    op.create_table(
        "import_run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_sha256", sa.Text(), nullable=False),
        sa.Column("mapping_sha256", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("rows_read", sa.BigInteger(), nullable=False),
        sa.Column("staged_line", sa.BigInteger(), nullable=False),
        sa.Column("stored_ordinal", sa.BigInteger(), nullable=False),
        sa.Column("figures", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('staging', 'storing', 'done')", name=op.f("ck_import_run_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_run")),
        sa.UniqueConstraint("file_sha256", "mapping_sha256", name=op.f("uq_import_run_file_sha256_mapping_sha256")),
    )


def _create_case() -> None:
    op.create_table(
        "import_case",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source_key", sa.Text(), nullable=False),
        sa.Column("first_line", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.Column("hand_overs", sa.BigInteger(), nullable=False),
        sa.Column("begins_with", sa.Text(), nullable=False),
        sa.Column("reopenings", sa.BigInteger(), nullable=False),
        sa.Column("resolver", sa.Text(), nullable=True),
        sa.Column("is_closed", sa.Boolean(), nullable=False),
        sa.Column("system_seconds", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('staged', 'known', 'rejected', 'stored')", name=op.f("ck_import_case_state")),
        sa.ForeignKeyConstraint(["run_id"], ["import_run.id"], name=op.f("fk_import_case_run_id")),
        sa.PrimaryKeyConstraint("run_id", "ordinal", name=op.f("pk_import_case")),
        sa.UniqueConstraint("run_id", "source_key", name=op.f("uq_import_case_run_id_source_key")),
    )


def _create_work() -> None:
    op.create_table(
        "import_work",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("worker_name", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("kept_from", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("ended_at > started_at", name=op.f("ck_import_work_order")),
        sa.ForeignKeyConstraint(
            ["run_id", "ordinal"],
            ["import_case.run_id", "import_case.ordinal"],
            name=op.f("fk_import_work_run_id_ordinal"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_work")),
    )
    op.create_index("ix_import_work_run_id_ordinal", "import_work", ["run_id", "ordinal"])


def _create_rejection() -> None:
    op.create_table(
        "import_rejection",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("source_key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["import_run.id"], name=op.f("fk_import_rejection_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_rejection")),
    )
    op.create_index("ix_import_rejection_run_id", "import_rejection", ["run_id", "line"])


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
