"""A month of a plan is sold: its sale, what it earned beside its use, the parties' shares, its line on an invoice."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"

_COMPANIES = "(manufacturer_id = portal_organisation() OR integrator_id = portal_organisation())"
_READERS = {
    "plan_sale": f"({_COMPANIES} OR customer_id = portal_organisation())",
    "plan_earning": _COMPANIES,
    "plan_share": f"({_COMPANIES} OR party_id = portal_organisation())",
}

_SHARES_SUM = """
CREATE FUNCTION plan_shares_sum() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT earning.id INTO wrong
    FROM plan_earning earning
    JOIN plan_share part ON part.plan_earning_id = earning.id
    WHERE earning.id IN (SELECT plan_earning_id FROM added)
    GROUP BY earning.id
    HAVING sum(part.amount_minor) <> earning.amount_minor OR bool_or(part.currency <> earning.currency)
        OR bool_or(part.plan_sale_id <> earning.plan_sale_id)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'shares of plan earning % do not sum to it', wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    _create_sale()
    _create_earning()
    _create_share()
    for table, claim in _READERS.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY web ON {table} TO portal_web USING ({claim}) WITH CHECK ({claim})")
        op.execute(f"CREATE POLICY work ON {table} TO portal_work USING (true) WITH CHECK (true)")
        op.execute(f"REVOKE ALL ON {table} FROM portal_web, portal_work")
        op.execute(f"GRANT SELECT ON {table} TO portal_web")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO portal_work")
        op.execute(
            f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(_SHARES_SUM)
    op.execute(
        "CREATE TRIGGER plan_shares_sum AFTER INSERT ON plan_share REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION plan_shares_sum()"
    )
    op.alter_column("invoice_item", "bill_item_id", nullable=True)
    op.add_column("invoice_item", sa.Column("plan_sale_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_invoice_item_plan_sale_id"), "invoice_item", "plan_sale", ["plan_sale_id"], ["id"])
    op.create_unique_constraint(op.f("uq_invoice_item_plan_sale_id"), "invoice_item", ["plan_sale_id"])
    op.create_check_constraint(
        op.f("ck_invoice_item_source"), "invoice_item", "(bill_item_id IS NULL) <> (plan_sale_id IS NULL)"
    )


def _reference(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}"))


def _create_sale() -> None:
    op.create_table(
        "plan_sale",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("site_id", sa.BigInteger(), nullable=False),
        sa.Column("plan_choice_id", sa.BigInteger(), nullable=False),
        sa.Column("plan_code", sa.Text(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("collector_id", sa.BigInteger(), nullable=False),
        sa.Column("seller_of_record_id", sa.BigInteger(), nullable=False),
        sa.Column("policy_version_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("period_id", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_plan_sale_amount")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_plan_sale_order")),
        *(
            _reference("plan_sale", f"{role}_id", "organisation")
            for role in ("manufacturer", "integrator", "customer", "payer", "collector", "seller_of_record")
        ),
        _reference("plan_sale", "site_id", "site"),
        _reference("plan_sale", "plan_choice_id", "plan_choice"),
        _reference("plan_sale", "policy_version_id", "document_version"),
        _reference("plan_sale", "period_id", "period"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_sale")),
        sa.UniqueConstraint("plan_choice_id", "starts_at", name=op.f("uq_plan_sale_plan_choice_id_starts_at")),
    )
    op.create_index("ix_plan_sale_site_id", "plan_sale", ["site_id", "manufacturer_id", "ends_at"])


def _create_earning() -> None:
    op.create_table(
        "plan_earning",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("plan_sale_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("used_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("unused_seconds", sa.BigInteger(), nullable=False),
        sa.Column("agreement_version_id", sa.BigInteger(), nullable=True),
        sa.Column("earned_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("seq > 0", name=op.f("ck_plan_earning_seq")),
        sa.CheckConstraint("amount_minor <> 0 OR seq = 1", name=op.f("ck_plan_earning_difference")),
        _reference("plan_earning", "plan_sale_id", "plan_sale"),
        _reference("plan_earning", "manufacturer_id", "organisation"),
        _reference("plan_earning", "integrator_id", "organisation"),
        _reference("plan_earning", "agreement_version_id", "document_version"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_earning")),
        sa.UniqueConstraint("plan_sale_id", "seq", name=op.f("uq_plan_earning_plan_sale_id_seq")),
    )


def _create_share() -> None:
    op.create_table(
        "plan_share",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("plan_earning_id", sa.BigInteger(), nullable=False),
        sa.Column("plan_sale_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("party_role", sa.Text(), nullable=False),
        sa.Column("revenue_kind", sa.Text(), nullable=False),
        sa.Column("weight_bp", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("explanation", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_plan_share_not_zero")),
        _reference("plan_share", "plan_earning_id", "plan_earning"),
        _reference("plan_share", "plan_sale_id", "plan_sale"),
        _reference("plan_share", "manufacturer_id", "organisation"),
        _reference("plan_share", "integrator_id", "organisation"),
        _reference("plan_share", "party_id", "organisation"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_share")),
        sa.UniqueConstraint("plan_earning_id", "party_role", name=op.f("uq_plan_share_plan_earning_id_party_role")),
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
