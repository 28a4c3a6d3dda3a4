"""The tables of what was taken back: hours whose price went back, questions that payers were asked anew."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CaseScoped, Id, case_foreign_key


class GrantWithdrawal(Base):
    """What of a grant went back to its payer, or is held because its bank has taken the payment; below zero the end.

    ``cause`` is an adjustment, a chargeback, or the sale below zero of a month that was given up.
    """

    __tablename__ = "grant_withdrawal"
    __table_args__ = (
        UniqueConstraint("grant_id", "cause_type", "cause_id", "is_return"),
        CheckConstraint("cause_type IN ('adjustment', 'chargeback', 'given_up')", name="cause"),
        CheckConstraint("(seconds <> 0) <> (incidents <> 0)", name="one_unit"),
        CheckConstraint("(seconds < 0 OR incidents < 0) = is_return", name="sign"),
    )

    id: Mapped[Id]
    grant_id: Mapped[int] = mapped_column(ForeignKey("usage_grant.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    cause_type: Mapped[str]
    cause_id: Mapped[int]
    is_return: Mapped[bool]
    seconds: Mapped[int]
    incidents: Mapped[int] = mapped_column(default=0, server_default="0")
    recorded_at: Mapped[datetime]


class AuthorizationWithdrawal(CaseScoped, Base):
    """A request that nobody had answered is taken back, with why; ``replaced_by_id`` is the one asked in its place."""

    __tablename__ = "authorization_withdrawal"
    __table_args__ = (
        Index("ix_authorization_withdrawal_case_id", "case_id"),
        UniqueConstraint("request_id"),
        CheckConstraint("replaced_by_id > request_id", name="later"),
        CheckConstraint("audience IN ('companies', 'customer')", name="audience"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    audience: Mapped[str]
    request_id: Mapped[int] = mapped_column(ForeignKey("authorization_request.id"))
    replaced_by_id: Mapped[int] = mapped_column(ForeignKey("authorization_request.id"))
    reason: Mapped[str]
    withdrawn_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    withdrawn_at: Mapped[datetime]
