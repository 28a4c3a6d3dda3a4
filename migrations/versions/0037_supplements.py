"""Supplements: money of a case beside its bill, on the next invoice; and broken promises that are found kept."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"

_COMPANIES = "manufacturer_id = portal_organisation() OR integrator_id = portal_organisation()"
_READERS = {
    "supplement": f"({_COMPANIES} OR (audience = 'customer' AND customer_id = portal_organisation()))",
    "supplement_share": f"({_COMPANIES} OR party_id = portal_organisation())",
    "claim": f"({_COMPANIES})",
    "claim_answer": f"({_COMPANIES})",
    "remedy_reversal": f"({_COMPANIES} OR customer_id = portal_organisation())",
}
_WRITTEN_BY_WEB = ("remedy_reversal", "claim", "claim_answer")
_SOURCES = "bill_item_id, plan_sale_id, pack_sale_id"


def upgrade() -> None:
    _create_supplement()
    _create_share()
    _create_reversal()
    _create_claim()
    _create_answer()
    for table, claim in _READERS.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY web ON {table} TO portal_web USING ({claim}) WITH CHECK ({claim})")
        op.execute(f"CREATE POLICY work ON {table} TO portal_work USING (true) WITH CHECK (true)")
        op.execute(f"REVOKE ALL ON {table} FROM portal_web, portal_work")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO portal_work")
        by_web = ", INSERT" if table in _WRITTEN_BY_WEB else ""
        op.execute(f"GRANT SELECT{by_web} ON {table} TO portal_web")
        op.execute(
            f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.add_column("invoice_item", sa.Column("supplement_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_invoice_item_supplement_id"), "invoice_item", "supplement", ["supplement_id"], ["id"]
    )
    op.create_unique_constraint(op.f("uq_invoice_item_supplement_id"), "invoice_item", ["supplement_id"])
    op.drop_constraint(op.f("ck_invoice_item_source"), "invoice_item", type_="check")
    op.create_check_constraint(
        op.f("ck_invoice_item_source"), "invoice_item", f"num_nonnulls({_SOURCES}, supplement_id) = 1"
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


def _reference(table: str, column: str, other: str, *, optional: bool = False) -> list[sa.Column | sa.Constraint]:
    return [
        sa.Column(column, sa.BigInteger(), nullable=optional),
        sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}")),
    ]


def _create_supplement() -> None:
    table = "supplement"
    op.create_table(
        table,
        *_of_case(table),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("audience", "kind", "source")),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        *_reference(table, "payer_id", "organisation"),
        *_reference(table, "collector_id", "organisation"),
        *_reference(table, "seller_of_record_id", "organisation"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("explanation", sa.dialects.postgresql.JSONB(), nullable=False),
        *_reference(table, "agreement_version_id", "document_version", optional=True),
        *_reference(table, "person_id", "person", optional=True),
        *_reference(table, "period_id", "period"),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("seq > 0", name=op.f("ck_supplement_seq")),
        sa.CheckConstraint(
            "kind IN ('remedy', 'labour_credit', 'referral', 'material')", name=op.f("ck_supplement_kind")
        ),
        sa.CheckConstraint("audience IN ('companies', 'customer')", name=op.f("ck_supplement_audience")),
        sa.UniqueConstraint("source", "seq", name=op.f("uq_supplement_source_seq")),
    )
    op.create_index("ix_supplement_case_id", table, ["case_id"])
    op.create_index("ix_supplement_period_id", table, ["manufacturer_id", "period_id"])


def _create_share() -> None:
    table = "supplement_share"
    op.create_table(
        table,
        *_of_case(table),
        *_reference(table, "supplement_id", "supplement"),
        *_reference(table, "party_id", "organisation"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_supplement_share_not_zero")),
        sa.UniqueConstraint("supplement_id", "party_id", name=op.f("uq_supplement_share_supplement_id_party_id")),
    )


def _create_reversal() -> None:
    table = "remedy_reversal"
    op.create_table(
        table,
        *_of_case(table),
        *_reference(table, "remedy_id", "promise_remedy"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("remedy_id", name=op.f("uq_remedy_reversal_remedy_id")),
    )
    op.create_index("ix_remedy_reversal_case_id", table, ["case_id"])


def _create_claim() -> None:
    table = "claim"
    texts = ("part", "serial", "rma", "disposition", "sale", "technician_name", "currency")
    op.create_table(
        table,
        *_of_case(table),
        sa.Column("kind", sa.Text(), nullable=False),
        *_reference(table, "company_id", "organisation"),
        *_reference(table, "debtor_id", "organisation"),
        sa.Column("trips", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("explanation", sa.dialects.postgresql.JSONB(), nullable=False),
        *_reference(table, "agreement_version_id", "document_version"),
        *_reference(table, "claimed_by", "person"),
        sa.Column("claimed_name", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('labour_credit', 'referral', 'material')", name=op.f("ck_claim_kind")),
        sa.CheckConstraint("company_id IN (manufacturer_id, integrator_id)", name=op.f("ck_claim_company")),
        sa.CheckConstraint("debtor_id IN (manufacturer_id, integrator_id)", name=op.f("ck_claim_debtor")),
        sa.CheckConstraint("amount_minor >= 0 AND trips >= 0", name=op.f("ck_claim_not_negative")),
        sa.CheckConstraint("(kind = 'material') = (part <> '' AND disposition <> '')", name=op.f("ck_claim_material")),
        sa.CheckConstraint(
            "(kind = 'referral') = (sale <> '' AND technician_name <> '')", name=op.f("ck_claim_referral")
        ),
    )
    op.create_index("ix_claim_case_id", table, ["case_id"])


def _create_answer() -> None:
    table = "claim_answer"
    op.create_table(
        table,
        *_of_case(table),
        *_reference(table, "claim_id", "claim"),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *_reference(table, "company_id", "organisation"),
        *_reference(table, "answered_by", "person"),
        sa.Column("answered_name", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("claim_id", name=op.f("uq_claim_answer_claim_id")),
    )
    op.create_index("ix_claim_answer_case_id", table, ["case_id"])


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
