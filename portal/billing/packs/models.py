"""Tables of packs: what was sold, what each bill item used of it, what it earned otherwise, and whose that is."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CaseScoped, Id, Json, case_foreign_key


class PackSale(Base):
    """Packs sold at a price without tax: deferred until the minutes or incidents are used, or nobody can any more.

    ``payer_id`` owes the operator: the customer, or an integrator that collects from it. ``receipt_id`` is the payment
    ahead that it was sold from. ``discount_minor`` is what a promotion code took off, and of it
    ``discount_left_minor`` what the commission did not bear: it lowers later shares where the agreement names who
    bears it.
    """

    __tablename__ = "pack_sale"
    __table_args__ = (
        UniqueConstraint("grant_id"),
        UniqueConstraint("receipt_id"),
        Index("ix_pack_sale_site_id", "site_id", "manufacturer_id"),
        CheckConstraint("amount_minor > 0 AND tax_minor >= 0", name="amount"),
        CheckConstraint("discount_left_minor BETWEEN 0 AND discount_minor", name="discount"),
        CheckConstraint("paid_by IN ('invoice', 'stripe', 'bank', 'ahead')", name="paid_by"),
    )

    id: Mapped[Id]
    grant_id: Mapped[int] = mapped_column(ForeignKey("usage_grant.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    collector_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    seller_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    seller_of_record_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    policy_version_id: Mapped[int] = mapped_column(ForeignKey("document_version.id"))
    agreement_version_id: Mapped[int | None] = mapped_column(ForeignKey("document_version.id"))
    quantity: Mapped[int]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    tax_minor: Mapped[int]
    discount_minor: Mapped[int] = mapped_column(default=0, server_default="0")
    discount_left_minor: Mapped[int] = mapped_column(default=0, server_default="0")
    paid_by: Mapped[str]
    receipt_id: Mapped[int | None] = mapped_column(ForeignKey("cash_receipt.id"))
    period_id: Mapped[int] = mapped_column(ForeignKey("period.id"))
    sold_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class PackUse(CaseScoped, Base):
    """What a bill item uses of a sold pack, and the part of its price that this earns; gone with its item."""

    __tablename__ = "pack_use"
    __table_args__ = (
        UniqueConstraint("bill_item_id", "pack_sale_id"),
        Index("ix_pack_use_pack_sale_id", "pack_sale_id"),
        CheckConstraint("amount_minor >= 0", name="not_negative"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    bill_item_id: Mapped[int] = mapped_column(ForeignKey("bill_item.id"))
    pack_sale_id: Mapped[int] = mapped_column(ForeignKey("pack_sale.id"))
    seconds: Mapped[int]
    incidents: Mapped[int]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    explanation: Mapped[Json]
    used_at: Mapped[datetime]


class PackEarning(Base):
    """What a sold pack earned beside its use: a commission at the sale, what expired; a later one corrects."""

    __tablename__ = "pack_earning"
    __table_args__ = (
        UniqueConstraint("pack_sale_id", "seq"),
        CheckConstraint("seq > 0", name="seq"),
        CheckConstraint("kind IN ('commission', 'expiry')", name="kind"),
        CheckConstraint("amount_minor <> 0", name="not_zero"),
    )

    id: Mapped[Id]
    pack_sale_id: Mapped[int] = mapped_column(ForeignKey("pack_sale.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    seq: Mapped[int]
    kind: Mapped[str]
    seconds: Mapped[int]
    incidents: Mapped[int]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    agreement_version_id: Mapped[int | None] = mapped_column(ForeignKey("document_version.id"))
    explanation: Mapped[Json]
    earned_at: Mapped[datetime]


class PackShare(Base):
    """A party's part of what a pack earned beside its use, at once or with cash; rows of one earning sum to it."""

    __tablename__ = "pack_share"
    __table_args__ = (
        UniqueConstraint("pack_earning_id", "party_role"),
        CheckConstraint("amount_minor <> 0", name="not_zero"),
        CheckConstraint("funding IN ('at_once', 'cash')", name="funding"),
    )

    id: Mapped[Id]
    pack_earning_id: Mapped[int] = mapped_column(ForeignKey("pack_earning.id"))
    pack_sale_id: Mapped[int] = mapped_column(ForeignKey("pack_sale.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    party_role: Mapped[str]
    revenue_kind: Mapped[str]
    weight_bp: Mapped[int]
    funding: Mapped[str] = mapped_column(default="at_once", server_default="at_once")
    currency: Mapped[str]
    amount_minor: Mapped[int]
    explanation: Mapped[Json]
    recorded_at: Mapped[datetime]


class PackCash(Base):
    """Cash of a receipt makes part of a commission payable, as a cash application does of a share; their sum counts."""

    __tablename__ = "pack_cash"
    __table_args__ = (
        Index("ix_pack_cash_receipt_id", "receipt_id"),
        Index("ix_pack_cash_pack_share_id", "pack_share_id"),
        CheckConstraint("amount_minor <> 0", name="not_zero"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    receipt_id: Mapped[int] = mapped_column(ForeignKey("cash_receipt.id"))
    pack_share_id: Mapped[int] = mapped_column(ForeignKey("pack_share.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    applied_at: Mapped[datetime]
