"""Tax on invoices: what Stripe reckoned, line by line and posted by itself, and where payers are for it."""

import sqlalchemy as sa
from alembic import op

revision = "0078"
down_revision = "0077"

_READERS = "portal_organisation() IN (manufacturer_id, payer_id)"
_SUMS = """
CREATE FUNCTION refuse_tax_beside_its_lines() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (SELECT tax_minor FROM invoice_tax WHERE invoice_id = NEW.invoice_id) IS DISTINCT FROM
       (SELECT coalesce(sum(tax_minor), 0)::bigint FROM invoice_item_tax WHERE invoice_id = NEW.invoice_id) THEN
        RAISE EXCEPTION 'the tax on the lines of invoice % is not the tax on it', NEW.invoice_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_tax_of_lines';
    END IF;
    RETURN NULL;
END $$
"""
# A line is taxed on its own invoice, and never by more than it charges.
_OF_LINE = """
CREATE FUNCTION refuse_tax_of_another_line() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM invoice_item line WHERE line.id = NEW.invoice_item_id
                   AND line.invoice_id = NEW.invoice_id AND line.amount_minor >= NEW.tax_minor) THEN
        RAISE EXCEPTION 'a line is taxed on its own invoice, by no more than it charges'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_item_tax_of_line';
    END IF;
    RETURN NULL;
END $$
"""
# What goes back of a line is at most its price, and of its tax at most that.
_REDUCTIONS = """
CREATE OR REPLACE FUNCTION reductions_within_line() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE wrong bigint;
BEGIN
    SELECT reduced.invoice_item_id INTO wrong
    FROM line_reduction reduced JOIN invoice_item line ON line.id = reduced.invoice_item_id
    LEFT JOIN invoice_item_tax tax ON tax.invoice_item_id = line.id
    WHERE reduced.invoice_item_id IN (SELECT invoice_item_id FROM added)
    GROUP BY reduced.invoice_item_id, line.amount_minor, tax.tax_minor
    HAVING sum(reduced.amount_minor - reduced.tax_minor) NOT BETWEEN 0 AND line.amount_minor
        OR sum(reduced.tax_minor) NOT BETWEEN 0 AND coalesce(tax.tax_minor, 0) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'more than it cost would be taken off invoice line %', wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "invoice_tax",
        *_facts("invoice_tax", "invoice_id"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("reasons", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("invoice_id", name=op.f("uq_invoice_tax_invoice_id")),
        sa.CheckConstraint("tax_minor >= 0", name=op.f("ck_invoice_tax_tax")),
        *_references("invoice_tax", invoice_id="invoice"),
    )
    op.create_table(
        "invoice_item_tax",
        *_facts("invoice_item_tax", "invoice_item_id", "invoice_id"),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("invoice_item_id", name=op.f("uq_invoice_item_tax_invoice_item_id")),
        sa.CheckConstraint("tax_minor > 0", name=op.f("ck_invoice_item_tax_tax")),
        *_references("invoice_item_tax", invoice_item_id="invoice_item", invoice_id="invoice"),
    )
    op.create_index("ix_invoice_item_tax_invoice_id", "invoice_item_tax", ["invoice_id"])
    op.create_table(
        "payer_address",
        *_facts("payer_address"),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("line1", "postal_code", "city", "state", "country")),
        sa.Column("recorded_by", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("country ~ '^[A-Z]{2}$'", name=op.f("ck_payer_address_country")),
        sa.CheckConstraint(
            "country <> 'US' OR postal_code ~ '^[0-9]{5}(-[0-9]{4})?$'", name=op.f("ck_payer_address_us_code")
        ),
        sa.CheckConstraint(
            "country <> 'CA' OR postal_code <> '' OR state <> ''", name=op.f("ck_payer_address_province")
        ),
        *_references("payer_address", recorded_by="person"),
    )
    op.create_index("ix_payer_address_payer_id", "payer_address", ["payer_id", "manufacturer_id", "id"])
    for table in ("invoice_tax", "invoice_item_tax", "payer_address"):
        _guard(table, "SELECT, INSERT" if table == "payer_address" else "SELECT")
    op.execute(_SUMS)
    op.execute(_OF_LINE)
    op.execute(_REDUCTIONS)
    for table in ("invoice_tax", "invoice_item_tax"):
        op.execute(
            f"CREATE CONSTRAINT TRIGGER tax_of_lines AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION refuse_tax_beside_its_lines()"
        )
    op.execute(
        "CREATE TRIGGER tax_of_line AFTER INSERT ON invoice_item_tax"
        " FOR EACH ROW EXECUTE FUNCTION refuse_tax_of_another_line()"
    )


def _facts(table: str, *columns: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in (*columns, "manufacturer_id", "payer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def _references(table: str, **columns: str) -> tuple[sa.ForeignKeyConstraint, ...]:
    wanted = {**columns, "manufacturer_id": "organisation", "payer_id": "organisation"}
    return tuple(
        sa.ForeignKeyConstraint([name], [f"{target}.id"], name=op.f(f"fk_{table}_{name}"))
        for name, target in wanted.items()
    )


def _guard(table: str, for_web: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY web ON {table} TO portal_web USING ({_READERS}) WITH CHECK ({_READERS})")
    op.execute(f"CREATE POLICY work ON {table} TO portal_work USING (true) WITH CHECK (true)")
    op.execute(f"REVOKE ALL ON {table} FROM portal_web, portal_work")
    op.execute(f"GRANT {for_web} ON {table} TO portal_web")
    op.execute(f"GRANT SELECT, INSERT ON {table} TO portal_work")
    op.execute(
        f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
