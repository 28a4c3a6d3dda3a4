"""Statements, contests, approvals, dispositions, manifests; mail deliveries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("object_type", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("once_key", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_failure", sa.Text(), server_default="", nullable=False),
        sa.Column("message_id", sa.Text(), server_default="", nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('queued', 'sent', 'failed')", name=op.f("ck_delivery_state")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_delivery_organisation_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_delivery_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("once_key", name=op.f("uq_delivery_once_key")),
    )
    op.create_index("ix_delivery_object", "delivery", ["object_type", "object_id"], unique=False)
    op.create_index("ix_delivery_organisation_id", "delivery", ["organisation_id", "id"], unique=False)
    op.create_index(
        "ix_delivery_queued", "delivery", ["queued_at"], unique=False, postgresql_where=sa.text("state = 'queued'")
    )

    op.create_table(
        "close_manifest",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("period_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("chain_head", sa.Text(), nullable=False),
        sa.Column("signed_by", sa.BigInteger(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('soft', 'hard')", name=op.f("ck_close_manifest_kind")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_close_manifest_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["period_id"], ["period.id"], name=op.f("fk_close_manifest_period_id")),
        sa.ForeignKeyConstraint(["signed_by"], ["person.id"], name=op.f("fk_close_manifest_signed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_close_manifest")),
        sa.UniqueConstraint("period_id", "kind", name=op.f("uq_close_manifest_period_id_kind")),
    )

    op.create_table(
        "statement",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("period_id", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("line_count", sa.BigInteger(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("review_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_statement_manufacturer_id")),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_statement_party_id")),
        sa.ForeignKeyConstraint(["period_id"], ["period.id"], name=op.f("fk_statement_period_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement")),
        sa.UniqueConstraint("id", "content_sha256", name=op.f("uq_statement_id_content_sha256")),
        sa.UniqueConstraint("manufacturer_id", "number", name=op.f("uq_statement_manufacturer_id_number")),
        sa.UniqueConstraint(
            "manufacturer_id",
            "party_id",
            "currency",
            "period_id",
            "revision",
            name=op.f("uq_statement_manufacturer_id_party_id_currency_period_id_revision"),
        ),
    )
    op.create_index("ix_statement_party_id", "statement", ["party_id", "id"], unique=False)
    op.create_index("ix_statement_period_id", "statement", ["period_id"], unique=False)

    op.create_table(
        "statement_acceptance",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("statement_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("accepted_by", sa.BigInteger(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["accepted_by"], ["person.id"], name=op.f("fk_statement_acceptance_accepted_by")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_statement_acceptance_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_statement_acceptance_party_id")),
        sa.ForeignKeyConstraint(["statement_id"], ["statement.id"], name=op.f("fk_statement_acceptance_statement_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_acceptance")),
        sa.UniqueConstraint("statement_id", name=op.f("uq_statement_acceptance_statement_id")),
    )

    op.create_table(
        "statement_preparation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("statement_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("preparer_id", sa.BigInteger(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("plan", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("prepared_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_statement_preparation_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_statement_preparation_party_id")),
        sa.ForeignKeyConstraint(["preparer_id"], ["person.id"], name=op.f("fk_statement_preparation_preparer_id")),
        sa.ForeignKeyConstraint(["statement_id"], ["statement.id"], name=op.f("fk_statement_preparation_statement_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_preparation")),
        sa.UniqueConstraint(
            "id", "preparer_id", "content_sha256", name=op.f("uq_statement_preparation_id_preparer_id_content_sha256")
        ),
    )
    op.create_index("ix_statement_preparation_statement_id", "statement_preparation", ["statement_id"], unique=False)

    op.create_table(
        "statement_approval",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("statement_id", sa.BigInteger(), nullable=False),
        sa.Column("preparation_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("preparer_id", sa.BigInteger(), nullable=False),
        sa.Column("approver_id", sa.BigInteger(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("approver_id <> preparer_id", name=op.f("ck_statement_approval_four_eyes")),
        sa.ForeignKeyConstraint(["approver_id"], ["person.id"], name=op.f("fk_statement_approval_approver_id")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_statement_approval_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_statement_approval_party_id")),
        sa.ForeignKeyConstraint(
            ["preparation_id", "preparer_id", "content_sha256"],
            ["statement_preparation.id", "statement_preparation.preparer_id", "statement_preparation.content_sha256"],
            name=op.f("fk_statement_approval_preparation_id_preparer_id_content_sha256"),
        ),
        sa.ForeignKeyConstraint(
            ["statement_id", "content_sha256"],
            ["statement.id", "statement.content_sha256"],
            name=op.f("fk_statement_approval_statement_id_content_sha256"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_approval")),
        sa.UniqueConstraint("statement_id", name=op.f("uq_statement_approval_statement_id")),
    )

    op.create_table(
        "disposition",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("approval_id", sa.BigInteger(), nullable=False),
        sa.Column("statement_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("intent_id", sa.Uuid(), nullable=True),
        sa.Column("disposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind <> 'transferred' OR intent_id IS NOT NULL", name=op.f("ck_disposition_transfer_has_intent")
        ),
        sa.CheckConstraint(
            "kind IN ('transferred', 'retained', 'invoiced', 'held', 'carried')", name=op.f("ck_disposition_kind")
        ),
        sa.ForeignKeyConstraint(["approval_id"], ["statement_approval.id"], name=op.f("fk_disposition_approval_id")),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name=op.f("fk_disposition_intent_id")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_disposition_manufacturer_id")),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_disposition_party_id")),
        sa.ForeignKeyConstraint(["statement_id"], ["statement.id"], name=op.f("fk_disposition_statement_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disposition")),
        sa.UniqueConstraint("approval_id", "kind", name=op.f("uq_disposition_approval_id_kind")),
        sa.UniqueConstraint("intent_id", name=op.f("uq_disposition_intent_id")),
    )

    op.create_table(
        "statement_line",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("statement_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("posting_id", sa.BigInteger(), nullable=False),
        sa.Column("share_id", sa.BigInteger(), nullable=True),
        sa.Column("case_id", sa.BigInteger(), nullable=True),
        sa.Column("case_name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["support_case.id"], name=op.f("fk_statement_line_case_id")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_statement_line_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_statement_line_party_id")),
        sa.ForeignKeyConstraint(["posting_id"], ["posting.id"], name=op.f("fk_statement_line_posting_id")),
        sa.ForeignKeyConstraint(["share_id"], ["share.id"], name=op.f("fk_statement_line_share_id")),
        sa.ForeignKeyConstraint(["statement_id"], ["statement.id"], name=op.f("fk_statement_line_statement_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_line")),
        sa.UniqueConstraint("posting_id", name=op.f("uq_statement_line_posting_id")),
        sa.UniqueConstraint("statement_id", "position", name=op.f("uq_statement_line_statement_id_position")),
    )
    op.create_index("ix_statement_line_case_id", "statement_line", ["case_id"], unique=False)

    op.create_table(
        "contest",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("statement_id", sa.BigInteger(), nullable=False),
        sa.Column("statement_line_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("contested_by", sa.BigInteger(), nullable=False),
        sa.Column("contested_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["contested_by"], ["person.id"], name=op.f("fk_contest_contested_by")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_contest_manufacturer_id")),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_contest_party_id")),
        sa.ForeignKeyConstraint(["statement_id"], ["statement.id"], name=op.f("fk_contest_statement_id")),
        sa.ForeignKeyConstraint(
            ["statement_line_id"], ["statement_line.id"], name=op.f("fk_contest_statement_line_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contest")),
        sa.UniqueConstraint("statement_line_id", name=op.f("uq_contest_statement_line_id")),
    )
    op.create_index("ix_contest_statement_id", "contest", ["statement_id"], unique=False)

    op.create_table(
        "contest_decision",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("contest_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome IN ('stands', 'corrected', 'withdrawn')", name=op.f("ck_contest_decision_outcome")),
        sa.ForeignKeyConstraint(["contest_id"], ["contest.id"], name=op.f("fk_contest_decision_contest_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["person.id"], name=op.f("fk_contest_decision_decided_by")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_contest_decision_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_contest_decision_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contest_decision")),
        sa.UniqueConstraint("contest_id", name=op.f("uq_contest_decision_contest_id")),
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
