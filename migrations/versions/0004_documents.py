"""Policies and agreements: versions, signatures, what is in force, plan choices."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "document",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'agreement') = (integrator_id IS NOT NULL)", name=op.f("ck_document_agreement_names_integrator")
        ),
        sa.CheckConstraint("kind IN ('policy', 'agreement')", name=op.f("ck_document_kind")),
        sa.ForeignKeyConstraint(["integrator_id"], ["organisation.id"], name=op.f("fk_document_integrator_id")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_document_manufacturer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document")),
    )
    op.create_index(
        "uq_document_agreement",
        "document",
        ["manufacturer_id", "integrator_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'agreement'"),
    )
    op.create_index(
        "uq_document_policy", "document", ["manufacturer_id"], unique=True, postgresql_where=sa.text("kind = 'policy'")
    )

    op.create_table(
        "document_draft",
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("body_toml", sa.Text(), nullable=False),
        sa.Column("edited_by", sa.BigInteger(), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["document.id"], name=op.f("fk_document_draft_document_id")),
        sa.ForeignKeyConstraint(["edited_by"], ["person.id"], name=op.f("fk_document_draft_edited_by")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_document_draft_organisation_id")
        ),
        sa.PrimaryKeyConstraint("document_id", "organisation_id", name=op.f("pk_document_draft")),
    )

    op.create_table(
        "document_version",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body_toml", sa.Text(), nullable=False),
        sa.Column("canonical_json", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.BigInteger(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "sha256 = encode(sha256(convert_to(canonical_json, 'UTF8')), 'hex')", name=op.f("ck_document_version_hash")
        ),
        sa.ForeignKeyConstraint(["document_id"], ["document.id"], name=op.f("fk_document_version_document_id")),
        sa.ForeignKeyConstraint(["integrator_id"], ["organisation.id"], name=op.f("fk_document_version_integrator_id")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_document_version_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["proposed_by"], ["person.id"], name=op.f("fk_document_version_proposed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document_version")),
        sa.UniqueConstraint("document_id", "number", name=op.f("uq_document_version_document_id_number")),
        sa.UniqueConstraint("id", "document_id", name=op.f("uq_document_version_id_document_id")),
    )

    op.create_table(
        "document_in_force",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=True),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["document.id"], name=op.f("fk_document_in_force_document_id")),
        sa.ForeignKeyConstraint(
            ["integrator_id"], ["organisation.id"], name=op.f("fk_document_in_force_integrator_id")
        ),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_document_in_force_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["version_id"], ["document_version.id"], name=op.f("fk_document_in_force_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document_in_force")),
        sa.UniqueConstraint(
            "document_id", "effective_from", name=op.f("uq_document_in_force_document_id_effective_from")
        ),
        sa.UniqueConstraint("version_id", name=op.f("uq_document_in_force_version_id")),
    )

    op.create_table(
        "document_signature",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["integrator_id"], ["organisation.id"], name=op.f("fk_document_signature_integrator_id")
        ),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_document_signature_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_document_signature_organisation_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_document_signature_person_id")),
        sa.ForeignKeyConstraint(["version_id"], ["document_version.id"], name=op.f("fk_document_signature_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document_signature")),
        sa.UniqueConstraint(
            "version_id", "organisation_id", name=op.f("uq_document_signature_version_id_organisation_id")
        ),
    )

    op.create_table(
        "plan_choice",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=True),
        sa.Column("seller_id", sa.BigInteger(), nullable=False),
        sa.Column("site_id", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("plan_code", sa.Text(), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_by", sa.BigInteger(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("terms", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["accepted_by"], ["person.id"], name=op.f("fk_plan_choice_accepted_by")),
        sa.ForeignKeyConstraint(["customer_id"], ["organisation.id"], name=op.f("fk_plan_choice_customer_id")),
        sa.ForeignKeyConstraint(["integrator_id"], ["organisation.id"], name=op.f("fk_plan_choice_integrator_id")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_plan_choice_manufacturer_id")),
        sa.ForeignKeyConstraint(["seller_id"], ["organisation.id"], name=op.f("fk_plan_choice_seller_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_plan_choice_site_id")),
        sa.ForeignKeyConstraint(["version_id"], ["document_version.id"], name=op.f("fk_plan_choice_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_choice")),
        sa.UniqueConstraint(
            "site_id", "manufacturer_id", "from_at", name=op.f("uq_plan_choice_site_id_manufacturer_id_from_at")
        ),
    )
    op.create_index("ix_plan_choice_customer_id", "plan_choice", ["customer_id"], unique=False)


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
