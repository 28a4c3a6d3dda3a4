"""Bill items, shares, invoices, intents, the event inbox and cash."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "provider_event",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("style", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("style IN ('snapshot', 'thin')", name=op.f("ck_provider_event_style")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_event")),
    )

    op.create_table(
        "balance_movement",
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=True),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("source_object_id", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("net_minor = amount_minor - fee_minor", name=op.f("ck_balance_movement_net")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_balance_movement_manufacturer_id")
        ),
        sa.PrimaryKeyConstraint("provider_id", name=op.f("pk_balance_movement")),
    )
    op.create_index("ix_balance_movement_source", "balance_movement", ["source_object_id"], unique=False)

    op.create_table(
        "connected_account",
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_account_id", sa.Text(), nullable=False),
        sa.Column("transfers_state", sa.Text(), nullable=False),
        sa.Column("requirements", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "transfers_state IN ('pending', 'active', 'restricted', 'unsupported')",
            name=op.f("ck_connected_account_transfers_state"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_connected_account_organisation_id")
        ),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_connected_account")),
        sa.UniqueConstraint("provider_account_id", name=op.f("uq_connected_account_provider_account_id")),
    )

    op.create_table(
        "intent",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("document_type", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("request", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("progress", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("generation", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("provider_object_id", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), server_default="", nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('account', 'customer', 'invoice', 'transfer', 'transfer_reversal')", name=op.f("ck_intent_kind")
        ),
        sa.CheckConstraint(
            "state IN ('planned', 'sent', 'unknown', 'succeeded', 'failed', 'cancelled')", name=op.f("ck_intent_state")
        ),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_intent_amount")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_intent_manufacturer_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_intent_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intent")),
    )
    op.create_index(
        "ix_intent_unfinished",
        "intent",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('planned', 'sent', 'unknown')"),
    )
    op.create_index(
        "uq_intent_document",
        "intent",
        ["kind", "document_type", "document_id"],
        unique=True,
        postgresql_where=sa.text("state NOT IN ('failed', 'cancelled')"),
    )
    op.create_index("uq_intent_provider_object", "intent", ["provider_object_id"], unique=True)

    op.create_table(
        "provider_customer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_customer_id", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_provider_customer_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["payer_id"], ["organisation.id"], name=op.f("fk_provider_customer_payer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_customer")),
        sa.UniqueConstraint("manufacturer_id", "payer_id", name=op.f("uq_provider_customer_manufacturer_id_payer_id")),
        sa.UniqueConstraint("provider_customer_id", name=op.f("uq_provider_customer_provider_customer_id")),
    )

    op.create_table(
        "provider_event_outcome",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["provider_event.id"], name=op.f("fk_provider_event_outcome_event_id")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_provider_event_outcome")),
    )

    op.create_table(
        "intent_attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("intent_id", sa.Uuid(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name=op.f("fk_intent_attempt_intent_id")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_intent_attempt_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_intent_attempt_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intent_attempt")),
    )
    op.create_index("ix_intent_attempt_intent_id", "intent_attempt", ["intent_id"], unique=False)

    op.create_table(
        "invoice",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("collector_id", sa.BigInteger(), nullable=False),
        sa.Column("seller_of_record_id", sa.BigInteger(), nullable=False),
        sa.Column("period_id", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("purchase_order", sa.Text(), server_default="", nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("intent_id", sa.Uuid(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("total_minor > 0", name=op.f("ck_invoice_total")),
        sa.ForeignKeyConstraint(["collector_id"], ["organisation.id"], name=op.f("fk_invoice_collector_id")),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name=op.f("fk_invoice_intent_id")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_invoice_manufacturer_id")),
        sa.ForeignKeyConstraint(["payer_id"], ["organisation.id"], name=op.f("fk_invoice_payer_id")),
        sa.ForeignKeyConstraint(["period_id"], ["period.id"], name=op.f("fk_invoice_period_id")),
        sa.ForeignKeyConstraint(
            ["seller_of_record_id"], ["organisation.id"], name=op.f("fk_invoice_seller_of_record_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice")),
        sa.UniqueConstraint("intent_id", name=op.f("uq_invoice_intent_id")),
        sa.UniqueConstraint("manufacturer_id", "number", name=op.f("uq_invoice_manufacturer_id_number")),
        sa.UniqueConstraint(
            "manufacturer_id",
            "payer_id",
            "currency",
            "period_id",
            "part",
            name=op.f("uq_invoice_manufacturer_id_payer_id_currency_period_id_part"),
        ),
    )
    op.create_index("ix_invoice_payer_id", "invoice", ["payer_id", "id"], unique=False)

    op.create_table(
        "payment_record",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("recorded_by", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_record_amount")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_payment_record_invoice_id")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_payment_record_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["payer_id"], ["organisation.id"], name=op.f("fk_payment_record_payer_id")),
        sa.ForeignKeyConstraint(["recorded_by"], ["person.id"], name=op.f("fk_payment_record_recorded_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_record")),
        sa.UniqueConstraint("invoice_id", "reference", name=op.f("uq_payment_record_invoice_id_reference")),
    )

    op.create_table(
        "billing_cut",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cut_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('closing', 'period_end')", name=op.f("ck_billing_cut_kind")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_billing_cut_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_cut")),
        sa.UniqueConstraint("case_id", "seq", name=op.f("uq_billing_cut_case_id_seq")),
    )

    op.create_table(
        "cash_receipt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("provider_object_id", sa.Text(), nullable=True),
        sa.Column("record_id", sa.BigInteger(), nullable=True),
        sa.Column("recorded_by", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_by", sa.BigInteger(), nullable=True),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(source = 'out_of_band') = (record_id IS NOT NULL)", name=op.f("ck_cash_receipt_out_of_band_names_record")
        ),
        sa.CheckConstraint(
            "(source = 'stripe') = (provider_object_id IS NOT NULL)", name=op.f("ck_cash_receipt_stripe_names_object")
        ),
        sa.CheckConstraint("amount_minor > 0 AND fee_minor >= 0", name=op.f("ck_cash_receipt_amounts")),
        sa.CheckConstraint(
            "recorded_by IS NULL OR recorded_by <> confirmed_by", name=op.f("ck_cash_receipt_two_people")
        ),
        sa.ForeignKeyConstraint(["confirmed_by"], ["person.id"], name=op.f("fk_cash_receipt_confirmed_by")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_cash_receipt_invoice_id")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_cash_receipt_manufacturer_id")),
        sa.ForeignKeyConstraint(["payer_id"], ["organisation.id"], name=op.f("fk_cash_receipt_payer_id")),
        sa.ForeignKeyConstraint(["record_id"], ["payment_record.id"], name=op.f("fk_cash_receipt_record_id")),
        sa.ForeignKeyConstraint(["recorded_by"], ["person.id"], name=op.f("fk_cash_receipt_recorded_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cash_receipt")),
        sa.UniqueConstraint("provider_object_id", name=op.f("uq_cash_receipt_provider_object_id")),
        sa.UniqueConstraint("record_id", name=op.f("uq_cash_receipt_record_id")),
    )
    op.create_index("ix_cash_receipt_invoice_id", "cash_receipt", ["invoice_id"], unique=False)

    op.create_table(
        "bill_item",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("cut_id", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("replaces_id", sa.BigInteger(), nullable=True),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("collector_id", sa.BigInteger(), nullable=False),
        sa.Column("seller_of_record_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("list_amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("included_seconds", sa.BigInteger(), nullable=False),
        sa.Column("policy_version_id", sa.BigInteger(), nullable=False),
        sa.Column("agreement_version_id", sa.BigInteger(), nullable=True),
        sa.Column("resolution_id", sa.BigInteger(), nullable=True),
        sa.Column("period_id", sa.BigInteger(), nullable=False),
        sa.Column("explanation", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("audience IN ('own', 'companies', 'customer')", name=op.f("ck_bill_item_audience")),
        sa.CheckConstraint("(revision = 0) = (replaces_id IS NULL)", name=op.f("ck_bill_item_revision_replaces")),
        sa.CheckConstraint(
            "amount_minor >= 0 AND list_amount_minor >= amount_minor", name=op.f("ck_bill_item_amounts")
        ),
        sa.ForeignKeyConstraint(
            ["agreement_version_id"], ["document_version.id"], name=op.f("fk_bill_item_agreement_version_id")
        ),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_bill_item_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["collector_id"], ["organisation.id"], name=op.f("fk_bill_item_collector_id")),
        sa.ForeignKeyConstraint(["cut_id"], ["billing_cut.id"], name=op.f("fk_bill_item_cut_id")),
        sa.ForeignKeyConstraint(["owner_id"], ["organisation.id"], name=op.f("fk_bill_item_owner_id")),
        sa.ForeignKeyConstraint(["payer_id"], ["organisation.id"], name=op.f("fk_bill_item_payer_id")),
        sa.ForeignKeyConstraint(["period_id"], ["period.id"], name=op.f("fk_bill_item_period_id")),
        sa.ForeignKeyConstraint(
            ["policy_version_id"], ["document_version.id"], name=op.f("fk_bill_item_policy_version_id")
        ),
        sa.ForeignKeyConstraint(["replaces_id"], ["bill_item.id"], name=op.f("fk_bill_item_replaces_id")),
        sa.ForeignKeyConstraint(["resolution_id"], ["resolution.id"], name=op.f("fk_bill_item_resolution_id")),
        sa.ForeignKeyConstraint(
            ["seller_of_record_id"], ["organisation.id"], name=op.f("fk_bill_item_seller_of_record_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bill_item")),
        sa.UniqueConstraint("cut_id", "revision", name=op.f("uq_bill_item_cut_id_revision")),
        sa.UniqueConstraint("replaces_id", name=op.f("uq_bill_item_replaces_id")),
    )
    op.create_index("ix_bill_item_case_id", "bill_item", ["case_id"], unique=False)
    op.create_index("ix_bill_item_payer_id", "bill_item", ["payer_id", "id"], unique=False)
    op.create_index("ix_bill_item_period_id", "bill_item", ["period_id"], unique=False)

    op.create_table(
        "bill_item_reversal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("bill_item_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["bill_item_id"], ["bill_item.id"], name=op.f("fk_bill_item_reversal_bill_item_id")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_bill_item_reversal_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["organisation.id"], name=op.f("fk_bill_item_reversal_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bill_item_reversal")),
        sa.UniqueConstraint("bill_item_id", name=op.f("uq_bill_item_reversal_bill_item_id")),
    )

    op.create_table(
        "bill_line",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("bill_item_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("bearer", sa.Text(), nullable=False),
        sa.Column("band", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("task_class", sa.Text(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("rate_num", sa.BigInteger(), nullable=False),
        sa.Column("rate_den", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("list_amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("explanation", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("bearer IN ('payer', 'manufacturer', 'integrator')", name=op.f("ck_bill_line_bearer")),
        sa.CheckConstraint("amount_minor >= 0 AND list_amount_minor >= 0", name=op.f("ck_bill_line_amounts")),
        sa.CheckConstraint("rate_den > 0", name=op.f("ck_bill_line_rate")),
        sa.ForeignKeyConstraint(["bill_item_id"], ["bill_item.id"], name=op.f("fk_bill_line_bill_item_id")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_bill_line_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["organisation.id"], name=op.f("fk_bill_line_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bill_line")),
        sa.UniqueConstraint("bill_item_id", "position", name=op.f("uq_bill_line_bill_item_id_position")),
    )

    op.create_table(
        "grant_draw",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("grant_id", sa.BigInteger(), nullable=False),
        sa.Column("bill_item_id", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("seconds <> 0", name=op.f("ck_grant_draw_seconds")),
        sa.ForeignKeyConstraint(["bill_item_id"], ["bill_item.id"], name=op.f("fk_grant_draw_bill_item_id")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_grant_draw_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["grant_id"], ["usage_grant.id"], name=op.f("fk_grant_draw_grant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grant_draw")),
        sa.UniqueConstraint("bill_item_id", "grant_id", name=op.f("uq_grant_draw_bill_item_id_grant_id")),
    )
    op.create_index("ix_grant_draw_grant_id", "grant_draw", ["grant_id"], unique=False)

    op.create_table(
        "invoice_item",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("bill_item_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(kind = 'charge') = (amount_minor > 0)", name=op.f("ck_invoice_item_sign")),
        sa.CheckConstraint("kind IN ('charge', 'credit')", name=op.f("ck_invoice_item_kind")),
        sa.ForeignKeyConstraint(["bill_item_id"], ["bill_item.id"], name=op.f("fk_invoice_item_bill_item_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_invoice_item_invoice_id")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_invoice_item_manufacturer_id")),
        sa.ForeignKeyConstraint(["payer_id"], ["organisation.id"], name=op.f("fk_invoice_item_payer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_item")),
        sa.UniqueConstraint("bill_item_id", "kind", name=op.f("uq_invoice_item_bill_item_id_kind")),
        sa.UniqueConstraint("invoice_id", "position", name=op.f("uq_invoice_item_invoice_id_position")),
    )

    op.create_table(
        "share",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bill_item_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=True),
        sa.Column("party_role", sa.Text(), nullable=False),
        sa.Column("revenue_kind", sa.Text(), nullable=False),
        sa.Column("funding", sa.Text(), nullable=False),
        sa.Column("weight_bp", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reverses_id", sa.BigInteger(), nullable=True),
        sa.Column("explanation", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'reversal') = (reverses_id IS NOT NULL)", name=op.f("ck_share_reversal_names_share")
        ),
        sa.CheckConstraint("funding IN ('cash', 'use')", name=op.f("ck_share_funding")),
        sa.CheckConstraint("kind IN ('original', 'reversal', 'decided')", name=op.f("ck_share_kind")),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_share_not_zero")),
        sa.ForeignKeyConstraint(["bill_item_id"], ["bill_item.id"], name=op.f("fk_share_bill_item_id")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_share_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_share_party_id")),
        sa.ForeignKeyConstraint(["reverses_id"], ["share.id"], name=op.f("fk_share_reverses_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share")),
    )
    op.create_index("ix_share_bill_item_id", "share", ["bill_item_id"], unique=False)
    op.create_index("ix_share_party_id", "share", ["party_id", "id"], unique=False)
    op.create_index("ix_share_reverses_id", "share", ["reverses_id"], unique=False)

    op.create_table(
        "bill_segment",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("billed_seconds", sa.BigInteger(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("ended_at >= started_at", name=op.f("ck_bill_segment_order")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_bill_segment_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["entry_id"], ["time_entry.id"], name=op.f("fk_bill_segment_entry_id")),
        sa.ForeignKeyConstraint(["line_id"], ["bill_line.id"], name=op.f("fk_bill_segment_line_id")),
        sa.ForeignKeyConstraint(["owner_id"], ["organisation.id"], name=op.f("fk_bill_segment_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bill_segment")),
    )
    op.create_index("ix_bill_segment_entry_id", "bill_segment", ["entry_id"], unique=False)
    op.create_index("ix_bill_segment_line_id", "bill_segment", ["line_id"], unique=False)

    op.create_table(
        "cash_application",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("receipt_id", sa.BigInteger(), nullable=False),
        sa.Column("share_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_cash_application_not_zero")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_cash_application_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_cash_application_party_id")),
        sa.ForeignKeyConstraint(["receipt_id"], ["cash_receipt.id"], name=op.f("fk_cash_application_receipt_id")),
        sa.ForeignKeyConstraint(["share_id"], ["share.id"], name=op.f("fk_cash_application_share_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cash_application")),
        sa.UniqueConstraint("receipt_id", "share_id", name=op.f("uq_cash_application_receipt_id_share_id")),
    )
    op.create_index("ix_cash_application_share_id", "cash_application", ["share_id"], unique=False)

    op.create_table(
        "line_query",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bill_line_id", sa.BigInteger(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["asked_by"], ["person.id"], name=op.f("fk_line_query_asked_by")),
        sa.ForeignKeyConstraint(["bill_line_id"], ["bill_line.id"], name=op.f("fk_line_query_bill_line_id")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_line_query_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_query")),
    )
    op.create_index("ix_line_query_bill_line_id", "line_query", ["bill_line_id"], unique=False)

    op.create_table(
        "line_query_answer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("query_id", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["answered_by"], ["person.id"], name=op.f("fk_line_query_answer_answered_by")),
        sa.ForeignKeyConstraint(
            ["case_id", "manufacturer_id", "integrator_id", "customer_id"],
            [
                "support_case.id",
                "support_case.manufacturer_id",
                "support_case.integrator_id",
                "support_case.customer_id",
            ],
            name=op.f("fk_line_query_answer_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(["query_id"], ["line_query.id"], name=op.f("fk_line_query_answer_query_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_query_answer")),
        sa.UniqueConstraint("query_id", name=op.f("uq_line_query_answer_query_id")),
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
