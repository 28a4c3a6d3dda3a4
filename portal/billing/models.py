"""Tables from the billing cut to shares and invoices: facts only; a correction reverses and adds."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CaseScoped, Id, Json, case_foreign_key


class BillingCut(CaseScoped, Base):
    """A point up to which a case is billed: its closing, or a period's end for older approved work."""

    __tablename__ = "billing_cut"
    __table_args__ = (
        UniqueConstraint("case_id", "seq"),
        CheckConstraint("kind IN ('closing', 'period_end')", name="kind"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    seq: Mapped[int]
    kind: Mapped[str]
    cut_at: Mapped[datetime]


class BillItem(CaseScoped, Base):
    """What one cut of a case costs: payer, collector, seller of record, the versions it was decided by.

    ``use_minor`` is what included time of the cut earns at its use: nobody pays it again, it is shared all the same.
    """

    __tablename__ = "bill_item"
    __table_args__ = (
        UniqueConstraint("cut_id", "revision"),
        UniqueConstraint("replaces_id"),
        Index("ix_bill_item_case_id", "case_id"),
        Index("ix_bill_item_payer_id", "payer_id", "id"),
        Index("ix_bill_item_period_id", "period_id"),
        # Where an integrator collects, the manufacturer's debtor is the integrator.
        Index(
            "ix_bill_item_collected",
            "collector_id",
            "id",
            postgresql_where=text(
                "collector_id = integrator_id AND integrator_id <> manufacturer_id AND payer_id = customer_id"
            ),
        ),
        CheckConstraint("(revision = 0) = (replaces_id IS NULL)", name="revision_replaces"),
        CheckConstraint("amount_minor >= 0 AND list_amount_minor >= amount_minor", name="amounts"),
        CheckConstraint("use_minor >= 0", name="use"),
        CheckConstraint("audience IN ('own', 'companies', 'customer')", name="audience"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    audience: Mapped[str]
    owner_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    cut_id: Mapped[int] = mapped_column(ForeignKey("billing_cut.id"))
    revision: Mapped[int]
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("bill_item.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    collector_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    seller_of_record_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    list_amount_minor: Mapped[int]
    included_seconds: Mapped[int]
    use_minor: Mapped[int] = mapped_column(default=0, server_default="0")
    policy_version_id: Mapped[int] = mapped_column(ForeignKey("document_version.id"))
    agreement_version_id: Mapped[int | None] = mapped_column(ForeignKey("document_version.id"))
    resolution_id: Mapped[int | None] = mapped_column(ForeignKey("resolution.id"))
    period_id: Mapped[int] = mapped_column(ForeignKey("period.id"))
    explanation: Mapped[Json]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class BillItemReversal(CaseScoped, Base):
    """A bill item taken back, with the reason; the next revision replaces it."""

    __tablename__ = "bill_item_reversal"
    __table_args__ = (UniqueConstraint("bill_item_id"), case_foreign_key())

    id: Mapped[Id]
    audience: Mapped[str]
    owner_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    bill_item_id: Mapped[int] = mapped_column(ForeignKey("bill_item.id"))
    reason: Mapped[str]
    reversed_at: Mapped[datetime]


class BillLine(CaseScoped, Base):
    """One line of a bill item with its seconds, rate, amount, who bears it, and the steps that made it.

    Below zero where a later cut takes back what an earlier one had added, such as a minimum that is now reached.
    """

    __tablename__ = "bill_line"
    __table_args__ = (
        UniqueConstraint("bill_item_id", "position"),
        CheckConstraint("rate_den > 0", name="rate"),
        CheckConstraint("bearer IN ('payer', 'manufacturer', 'integrator')", name="bearer"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    audience: Mapped[str]
    owner_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    bill_item_id: Mapped[int] = mapped_column(ForeignKey("bill_item.id"))
    position: Mapped[int]
    kind: Mapped[str]
    bearer: Mapped[str]
    band: Mapped[str]
    mode: Mapped[str]
    task_class: Mapped[str]
    seconds: Mapped[int]
    rate_num: Mapped[int]
    rate_den: Mapped[int]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    list_amount_minor: Mapped[int]
    description: Mapped[str]
    explanation: Mapped[Json]


class BillSegment(CaseScoped, Base):
    """A piece of a time entry that a line is made of."""

    __tablename__ = "bill_segment"
    __table_args__ = (
        Index("ix_bill_segment_line_id", "line_id"),
        Index("ix_bill_segment_entry_id", "entry_id"),
        CheckConstraint("ended_at >= started_at", name="order"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    audience: Mapped[str]
    owner_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    line_id: Mapped[int] = mapped_column(ForeignKey("bill_line.id"))
    entry_id: Mapped[int] = mapped_column(ForeignKey("time_entry.id"))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    seconds: Mapped[int]
    billed_seconds: Mapped[int]


class Share(CaseScoped, Base):
    """A party's part of a bill item; NULL party is the undetermined part. Rows of one item sum to it."""

    __tablename__ = "share"
    __table_args__ = (
        Index("ix_share_bill_item_id", "bill_item_id"),
        Index("ix_share_party_id", "party_id", "id"),
        Index("ix_share_reverses_id", "reverses_id"),
        CheckConstraint("kind IN ('original', 'reversal', 'decided')", name="kind"),
        CheckConstraint("(kind = 'reversal') = (reverses_id IS NOT NULL)", name="reversal_names_share"),
        CheckConstraint("amount_minor <> 0", name="not_zero"),
        CheckConstraint("funding IN ('cash', 'use', 'set_off')", name="funding"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    bill_item_id: Mapped[int] = mapped_column(ForeignKey("bill_item.id"))
    kind: Mapped[str]
    party_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    party_role: Mapped[str]
    revenue_kind: Mapped[str]
    funding: Mapped[str]
    weight_bp: Mapped[int]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    reverses_id: Mapped[int | None] = mapped_column(ForeignKey("share.id"))
    explanation: Mapped[Json]
    recorded_at: Mapped[datetime]


class Invoice(Base):
    """One payer's bill items of one manufacturer, currency and period; Stripe's object hangs on its intent."""

    __tablename__ = "invoice"
    __table_args__ = (
        UniqueConstraint("manufacturer_id", "number"),
        UniqueConstraint("manufacturer_id", "payer_id", "currency", "period_id", "part"),
        UniqueConstraint("intent_id"),
        UniqueConstraint("id", "manufacturer_id", "payer_id"),
        Index("ix_invoice_payer_id", "payer_id", "id"),
        CheckConstraint("total_minor > 0", name="total"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    collector_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    seller_of_record_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    period_id: Mapped[int] = mapped_column(ForeignKey("period.id"))
    part: Mapped[int] = mapped_column(default=1, server_default="1")
    number: Mapped[int]
    name: Mapped[str]
    currency: Mapped[str]
    total_minor: Mapped[int]
    purchase_order: Mapped[str] = mapped_column(default="", server_default="")
    due_on: Mapped[date]
    intent_id: Mapped[UUID] = mapped_column(ForeignKey("intent.id"))
    issued_at: Mapped[datetime]


class InvoiceItem(Base):
    """A bill item on an invoice, once, and once as a credit when it was taken back; a plan's month, a pack or an
    supplement, once.
    """

    __tablename__ = "invoice_item"
    __table_args__ = (
        ForeignKeyConstraint(
            ["invoice_id", "manufacturer_id", "payer_id"],
            ["invoice.id", "invoice.manufacturer_id", "invoice.payer_id"],
        ),
        UniqueConstraint("bill_item_id", "kind"),
        UniqueConstraint("plan_sale_id"),
        UniqueConstraint("pack_sale_id"),
        UniqueConstraint("supplement_id"),
        CheckConstraint("num_nonnulls(bill_item_id, plan_sale_id, pack_sale_id, supplement_id) = 1", name="source"),
        UniqueConstraint("invoice_id", "position"),
        CheckConstraint("kind IN ('charge', 'credit')", name="kind"),
        CheckConstraint("(kind = 'charge') = (amount_minor > 0)", name="sign"),
    )

    id: Mapped[Id]
    invoice_id: Mapped[int]
    manufacturer_id: Mapped[int]
    payer_id: Mapped[int]
    bill_item_id: Mapped[int | None] = mapped_column(ForeignKey("bill_item.id"))
    plan_sale_id: Mapped[int | None] = mapped_column(ForeignKey("plan_sale.id"))
    pack_sale_id: Mapped[int | None] = mapped_column(ForeignKey("pack_sale.id"))
    supplement_id: Mapped[int | None] = mapped_column(ForeignKey("supplement.id"))
    position: Mapped[int]
    kind: Mapped[str]
    description: Mapped[str]
    amount_minor: Mapped[int]


class PlanSale(Base):
    """One month of a chosen plan, sold at its price: deferred until its minutes are used or the month is over.

    A reinstatement is sold like a month, for the time without cover that it makes up for, and so is what is owed for
    the rest of a minimum term that was left early, on an invoice and earned at once; what goes back of a month
    that was given up is below zero and names it. ``paid_by``: on an invoice, or out of what a subscription paid ahead.
    ``discount_minor`` is what a promotion code took off the price that was paid.
    """

    __tablename__ = "plan_sale"
    __table_args__ = (
        UniqueConstraint("plan_choice_id", "starts_at"),
        Index("ix_plan_sale_site_id", "site_id", "manufacturer_id", "ends_at"),
        Index("ix_plan_sale_credits_id", "credits_id"),
        CheckConstraint("CASE WHEN kind = 'given_up' THEN amount_minor < 0 ELSE amount_minor > 0 END", name="amount"),
        CheckConstraint("(kind = 'given_up') = (credits_id IS NOT NULL)", name="credits"),
        CheckConstraint("discount_minor >= 0", name="discount"),
        CheckConstraint("paid_by IN ('invoice', 'ahead')", name="paid_by"),
        CheckConstraint("kind IN ('month', 'reinstatement', 'given_up', 'left_early')", name="kind"),
        CheckConstraint("ends_at > starts_at", name="order"),
    )

    id: Mapped[Id]
    kind: Mapped[str] = mapped_column(default="month", server_default="month")
    credits_id: Mapped[int | None] = mapped_column(ForeignKey("plan_sale.id"))
    explanation: Mapped[Json] = mapped_column(default=dict, server_default="{}")
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    plan_choice_id: Mapped[int] = mapped_column(ForeignKey("plan_choice.id"))
    plan_code: Mapped[str]
    payer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    collector_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    seller_of_record_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    policy_version_id: Mapped[int] = mapped_column(ForeignKey("document_version.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    discount_minor: Mapped[int] = mapped_column(default=0, server_default="0")
    paid_by: Mapped[str] = mapped_column(default="invoice", server_default="invoice")
    period_id: Mapped[int] = mapped_column(ForeignKey("period.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class PlanEarning(Base):
    """What of a plan's month was earned once it was over and not by use; a later one is the difference."""

    __tablename__ = "plan_earning"
    __table_args__ = (
        UniqueConstraint("plan_sale_id", "seq"),
        CheckConstraint("seq > 0", name="seq"),
        CheckConstraint("amount_minor <> 0 OR seq = 1", name="difference"),
    )

    id: Mapped[Id]
    plan_sale_id: Mapped[int] = mapped_column(ForeignKey("plan_sale.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    seq: Mapped[int]
    currency: Mapped[str]
    used_minor: Mapped[int]
    amount_minor: Mapped[int]
    unused_seconds: Mapped[int]
    agreement_version_id: Mapped[int | None] = mapped_column(ForeignKey("document_version.id"))
    earned_at: Mapped[datetime]


class PlanShare(Base):
    """A party's part of what a plan's month earned, payable at once; rows of one earning sum to it.

    What leaving a plan early owed is payable with the cash of its invoice.
    """

    __tablename__ = "plan_share"
    __table_args__ = (
        UniqueConstraint("plan_earning_id", "party_role"),
        CheckConstraint("amount_minor <> 0", name="not_zero"),
        CheckConstraint("funding IN ('at_once', 'cash')", name="funding"),
    )

    id: Mapped[Id]
    plan_earning_id: Mapped[int] = mapped_column(ForeignKey("plan_earning.id"))
    plan_sale_id: Mapped[int] = mapped_column(ForeignKey("plan_sale.id"))
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


class CashApplication(CaseScoped, Base):
    """Cash of a receipt makes part of a share payable: pro rata over the invoice, cumulatively exact.

    More rows of a receipt and share where work beside it was billed again; what counts is their sum.
    """

    __tablename__ = "cash_application"
    __table_args__ = (
        Index("ix_cash_application_receipt_id", "receipt_id"),
        Index("ix_cash_application_share_id", "share_id"),
        CheckConstraint("amount_minor <> 0", name="not_zero"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    receipt_id: Mapped[int] = mapped_column(ForeignKey("cash_receipt.id"))
    share_id: Mapped[int] = mapped_column(ForeignKey("share.id"))
    party_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    amount_minor: Mapped[int]
    applied_at: Mapped[datetime]


class LineQuery(CaseScoped, Base):
    """A customer asks about a line of its bill; it has an owner and an end date."""

    __tablename__ = "line_query"
    __table_args__ = (Index("ix_line_query_bill_line_id", "bill_line_id"), case_foreign_key())

    id: Mapped[Id]
    bill_line_id: Mapped[int] = mapped_column(ForeignKey("bill_line.id"))
    question: Mapped[str]
    asked_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    asked_at: Mapped[datetime]
    answer_by: Mapped[datetime]


class LineQueryAnswer(CaseScoped, Base):
    """The answer that ends a query."""

    __tablename__ = "line_query_answer"
    __table_args__ = (UniqueConstraint("query_id"), case_foreign_key())

    id: Mapped[Id]
    query_id: Mapped[int] = mapped_column(ForeignKey("line_query.id"))
    answer: Mapped[str]
    answered_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    answered_at: Mapped[datetime]
