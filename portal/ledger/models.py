"""Tables of the ledger: accounts, periods, journal transactions, postings, and the hash chain over frozen blocks."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id


class Account(Base):
    """An account of one manufacturer's ledger in one currency; party accounts name their organisation."""

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("manufacturer_id", "currency", "code"),
        UniqueConstraint("id", "manufacturer_id", "currency"),
        CheckConstraint("kind IN ('asset', 'liability', 'income', 'expense', 'equity')", name="kind"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    code: Mapped[str]
    purpose: Mapped[str]
    kind: Mapped[str]
    party_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))


class Period(Base):
    """A manufacturer's month; postings go to the open one. No state goes back to open."""

    __tablename__ = "period"
    __table_args__ = (
        ExcludeConstraint(
            ("manufacturer_id", "="),
            (text("tstzrange(starts_at, ends_at)"), "&&"),
            name="ex_period_no_overlap",
            using="gist",
        ),
        UniqueConstraint("id", "manufacturer_id"),
        UniqueConstraint("manufacturer_id", "label"),
        CheckConstraint("state IN ('open', 'closing', 'soft_closed', 'hard_closed')", name="state"),
        CheckConstraint("ends_at > starts_at", name="order"),
        Index("uq_period_open", "manufacturer_id", unique=True, postgresql_where=text("state = 'open'")),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    label: Mapped[str]
    zone: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    state: Mapped[str]
    state_at: Mapped[datetime]


class JournalTransaction(Base):
    """One balanced set of postings with its source document; at most one per kind and document."""

    __tablename__ = "journal_transaction"
    __table_args__ = (
        ForeignKeyConstraint(["period_id", "manufacturer_id"], ["period.id", "period.manufacturer_id"]),
        UniqueConstraint("kind", "document_type", "document_id"),
        UniqueConstraint("reverses_id"),
        UniqueConstraint("id", "manufacturer_id", "currency", "period_id"),
        Index("ix_journal_transaction_period_id", "period_id", "id"),
        Index("ix_journal_transaction_document", "document_type", "document_id"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    period_id: Mapped[int]
    kind: Mapped[str]
    document_type: Mapped[str]
    document_id: Mapped[str]
    reverses_id: Mapped[int | None] = mapped_column(ForeignKey("journal_transaction.id"))
    origin_period_id: Mapped[int | None] = mapped_column(ForeignKey("period.id"))
    description: Mapped[str]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    livemode: Mapped[bool]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class Posting(Base):
    """One leg: debit positive, credit negative. Its document leads to what earned it."""

    __tablename__ = "posting"
    __table_args__ = (
        ForeignKeyConstraint(
            ["transaction_id", "manufacturer_id", "currency", "period_id"],
            [
                "journal_transaction.id",
                "journal_transaction.manufacturer_id",
                "journal_transaction.currency",
                "journal_transaction.period_id",
            ],
            name="fk_posting_transaction",
        ),
        ForeignKeyConstraint(
            ["account_id", "manufacturer_id", "currency"],
            ["account.id", "account.manufacturer_id", "account.currency"],
            name="fk_posting_account",
        ),
        Index("ix_posting_transaction_id", "transaction_id"),
        Index("ix_posting_account_id", "account_id", "period_id", "id"),
        CheckConstraint("amount_minor <> 0", name="not_zero"),
    )

    id: Mapped[Id]
    transaction_id: Mapped[int]
    manufacturer_id: Mapped[int]
    currency: Mapped[str]
    period_id: Mapped[int]
    account_id: Mapped[int]
    party_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    amount_minor: Mapped[int]
    document_type: Mapped[str]
    document_id: Mapped[str]


class ChainBlock(Base):
    """A frozen block of transactions, hashed with the block before: tampering shows."""

    __tablename__ = "chain_block"
    __table_args__ = (
        UniqueConstraint("manufacturer_id", "position"),
        CheckConstraint("last_transaction_id >= first_transaction_id", name="order"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    period_id: Mapped[int] = mapped_column(ForeignKey("period.id"))
    position: Mapped[int]
    first_transaction_id: Mapped[int]
    last_transaction_id: Mapped[int]
    transaction_count: Mapped[int]
    previous_sha256: Mapped[str]
    sha256: Mapped[str]
    chained_at: Mapped[datetime]
