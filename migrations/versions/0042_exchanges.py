"""Payments that settle in another currency: their linked transactions; when a movement of the balance can be used."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"

_OWN = "manufacturer_id = portal_organisation()"
_KINDS = "'cash_received', 'refund_sent', 'refund_returned', 'chargeback_moved'"


def upgrade() -> None:
    op.add_column("cash_receipt", sa.Column("settled_currency", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_cash_receipt_settled_currency"), "cash_receipt", "settled_currency <> currency")
    op.add_column("balance_movement", sa.Column("available_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("balance_movement", sa.Column("rate_num", sa.BigInteger(), nullable=True))
    op.add_column("balance_movement", sa.Column("rate_den", sa.BigInteger(), nullable=True))
    op.create_check_constraint(op.f("ck_balance_movement_rate"), "balance_movement", "(rate_num > 0) = (rate_den > 0)")
    _create_exchange()
    _guard("exchange")


def _create_exchange() -> None:
    op.create_table(
        "exchange",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("receipt_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("movement_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("settled_currency", sa.Text(), nullable=False),
        sa.Column("settled_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("first_rate_minor", sa.BigInteger(), nullable=False),
        sa.Column("rate_num", sa.BigInteger(), nullable=False),
        sa.Column("rate_den", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("settled_transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange")),
        _reference("manufacturer_id", "organisation"),
        _reference("receipt_id", "cash_receipt"),
        _reference("transaction_id", "journal_transaction"),
        _reference("settled_transaction_id", "journal_transaction"),
        sa.UniqueConstraint("movement_id", name=op.f("uq_exchange_movement_id")),
        sa.UniqueConstraint("transaction_id", name=op.f("uq_exchange_transaction_id")),
        sa.UniqueConstraint("settled_transaction_id", name=op.f("uq_exchange_settled_transaction_id")),
        sa.CheckConstraint("currency <> settled_currency", name=op.f("ck_exchange_two_currencies")),
        sa.CheckConstraint("transaction_id <> settled_transaction_id", name=op.f("ck_exchange_two_transactions")),
        sa.CheckConstraint("amount_minor <> 0 AND fee_minor >= 0", name=op.f("ck_exchange_amounts")),
        sa.CheckConstraint("rate_num > 0 AND rate_den > 0", name=op.f("ck_exchange_rate")),
        sa.CheckConstraint(
            "kind <> 'cash_received' OR first_rate_minor = settled_minor", name=op.f("ck_exchange_first_rate")
        ),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name=op.f("ck_exchange_kind")),
    )
    op.create_index("ix_exchange_receipt_id", "exchange", ["receipt_id", "id"])
    op.create_index(
        "uq_exchange_payment",
        "exchange",
        ["receipt_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'cash_received'"),
    )


def _reference(column: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=op.f(f"fk_exchange_{column}"))


def _guard(table: str) -> None:
    """Its manufacturer reads it, jobs write it, nobody changes it."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY web ON {table} TO portal_web USING ({_OWN}) WITH CHECK (false)")
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
