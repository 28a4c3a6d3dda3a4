"""The case header and its facts: events, custody, clocks, notes, resolutions, challenges."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "upload",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("storage_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), server_default="", nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_upload_organisation_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_upload_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload")),
    )
    op.create_index("ix_upload_person_id", "upload", ["person_id"], unique=False)

    op.create_table(
        "known_issue",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("product_line_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("advice", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_known_issue_manufacturer_id")),
        sa.ForeignKeyConstraint(["product_line_id"], ["product_line.id"], name=op.f("fk_known_issue_product_line_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_issue")),
        sa.UniqueConstraint("manufacturer_id", "number", name=op.f("uq_known_issue_manufacturer_id_number")),
    )

    op.create_table(
        "support_case",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("system_id", sa.BigInteger(), nullable=False),
        sa.Column("site_id", sa.BigInteger(), nullable=False),
        sa.Column("product_line_id", sa.BigInteger(), nullable=False),
        sa.Column("system_serial", sa.Text(), nullable=False),
        sa.Column("system_name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("symptom", sa.Text(), nullable=False),
        sa.Column("intake", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("severity", sa.BigInteger(), nullable=False),
        sa.Column("task_class", sa.Text(), nullable=False),
        sa.Column("on_site_waiting", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("is_fyi", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("holder_side", sa.Text(), nullable=False),
        sa.Column("holder_id", sa.BigInteger(), nullable=False),
        sa.Column("assignee_id", sa.BigInteger(), nullable=True),
        sa.Column("assignee_name", sa.Text(), server_default="", nullable=False),
        sa.Column("offered_to_id", sa.BigInteger(), nullable=True),
        sa.Column("entitlement_rank", sa.BigInteger(), nullable=False),
        sa.Column("plan_code", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_kind", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.BigInteger(), nullable=False),
        sa.Column("opened_by_name", sa.Text(), nullable=False),
        sa.Column("opener_side", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reopen_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source", sa.Text(), server_default="portal", nullable=False),
        sa.Column("source_key", sa.Text(), nullable=True),
        sa.Column(
            "search_document",
            postgresql.TSVECTOR(),
            sa.Computed(
                "to_tsvector('simple', name || ' ' || system_serial || ' ' || system_name"
                " || ' ' || title || ' ' || symptom || ' ' || coalesce(source_key, ''))",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.CheckConstraint("holder_side IN ('manufacturer', 'integrator')", name=op.f("ck_support_case_holder_side")),
        sa.CheckConstraint(
            "state IN ('open', 'offered', 'waiting', 'resolved', 'closed')", name=op.f("ck_support_case_state")
        ),
        sa.CheckConstraint("severity BETWEEN 1 AND 4", name=op.f("ck_support_case_severity")),
        sa.ForeignKeyConstraint(["assignee_id"], ["person.id"], name=op.f("fk_support_case_assignee_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["organisation.id"], name=op.f("fk_support_case_customer_id")),
        sa.ForeignKeyConstraint(["holder_id"], ["organisation.id"], name=op.f("fk_support_case_holder_id")),
        sa.ForeignKeyConstraint(["integrator_id"], ["organisation.id"], name=op.f("fk_support_case_integrator_id")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_support_case_manufacturer_id")),
        sa.ForeignKeyConstraint(["offered_to_id"], ["organisation.id"], name=op.f("fk_support_case_offered_to_id")),
        sa.ForeignKeyConstraint(["opened_by"], ["person.id"], name=op.f("fk_support_case_opened_by")),
        sa.ForeignKeyConstraint(["product_line_id"], ["product_line.id"], name=op.f("fk_support_case_product_line_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_support_case_site_id")),
        sa.ForeignKeyConstraint(["system_id"], ["system.id"], name=op.f("fk_support_case_system_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_support_case")),
        sa.UniqueConstraint(
            "id",
            "manufacturer_id",
            "integrator_id",
            "customer_id",
            name=op.f("uq_support_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.UniqueConstraint("manufacturer_id", "number", name=op.f("uq_support_case_manufacturer_id_number")),
    )
    op.create_index(
        "ix_support_case_assignee",
        "support_case",
        ["assignee_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.create_index("ix_support_case_customer", "support_case", ["customer_id", "id"], unique=False)
    op.create_index(
        "ix_support_case_factory_queue",
        "support_case",
        ["manufacturer_id", "entitlement_rank", "severity", "due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('open', 'offered', 'waiting')"),
    )
    op.create_index("ix_support_case_integrator", "support_case", ["integrator_id", "id"], unique=False)
    op.create_index(
        "ix_support_case_integrator_open",
        "support_case",
        ["integrator_id", "due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.create_index("ix_support_case_manufacturer", "support_case", ["manufacturer_id", "id"], unique=False)
    op.create_index(
        "ix_support_case_reopen_until",
        "support_case",
        ["reopen_until"],
        unique=False,
        postgresql_where=sa.text("state = 'resolved'"),
    )
    op.create_index(
        "ix_support_case_search",
        "support_case",
        ["search_document"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    op.create_index("ix_support_case_system", "support_case", ["system_id", "id"], unique=False)
    op.create_index("uq_support_case_source", "support_case", ["manufacturer_id", "source", "source_key"], unique=True)

    op.create_table(
        "case_clock",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("company_id", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("calendar_code", sa.Text(), nullable=False),
        sa.Column("target_seconds", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("target_seconds > 0", name=op.f("ck_case_clock_target")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_case_clock_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["company_id"], ["organisation.id"], name=op.f("fk_case_clock_company_id")),
        sa.ForeignKeyConstraint(["version_id"], ["document_version.id"], name=op.f("fk_case_clock_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_clock")),
    )
    op.create_index("ix_case_clock_case_id", "case_clock", ["case_id"], unique=False)

    op.create_table(
        "case_closing",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_case_closing_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_closing")),
        sa.UniqueConstraint("case_id", name=op.f("uq_case_closing_case_id")),
    )

    op.create_table(
        "case_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("person_name", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("details", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("audience IN ('own', 'companies', 'customer')", name=op.f("ck_case_event_audience")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_case_event_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["organisation.id"], name=op.f("fk_case_event_owner_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_case_event_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_event")),
        sa.UniqueConstraint("case_id", "seq", name=op.f("uq_case_event_case_id_seq")),
    )

    op.create_table(
        "case_known_issue",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("known_issue_id", sa.BigInteger(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_case_known_issue_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["known_issue_id"], ["known_issue.id"], name=op.f("fk_case_known_issue_known_issue_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_known_issue")),
        sa.UniqueConstraint("case_id", "known_issue_id", name=op.f("uq_case_known_issue_case_id_known_issue_id")),
    )

    op.create_table(
        "case_link",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("from_case_id", sa.BigInteger(), nullable=False),
        sa.Column("to_case_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('sister', 'follow_up')", name=op.f("ck_case_link_kind")),
        sa.CheckConstraint("from_case_id <> to_case_id", name=op.f("ck_case_link_distinct")),
        sa.ForeignKeyConstraint(["customer_id"], ["organisation.id"], name=op.f("fk_case_link_customer_id")),
        sa.ForeignKeyConstraint(["from_case_id"], ["support_case.id"], name=op.f("fk_case_link_from_case_id")),
        sa.ForeignKeyConstraint(["integrator_id"], ["organisation.id"], name=op.f("fk_case_link_integrator_id")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_case_link_manufacturer_id")),
        sa.ForeignKeyConstraint(["to_case_id"], ["support_case.id"], name=op.f("fk_case_link_to_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_link")),
        sa.UniqueConstraint(
            "from_case_id", "to_case_id", "kind", name=op.f("uq_case_link_from_case_id_to_case_id_kind")
        ),
    )

    op.create_table(
        "case_pause",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_by", sa.BigInteger(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_case_pause_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["paused_by"], ["person.id"], name=op.f("fk_case_pause_paused_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_pause")),
    )
    op.create_index("ix_case_pause_case_id", "case_pause", ["case_id"], unique=False)

    op.create_table(
        "case_reference",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("given_by", sa.BigInteger(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_case_reference_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["given_by"], ["person.id"], name=op.f("fk_case_reference_given_by")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_case_reference_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_reference")),
    )
    op.create_index("ix_case_reference_case_id", "case_reference", ["case_id"], unique=False)

    op.create_table(
        "custody_offer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("from_id", sa.BigInteger(), nullable=False),
        sa.Column("to_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("has_new_information", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("offered_by", sa.BigInteger(), nullable=False),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_custody_offer_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["from_id"], ["organisation.id"], name=op.f("fk_custody_offer_from_id")),
        sa.ForeignKeyConstraint(["offered_by"], ["person.id"], name=op.f("fk_custody_offer_offered_by")),
        sa.ForeignKeyConstraint(["to_id"], ["organisation.id"], name=op.f("fk_custody_offer_to_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custody_offer")),
        sa.UniqueConstraint("case_id", "seq", name=op.f("uq_custody_offer_case_id_seq")),
    )

    op.create_table(
        "note",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("person_name", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("audience IN ('own', 'companies', 'customer')", name=op.f("ck_note_audience")),
        sa.CheckConstraint("kind IN ('note', 'question', 'answer', 'call', 'system')", name=op.f("ck_note_kind")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_note_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["organisation.id"], name=op.f("fk_note_owner_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_note_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_note")),
    )
    op.create_index("ix_note_case_id", "note", ["case_id", "id"], unique=False)

    op.create_table(
        "resolution",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("last_action", sa.Text(), nullable=False),
        sa.Column("resolved_by", sa.Text(), nullable=False),
        sa.Column("integrator_bp", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_bp", sa.BigInteger(), nullable=False),
        sa.Column("off_table_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("company_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("person_name", sa.Text(), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "resolved_by IN ('integrator', 'manufacturer', 'jointly', 'none')", name=op.f("ck_resolution_resolved_by")
        ),
        sa.CheckConstraint("integrator_bp + manufacturer_bp IN (0, 10000)", name=op.f("ck_resolution_weights")),
        sa.CheckConstraint(
            "integrator_bp >= 0 AND manufacturer_bp >= 0", name=op.f("ck_resolution_weights_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_resolution_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["company_id"], ["organisation.id"], name=op.f("fk_resolution_company_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_resolution_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resolution")),
        sa.UniqueConstraint("case_id", "seq", name=op.f("uq_resolution_case_id_seq")),
        sa.UniqueConstraint("id", "case_id", name=op.f("uq_resolution_id_case_id")),
    )

    op.create_table(
        "attachment",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("note_id", sa.BigInteger(), nullable=True),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("storage_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), server_default="", nullable=False),
        sa.Column("uploaded_by", sa.BigInteger(), nullable=False),
        sa.Column("attached_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("audience IN ('own', 'companies', 'customer')", name=op.f("ck_attachment_audience")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_attachment_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["note_id"], ["note.id"], name=op.f("fk_attachment_note_id")),
        sa.ForeignKeyConstraint(["owner_id"], ["organisation.id"], name=op.f("fk_attachment_owner_id")),
        sa.ForeignKeyConstraint(["uploaded_by"], ["person.id"], name=op.f("fk_attachment_uploaded_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
    )
    op.create_index("ix_attachment_case_id", "attachment", ["case_id"], unique=False)

    op.create_table(
        "challenge",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("resolution_id", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("company_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("person_name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proposal", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("subject IN ('cause', 'split', 'task_class')", name=op.f("ck_challenge_subject")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_challenge_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["company_id"], ["organisation.id"], name=op.f("fk_challenge_company_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_challenge_person_id")),
        sa.ForeignKeyConstraint(["resolution_id"], ["resolution.id"], name=op.f("fk_challenge_resolution_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_challenge")),
    )
    op.create_index("ix_challenge_case_id", "challenge", ["case_id"], unique=False)

    op.create_table(
        "clock_closing",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("clock_id", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("used_seconds", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("outcome IN ('met', 'missed', 'void')", name=op.f("ck_clock_closing_outcome")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_clock_closing_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["clock_id"], ["case_clock.id"], name=op.f("fk_clock_closing_clock_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_closing")),
        sa.UniqueConstraint("clock_id", name=op.f("uq_clock_closing_clock_id")),
    )

    op.create_table(
        "custody_acceptance",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("company_id", sa.BigInteger(), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("offer_id", sa.BigInteger(), nullable=True),
        sa.Column("accepted_by", sa.BigInteger(), nullable=True),
        sa.Column("accepted_name", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "channel IN ('opening', 'page', 'link', 'phone', 'reply', 'import')",
            name=op.f("ck_custody_acceptance_channel"),
        ),
        sa.CheckConstraint(
            "company_id IN (manufacturer_id, integrator_id)", name=op.f("ck_custody_acceptance_never_the_customer")
        ),
        sa.ForeignKeyConstraint(["accepted_by"], ["person.id"], name=op.f("fk_custody_acceptance_accepted_by")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_custody_acceptance_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["company_id"], ["organisation.id"], name=op.f("fk_custody_acceptance_company_id")),
        sa.ForeignKeyConstraint(["offer_id"], ["custody_offer.id"], name=op.f("fk_custody_acceptance_offer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custody_acceptance")),
        sa.UniqueConstraint("case_id", "seq", name=op.f("uq_custody_acceptance_case_id_seq")),
        sa.UniqueConstraint("offer_id", name=op.f("uq_custody_acceptance_offer_id")),
    )

    op.create_table(
        "custody_decline",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("declined_by", sa.BigInteger(), nullable=False),
        sa.Column("declined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_custody_decline_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["declined_by"], ["person.id"], name=op.f("fk_custody_decline_declined_by")),
        sa.ForeignKeyConstraint(["offer_id"], ["custody_offer.id"], name=op.f("fk_custody_decline_offer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custody_decline")),
        sa.UniqueConstraint("offer_id", name=op.f("uq_custody_decline_offer_id")),
    )

    op.create_table(
        "pause_end",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("pause_id", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_pause_end_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["pause_id"], ["case_pause.id"], name=op.f("fk_pause_end_pause_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pause_end")),
        sa.UniqueConstraint("pause_id", name=op.f("uq_pause_end_pause_id")),
    )

    op.create_table(
        "resolution_answer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("resolution_id", sa.BigInteger(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("company_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "basis IN ('confirmed', 'deemed', 'undone', 'import')", name=op.f("ck_resolution_answer_basis")
        ),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_resolution_answer_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["company_id"], ["organisation.id"], name=op.f("fk_resolution_answer_company_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_resolution_answer_person_id")),
        sa.ForeignKeyConstraint(["resolution_id"], ["resolution.id"], name=op.f("fk_resolution_answer_resolution_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resolution_answer")),
    )
    op.create_index("ix_resolution_answer_resolution_id", "resolution_answer", ["resolution_id"], unique=False)

    op.create_table(
        "challenge_decision",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("challenge_id", sa.BigInteger(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("task_class", sa.Text(), nullable=False),
        sa.Column("integrator_bp", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_bp", sa.BigInteger(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "basis IN ('agreed', 'neutral', 'fallback', 'withdrawn')", name=op.f("ck_challenge_decision_basis")
        ),
        sa.CheckConstraint("integrator_bp + manufacturer_bp IN (0, 10000)", name=op.f("ck_challenge_decision_weights")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_challenge_decision_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["challenge_id"], ["challenge.id"], name=op.f("fk_challenge_decision_challenge_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_challenge_decision")),
        sa.UniqueConstraint("challenge_id", name=op.f("uq_challenge_decision_challenge_id")),
    )

    op.create_table(
        "challenge_proposal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("challenge_id", sa.BigInteger(), nullable=False),
        sa.Column("company_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("outcome", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_challenge_proposal_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["challenge_id"], ["challenge.id"], name=op.f("fk_challenge_proposal_challenge_id")),
        sa.ForeignKeyConstraint(["company_id"], ["organisation.id"], name=op.f("fk_challenge_proposal_company_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_challenge_proposal_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_challenge_proposal")),
    )
    op.create_index("ix_challenge_proposal_challenge_id", "challenge_proposal", ["challenge_id"], unique=False)

    op.create_table(
        "challenge_step",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("challenge_id", sa.BigInteger(), nullable=False),
        sa.Column("rung", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("rung IN ('managers', 'neutral', 'fallback')", name=op.f("ck_challenge_step_rung")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_challenge_step_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["challenge_id"], ["challenge.id"], name=op.f("fk_challenge_step_challenge_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_challenge_step")),
        sa.UniqueConstraint("challenge_id", "rung", name=op.f("uq_challenge_step_challenge_id_rung")),
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
