"""Packs: bought minutes and incidents as grants, their end, what was sold, used and earned of them, and whose it is."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"

_COMPANIES = "(manufacturer_id = portal_organisation() OR integrator_id = portal_organisation())"
_ALL = f"({_COMPANIES} OR customer_id = portal_organisation())"
_READERS = {
    "grant_extension": _ALL,
    "grant_expiry": _ALL,
    "top_up_notice": _ALL,
    # What an integrator pays for what it resells is not its customer's to know.
    "pack_sale": f"({_COMPANIES} OR payer_id = portal_organisation())",
    "pack_use": _COMPANIES,
    "pack_earning": _COMPANIES,
    "pack_share": f"({_COMPANIES} OR party_id = portal_organisation())",
}
_COMPANY = ("manufacturer", "integrator", "customer")

_SHARES_SUM = """
CREATE FUNCTION pack_shares_sum() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT earning.id INTO wrong
    FROM pack_earning earning
    JOIN pack_share part ON part.pack_earning_id = earning.id
    WHERE earning.id IN (SELECT pack_earning_id FROM added)
    GROUP BY earning.id
    HAVING sum(part.amount_minor) <> earning.amount_minor OR bool_or(part.currency <> earning.currency)
        OR bool_or(part.pack_sale_id <> earning.pack_sale_id)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'shares of pack earning % do not sum to it', wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""

# What stands of a sale: its use by items that were not taken back, and what it earned otherwise.
_WITHIN_PRICE = """
CREATE FUNCTION pack_within_price() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT sale.id INTO wrong
    FROM pack_sale sale
    WHERE sale.id IN (SELECT pack_sale_id FROM added)
      AND coalesce((SELECT sum(used.amount_minor) FROM pack_use used
                    WHERE used.pack_sale_id = sale.id
                      AND NOT EXISTS (SELECT FROM bill_item_reversal gone WHERE gone.bill_item_id = used.bill_item_id)
                   ), 0)
        + coalesce((SELECT sum(amount_minor) FROM pack_earning WHERE pack_sale_id = sale.id), 0)
        NOT BETWEEN 0 AND sale.amount_minor
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'pack sale % would earn more than its price', wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    _widen_grants()
    _create_ends()
    _create_sale()
    _create_use()
    _create_earning()
    for table, claim in _READERS.items():
        _guard(table, claim)
    op.execute(_SHARES_SUM)
    op.execute(
        "CREATE TRIGGER pack_shares_sum AFTER INSERT ON pack_share REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION pack_shares_sum()"
    )
    op.execute(_WITHIN_PRICE)
    for table in ("pack_use", "pack_earning"):
        op.execute(
            f"CREATE TRIGGER pack_within_price AFTER INSERT ON {table} REFERENCING NEW TABLE AS added"
            " FOR EACH STATEMENT EXECUTE FUNCTION pack_within_price()"
        )
    op.add_column("invoice_item", sa.Column("pack_sale_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_invoice_item_pack_sale_id"), "invoice_item", "pack_sale", ["pack_sale_id"], ["id"])
    op.create_unique_constraint(op.f("uq_invoice_item_pack_sale_id"), "invoice_item", ["pack_sale_id"])
    op.drop_constraint(op.f("ck_invoice_item_source"), "invoice_item")
    op.create_check_constraint(
        op.f("ck_invoice_item_source"), "invoice_item", "num_nonnulls(bill_item_id, plan_sale_id, pack_sale_id) = 1"
    )


def _widen_grants() -> None:
    """A grant may be a pack: without a plan, for ever, of incidents; hours drawn and promised likewise."""
    op.alter_column("usage_grant", "plan_choice_id", nullable=True)
    op.alter_column("usage_grant", "expires_at", nullable=True)
    for column in (
        sa.Column("policy_version_id", sa.BigInteger(), nullable=True),
        sa.Column("pack_code", sa.Text(), nullable=True),
        sa.Column("terms", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("granted_incidents", sa.BigInteger(), server_default="0", nullable=False),
    ):
        op.add_column("usage_grant", column)
    op.create_foreign_key(
        op.f("fk_usage_grant_policy_version_id"), "usage_grant", "document_version", ["policy_version_id"], ["id"]
    )
    op.create_unique_constraint(
        op.f("uq_usage_grant_manufacturer_id_source"), "usage_grant", ["manufacturer_id", "source"]
    )
    for column in ("free_incidents", "reserved_incidents"):
        op.add_column("grant_balance", sa.Column(column, sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("grant_balance", sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE grant_balance SET ends_at = usage_grant.expires_at FROM usage_grant"
        " WHERE usage_grant.id = grant_balance.grant_id"
    )
    for table in ("grant_reservation", "grant_draw"):
        op.add_column(table, sa.Column("incidents", sa.BigInteger(), server_default="0", nullable=False))
        op.drop_constraint(op.f(f"ck_{table}_seconds"), table)
    op.drop_constraint(op.f("ck_usage_grant_granted"), "usage_grant")
    for table, name, rule in (
        ("usage_grant", "not_negative", "granted_seconds >= 0 AND granted_incidents >= 0"),
        ("usage_grant", "granted", "(granted_seconds > 0) <> (granted_incidents > 0)"),
        ("usage_grant", "plan", "(kind = 'included') = (plan_choice_id IS NOT NULL)"),
        (
            "usage_grant",
            "pack",
            "kind = 'included' OR num_nulls(pack_code, terms, policy_version_id, source) = 0",
        ),
        ("usage_grant", "included", "kind = 'pack' OR (expires_at IS NOT NULL AND granted_seconds > 0)"),
        ("grant_balance", "free_incidents_not_negative", "free_incidents >= 0"),
        ("grant_balance", "reserved_incidents_not_negative", "reserved_incidents >= 0"),
        ("grant_reservation", "seconds", "seconds >= 0 AND incidents >= 0"),
        ("grant_reservation", "one_unit", "(seconds > 0) <> (incidents > 0)"),
        ("grant_draw", "seconds", "(seconds <> 0) <> (incidents <> 0)"),
    ):
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, rule)


def _create_ends() -> None:
    op.create_table(
        "grant_extension",
        *_identity("grant_extension"),
        sa.Column("grant_id", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("reason IN ('rolled_over', 'topped_up')", name=op.f("ck_grant_extension_reason")),
        _reference("grant_extension", "grant_id", "usage_grant"),
        sa.UniqueConstraint("grant_id", "ends_at", name=op.f("uq_grant_extension_grant_id_ends_at")),
    )
    op.create_table(
        "grant_expiry",
        *_identity("grant_expiry"),
        sa.Column("grant_id", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("incidents", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(seconds <> 0) <> (incidents <> 0)", name=op.f("ck_grant_expiry_one_unit")),
        _reference("grant_expiry", "grant_id", "usage_grant"),
    )
    op.create_index("ix_grant_expiry_grant_id", "grant_expiry", ["grant_id"])
    op.create_table(
        "top_up_notice",
        *_identity("top_up_notice"),
        sa.Column("site_id", sa.BigInteger(), nullable=False),
        sa.Column("pack_code", sa.Text(), nullable=False),
        sa.Column("is_below", sa.Boolean(), nullable=False),
        sa.Column("left_seconds", sa.BigInteger(), nullable=False),
        sa.Column("threshold_seconds", sa.BigInteger(), nullable=False),
        sa.Column("crossed_at", sa.DateTime(timezone=True), nullable=False),
        _reference("top_up_notice", "site_id", "site"),
    )
    op.create_index("ix_top_up_notice_site_id", "top_up_notice", ["site_id", "manufacturer_id", "pack_code", "id"])


def _create_sale() -> None:
    op.create_table(
        "pack_sale",
        *_identity("pack_sale"),
        sa.Column("grant_id", sa.BigInteger(), nullable=False),
        sa.Column("site_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("collector_id", sa.BigInteger(), nullable=False),
        sa.Column("seller_id", sa.BigInteger(), nullable=False),
        sa.Column("seller_of_record_id", sa.BigInteger(), nullable=False),
        sa.Column("policy_version_id", sa.BigInteger(), nullable=False),
        sa.Column("agreement_version_id", sa.BigInteger(), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("paid_by", sa.Text(), nullable=False),
        sa.Column("period_id", sa.BigInteger(), nullable=False),
        sa.Column("sold_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0 AND tax_minor >= 0", name=op.f("ck_pack_sale_amount")),
        sa.CheckConstraint("paid_by IN ('invoice', 'stripe', 'bank')", name=op.f("ck_pack_sale_paid_by")),
        *(
            _reference("pack_sale", f"{role}_id", "organisation")
            for role in ("payer", "collector", "seller", "seller_of_record")
        ),
        _reference("pack_sale", "grant_id", "usage_grant"),
        _reference("pack_sale", "site_id", "site"),
        _reference("pack_sale", "policy_version_id", "document_version"),
        _reference("pack_sale", "agreement_version_id", "document_version"),
        _reference("pack_sale", "period_id", "period"),
        sa.UniqueConstraint("grant_id", name=op.f("uq_pack_sale_grant_id")),
    )
    op.create_index("ix_pack_sale_site_id", "pack_sale", ["site_id", "manufacturer_id"])


def _create_use() -> None:
    parties = ["manufacturer_id", "integrator_id", "customer_id"]
    op.create_table(
        "pack_use",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("case_id", *parties)),
        sa.Column("bill_item_id", sa.BigInteger(), nullable=False),
        sa.Column("pack_sale_id", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("incidents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("explanation", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_pack_use_not_negative")),
        _reference("pack_use", "bill_item_id", "bill_item"),
        _reference("pack_use", "pack_sale_id", "pack_sale"),
        sa.ForeignKeyConstraint(
            ["case_id", *parties],
            ["support_case.id", *(f"support_case.{party}" for party in parties)],
            name=op.f("fk_pack_use_case_id_manufacturer_id_integrator_id_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pack_use")),
        sa.UniqueConstraint("bill_item_id", "pack_sale_id", name=op.f("uq_pack_use_bill_item_id_pack_sale_id")),
    )
    op.create_index("ix_pack_use_pack_sale_id", "pack_use", ["pack_sale_id"])


def _create_earning() -> None:
    op.create_table(
        "pack_earning",
        *_identity("pack_earning", _COMPANY[:2]),
        sa.Column("pack_sale_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("incidents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("agreement_version_id", sa.BigInteger(), nullable=True),
        sa.Column("explanation", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("earned_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("seq > 0", name=op.f("ck_pack_earning_seq")),
        sa.CheckConstraint("kind IN ('commission', 'expiry')", name=op.f("ck_pack_earning_kind")),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_pack_earning_not_zero")),
        _reference("pack_earning", "pack_sale_id", "pack_sale"),
        _reference("pack_earning", "agreement_version_id", "document_version"),
        sa.UniqueConstraint("pack_sale_id", "seq", name=op.f("uq_pack_earning_pack_sale_id_seq")),
    )
    op.create_table(
        "pack_share",
        *_identity("pack_share", _COMPANY[:2]),
        sa.Column("pack_earning_id", sa.BigInteger(), nullable=False),
        sa.Column("pack_sale_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("party_role", sa.Text(), nullable=False),
        sa.Column("revenue_kind", sa.Text(), nullable=False),
        sa.Column("weight_bp", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("explanation", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_pack_share_not_zero")),
        _reference("pack_share", "pack_earning_id", "pack_earning"),
        _reference("pack_share", "pack_sale_id", "pack_sale"),
        _reference("pack_share", "party_id", "organisation"),
        sa.UniqueConstraint("pack_earning_id", "party_role", name=op.f("uq_pack_share_pack_earning_id_party_role")),
    )


def _identity(table: str, companies: tuple[str, ...] = _COMPANY) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *(sa.Column(f"{company}_id", sa.BigInteger(), nullable=False) for company in companies),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        *(_reference(table, f"{company}_id", "organisation") for company in companies),
    )


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}"))


def _guard(table: str, claim: str) -> None:
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


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
