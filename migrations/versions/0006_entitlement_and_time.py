"""Coverage decisions, hours left, authorizations; time entries and the tables that guard them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "standing_authorization",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("site_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("nte_incident_minor", sa.BigInteger(), nullable=False),
        sa.Column("nte_month_minor", sa.BigInteger(), nullable=False),
        sa.Column("severities", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("grant_seconds_per_case", sa.BigInteger(), nullable=False),
        sa.Column("approver_ids", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signed_by", sa.BigInteger(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "nte_incident_minor >= 0 AND nte_month_minor >= 0", name=op.f("ck_standing_authorization_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["organisation.id"], name=op.f("fk_standing_authorization_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["integrator_id"], ["organisation.id"], name=op.f("fk_standing_authorization_integrator_id")
        ),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_standing_authorization_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["payer_id"], ["organisation.id"], name=op.f("fk_standing_authorization_payer_id")),
        sa.ForeignKeyConstraint(["signed_by"], ["person.id"], name=op.f("fk_standing_authorization_signed_by")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_standing_authorization_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing_authorization")),
        sa.UniqueConstraint(
            "site_id",
            "manufacturer_id",
            "from_at",
            name=op.f("uq_standing_authorization_site_id_manufacturer_id_from_at"),
        ),
    )
    op.create_index("ix_standing_authorization_payer_id", "standing_authorization", ["payer_id"], unique=False)

    op.create_table(
        "standing_month",
        sa.Column("standing_authorization_id", sa.BigInteger(), nullable=False),
        sa.Column("month_on", sa.Date(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("limit_minor", sa.BigInteger(), nullable=False),
        sa.Column("used_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "used_minor >= 0 AND used_minor <= limit_minor", name=op.f("ck_standing_month_within_limit")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["organisation.id"], name=op.f("fk_standing_month_customer_id")),
        sa.ForeignKeyConstraint(["integrator_id"], ["organisation.id"], name=op.f("fk_standing_month_integrator_id")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_standing_month_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(
            ["standing_authorization_id"],
            ["standing_authorization.id"],
            name=op.f("fk_standing_month_standing_authorization_id"),
        ),
        sa.PrimaryKeyConstraint("standing_authorization_id", "month_on", name=op.f("pk_standing_month")),
    )

    op.create_table(
        "authorization_request",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("nte_minor", sa.BigInteger(), nullable=False),
        sa.Column("price_per_hour_minor", sa.BigInteger(), nullable=False),
        sa.Column("least_cost_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_emergency", sa.Boolean(), nullable=False),
        sa.Column("asked_by", sa.BigInteger(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("audience IN ('companies', 'customer')", name=op.f("ck_authorization_request_audience")),
        sa.CheckConstraint("nte_minor > 0", name=op.f("ck_authorization_request_nte")),
        sa.ForeignKeyConstraint(["asked_by"], ["person.id"], name=op.f("fk_authorization_request_asked_by")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_authorization_request_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["payer_id"], ["organisation.id"], name=op.f("fk_authorization_request_payer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authorization_request")),
    )
    op.create_index("ix_authorization_request_case_id", "authorization_request", ["case_id"], unique=False)
    op.create_index("ix_authorization_request_payer_id", "authorization_request", ["payer_id"], unique=False)

    op.create_table(
        "coverage_decision",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("policy_version_id", sa.BigInteger(), nullable=False),
        sa.Column("agreement_version_id", sa.BigInteger(), nullable=True),
        sa.Column("plan_choice_id", sa.BigInteger(), nullable=True),
        sa.Column("facts", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("decision", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("audience IN ('companies', 'customer')", name=op.f("ck_coverage_decision_audience")),
        sa.ForeignKeyConstraint(
            ["agreement_version_id"], ["document_version.id"], name=op.f("fk_coverage_decision_agreement_version_id")
        ),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_coverage_decision_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["plan_choice_id"], ["plan_choice.id"], name=op.f("fk_coverage_decision_plan_choice_id")
        ),
        sa.ForeignKeyConstraint(
            ["policy_version_id"], ["document_version.id"], name=op.f("fk_coverage_decision_policy_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coverage_decision")),
    )
    op.create_index("ix_coverage_decision_case_id", "coverage_decision", ["case_id", "id"], unique=False)

    op.create_table(
        "running_timer",
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("task_class", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["support_case.id"], name=op.f("fk_running_timer_case_id")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_running_timer_organisation_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_running_timer_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_running_timer")),
    )

    op.create_table(
        "time_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("audience", sa.Text(), server_default="customer", nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("person_name", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "seconds",
            sa.BigInteger(),
            sa.Computed("floor(extract(epoch FROM ended_at - started_at))::bigint", persisted=True),
            nullable=False,
        ),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("task_class", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("flag", sa.Text(), server_default="", nullable=False),
        sa.Column("root_id", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("audience IN ('own', 'companies', 'customer')", name=op.f("ck_time_entry_audience")),
        sa.CheckConstraint("mode IN ('remote', 'phone', 'on_site', 'travel')", name=op.f("ck_time_entry_mode")),
        sa.CheckConstraint("source IN ('timer', 'manual', 'import')", name=op.f("ck_time_entry_source")),
        sa.CheckConstraint(
            "task_class IN ('support', 'how_to', 'commissioning')", name=op.f("ck_time_entry_task_class")
        ),
        sa.CheckConstraint("ended_at > started_at", name=op.f("ck_time_entry_order")),
        sa.CheckConstraint("length(btrim(note)) > 0", name=op.f("ck_time_entry_note")),
        sa.CheckConstraint(
            "organisation_id IN (manufacturer_id, integrator_id)", name=op.f("ck_time_entry_never_the_customer")
        ),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_time_entry_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_time_entry_organisation_id")),
        sa.ForeignKeyConstraint(["owner_id"], ["organisation.id"], name=op.f("fk_time_entry_owner_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_time_entry_person_id")),
        sa.ForeignKeyConstraint(["root_id"], ["time_entry.id"], name=op.f("fk_time_entry_root_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_time_entry")),
        sa.UniqueConstraint("id", "person_id", name=op.f("uq_time_entry_id_person_id")),
        sa.UniqueConstraint("root_id", "revision", name=op.f("uq_time_entry_root_id_revision")),
    )
    op.create_index("ix_time_entry_case_id", "time_entry", ["case_id", "started_at"], unique=False)
    op.create_index("ix_time_entry_person_id", "time_entry", ["person_id", "started_at"], unique=False)

    op.create_table(
        "usage_grant",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("site_id", sa.BigInteger(), nullable=False),
        sa.Column("plan_choice_id", sa.BigInteger(), nullable=False),
        sa.Column("granted_seconds", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('included', 'pack')", name=op.f("ck_usage_grant_kind")),
        sa.CheckConstraint("expires_at > starts_at", name=op.f("ck_usage_grant_order")),
        sa.CheckConstraint("granted_seconds > 0", name=op.f("ck_usage_grant_granted")),
        sa.ForeignKeyConstraint(["customer_id"], ["organisation.id"], name=op.f("fk_usage_grant_customer_id")),
        sa.ForeignKeyConstraint(["integrator_id"], ["organisation.id"], name=op.f("fk_usage_grant_integrator_id")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_usage_grant_manufacturer_id")),
        sa.ForeignKeyConstraint(["plan_choice_id"], ["plan_choice.id"], name=op.f("fk_usage_grant_plan_choice_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_usage_grant_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_grant")),
        sa.UniqueConstraint("plan_choice_id", "starts_at", name=op.f("uq_usage_grant_plan_choice_id_starts_at")),
    )
    op.create_index("ix_usage_grant_customer_id", "usage_grant", ["customer_id"], unique=False)
    op.create_index("ix_usage_grant_site_id", "usage_grant", ["site_id", "manufacturer_id", "expires_at"], unique=False)

    op.create_table(
        "authorization_refusal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("audience IN ('companies', 'customer')", name=op.f("ck_authorization_refusal_audience")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_authorization_refusal_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_authorization_refusal_person_id")),
        sa.ForeignKeyConstraint(
            ["request_id"], ["authorization_request.id"], name=op.f("fk_authorization_refusal_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authorization_refusal")),
        sa.UniqueConstraint("request_id", name=op.f("uq_authorization_refusal_request_id")),
    )

    op.create_table(
        "emergency",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ratify_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("audience IN ('companies', 'customer')", name=op.f("ck_emergency_audience")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_emergency_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["payer_id"], ["organisation.id"], name=op.f("fk_emergency_payer_id")),
        sa.ForeignKeyConstraint(["request_id"], ["authorization_request.id"], name=op.f("fk_emergency_request_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emergency")),
        sa.UniqueConstraint("request_id", name=op.f("uq_emergency_request_id")),
    )
    op.create_index("ix_emergency_case_id", "emergency", ["case_id"], unique=False)

    op.create_table(
        "grant_balance",
        sa.Column("grant_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("free_seconds", sa.BigInteger(), nullable=False),
        sa.Column("reserved_seconds", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("free_seconds >= 0", name=op.f("ck_grant_balance_free_not_negative")),
        sa.CheckConstraint("reserved_seconds >= 0", name=op.f("ck_grant_balance_reserved_not_negative")),
        sa.ForeignKeyConstraint(["customer_id"], ["organisation.id"], name=op.f("fk_grant_balance_customer_id")),
        sa.ForeignKeyConstraint(["grant_id"], ["usage_grant.id"], name=op.f("fk_grant_balance_grant_id")),
        sa.ForeignKeyConstraint(["integrator_id"], ["organisation.id"], name=op.f("fk_grant_balance_integrator_id")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_grant_balance_manufacturer_id")
        ),
        sa.PrimaryKeyConstraint("grant_id", name=op.f("pk_grant_balance")),
    )

    op.create_table(
        "grant_reservation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("grant_id", sa.BigInteger(), nullable=False),
        sa.Column("worked_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("seconds > 0", name=op.f("ck_grant_reservation_seconds")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_grant_reservation_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["grant_id"], ["usage_grant.id"], name=op.f("fk_grant_reservation_grant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grant_reservation")),
    )
    op.create_index("ix_grant_reservation_case_id", "grant_reservation", ["case_id"], unique=False)
    op.create_index("ix_grant_reservation_grant_id", "grant_reservation", ["grant_id"], unique=False)

    op.create_table(
        "time_approval",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("worker_id", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", sa.BigInteger(), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("approved_by <> worker_id", name=op.f("ck_time_approval_by_another")),
        sa.ForeignKeyConstraint(["approved_by"], ["person.id"], name=op.f("fk_time_approval_approved_by")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_time_approval_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["entry_id", "worker_id"],
            ["time_entry.id", "time_entry.person_id"],
            name=op.f("fk_time_approval_entry_id_worker_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_time_approval")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_time_approval_entry_id")),
    )
    op.create_index("ix_time_approval_case_id", "time_approval", ["case_id"], unique=False)

    op.create_table(
        "time_occupancy",
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("during", postgresql.TSTZRANGE(), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("person_id"), "="),
            (sa.column("during"), "&&"),
            using="gist",
            name="ex_time_occupancy_no_overlap",
        ),
        sa.ForeignKeyConstraint(["entry_id"], ["time_entry.id"], name=op.f("fk_time_occupancy_entry_id")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_time_occupancy_organisation_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_time_occupancy_person_id")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_time_occupancy")),
    )
    op.create_index("ix_time_occupancy_organisation_id", "time_occupancy", ["organisation_id"], unique=False)

    op.create_table(
        "time_reversal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reversed_by", sa.BigInteger(), nullable=False),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("length(btrim(reason)) > 0", name=op.f("ck_time_reversal_reason")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_time_reversal_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["entry_id"], ["time_entry.id"], name=op.f("fk_time_reversal_entry_id")),
        sa.ForeignKeyConstraint(["reversed_by"], ["person.id"], name=op.f("fk_time_reversal_reversed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_time_reversal")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_time_reversal_entry_id")),
    )
    op.create_index("ix_time_reversal_case_id", "time_reversal", ["case_id"], unique=False)

    op.create_table(
        "authorization",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=True),
        sa.Column("standing_authorization_id", sa.BigInteger(), nullable=True),
        sa.Column("emergency_id", sa.BigInteger(), nullable=True),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("nte_minor", sa.BigInteger(), nullable=False),
        sa.Column("price_per_hour_minor", sa.BigInteger(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("person_name", sa.Text(), nullable=False),
        sa.Column("spoken", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("covers_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("authorized_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("audience IN ('companies', 'customer')", name=op.f("ck_authorization_audience")),
        sa.CheckConstraint(
            "basis IN ('account', 'link', 'standing', 'spoken', 'ratified', 'import')",
            name=op.f("ck_authorization_basis"),
        ),
        sa.CheckConstraint("nte_minor > 0", name=op.f("ck_authorization_nte")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_authorization_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["emergency_id"], ["emergency.id"], name=op.f("fk_authorization_emergency_id")),
        sa.ForeignKeyConstraint(["payer_id"], ["organisation.id"], name=op.f("fk_authorization_payer_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_authorization_person_id")),
        sa.ForeignKeyConstraint(["request_id"], ["authorization_request.id"], name=op.f("fk_authorization_request_id")),
        sa.ForeignKeyConstraint(
            ["standing_authorization_id"],
            ["standing_authorization.id"],
            name=op.f("fk_authorization_standing_authorization_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authorization")),
        sa.UniqueConstraint("emergency_id", name=op.f("uq_authorization_emergency_id")),
        sa.UniqueConstraint("request_id", name=op.f("uq_authorization_request_id")),
    )
    op.create_index("ix_authorization_case_id", "authorization", ["case_id"], unique=False)

    op.create_table(
        "emergency_refusal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("emergency_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("audience IN ('companies', 'customer')", name=op.f("ck_emergency_refusal_audience")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_emergency_refusal_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["emergency_id"], ["emergency.id"], name=op.f("fk_emergency_refusal_emergency_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_emergency_refusal_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emergency_refusal")),
        sa.UniqueConstraint("emergency_id", name=op.f("uq_emergency_refusal_emergency_id")),
    )

    op.create_table(
        "reservation_release",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("reservation_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=False),
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
            name=op.f("fk_reservation_release_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["reservation_id"], ["grant_reservation.id"], name=op.f("fk_reservation_release_reservation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation_release")),
        sa.UniqueConstraint("reservation_id", name=op.f("uq_reservation_release_reservation_id")),
    )

    op.create_table(
        "authorization_balance",
        sa.Column("authorization_id", sa.BigInteger(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("left_minor", sa.BigInteger(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("audience IN ('companies', 'customer')", name=op.f("ck_authorization_balance_audience")),
        sa.CheckConstraint("left_minor >= 0", name=op.f("ck_authorization_balance_not_negative")),
        sa.ForeignKeyConstraint(
            ["authorization_id"], ["authorization.id"], name=op.f("fk_authorization_balance_authorization_id")
        ),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_authorization_balance_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.PrimaryKeyConstraint("authorization_id", name=op.f("pk_authorization_balance")),
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
