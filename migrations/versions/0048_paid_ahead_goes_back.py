"""Money paid ahead can go back: what a checkout was paid for, hours withdrawn, changes made at Stripe, write-offs."""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"

_MAKER = "manufacturer_id = portal_organisation()"
_READERS = {
    "claw_back_write_off": _MAKER,
    "claw_back_write_off_decision": _MAKER,
    "outside_change": _MAKER,
    "outside_change_owner": _MAKER,
    "outside_change_end": _MAKER,
    "grant_withdrawal": (f"({_MAKER} OR integrator_id = portal_organisation() OR customer_id = portal_organisation())"),
}
_WRITTEN_BY_WEB = frozenset(
    {"claw_back_write_off", "claw_back_write_off_decision", "outside_change_owner", "outside_change_end"}
)
_DEFINER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp"
_CHECKS = {
    "reductions_within_payment": (
        "line_reduction",
        """
        SELECT reduced.receipt_id INTO wrong
        FROM line_reduction reduced JOIN cash_receipt paid ON paid.id = reduced.receipt_id
        WHERE reduced.receipt_id IN (SELECT receipt_id FROM added)
        GROUP BY reduced.receipt_id, paid.amount_minor, paid.tax_minor
        HAVING sum(reduced.amount_minor) NOT BETWEEN 0 AND paid.amount_minor
            OR sum(reduced.tax_minor) NOT BETWEEN 0 AND paid.tax_minor LIMIT 1
        """,
        "more than was paid would be taken off payment",
    ),
    "withdrawals_within_grant": (
        "grant_withdrawal",
        """
        SELECT gone.grant_id INTO wrong
        FROM grant_withdrawal gone JOIN usage_grant given ON given.id = gone.grant_id
        WHERE gone.grant_id IN (SELECT grant_id FROM added)
        GROUP BY gone.grant_id, given.granted_seconds, given.granted_incidents
        HAVING sum(gone.seconds) NOT BETWEEN 0 AND given.granted_seconds
            OR sum(gone.incidents) NOT BETWEEN 0 AND given.granted_incidents LIMIT 1
        """,
        "more than was granted would be withdrawn of grant",
    ),
    "write_offs_within_debt": (
        "claw_back_write_off",
        """
        SELECT asked.claw_back_id INTO wrong
        FROM claw_back_write_off asked JOIN claw_back ON claw_back.id = asked.claw_back_id
        WHERE asked.id IN (SELECT id FROM added) AND asked.amount_minor > claw_back.amount_minor LIMIT 1
        """,
        "more than it is would be given up of claw-back",
    ),
}


def upgrade() -> None:
    _widen()
    _create_write_offs()
    _create_outside_changes()
    _create_withdrawals()
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


def _widen() -> None:
    """Rows about an invoice go on as they are; those about a payment ahead name it instead."""
    _refer("cash_receipt", "bill_id", "subscription_bill")
    _refer("pack_sale", "receipt_id", "cash_receipt")
    op.create_unique_constraint(op.f("uq_pack_sale_receipt_id"), "pack_sale", ["receipt_id"])
    op.add_column("adjustment", sa.Column("beyond", sa.Text(), server_default="", nullable=False))
    op.alter_column("adjustment", "invoice_id", nullable=True)
    op.create_check_constraint(
        op.f("ck_adjustment_about"), "adjustment", "invoice_id IS NOT NULL OR receipt_id IS NOT NULL"
    )
    op.alter_column("chargeback", "invoice_id", nullable=True)
    op.alter_column("fraud_warning", "invoice_id", nullable=True)
    for table in ("adjustment_part", "line_reduction"):
        op.alter_column(table, "invoice_item_id", nullable=True)
        _refer(table, "receipt_id", "cash_receipt")
        _refer(table, "pack_sale_id", "pack_sale")
        _refer(table, "plan_sale_id", "plan_sale")
        op.create_check_constraint(
            op.f(f"ck_{table}_of_line_or_payment"), table, "num_nonnulls(invoice_item_id, receipt_id) = 1"
        )
    op.create_index("ix_adjustment_part_receipt_id", "adjustment_part", ["receipt_id"])
    op.drop_constraint("ck_adjustment_part_stage", "adjustment_part")
    op.create_check_constraint(
        op.f("ck_adjustment_part_stage"),
        "adjustment_part",
        "stage IN ('accrued', 'payable', 'deferred', 'commission', 'prepaid', 'tax')",
    )
    op.alter_column("line_reduction", "invoice_id", nullable=True)
    op.add_column("line_reduction", sa.Column("tax_minor", sa.BigInteger(), server_default="0", nullable=False))
    for name, rule in (
        ("line_of_invoice", "(invoice_id IS NULL) = (invoice_item_id IS NULL)"),
        ("tax_apart", "tax_minor = 0 OR num_nonnulls(pack_sale_id, plan_sale_id) = 0"),
        ("tax", "abs(tax_minor) <= abs(amount_minor)"),
    ):
        op.create_check_constraint(op.f(f"ck_line_reduction_{name}"), "line_reduction", rule)
    op.create_index(
        "uq_line_reduction_payment",
        "line_reduction",
        ["receipt_id", "pack_sale_id", "plan_sale_id", "cause_type", "cause_id", "is_return"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("receipt_id IS NOT NULL"),
    )
    op.drop_constraint("ck_purchase_step_kind", "purchase_step")
    op.create_check_constraint(
        op.f("ck_purchase_step_kind"),
        "purchase_step",
        "kind IN ('paying', 'paid', 'failed', 'expired', 'sold', 'unsaleable', 'lapsed', 'ended', 'returned')",
    )


def _create_write_offs() -> None:
    op.create_table(
        "claw_back_write_off",
        *_numbered("claw_back_write_off"),
        sa.Column("claw_back_id", sa.BigInteger(), nullable=False),
        sa.Column("bearer", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("bearer IN ('operator', 'manufacturer')", name=op.f("ck_claw_back_write_off_bearer")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_claw_back_write_off_amount")),
        _reference("claw_back_write_off", "claw_back_id", "claw_back"),
        _reference("claw_back_write_off", "asked_by", "person"),
        sa.UniqueConstraint("id", "asked_by", name=op.f("uq_claw_back_write_off_id_asked_by")),
    )
    op.create_index("ix_claw_back_write_off_claw_back_id", "claw_back_write_off", ["claw_back_id"])
    name = "claw_back_write_off_decision"
    op.create_table(
        name,
        *_numbered(name),
        sa.Column("write_off_id", sa.BigInteger(), nullable=False),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome IN ('yes', 'no')", name=op.f(f"ck_{name}_outcome")),
        sa.CheckConstraint("decided_by <> asked_by", name=op.f(f"ck_{name}_four_eyes")),
        sa.ForeignKeyConstraint(
            ["write_off_id", "asked_by"],
            ["claw_back_write_off.id", "claw_back_write_off.asked_by"],
            name=op.f(f"fk_{name}_write_off_id_asked_by"),
        ),
        _reference(name, "decided_by", "person"),
        sa.UniqueConstraint("write_off_id", name=op.f(f"uq_{name}_write_off_id")),
    )


def _create_outside_changes() -> None:
    op.create_table(
        "outside_change",
        *_numbered("outside_change"),
        sa.Column("provider_object_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("receipt_id", sa.BigInteger(), nullable=True),
        sa.Column("invoice_id", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('refund', 'credit_note')", name=op.f("ck_outside_change_kind")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_outside_change_amount")),
        sa.CheckConstraint(
            "kind = 'refund' OR invoice_id IS NOT NULL", name=op.f("ck_outside_change_credit_names_invoice")
        ),
        _reference("outside_change", "receipt_id", "cash_receipt"),
        _reference("outside_change", "invoice_id", "invoice"),
        sa.UniqueConstraint("provider_object_id", name=op.f("uq_outside_change_provider_object_id")),
    )
    op.create_index("ix_outside_change_manufacturer_id", "outside_change", ["manufacturer_id", "id"])
    op.create_table(
        "outside_change_owner",
        *_numbered("outside_change_owner"),
        sa.Column("change_id", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("owned_at", sa.DateTime(timezone=True), nullable=False),
        _reference("outside_change_owner", "change_id", "outside_change"),
        _reference("outside_change_owner", "owner_id", "person"),
    )
    op.create_index("ix_outside_change_owner_change_id", "outside_change_owner", ["change_id"])
    op.create_table(
        "outside_change_end",
        *_numbered("outside_change_end"),
        sa.Column("change_id", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("adjustment_id", sa.BigInteger(), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome IN ('adopted', 'explained')", name=op.f("ck_outside_change_end_outcome")),
        sa.CheckConstraint(
            "(outcome = 'adopted') = (adjustment_id IS NOT NULL)", name=op.f("ck_outside_change_end_adopted_as")
        ),
        _reference("outside_change_end", "change_id", "outside_change"),
        _reference("outside_change_end", "adjustment_id", "adjustment"),
        _reference("outside_change_end", "ended_by", "person"),
        sa.UniqueConstraint("change_id", name=op.f("uq_outside_change_end_change_id")),
    )


def _create_withdrawals() -> None:
    name = "grant_withdrawal"
    op.create_table(
        name,
        *_numbered(name),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("grant_id", sa.BigInteger(), nullable=False),
        sa.Column("cause_type", sa.Text(), nullable=False),
        sa.Column("cause_id", sa.BigInteger(), nullable=False),
        sa.Column("is_return", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("incidents", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("cause_type IN ('adjustment', 'chargeback')", name=op.f(f"ck_{name}_cause")),
        sa.CheckConstraint("(seconds <> 0) <> (incidents <> 0)", name=op.f(f"ck_{name}_one_unit")),
        sa.CheckConstraint("(seconds < 0 OR incidents < 0) = is_return", name=op.f(f"ck_{name}_sign")),
        _reference(name, "grant_id", "usage_grant"),
        _reference(name, "integrator_id", "organisation"),
        _reference(name, "customer_id", "organisation"),
        sa.UniqueConstraint(
            "grant_id",
            "cause_type",
            "cause_id",
            "is_return",
            name=op.f(f"uq_{name}_grant_id_cause_type_cause_id_is_return"),
        ),
    )


def _numbered(table: str) -> tuple[sa.Column[int] | sa.Constraint, ...]:
    return (
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        _reference(table, "manufacturer_id", "organisation"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}"))


def _refer(table: str, column: str, target: str) -> None:
    op.add_column(table, sa.Column(column, sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f(f"fk_{table}_{column}"), table, target, [column], ["id"])


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


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
