"""Money that goes back: adjustments with who agreed and who loses what, chargebacks, fraud warnings, claw-backs."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"

_MAKER = "manufacturer_id = portal_organisation()"
_PAYER = f"({_MAKER} OR payer_id = portal_organisation())"
_PARTY = f"({_MAKER} OR party_id = portal_organisation())"
_READERS = {
    "adjustment": f"({_PAYER} OR consent_of = portal_organisation())",
    "adjustment_decision": _MAKER,
    "adjustment_consent": _PARTY,
    "adjustment_end": _PAYER,
    "adjustment_part": _PARTY,
    "adjustment_limit": _MAKER,
    "line_reduction": _PAYER,
    "claw_back": _PARTY,
    "claw_back_step": _PARTY,
    "chargeback": _MAKER,
    "chargeback_step": _MAKER,
    "chargeback_evidence": _MAKER,
    "fraud_warning": _MAKER,
    "fraud_warning_end": _MAKER,
}
# What people write in the browser; everything else is the work of jobs.
_WRITTEN_BY_WEB = frozenset(
    {
        "adjustment", "adjustment_decision", "adjustment_consent", "adjustment_limit", "chargeback_evidence",
        "fraud_warning_end",
    }
)  # fmt: skip

_DEFINER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp"
_CHECKS = {
    "refunds_within_payment": (
        "adjustment",
        """
        SELECT asked.receipt_id INTO wrong
        FROM adjustment asked JOIN cash_receipt paid ON paid.id = asked.receipt_id
        WHERE asked.receipt_id IN (SELECT receipt_id FROM added)
          AND NOT EXISTS (SELECT FROM adjustment_end ended WHERE ended.adjustment_id = asked.id
                          AND ended.outcome IN ('failed', 'declined'))
        GROUP BY asked.receipt_id, paid.amount_minor
        HAVING sum(asked.amount_minor) > paid.amount_minor LIMIT 1
        """,
        "more than was paid would go back of payment",
    ),
    "reductions_within_line": (
        "line_reduction",
        """
        SELECT reduced.invoice_item_id INTO wrong
        FROM line_reduction reduced JOIN invoice_item line ON line.id = reduced.invoice_item_id
        WHERE reduced.invoice_item_id IN (SELECT invoice_item_id FROM added)
        GROUP BY reduced.invoice_item_id, line.amount_minor
        HAVING sum(reduced.amount_minor) NOT BETWEEN 0 AND line.amount_minor LIMIT 1
        """,
        "more than it cost would be taken off invoice line",
    ),
    "recovered_within_claw_back": (
        "claw_back_step",
        """
        SELECT step.claw_back_id INTO wrong
        FROM claw_back_step step JOIN claw_back ON claw_back.id = step.claw_back_id
        WHERE step.claw_back_id IN (SELECT claw_back_id FROM added)
        GROUP BY step.claw_back_id, claw_back.amount_minor
        HAVING coalesce(sum(step.amount_minor) FILTER (WHERE step.kind IN ('taken', 'owed')), 0)
                   > claw_back.amount_minor
            OR coalesce(sum(step.amount_minor) FILTER (WHERE step.kind IN ('netted', 'written_off')), 0)
                   > coalesce(sum(step.amount_minor) FILTER (WHERE step.kind = 'owed'), 0)
        LIMIT 1
        """,
        "more than it owes would be recovered of claw-back",
    ),
}


def upgrade() -> None:
    op.drop_constraint("ck_intent_kind", "intent")
    op.create_check_constraint(
        op.f("ck_intent_kind"),
        "intent",
        "kind IN ('account', 'customer', 'invoice', 'transfer', 'transfer_reversal', 'out_of_band', 'refund',"
        " 'credit_note', 'evidence')",
    )
    _create_tables()
    for table, readers in _READERS.items():
        _guard(table, readers)
    for name, (table, finds, says) in _CHECKS.items():
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger {_DEFINER} AS $$ DECLARE wrong bigint; BEGIN {finds};"
            f" IF FOUND THEN RAISE EXCEPTION '{says} %', wrong USING ERRCODE = 'check_violation'; END IF;"
            " RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {name} AFTER INSERT ON {table} REFERENCING NEW TABLE AS added"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )


def _guard(table: str, readers: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY web ON {table} TO portal_web USING ({readers}) WITH CHECK ({readers})")
    op.execute(f"CREATE POLICY work ON {table} TO portal_work USING (true) WITH CHECK (true)")
    op.execute(f"REVOKE ALL ON {table} FROM portal_web, portal_work")
    op.execute(f"GRANT SELECT{', INSERT' if table in _WRITTEN_BY_WEB else ''} ON {table} TO portal_web")
    op.execute(f"GRANT SELECT, INSERT ON {table} TO portal_work")
    op.execute(
        f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _create_tables() -> None:
    op.create_table(
        "adjustment_limit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("set_by", sa.BigInteger(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('finance', 'support_lead')", name=op.f("ck_adjustment_limit_role")),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_adjustment_limit_amount")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_adjustment_limit_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["set_by"], ["person.id"], name=op.f("fk_adjustment_limit_set_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjustment_limit")),
    )
    op.create_index(
        "ix_adjustment_limit_manufacturer_id", "adjustment_limit", ["manufacturer_id", "role", "currency", "id"]
    )
    op.create_table(
        "claw_back",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("cause_type", sa.Text(), nullable=False),
        sa.Column("cause_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("intent_id", sa.Uuid(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("cause_type IN ('adjustment', 'chargeback')", name=op.f("ck_claw_back_cause")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_claw_back_amount")),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name=op.f("fk_claw_back_intent_id")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_claw_back_manufacturer_id")),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_claw_back_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claw_back")),
        sa.UniqueConstraint(
            "cause_type", "cause_id", "party_id", name=op.f("uq_claw_back_cause_type_cause_id_party_id")
        ),
    )
    op.create_index("ix_claw_back_party_id", "claw_back", ["party_id", "id"])
    op.create_table(
        "claw_back_step",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("claw_back_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('taken', 'owed', 'netted', 'written_off')", name=op.f("ck_claw_back_step_kind")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_claw_back_step_amount")),
        sa.ForeignKeyConstraint(["claw_back_id"], ["claw_back.id"], name=op.f("fk_claw_back_step_claw_back_id")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_claw_back_step_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_claw_back_step_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claw_back_step")),
        sa.UniqueConstraint("claw_back_id", "seq", name=op.f("uq_claw_back_step_claw_back_id_seq")),
    )
    op.create_table(
        "chargeback",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("provider_object_id", sa.Text(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("receipt_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_chargeback_amount")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_chargeback_invoice_id")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_chargeback_manufacturer_id")),
        sa.ForeignKeyConstraint(["payer_id"], ["organisation.id"], name=op.f("fk_chargeback_payer_id")),
        sa.ForeignKeyConstraint(["receipt_id"], ["cash_receipt.id"], name=op.f("fk_chargeback_receipt_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chargeback")),
        sa.UniqueConstraint("provider_object_id", name=op.f("uq_chargeback_provider_object_id")),
    )
    op.create_index("ix_chargeback_manufacturer_id", "chargeback", ["manufacturer_id", "id"])
    op.create_index("ix_chargeback_receipt_id", "chargeback", ["receipt_id"])
    op.create_table(
        "fraud_warning",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("provider_object_id", sa.Text(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("receipt_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("warned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_fraud_warning_invoice_id")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_fraud_warning_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["receipt_id"], ["cash_receipt.id"], name=op.f("fk_fraud_warning_receipt_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fraud_warning")),
        sa.UniqueConstraint("provider_object_id", name=op.f("uq_fraud_warning_provider_object_id")),
    )
    op.create_index("ix_fraud_warning_manufacturer_id", "fraud_warning", ["manufacturer_id", "id"])
    op.create_table(
        "chargeback_evidence",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("chargeback_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("submitted_by", sa.BigInteger(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["chargeback_id"], ["chargeback.id"], name=op.f("fk_chargeback_evidence_chargeback_id")
        ),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_chargeback_evidence_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["submitted_by"], ["person.id"], name=op.f("fk_chargeback_evidence_submitted_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chargeback_evidence")),
        sa.UniqueConstraint("chargeback_id", "revision", name=op.f("uq_chargeback_evidence_chargeback_id_revision")),
    )
    op.create_table(
        "chargeback_step",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("chargeback_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('inquiry', 'opened', 'submitted', 'won', 'lost', 'closed')", name=op.f("ck_chargeback_step_kind")
        ),
        sa.ForeignKeyConstraint(["chargeback_id"], ["chargeback.id"], name=op.f("fk_chargeback_step_chargeback_id")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_chargeback_step_manufacturer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chargeback_step")),
        sa.UniqueConstraint("chargeback_id", "kind", name=op.f("uq_chargeback_step_chargeback_id_kind")),
    )
    op.create_table(
        "fraud_warning_end",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("warning_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(outcome = 'kept') = (ended_by IS NOT NULL)", name=op.f("ck_fraud_warning_end_person")),
        sa.CheckConstraint("outcome IN ('answered', 'kept')", name=op.f("ck_fraud_warning_end_outcome")),
        sa.ForeignKeyConstraint(["ended_by"], ["person.id"], name=op.f("fk_fraud_warning_end_ended_by")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_fraud_warning_end_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["warning_id"], ["fraud_warning.id"], name=op.f("fk_fraud_warning_end_warning_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fraud_warning_end")),
        sa.UniqueConstraint("warning_id", name=op.f("uq_fraud_warning_end_warning_id")),
    )
    op.create_table(
        "adjustment",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_item_id", sa.BigInteger(), nullable=True),
        sa.Column("receipt_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("bearer", sa.Text(), nullable=False),
        sa.Column("bearer_id", sa.BigInteger(), nullable=True),
        sa.Column("consent_of", sa.BigInteger(), nullable=True),
        sa.Column("payout_order", sa.Text(), nullable=False),
        sa.Column("needs_second", sa.Boolean(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), server_default="", nullable=False),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'refund') = (receipt_id IS NOT NULL)", name=op.f("ck_adjustment_refund_names_payment")
        ),
        sa.CheckConstraint("bearer IN ('signed', 'manufacturer', 'integrator')", name=op.f("ck_adjustment_bearer")),
        sa.CheckConstraint(
            "kind IN ('refund', 'credit', 'waiver', 'goodwill', 'write_down', 'remedy')",
            name=op.f("ck_adjustment_kind"),
        ),
        sa.CheckConstraint(
            "payout_order IN ('reversal_first', 'refund_first')", name=op.f("ck_adjustment_payout_order")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_adjustment_amount")),
        sa.ForeignKeyConstraint(["asked_by"], ["person.id"], name=op.f("fk_adjustment_asked_by")),
        sa.ForeignKeyConstraint(["bearer_id"], ["organisation.id"], name=op.f("fk_adjustment_bearer_id")),
        sa.ForeignKeyConstraint(["consent_of"], ["organisation.id"], name=op.f("fk_adjustment_consent_of")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_adjustment_invoice_id")),
        sa.ForeignKeyConstraint(["invoice_item_id"], ["invoice_item.id"], name=op.f("fk_adjustment_invoice_item_id")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_adjustment_manufacturer_id")),
        sa.ForeignKeyConstraint(["payer_id"], ["organisation.id"], name=op.f("fk_adjustment_payer_id")),
        sa.ForeignKeyConstraint(["receipt_id"], ["cash_receipt.id"], name=op.f("fk_adjustment_receipt_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjustment")),
        sa.UniqueConstraint("id", "asked_by", name=op.f("uq_adjustment_id_asked_by")),
    )
    op.create_index("ix_adjustment_invoice_id", "adjustment", ["invoice_id"])
    op.create_index("ix_adjustment_manufacturer_id", "adjustment", ["manufacturer_id", "id"])
    op.create_table(
        "adjustment_part",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("cause_type", sa.Text(), nullable=False),
        sa.Column("cause_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=True),
        sa.Column("invoice_item_id", sa.BigInteger(), nullable=False),
        sa.Column("share_id", sa.BigInteger(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "cause_type IN ('adjustment', 'chargeback', 'redivided')", name=op.f("ck_adjustment_part_cause")
        ),
        sa.CheckConstraint("stage IN ('accrued', 'payable', 'deferred')", name=op.f("ck_adjustment_part_stage")),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_adjustment_part_not_zero")),
        sa.ForeignKeyConstraint(
            ["invoice_item_id"], ["invoice_item.id"], name=op.f("fk_adjustment_part_invoice_item_id")
        ),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_adjustment_part_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_adjustment_part_party_id")),
        sa.ForeignKeyConstraint(["share_id"], ["share.id"], name=op.f("fk_adjustment_part_share_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjustment_part")),
    )
    op.create_index("ix_adjustment_part_cause", "adjustment_part", ["cause_type", "cause_id"])
    op.create_index("ix_adjustment_part_invoice_item_id", "adjustment_part", ["invoice_item_id"])
    op.create_index("ix_adjustment_part_party_id", "adjustment_part", ["party_id", "id"])
    op.create_table(
        "line_reduction",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_item_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("cause_type", sa.Text(), nullable=False),
        sa.Column("cause_id", sa.BigInteger(), nullable=False),
        sa.Column("is_return", sa.Boolean(), nullable=False),
        sa.Column("lowers_net", sa.Boolean(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("deferred_minor", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("cause_type IN ('adjustment', 'chargeback')", name=op.f("ck_line_reduction_cause")),
        sa.CheckConstraint("(amount_minor < 0) = is_return AND amount_minor <> 0", name=op.f("ck_line_reduction_sign")),
        sa.CheckConstraint("abs(deferred_minor) <= abs(amount_minor)", name=op.f("ck_line_reduction_deferred")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_line_reduction_invoice_id")),
        sa.ForeignKeyConstraint(
            ["invoice_item_id"], ["invoice_item.id"], name=op.f("fk_line_reduction_invoice_item_id")
        ),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_line_reduction_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["payer_id"], ["organisation.id"], name=op.f("fk_line_reduction_payer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_reduction")),
        sa.UniqueConstraint(
            "invoice_item_id",
            "cause_type",
            "cause_id",
            "is_return",
            name=op.f("uq_line_reduction_invoice_item_id_cause_type_cause_id_is_return"),
        ),
    )
    op.create_index("ix_line_reduction_invoice_id", "line_reduction", ["invoice_id"])
    op.create_table(
        "adjustment_consent",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("adjustment_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome IN ('yes', 'no')", name=op.f("ck_adjustment_consent_outcome")),
        sa.ForeignKeyConstraint(["adjustment_id"], ["adjustment.id"], name=op.f("fk_adjustment_consent_adjustment_id")),
        sa.ForeignKeyConstraint(["answered_by"], ["person.id"], name=op.f("fk_adjustment_consent_answered_by")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_adjustment_consent_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_adjustment_consent_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjustment_consent")),
        sa.UniqueConstraint("adjustment_id", name=op.f("uq_adjustment_consent_adjustment_id")),
    )
    op.create_table(
        "adjustment_decision",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("adjustment_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome IN ('yes', 'no')", name=op.f("ck_adjustment_decision_outcome")),
        sa.CheckConstraint("decided_by <> asked_by", name=op.f("ck_adjustment_decision_four_eyes")),
        sa.ForeignKeyConstraint(
            ["adjustment_id", "asked_by"],
            ["adjustment.id", "adjustment.asked_by"],
            name=op.f("fk_adjustment_decision_adjustment_id_asked_by"),
        ),
        sa.ForeignKeyConstraint(["decided_by"], ["person.id"], name=op.f("fk_adjustment_decision_decided_by")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_adjustment_decision_manufacturer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjustment_decision")),
        sa.UniqueConstraint("adjustment_id", name=op.f("uq_adjustment_decision_adjustment_id")),
    )
    op.create_table(
        "adjustment_end",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("adjustment_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome IN ('done', 'failed', 'declined')", name=op.f("ck_adjustment_end_outcome")),
        sa.ForeignKeyConstraint(["adjustment_id"], ["adjustment.id"], name=op.f("fk_adjustment_end_adjustment_id")),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_adjustment_end_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(["payer_id"], ["organisation.id"], name=op.f("fk_adjustment_end_payer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjustment_end")),
        sa.UniqueConstraint("adjustment_id", "outcome", name=op.f("uq_adjustment_end_adjustment_id_outcome")),
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
