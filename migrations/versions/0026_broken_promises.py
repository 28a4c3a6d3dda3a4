"""What a broken promise gives back, and a reclassification that the other side disputes."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

_PARTIES = (
    "(manufacturer_id = portal_organisation() OR integrator_id = portal_organisation()"
    " OR customer_id = portal_organisation())"
)
_TABLES = ("promise_remedy", "severity_challenge", "severity_decision")


def upgrade() -> None:
    _create_remedy()
    _create_challenge()
    _create_decision()
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY web ON {table} TO portal_web USING ({_PARTIES}) WITH CHECK ({_PARTIES})")
        op.execute(f"CREATE POLICY work ON {table} TO portal_work USING (true) WITH CHECK (true)")
        op.execute(f"REVOKE ALL ON {table} FROM portal_web, portal_work")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO portal_web, portal_work")
        op.execute(
            f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def _of_case(table: str) -> list[sa.Column | sa.Constraint]:
    parties = ["case_id", "manufacturer_id", "integrator_id", "customer_id"]
    return [
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in parties),
        sa.ForeignKeyConstraint(
            parties,
            [f"support_case.{name}" for name in ("id", *parties[1:])],
            name=op.f(f"fk_{table}_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def _reference(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}"))


def _create_remedy() -> None:
    op.create_table(
        "promise_remedy",
        *_of_case("promise_remedy"),
        sa.Column("clock_id", sa.BigInteger(), nullable=False),
        sa.Column("policy_version_id", sa.BigInteger(), nullable=False),
        sa.Column("plan_code", sa.Text(), nullable=False),
        sa.Column("late_seconds", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("extra_days", sa.BigInteger(), nullable=True),
        sa.Column("owed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(amount_minor IS NULL) = (currency IS NULL)", name=op.f("ck_promise_remedy_currency")),
        sa.CheckConstraint("(amount_minor IS NULL) <> (extra_days IS NULL)", name=op.f("ck_promise_remedy_one_kind")),
        sa.CheckConstraint("amount_minor >= 0 AND late_seconds > 0", name=op.f("ck_promise_remedy_amounts")),
        sa.UniqueConstraint("clock_id", name=op.f("uq_promise_remedy_clock_id")),
        _reference("promise_remedy", "clock_id", "case_clock"),
        _reference("promise_remedy", "policy_version_id", "document_version"),
    )
    op.create_index("ix_promise_remedy_case_id", "promise_remedy", ["case_id"])


def _create_challenge() -> None:
    op.create_table(
        "severity_challenge",
        *_of_case("severity_challenge"),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("before", sa.BigInteger(), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.Column("company_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("person_name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer_by", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "before BETWEEN 1 AND 4 AND after BETWEEN 1 AND 4", name=op.f("ck_severity_challenge_severities")
        ),
        sa.UniqueConstraint("case_id", "seq", name=op.f("uq_severity_challenge_case_id_seq")),
        _reference("severity_challenge", "company_id", "organisation"),
        _reference("severity_challenge", "person_id", "person"),
    )


def _create_decision() -> None:
    op.create_table(
        "severity_decision",
        *_of_case("severity_decision"),
        sa.Column("severity_challenge_id", sa.BigInteger(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("severity", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("person_name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("basis IN ('agreed', 'silence', 'rule')", name=op.f("ck_severity_decision_basis")),
        sa.CheckConstraint("severity BETWEEN 1 AND 4", name=op.f("ck_severity_decision_severity")),
        sa.UniqueConstraint("severity_challenge_id", name=op.f("uq_severity_decision_severity_challenge_id")),
        _reference("severity_decision", "severity_challenge_id", "severity_challenge"),
        _reference("severity_decision", "person_id", "person"),
    )
    op.create_index("ix_severity_decision_case_id", "severity_decision", ["case_id"])


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
