"""Promotion codes of a manufacturer, each use within an order, and what decides which order has the last use.

A code's row is locked by whoever asks whether it may be used, until that transaction ends: of two buyers one is told.
No code is made at Stripe any more, where it would hold for every manufacturer's checkout.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0049"
down_revision = "0048"

_DEFINER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp"
_MAKER = "manufacturer_id = portal_organisation()"
_PARTIES = f"({_MAKER} OR integrator_id = portal_organisation() OR customer_id = portal_organisation())"
_READERS = {
    "promotion_code": _MAKER,
    "promotion_code_end": _MAKER,
    "promotion_use": _PARTIES,
    "promotion_use_end": _PARTIES,
}
_WRITTEN_BY_WEB = ("promotion_code", "promotion_code_end", "promotion_use")
_INTENT_KINDS = (
    "'account', 'customer', 'invoice', 'transfer', 'transfer_reversal', 'out_of_band', 'refund', 'credit_note',"
    " 'evidence', 'checkout', 'checkout_expiry', 'subscription_change', 'subscription_end'"
)

# A buyer finds a code by its whole name only: which codes there are is the manufacturer's to know.
_FIND = """
CREATE FUNCTION find_promotion_code(maker bigint, typed text) RETURNS SETOF promotion_code
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT * FROM promotion_code WHERE manufacturer_id = maker AND code = upper(btrim(typed))
$$
"""

_PROBLEM = f"""
CREATE FUNCTION promotion_problem(wanted bigint, customer bigint, at timestamptz) RETURNS text
    VOLATILE {_DEFINER} AS $$
DECLARE
    said promotion_code;
    uses bigint;
    is_again boolean;
BEGIN
    SELECT * INTO said FROM promotion_code WHERE id = wanted FOR UPDATE;
    IF NOT FOUND THEN RETURN 'unknown'; END IF;
    IF EXISTS (SELECT FROM promotion_code_end WHERE promotion_code_id = wanted) THEN RETURN 'withdrawn'; END IF;
    IF at < said.starts_at THEN RETURN 'early'; END IF;
    IF at >= said.ends_at THEN RETURN 'over'; END IF;
    SELECT count(*), coalesce(bool_or(customer_id = customer), false) INTO uses, is_again
        FROM promotion_use
        WHERE promotion_code_id = wanted
          AND NOT EXISTS (SELECT FROM promotion_use_end WHERE promotion_use_end.use_id = promotion_use.id);
    IF said.once_per_customer AND is_again THEN RETURN 'again'; END IF;
    IF uses >= said.most_uses THEN RETURN 'used_up'; END IF;
    RETURN '';
END $$
"""

_CHECK = f"""
CREATE FUNCTION promotion_use_allowed() RETURNS trigger {_DEFINER} AS $$
DECLARE
    problem text;
BEGIN
    problem := promotion_problem(NEW.promotion_code_id, NEW.customer_id, NEW.used_at);
    IF problem <> '' THEN
        RAISE EXCEPTION 'the promotion code cannot be used: %', problem USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM promotion_code WHERE id = NEW.promotion_code_id
                   AND (manufacturer_id, code, currency) = (NEW.manufacturer_id, NEW.code, NEW.currency))
       OR NOT EXISTS (SELECT FROM purchase WHERE id = NEW.purchase_id AND customer_id = NEW.customer_id
                      AND manufacturer_id = NEW.manufacturer_id AND currency = NEW.currency
                      AND price_minor = NEW.list_minor) THEN
        RAISE EXCEPTION 'the promotion code is not for this order' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.drop_constraint(op.f("ck_intent_kind"), "intent")
    op.create_check_constraint(op.f("ck_intent_kind"), "intent", f"kind IN ({_INTENT_KINDS})")
    _create_codes()
    _create_uses()
    for table, claim in _READERS.items():
        _guard(table, claim)
    for function in (_FIND, _PROBLEM, _CHECK):
        op.execute(function)
    op.execute("GRANT EXECUTE ON FUNCTION find_promotion_code(bigint, text) TO portal_web, portal_work")
    op.execute("GRANT EXECUTE ON FUNCTION promotion_problem(bigint, bigint, timestamptz) TO portal_web, portal_work")
    op.execute(
        "CREATE TRIGGER promotion_use_allowed BEFORE INSERT ON promotion_use"
        " FOR EACH ROW EXECUTE FUNCTION promotion_use_allowed()"
    )


def _create_codes() -> None:
    op.create_table(
        "promotion_code",
        *_numbered("promotion_code"),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("percent", sa.BigInteger(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("goods", postgresql.JSONB(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("most_uses", sa.BigInteger(), nullable=True),
        sa.Column("once_per_customer", sa.Boolean(), nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        _reference("promotion_code", "made_by", "person"),
        sa.UniqueConstraint("manufacturer_id", "code", name=op.f("uq_promotion_code_manufacturer_id_code")),
        sa.CheckConstraint("code ~ '^[A-Z0-9-]{4,40}$'", name=op.f("ck_promotion_code_code")),
        sa.CheckConstraint("num_nonnulls(percent, amount_minor) = 1", name=op.f("ck_promotion_code_one_reduction")),
        sa.CheckConstraint("percent BETWEEN 1 AND 100", name=op.f("ck_promotion_code_percent")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_promotion_code_amount")),
        sa.CheckConstraint("most_uses > 0", name=op.f("ck_promotion_code_uses")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_promotion_code_order")),
    )
    op.create_table(
        "promotion_code_end",
        *_numbered("promotion_code_end"),
        sa.Column("promotion_code_id", sa.BigInteger(), nullable=False),
        sa.Column("ended_by", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        _reference("promotion_code_end", "promotion_code_id", "promotion_code"),
        _reference("promotion_code_end", "ended_by", "person"),
        sa.UniqueConstraint("promotion_code_id", name=op.f("uq_promotion_code_end_promotion_code_id")),
    )


def _create_uses() -> None:
    op.create_table(
        "promotion_use",
        *_numbered("promotion_use"),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("promotion_code_id", sa.BigInteger(), nullable=False),
        sa.Column("purchase_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("list_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        _reference("promotion_use", "integrator_id", "organisation"),
        _reference("promotion_use", "customer_id", "organisation"),
        _reference("promotion_use", "promotion_code_id", "promotion_code"),
        _reference("promotion_use", "purchase_id", "purchase"),
        sa.UniqueConstraint("purchase_id", name=op.f("uq_promotion_use_purchase_id")),
        sa.CheckConstraint(
            "discount_minor > 0 AND discount_minor <= list_minor", name=op.f("ck_promotion_use_discount")
        ),
    )
    op.create_index("ix_promotion_use_promotion_code_id", "promotion_use", ["promotion_code_id"])
    op.create_table(
        "promotion_use_end",
        *_numbered("promotion_use_end"),
        sa.Column("integrator_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("use_id", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        _reference("promotion_use_end", "integrator_id", "organisation"),
        _reference("promotion_use_end", "customer_id", "organisation"),
        _reference("promotion_use_end", "use_id", "promotion_use"),
        sa.UniqueConstraint("use_id", name=op.f("uq_promotion_use_end_use_id")),
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
