"""Selling: offers, purchases paid ahead by checkout or subscription, exemption certificates, and their cash.

Cash may arrive for an invoice or ahead for a purchase; a plan's month and packs may be sold out of what was paid ahead.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0035"
down_revision = "0034"

_COMPANIES = "(manufacturer_id = portal_organisation() OR integrator_id = portal_organisation())"
_PARTIES = f"({_COMPANIES} OR customer_id = portal_organisation())"
_PAYER = "(manufacturer_id = portal_organisation() OR payer_id = portal_organisation())"
_RESELLER = "(integrator_id = portal_organisation() OR customer_id = portal_organisation())"
_OWN = "organisation_id = portal_organisation()"

# Who reads a table's rows; the same claim holds for rows that the web inserts.
_READERS = {
    "provider_subscription": _PAYER,
    "subscription_seen": _PAYER,
    "subscription_bill": _PAYER,
    "offer": _COMPANIES,
    "offer_release": _PARTIES,
    "resale_price": _RESELLER,
    "offer_end": _PARTIES,
    "purchase": _PARTIES,
    "purchase_step": _PARTIES,
    "tax_exemption": _OWN,
    "tax_exemption_end": _OWN,
}
_WRITTEN_BY_JOBS = ("provider_subscription", "subscription_seen", "subscription_bill", "purchase_step")
_INTENT_KINDS = (
    "'account', 'customer', 'invoice', 'transfer', 'transfer_reversal', 'out_of_band', 'refund', 'credit_note',"
    " 'evidence', 'checkout', 'checkout_expiry', 'subscription_change', 'subscription_end', 'promotion_code'"
)


def upgrade() -> None:
    _widen_cash()
    _create_provider_subscription()
    _create_subscription_seen()
    _create_subscription_bill()
    _create_offer()
    _create_offer_release()
    _create_resale_price()
    _create_offer_end()
    _create_purchase()
    _create_purchase_step()
    _create_tax_exemption()
    _create_tax_exemption_end()
    for table, claim in _READERS.items():
        _guard(table, claim)


def _widen_cash() -> None:
    """Cash for a purchase names the checkout instead of an invoice; sales out of what was paid ahead say so."""
    op.drop_constraint(op.f("ck_intent_kind"), "intent")
    op.create_check_constraint(op.f("ck_intent_kind"), "intent", f"kind IN ({_INTENT_KINDS})")
    op.alter_column("cash_receipt", "invoice_id", nullable=True)
    op.add_column("cash_receipt", sa.Column("intent_id", sa.Uuid(), nullable=True))
    op.add_column("cash_receipt", sa.Column("tax_minor", sa.BigInteger(), server_default="0", nullable=False))
    op.create_foreign_key(op.f("fk_cash_receipt_intent_id"), "cash_receipt", "intent", ["intent_id"], ["id"])
    op.create_index("ix_cash_receipt_intent_id", "cash_receipt", ["intent_id"])
    op.create_check_constraint(
        op.f("ck_cash_receipt_tax"), "cash_receipt", "tax_minor >= 0 AND tax_minor <= amount_minor"
    )
    op.create_check_constraint(
        op.f("ck_cash_receipt_one_reason"), "cash_receipt", "num_nonnulls(invoice_id, intent_id) = 1"
    )
    op.add_column("plan_sale", sa.Column("paid_by", sa.Text(), server_default="invoice", nullable=False))
    op.create_check_constraint(op.f("ck_plan_sale_paid_by"), "plan_sale", "paid_by IN ('invoice', 'ahead')")
    op.drop_constraint(op.f("ck_pack_sale_paid_by"), "pack_sale")
    op.create_check_constraint(
        op.f("ck_pack_sale_paid_by"), "pack_sale", "paid_by IN ('invoice', 'stripe', 'bank', 'ahead')"
    )


def _create_provider_subscription() -> None:
    op.create_table(
        "provider_subscription",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_subscription")),
        sa.Column("intent_id", sa.Uuid(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_subscription_id", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        _reference("provider_subscription", "intent_id", "intent"),
        _reference("provider_subscription", "manufacturer_id", "organisation"),
        _reference("provider_subscription", "payer_id", "organisation"),
        sa.UniqueConstraint("intent_id", name=op.f("uq_provider_subscription_intent_id")),
        sa.UniqueConstraint("provider_subscription_id", name=op.f("uq_provider_subscription_provider_subscription_id")),
    )


def _create_subscription_seen() -> None:
    op.create_table(
        "subscription_seen",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription_seen")),
        sa.Column("subscription_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("covers_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("covers_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_with_period", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        _reference("subscription_seen", "subscription_id", "provider_subscription"),
        _reference("subscription_seen", "manufacturer_id", "organisation"),
        _reference("subscription_seen", "payer_id", "organisation"),
        sa.UniqueConstraint("subscription_id", "seq", name=op.f("uq_subscription_seen_subscription_id_seq")),
        sa.CheckConstraint("covers_until > covers_from", name=op.f("ck_subscription_seen_order")),
    )


def _create_subscription_bill() -> None:
    op.create_table(
        "subscription_bill",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription_bill")),
        sa.Column("subscription_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_invoice_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("covers_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("covers_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        _reference("subscription_bill", "subscription_id", "provider_subscription"),
        _reference("subscription_bill", "manufacturer_id", "organisation"),
        _reference("subscription_bill", "payer_id", "organisation"),
        sa.UniqueConstraint("provider_invoice_id", name=op.f("uq_subscription_bill_provider_invoice_id")),
        sa.CheckConstraint("amount_minor >= 0 AND tax_minor >= 0", name=op.f("ck_subscription_bill_amounts")),
        sa.CheckConstraint("covers_until > covers_from", name=op.f("ck_subscription_bill_order")),
    )
    op.create_index("ix_subscription_bill_subscription_id", "subscription_bill", ["subscription_id", "covers_from"])


def _create_offer() -> None:
    op.create_table(
        "offer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer")),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("site_id", sa.BigInteger(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("interval", sa.Text(), nullable=False),
        sa.Column("collector", sa.Text(), nullable=False),
        sa.Column("offered_by_id", sa.BigInteger(), nullable=False),
        sa.Column("policy_version_id", sa.BigInteger(), nullable=False),
        sa.Column("agreement_version_id", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("list_minor", sa.BigInteger(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=False),
        _reference("offer", "manufacturer_id", "organisation"),
        _reference("offer", "integrator_id", "organisation"),
        _reference("offer", "customer_id", "organisation"),
        _reference("offer", "site_id", "site"),
        _reference("offer", "case_id", "support_case"),
        _reference("offer", "offered_by_id", "organisation"),
        _reference("offer", "policy_version_id", "document_version"),
        _reference("offer", "agreement_version_id", "document_version"),
        _reference("offer", "person_id", "person"),
        sa.CheckConstraint("quantity > 0 AND list_minor > 0 AND price_minor > 0", name=op.f("ck_offer_amounts")),
        sa.CheckConstraint("collector IN ('operator', 'integrator')", name=op.f("ck_offer_collector")),
        sa.CheckConstraint(
            "(kind = 'pack') = (interval = 'once') AND interval IN ('once', 'month', 'year')",
            name=op.f("ck_offer_interval"),
        ),
        sa.CheckConstraint("kind IN ('plan', 'pack')", name=op.f("ck_offer_kind")),
        sa.CheckConstraint("expires_at > offered_at", name=op.f("ck_offer_order")),
    )
    op.create_index("ix_offer_integrator_id", "offer", ["integrator_id", "id"])
    op.create_index("ix_offer_manufacturer_id", "offer", ["manufacturer_id", "id"])


def _create_offer_release() -> None:
    op.create_table(
        "offer_release",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer_release")),
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("site_id", sa.BigInteger(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("interval", sa.Text(), nullable=False),
        sa.Column("collector", sa.Text(), nullable=False),
        sa.Column("offered_by_id", sa.BigInteger(), nullable=False),
        sa.Column("policy_version_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("list_minor", sa.BigInteger(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=False),
        _reference("offer_release", "offer_id", "offer"),
        _reference("offer_release", "manufacturer_id", "organisation"),
        _reference("offer_release", "integrator_id", "organisation"),
        _reference("offer_release", "customer_id", "organisation"),
        _reference("offer_release", "site_id", "site"),
        _reference("offer_release", "case_id", "support_case"),
        _reference("offer_release", "offered_by_id", "organisation"),
        _reference("offer_release", "policy_version_id", "document_version"),
        _reference("offer_release", "person_id", "person"),
        sa.UniqueConstraint("offer_id", name=op.f("uq_offer_release_offer_id")),
        sa.CheckConstraint("price_minor > 0", name=op.f("ck_offer_release_price")),
        sa.CheckConstraint(
            "(collector = 'integrator') = (price_minor IS NULL)", name=op.f("ck_offer_release_resale_apart")
        ),
    )
    op.create_index("ix_offer_release_customer_id", "offer_release", ["customer_id", "id"])


def _create_resale_price() -> None:
    op.create_table(
        "resale_price",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resale_price")),
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        _reference("resale_price", "offer_id", "offer"),
        _reference("resale_price", "integrator_id", "organisation"),
        _reference("resale_price", "customer_id", "organisation"),
        sa.UniqueConstraint("offer_id", name=op.f("uq_resale_price_offer_id")),
        sa.CheckConstraint("price_minor > 0", name=op.f("ck_resale_price_price")),
    )


def _create_offer_end() -> None:
    op.create_table(
        "offer_end",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer_end")),
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        _reference("offer_end", "offer_id", "offer"),
        _reference("offer_end", "manufacturer_id", "organisation"),
        _reference("offer_end", "integrator_id", "organisation"),
        _reference("offer_end", "customer_id", "organisation"),
        _reference("offer_end", "person_id", "person"),
        sa.UniqueConstraint("offer_id", name=op.f("uq_offer_end_offer_id")),
        sa.CheckConstraint(
            "outcome IN ('withdrawn', 'declined', 'expired', 'accepted')", name=op.f("ck_offer_end_outcome")
        ),
        sa.CheckConstraint("(outcome = 'expired') = (person_id IS NULL)", name=op.f("ck_offer_end_person")),
    )


def _create_purchase() -> None:
    op.create_table(
        "purchase",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchase")),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("site_id", sa.BigInteger(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=True),
        sa.Column("offer_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("interval", sa.Text(), nullable=False),
        sa.Column("collector", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.BigInteger(), nullable=False),
        sa.Column("policy_version_id", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("agreement_version_id", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("list_minor", sa.BigInteger(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("intent_id", sa.Uuid(), nullable=True),
        sa.Column("form_key", sa.Uuid(), nullable=False),
        sa.Column("ordered_by", sa.BigInteger(), nullable=False),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        _reference("purchase", "manufacturer_id", "organisation"),
        _reference("purchase", "integrator_id", "organisation"),
        _reference("purchase", "customer_id", "organisation"),
        _reference("purchase", "site_id", "site"),
        _reference("purchase", "case_id", "support_case"),
        _reference("purchase", "offer_id", "offer"),
        _reference("purchase", "seller_id", "organisation"),
        _reference("purchase", "policy_version_id", "document_version"),
        _reference("purchase", "agreement_version_id", "document_version"),
        _reference("purchase", "intent_id", "intent"),
        _reference("purchase", "ordered_by", "person"),
        sa.UniqueConstraint("customer_id", "form_key", name=op.f("uq_purchase_customer_id_form_key")),
        sa.UniqueConstraint("intent_id", name=op.f("uq_purchase_intent_id")),
        sa.UniqueConstraint("offer_id", name=op.f("uq_purchase_offer_id")),
        sa.CheckConstraint("quantity > 0 AND list_minor > 0 AND price_minor > 0", name=op.f("ck_purchase_amounts")),
        sa.CheckConstraint("(collector = 'operator') = (intent_id IS NOT NULL)", name=op.f("ck_purchase_checkout")),
        sa.CheckConstraint("collector IN ('operator', 'integrator')", name=op.f("ck_purchase_collector")),
        sa.CheckConstraint(
            "(kind = 'pack') = (interval = 'once') AND interval IN ('once', 'month', 'year')",
            name=op.f("ck_purchase_interval"),
        ),
        sa.CheckConstraint("kind IN ('plan', 'pack')", name=op.f("ck_purchase_kind")),
    )
    op.create_index("ix_purchase_site_id", "purchase", ["site_id", "manufacturer_id"])


def _create_purchase_step() -> None:
    op.create_table(
        "purchase_step",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchase_step")),
        sa.Column("purchase_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        _reference("purchase_step", "purchase_id", "purchase"),
        _reference("purchase_step", "manufacturer_id", "organisation"),
        _reference("purchase_step", "integrator_id", "organisation"),
        _reference("purchase_step", "customer_id", "organisation"),
        sa.UniqueConstraint("purchase_id", "kind", name=op.f("uq_purchase_step_purchase_id_kind")),
        sa.CheckConstraint(
            "kind IN ('paying', 'paid', 'failed', 'expired', 'sold', 'unsaleable', 'lapsed', 'ended')",
            name=op.f("ck_purchase_step_kind"),
        ),
    )


def _create_tax_exemption() -> None:
    op.create_table(
        "tax_exemption",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_exemption")),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("recorded_by", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        _reference("tax_exemption", "organisation_id", "organisation"),
        _reference("tax_exemption", "recorded_by", "person"),
        sa.UniqueConstraint(
            "organisation_id",
            "jurisdiction",
            "number",
            name=op.f("uq_tax_exemption_organisation_id_jurisdiction_number"),
        ),
        sa.CheckConstraint("expires_on > valid_from", name=op.f("ck_tax_exemption_order")),
    )


def _create_tax_exemption_end() -> None:
    op.create_table(
        "tax_exemption_end",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_exemption_end")),
        sa.Column("exemption_id", sa.BigInteger(), nullable=False),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("ended_by", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        _reference("tax_exemption_end", "exemption_id", "tax_exemption"),
        _reference("tax_exemption_end", "organisation_id", "organisation"),
        _reference("tax_exemption_end", "ended_by", "person"),
        sa.UniqueConstraint("exemption_id", name=op.f("uq_tax_exemption_end_exemption_id")),
    )


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}"))


def _guard(table: str, claim: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY web ON {table} TO portal_web USING ({claim}) WITH CHECK ({claim})")
    op.execute(f"CREATE POLICY work ON {table} TO portal_work USING (true) WITH CHECK (true)")
    op.execute(f"REVOKE ALL ON {table} FROM portal_web, portal_work")
    op.execute(f"GRANT SELECT{'' if table in _WRITTEN_BY_JOBS else ', INSERT'} ON {table} TO portal_web")
    op.execute(f"GRANT SELECT, INSERT ON {table} TO portal_work")
    op.execute(
        f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
