"""Accounts, periods, journal transactions, postings and the chain."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_account_currency")),
        sa.CheckConstraint(
            "kind IN ('asset', 'liability', 'income', 'expense', 'equity')", name=op.f("ck_account_kind")
        ),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_account_manufacturer_id")),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_account_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("id", "manufacturer_id", "currency", name=op.f("uq_account_id_manufacturer_id_currency")),
        sa.UniqueConstraint(
            "manufacturer_id", "currency", "code", name=op.f("uq_account_manufacturer_id_currency_code")
        ),
    )

    op.create_table(
        "period",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_at", sa.DateTime(timezone=True), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("manufacturer_id"), "="),
            (sa.text("tstzrange(starts_at, ends_at)"), "&&"),
            using="gist",
            name="ex_period_no_overlap",
        ),
        sa.CheckConstraint("state IN ('open', 'closing', 'soft_closed', 'hard_closed')", name=op.f("ck_period_state")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_period_order")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_period_manufacturer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_period")),
        sa.UniqueConstraint("id", "manufacturer_id", name=op.f("uq_period_id_manufacturer_id")),
        sa.UniqueConstraint("manufacturer_id", "label", name=op.f("uq_period_manufacturer_id_label")),
    )
    op.create_index(
        "uq_period_open", "period", ["manufacturer_id"], unique=True, postgresql_where=sa.text("state = 'open'")
    )

    op.create_table(
        "chain_block",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("period_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("first_transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("last_transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("transaction_count", sa.BigInteger(), nullable=False),
        sa.Column("previous_sha256", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("chained_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("last_transaction_id >= first_transaction_id", name=op.f("ck_chain_block_order")),
        sa.ForeignKeyConstraint(["manufacturer_id"], ["organisation.id"], name=op.f("fk_chain_block_manufacturer_id")),
        sa.ForeignKeyConstraint(["period_id"], ["period.id"], name=op.f("fk_chain_block_period_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chain_block")),
        sa.UniqueConstraint("manufacturer_id", "position", name=op.f("uq_chain_block_manufacturer_id_position")),
    )

    op.create_table(
        "journal_transaction",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("period_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("document_type", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("reverses_id", sa.BigInteger(), nullable=True),
        sa.Column("origin_period_id", sa.BigInteger(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["manufacturer_id"], ["organisation.id"], name=op.f("fk_journal_transaction_manufacturer_id")
        ),
        sa.ForeignKeyConstraint(
            ["origin_period_id"], ["period.id"], name=op.f("fk_journal_transaction_origin_period_id")
        ),
        sa.ForeignKeyConstraint(
            ["period_id", "manufacturer_id"],
            ["period.id", "period.manufacturer_id"],
            name=op.f("fk_journal_transaction_period_id_manufacturer_id"),
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_journal_transaction_person_id")),
        sa.ForeignKeyConstraint(
            ["reverses_id"], ["journal_transaction.id"], name=op.f("fk_journal_transaction_reverses_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_transaction")),
        sa.UniqueConstraint(
            "id",
            "manufacturer_id",
            "currency",
            "period_id",
            name=op.f("uq_journal_transaction_id_manufacturer_id_currency_period_id"),
        ),
        sa.UniqueConstraint(
            "kind", "document_type", "document_id", name=op.f("uq_journal_transaction_kind_document_type_document_id")
        ),
        sa.UniqueConstraint("reverses_id", name=op.f("uq_journal_transaction_reverses_id")),
    )
    op.create_index(
        "ix_journal_transaction_document", "journal_transaction", ["document_type", "document_id"], unique=False
    )
    op.create_index("ix_journal_transaction_period_id", "journal_transaction", ["period_id", "id"], unique=False)

    op.create_table(
        "posting",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("period_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("document_type", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_posting_not_zero")),
        sa.ForeignKeyConstraint(
            ["account_id", "manufacturer_id", "currency"],
            ["account.id", "account.manufacturer_id", "account.currency"],
            name="fk_posting_account",
        ),
        sa.ForeignKeyConstraint(["party_id"], ["organisation.id"], name=op.f("fk_posting_party_id")),
        sa.ForeignKeyConstraint(
            ["transaction_id", "manufacturer_id", "currency", "period_id"],
            [
                "journal_transaction.id",
                "journal_transaction.manufacturer_id",
                "journal_transaction.currency",
                "journal_transaction.period_id",
            ],
            name="fk_posting_transaction",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posting")),
    )
    op.create_index("ix_posting_account_id", "posting", ["account_id", "period_id", "id"], unique=False)
    op.create_index("ix_posting_transaction_id", "posting", ["transaction_id"], unique=False)


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
