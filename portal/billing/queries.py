"""Reads of billing: what holds a case, the items that stand, and what billing's own actions need to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, bindparam, exists, func, or_, select, text
from sqlalchemy.orm import Session

from portal.billing.facts import CLOSING
from portal.billing.models import BillingCut, BillItem, BillItemReversal, CashApplication, InvoiceItem
from portal.billing.outcome import CAUSE, TASK_CLASS
from portal.billing.reductions.models import LineReduction
from portal.billing.rules import Blocker, BlockingFacts, blockers_of
from portal.cases.models import CaseClosing, Challenge, ChallengeDecision, Resolution, SupportCase
from portal.entitlement.models import Authorization, Emergency, EmergencyRefusal
from portal.metering.models import (
    FittedPart,
    PartConfirmation,
    PartReversal,
    RunningTimer,
    TimeApproval,
    TimeEntry,
    TimeReversal,
)
from portal.metering.queries import unconfirmed_parts
from portal.payments.models import CashReceipt
from portal.rows import Facts, read_together, together

# A job that has not done its work by then is looked after, this many at a time.
SWEEP_AGE = timedelta(minutes=15)
SWEEP = 500


def stands() -> ColumnElement[bool]:
    """The condition that an item was not taken back."""
    return ~exists().where(BillItemReversal.bill_item_id == BillItem.id)


def live_item(session: Session, cut_id: int) -> BillItem | None:
    """The item of a cut that stands."""
    return session.scalars(select(BillItem).where(BillItem.cut_id == cut_id, stands())).one_or_none()


def live_items(session: Session, case_id: int) -> Sequence[BillItem]:
    """The items of a case that stand, in order of their cuts."""
    return session.scalars(
        select(BillItem)
        .join(BillingCut, BillingCut.id == BillItem.cut_id)
        .where(BillItem.case_id == case_id, stands())
        .order_by(BillingCut.seq)
    ).all()


def closing_is_billed(session: Session, case_id: int) -> bool:
    """Whether an item stands for the closing of a case."""
    wanted = select(BillItem.id).join(BillingCut, BillingCut.id == BillItem.cut_id)
    billed = wanted.where(BillItem.case_id == case_id, BillingCut.kind == CLOSING, stands())
    return session.scalar(select(billed.exists())) or False


def live_items_before(session: Session, cut: BillingCut) -> Sequence[BillItem]:
    """The items that stand of the case's cuts before this instant, in order."""
    return session.scalars(
        select(BillItem)
        .join(BillingCut, BillingCut.id == BillItem.cut_id)
        .where(BillItem.case_id == cut.case_id, stands(), BillingCut.seq < cut.seq)
        .where(or_(BillingCut.kind != cut.kind, BillingCut.cut_at != cut.cut_at))
        .order_by(BillingCut.seq)
    ).all()


_BLOCKING = together(
    {
        model: model.case_id == bindparam("case_id", type_=BigInteger)
        for model in (
            *(TimeEntry, TimeApproval, TimeReversal, RunningTimer, Emergency, Authorization, EmergencyRefusal),
            *(Resolution, Challenge, ChallengeDecision, FittedPart, PartConfirmation, PartReversal),
        )
    }
)


def blockers(
    session: Session, case: SupportCase, cut: BillingCut | None = None, *, now: datetime
) -> tuple[Blocker, ...]:
    """What holds the case's next bill item, by name; of a period's end only what lies before it."""
    facts = blocking_facts(read_together(session, _BLOCKING, {"case_id": case.id}), cut, now=now)
    return blockers_of(replace(facts, unknown_months=_unknown_months(session, case, cut)))


# Months that a running subscription pays and of which no bill is known, a later one's or not: what is used of them can
# come out of nothing yet. A month by which a remedy made the term longer is its last bill's.
_UNKNOWN_MONTHS = text(
    """
    SELECT count(*) FROM usage_grant given
    JOIN plan_choice choice ON choice.id = given.plan_choice_id AND choice.terms ? 'intent_id'
        AND NOT choice.terms ? 'reinstatement'
    JOIN provider_subscription subscription ON subscription.intent_id = (choice.terms ->> 'intent_id')::uuid
    JOIN LATERAL (SELECT status FROM subscription_seen WHERE subscription_id = subscription.id
                  ORDER BY seq DESC LIMIT 1) seen ON seen.status IN ('active', 'past_due')
    WHERE given.site_id = :site_id AND given.manufacturer_id = :manufacturer_id AND given.kind = 'included'
      AND EXISTS (
          SELECT FROM time_entry entry
          WHERE entry.case_id = :case_id AND entry.started_at >= given.starts_at
            AND entry.started_at < given.expires_at
            AND (CAST(:until AS timestamptz) IS NULL OR entry.started_at < :until)
            AND NOT EXISTS (SELECT FROM time_reversal WHERE time_reversal.entry_id = entry.id))
      AND NOT EXISTS (
          SELECT FROM subscription_bill bill WHERE bill.subscription_id = subscription.id
            AND tstzrange(bill.covers_from, bill.covers_until)
                @> given.starts_at + (given.expires_at - given.starts_at) / 2)
      AND NOT EXISTS (
          SELECT FROM supplement longer
          WHERE longer.manufacturer_id = choice.manufacturer_id AND longer.customer_id = choice.customer_id
            AND longer.kind = 'remedy' AND longer.amount_minor = 0
            AND (longer.explanation ->> 'plan_choice_id')::bigint = choice.id
            AND (longer.explanation ->> 'moved_from')::timestamptz
                <= given.starts_at + (given.expires_at - given.starts_at) / 2
            AND (longer.explanation ->> 'moved_until')::timestamptz
                > given.starts_at + (given.expires_at - given.starts_at) / 2)
      AND NOT EXISTS (
          SELECT FROM plan_sale sale
          WHERE sale.site_id = given.site_id AND sale.manufacturer_id = given.manufacturer_id AND sale.kind = 'month'
            AND sale.starts_at <= given.starts_at AND sale.ends_at > given.starts_at)
    """
)


def _unknown_months(session: Session, case: SupportCase, cut: BillingCut | None) -> int:
    until = cut.cut_at if cut is not None and cut.kind != CLOSING else None
    values = {"case_id": case.id, "site_id": case.site_id, "manufacturer_id": case.manufacturer_id, "until": until}
    return session.scalar(_UNKNOWN_MONTHS, values) or 0


def blocking_facts(rows: Facts, cut: BillingCut | None = None, *, now: datetime) -> BlockingFacts:
    """The same counted in rows of the case that were read already."""
    settled = {row.entry_id for row in (*rows[TimeReversal], *rows[TimeApproval])}
    entries = [row for row in rows[TimeEntry] if row.id not in settled]
    timers = rows[RunningTimer]
    parts = unconfirmed_parts(rows)
    if cut is not None and cut.kind != CLOSING:
        entries = [row for row in entries if row.ended_at <= cut.cut_at]
        timers = [row for row in timers if row.started_at < cut.cut_at]
        parts = [row for row in parts if row.fitted_at <= cut.cut_at]
    answered = {row.emergency_id for row in (*rows[Authorization], *rows[EmergencyRefusal])}
    latest = max((row.id for row in rows[Resolution]), default=None)
    decided = {row.challenge_id for row in rows[ChallengeDecision]}
    return BlockingFacts(
        len(entries),
        len(timers),
        sum(row.ratify_by > now and row.id not in answered for row in rows[Emergency]),
        sum(
            row.resolution_id == latest and row.subject in (CAUSE, TASK_CLASS) and row.id not in decided
            for row in rows[Challenge]
        ),
        len(parts),
    )


@dataclass(frozen=True)
class WaitingCut:
    """A cut that has no bill item yet."""

    cut_id: int
    case_id: int
    case_name: str
    kind: str
    cut_at: datetime


def waiting_cuts(session: Session, manufacturer_id: int, *, most: int = 200) -> list[WaitingCut]:
    """The work list: cuts without a bill item, the oldest first."""
    rows = session.execute(
        _waiting(BillingCut.id, BillingCut.case_id, SupportCase.name, BillingCut.kind, BillingCut.cut_at)
        .where(BillingCut.manufacturer_id == manufacturer_id)
        .order_by(BillingCut.cut_at, BillingCut.id)
        .limit(most)
    )
    return [WaitingCut(*row) for row in rows]


def _waiting(*columns: Any) -> Any:
    live = exists().where(BillItem.cut_id == BillingCut.id, stands())
    return select(*columns).join(SupportCase, SupportCase.id == BillingCut.case_id).where(~live)


def cases_of_cuts(session: Session, first_id: int, last_id: int) -> list[int]:
    """The cases whose cut is one of these and has no bill item yet."""
    rows = session.scalars(_waiting(BillingCut.case_id).where(BillingCut.id.between(first_id, last_id)))
    return sorted(set(rows))


def cases_to_bill(session: Session, now: datetime, *, most: int = SWEEP) -> list[int]:
    """Cases whose job may have been lost: closed without a cut, or cut and not billed, for a while."""
    old = now - SWEEP_AGE
    uncut = select(CaseClosing.case_id).where(
        CaseClosing.closed_at < old,
        ~exists().where(BillingCut.case_id == CaseClosing.case_id, BillingCut.kind == CLOSING),
    )
    unbilled = _waiting(BillingCut.case_id).where(BillingCut.cut_at < old)
    return sorted(set(session.scalars(uncut.limit(most))) | set(session.scalars(unbilled.limit(most))))


_WAITS_FOR_INCIDENT = text(
    """
    SELECT waiting.id FROM support_case waiting
    JOIN LATERAL (
        SELECT decision FROM coverage_decision WHERE case_id = waiting.id ORDER BY id DESC LIMIT 1) kept ON true
    WHERE waiting.state <> 'closed' AND kept.decision->'entry'->'requires' @> '["prepayment"]'
      AND EXISTS (SELECT FROM usage_grant given JOIN grant_balance balance ON balance.grant_id = given.id
                  WHERE given.site_id = waiting.site_id AND given.manufacturer_id = waiting.manufacturer_id
                    AND balance.free_incidents > 0 AND (balance.ends_at IS NULL OR balance.ends_at > :now))
      AND NOT EXISTS (SELECT FROM grant_reservation held WHERE held.case_id = waiting.id AND NOT EXISTS (
                          SELECT FROM reservation_release WHERE reservation_id = held.id))
      AND NOT EXISTS (SELECT FROM grant_draw WHERE grant_draw.case_id = waiting.id)
    ORDER BY waiting.id LIMIT :most
    """
)


def cases_to_prepay(session: Session, now: datetime, *, most: int = SWEEP) -> list[int]:
    """Cases that wait to be paid in advance while an incident of their site is free, such as one given back."""
    return list(session.scalars(_WAITS_FOR_INCIDENT, {"now": now, "most": most}))


def receipts_to_apply(session: Session, now: datetime, *, most: int = SWEEP) -> list[int]:
    """Receipts of invoices for bill items whose cash has reached no share, for a while."""
    statement = (
        select(CashReceipt.id)
        .where(
            CashReceipt.recorded_at < now - SWEEP_AGE,
            exists().where(InvoiceItem.invoice_id == CashReceipt.invoice_id, InvoiceItem.bill_item_id.is_not(None)),
            ~exists().where(CashApplication.receipt_id == CashReceipt.id),
        )
        .order_by(CashReceipt.id)
        .limit(most)
    )
    return list(session.scalars(statement))


def given_back_minor(session: Session, plan_sale_id: int) -> int:
    """What of a plan's month went back to its payer before it was earned."""
    found = session.scalar(
        select(func.coalesce(func.sum(LineReduction.deferred_minor), 0))
        .outerjoin(InvoiceItem, InvoiceItem.id == LineReduction.invoice_item_id)
        .where(func.coalesce(InvoiceItem.plan_sale_id, LineReduction.plan_sale_id) == plan_sale_id)
    )
    return int(found or 0)


@dataclass(frozen=True)
class TakenOfPayment:
    """What was taken off a payment ahead: in all, the tax in it, and what of it had not been sold."""

    amount_minor: int
    tax_minor: int
    prepaid_minor: int


def taken_of_payment(session: Session, receipt_id: int) -> TakenOfPayment:
    """What went back of a payment ahead, or is held because its bank has taken it."""
    unsold = LineReduction.pack_sale_id.is_(None) & LineReduction.plan_sale_id.is_(None)
    row = session.execute(
        select(
            func.sum(LineReduction.amount_minor),
            func.sum(LineReduction.tax_minor),
            func.sum(LineReduction.amount_minor - LineReduction.tax_minor).filter(unsold),
        ).where(LineReduction.receipt_id == receipt_id)
    ).one()
    return TakenOfPayment(int(row[0] or 0), int(row[1] or 0), int(row[2] or 0))
