"""Tables of settlement: statements and lines, contests, two people's approval, and what became of the money."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id, Json


class Statement(Base):
    """One party's statement of a period and currency; ``content_sha256`` covers every line."""

    __tablename__ = "statement"
    __table_args__ = (
        UniqueConstraint("manufacturer_id", "party_id", "currency", "period_id", "revision"),
        UniqueConstraint("manufacturer_id", "number"),
        UniqueConstraint("id", "content_sha256"),
        UniqueConstraint("id", "manufacturer_id", "party_id"),
        Index("ix_statement_party_id", "party_id", "id"),
        Index("ix_statement_period_id", "period_id"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    period_id: Mapped[int] = mapped_column(ForeignKey("period.id"))
    revision: Mapped[int]
    number: Mapped[int]
    name: Mapped[str]
    currency: Mapped[str]
    net_minor: Mapped[int]
    line_count: Mapped[int]
    content_sha256: Mapped[str]
    review_until: Mapped[datetime]
    made_at: Mapped[datetime]


class StatementLine(Base):
    """One payable posting of its statement's party, on one statement that stands: the database refuses a second.

    An adjustment names the period it is of, which was closed when it was posted.
    """

    __tablename__ = "statement_line"
    __table_args__ = (
        ForeignKeyConstraint(
            ["statement_id", "manufacturer_id", "party_id"],
            ["statement.id", "statement.manufacturer_id", "statement.party_id"],
        ),
        UniqueConstraint("statement_id", "position"),
        Index("ix_statement_line_posting_id", "posting_id"),
        Index("ix_statement_line_case_id", "case_id"),
    )

    id: Mapped[Id]
    statement_id: Mapped[int]
    manufacturer_id: Mapped[int]
    party_id: Mapped[int]
    position: Mapped[int]
    kind: Mapped[str]
    posting_id: Mapped[int] = mapped_column(ForeignKey("posting.id"))
    share_id: Mapped[int | None] = mapped_column(ForeignKey("share.id"))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("support_case.id"))
    case_name: Mapped[str]
    description: Mapped[str]
    amount_minor: Mapped[int]
    occurred_at: Mapped[datetime]
    origin_period_id: Mapped[int | None] = mapped_column(ForeignKey("period.id"))


class StatementDiscard(Base):
    """A statement that no longer stands: the period's statements were made again before any was approved."""

    __tablename__ = "statement_discard"
    __table_args__ = (UniqueConstraint("statement_id"),)

    id: Mapped[Id]
    statement_id: Mapped[int] = mapped_column(ForeignKey("statement.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    reason: Mapped[str]
    discarded_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    discarded_at: Mapped[datetime]


class StatementAcceptance(Base):
    """The party says the statement is right, before the window ends."""

    __tablename__ = "statement_acceptance"
    __table_args__ = (UniqueConstraint("statement_id"),)

    id: Mapped[Id]
    statement_id: Mapped[int] = mapped_column(ForeignKey("statement.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    content_sha256: Mapped[str]
    accepted_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    accepted_at: Mapped[datetime]


class Contest(Base):
    """A party contests one line within the review window; the line is held, the rest goes on."""

    __tablename__ = "contest"
    __table_args__ = (UniqueConstraint("statement_line_id"), Index("ix_contest_statement_id", "statement_id"))

    id: Mapped[Id]
    statement_id: Mapped[int] = mapped_column(ForeignKey("statement.id"))
    statement_line_id: Mapped[int] = mapped_column(ForeignKey("statement_line.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    reason: Mapped[str]
    contested_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    contested_at: Mapped[datetime]


class ContestDecision(Base):
    """The contest's end: the line stands (released with the next statement) or is corrected by a new posting."""

    __tablename__ = "contest_decision"
    __table_args__ = (
        UniqueConstraint("contest_id"),
        CheckConstraint("outcome IN ('stands', 'corrected', 'withdrawn')", name="outcome"),
    )

    id: Mapped[Id]
    contest_id: Mapped[int] = mapped_column(ForeignKey("contest.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    outcome: Mapped[str]
    explanation: Mapped[str]
    decided_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime]


class StatementPreparation(Base):
    """One finance person prepared the statement: the hash, and how the amount is to be disposed of."""

    __tablename__ = "statement_preparation"
    __table_args__ = (
        Index("ix_statement_preparation_statement_id", "statement_id"),
        UniqueConstraint("id", "preparer_id", "content_sha256"),
    )

    id: Mapped[Id]
    statement_id: Mapped[int] = mapped_column(ForeignKey("statement.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    preparer_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    content_sha256: Mapped[str]
    amount_minor: Mapped[int]
    plan: Mapped[Json]
    prepared_at: Mapped[datetime]


class StatementApproval(Base):
    """Another finance person approved exactly what was prepared and shown."""

    __tablename__ = "statement_approval"
    __table_args__ = (
        UniqueConstraint("statement_id"),
        ForeignKeyConstraint(["statement_id", "content_sha256"], ["statement.id", "statement.content_sha256"]),
        ForeignKeyConstraint(
            ["preparation_id", "preparer_id", "content_sha256"],
            ["statement_preparation.id", "statement_preparation.preparer_id", "statement_preparation.content_sha256"],
        ),
        CheckConstraint("approver_id <> preparer_id", name="four_eyes"),
    )

    id: Mapped[Id]
    statement_id: Mapped[int]
    preparation_id: Mapped[int]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    preparer_id: Mapped[int]
    approver_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    content_sha256: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    approved_at: Mapped[datetime]


class Disposition(Base):
    """A part of an approved amount: transferred, retained, invoiced, held or carried; the parts sum to it."""

    __tablename__ = "disposition"
    __table_args__ = (
        UniqueConstraint("approval_id", "kind"),
        UniqueConstraint("intent_id"),
        CheckConstraint("kind IN ('transferred', 'retained', 'invoiced', 'held', 'carried')", name="kind"),
        CheckConstraint("kind <> 'transferred' OR intent_id IS NOT NULL", name="transfer_has_intent"),
    )

    id: Mapped[Id]
    approval_id: Mapped[int] = mapped_column(ForeignKey("statement_approval.id"))
    statement_id: Mapped[int] = mapped_column(ForeignKey("statement.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    kind: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    intent_id: Mapped[UUID | None] = mapped_column(ForeignKey("intent.id"))
    disposed_at: Mapped[datetime]


class Hold(Base):
    """Nothing of a case, to a party, or of a charged-back invoice is paid until the hold ends; it is owed all the same.

    ``party_id`` narrows a case or chargeback to one party; without it all parties wait.
    """

    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint(
            "CASE kind WHEN 'case' THEN case_id IS NOT NULL AND invoice_id IS NULL"
            " WHEN 'party' THEN party_id IS NOT NULL AND case_id IS NULL AND invoice_id IS NULL"
            " WHEN 'chargeback' THEN invoice_id IS NOT NULL AND case_id IS NULL ELSE false END",
            name="subject",
        ),
        CheckConstraint("kind = 'chargeback' OR placed_by IS NOT NULL", name="person"),
        Index("ix_hold_manufacturer_id", "manufacturer_id", "id"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    kind: Mapped[str]
    party_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("support_case.id"))
    invoice_id: Mapped[int | None] = mapped_column(ForeignKey("invoice.id"))
    reason: Mapped[str]
    placed_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    placed_at: Mapped[datetime]


class HoldEnd(Base):
    """A hold's end: what it held comes back with the next statement."""

    __tablename__ = "hold_end"
    __table_args__ = (UniqueConstraint("hold_id"),)

    id: Mapped[Id]
    hold_id: Mapped[int] = mapped_column(ForeignKey("hold.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    reason: Mapped[str]
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    ended_at: Mapped[datetime]


class CloseManifest(Base):
    """What a close froze: counts, totals, chain head, open exceptions; the hard one is signed."""

    __tablename__ = "close_manifest"
    __table_args__ = (
        UniqueConstraint("period_id", "kind"),
        CheckConstraint("kind IN ('soft', 'hard')", name="kind"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    period_id: Mapped[int] = mapped_column(ForeignKey("period.id"))
    kind: Mapped[str]
    content: Mapped[Json]
    sha256: Mapped[str]
    chain_head: Mapped[str]
    signed_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    made_at: Mapped[datetime]


class BooksCheck(Base):
    """What a check of all books found, for the operator."""

    __tablename__ = "books_check"
    __table_args__ = (
        Index("ix_books_check_organisation_id", "organisation_id", "id"),
        CheckConstraint("problem_count >= 0", name="count"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    problem_count: Mapped[int]
    content: Mapped[Json]
    checked_at: Mapped[datetime]


class BankEntry(Base):
    """A line of a bank's statement as uploaded; ``nth`` tells lines of one file apart that say exactly the same."""

    __tablename__ = "bank_entry"
    __table_args__ = (
        UniqueConstraint(
            "manufacturer_id", "currency", "booked_on", "amount_minor", "reference", "nth", name="uq_bank_entry_said"
        ),
        CheckConstraint("nth > 0", name="nth"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    booked_on: Mapped[date]
    reference: Mapped[str]
    words: Mapped[str]
    nth: Mapped[int]
    uploaded_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    uploaded_at: Mapped[datetime]


class BankLine(Base):
    """A line of a bank statement for one posting to the bank account: as typed, or the uploaded one it answers to."""

    __tablename__ = "bank_line"
    __table_args__ = (
        UniqueConstraint("posting_id"),
        UniqueConstraint("entry_id"),
        Index("ix_bank_line_manufacturer_id", "manufacturer_id", "id"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    posting_id: Mapped[int] = mapped_column(ForeignKey("posting.id"))
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("bank_entry.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    booked_on: Mapped[date]
    reference: Mapped[str]
    recorded_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    recorded_at: Mapped[datetime]
