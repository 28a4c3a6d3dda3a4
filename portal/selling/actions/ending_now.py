"""A plan that is paid by subscription is ended at once, and what is left of what was paid goes back.

What goes back is shown before the yes, which holds for those figures; they stand with the intent that ends the
subscription at Stripe. Invariants: nothing goes back before Stripe has ended it, and everything that was shown does
then, once, in the transaction in which the plan ends; a running case keeps its cover.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.adjustments import queries as adjustments
from portal.adjustments.actions.returning import return_of_plan
from portal.adjustments.ahead import months_of_bill, paid_for
from portal.adjustments.lines import minutes_back, unearned_minor
from portal.adjustments.models import Adjustment
from portal.adjustments.rules.unused import Payment
from portal.audit import actions as audit
from portal.billing.actions.changed import changed_term_at
from portal.billing.actions.for_sale import late_months
from portal.billing.actions.giving_up import RunningMonth, give_up_ended, running_month
from portal.billing.actions.used import grant_of_sale
from portal.billing.models import PlanSale
from portal.billing.queries import given_back_minor
from portal.billing.reductions.models import LineReduction
from portal.billing.rules.plans import GivenUp
from portal.contracts.rules import plan_named
from portal.entitlement.actions.withdrawing import locked_balance, withdraw
from portal.errors import Conflict, NotAllowed, RuleBroken
from portal.jobs import enqueue
from portal.money import Money, asked_part
from portal.payments import checkouts, rules
from portal.payments.bill_credits import credit_of_bill, plan_bill_credit
from portal.payments.models import CashReceipt, Intent, SubscriptionBill
from portal.selling.actions.changing import alone, change_on_its_way
from portal.selling.actions.ending import agreed_on, end_from, end_now_planned, is_ending, minimum_until
from portal.selling.queries import Bought
from portal.selling.rules import Step
from portal.selling.rules.changing import is_stale
from portal.selling.rules.ending import Running, refusal, taken_of_payments
from portal.zones import local_day

# What withdraws the minutes that go back: the sale below zero.
GIVEN_UP = "given_up"
OTHER_FIGURES = "What goes back has changed. Look at it again before you say yes."


@dataclass(frozen=True)
class PaymentBack:
    """What of a bill goes back, with the sales tax in it: of its payment, or off what is still open of it."""

    bill: SubscriptionBill
    receipt: CashReceipt | None
    amount_minor: int
    tax_minor: int

    @property
    def left_minor(self) -> int:
        """What a bill that is open still asks for then."""
        return self.bill.amount_minor + self.bill.tax_minor - self.amount_minor


@dataclass(frozen=True)
class _Source:
    """A bill and its payment, what of it went back before, and what of it is not sold."""

    bill: SubscriptionBill
    receipt: CashReceipt | None
    payment: Payment
    unsold_minor: int

    @property
    def left_minor(self) -> int:
        """What of its price can still go back."""
        return max(self.payment.amount_minor - self.payment.tax_minor - self.payment.gone_net_minor, 0)


@dataclass(frozen=True)
class EndNow:
    """What ending a plan at an instant gives back and why, or why it is not ended at once.

    ``unsold_minor`` is for months that have not begun, ``month`` the one that runs.
    """

    at: datetime
    plan_name: str
    currency: str
    month: RunningMonth | None
    unsold_minor: int
    payments: tuple[PaymentBack, ...]
    refusal: str = ""

    @property
    def month_minor(self) -> int:
        """What goes back of the month that runs."""
        return self.month.back.amount_minor if self.month is not None else 0

    @property
    def total_minor(self) -> int:
        """All that goes back, with tax."""
        return sum(each.amount_minor for each in self.payments)

    @property
    def tax_minor(self) -> int:
        """The sales tax in it."""
        return sum(each.tax_minor for each in self.payments)

    @property
    def shown(self) -> tuple[int, int]:
        """What the buyer says yes to."""
        return self.total_minor, self.tax_minor

    @property
    def sentences(self) -> tuple[str, ...]:
        """Why so much goes back."""
        said = self.month.back.sentences if self.month is not None else ()
        if self.unsold_minor:
            said += (f"For months that have not begun {Money(self.unsold_minor, self.currency)} goes back whole.",)
        return said

    @property
    def minutes_stay(self) -> bool:
        """Whether included minutes stay when a part of their month's price goes back."""
        return self.month is not None and self.month.plan.refunded_minutes_stay


def end_now_figures(session: Session, found: Bought, at: datetime, *, now: datetime) -> EndNow:
    """What ending a plan at an instant gives back. *Raises*: Conflict where none runs, or the instant is too old."""
    seen, row = found.seen, found.purchase
    if seen is None or row.intent_id is None or Step.SOLD not in found.steps:
        raise Conflict("There is no running subscription.")
    if seen.status == rules.SUBSCRIPTION_ENDED or {Step.ENDED, Step.LAPSED, Step.RETURNED} & set(found.steps):
        raise Conflict("The plan has ended. Its page shows what went back.")
    if is_stale(at, seen.covers_from, now):
        raise Conflict("These figures are some minutes old. Look at the new ones before you say yes.")
    agreed = agreed_on(session, found)
    month = running_month(session, row.intent_id, at)
    plan = month.plan if month is not None else plan_named(agreed.policy, agreed.code)
    sources = _sources(session, found, _bills_at(session, found, at))
    receipts = [each.receipt for each in sources if each.receipt is not None]
    unsold = sum(each.unsold_minor for each in sources)
    payments = _payments_back(sources, unsold + (month.back.amount_minor if month is not None else 0))
    why_not = refusal(
        Running(
            plan.name,
            local_day(agreed.policy.zone, at),
            plan.given_up_by_days,
            minimum_until=minimum_until(session, found),
            is_ending=is_ending(session, found),
            is_changing=bool(change_on_its_way(session, found, now)),
            is_recorded=_is_recorded(month, sources) and not late_months(session, now, site_id=row.site_id),
            is_held=_is_held(session, receipts),
            is_returning=any(
                adjustments.refundable_minor(session, each.receipt) < each.amount_minor
                for each in payments
                if each.receipt is not None
            ),
        )
    )
    if not why_not and not payments:
        why_not = "Nothing is left to go back: what is left of the month was used."
    return EndNow(at, plan.name, row.currency, month, unsold, payments, why_not)


def _bills_at(session: Session, found: Bought, at: datetime) -> Sequence[SubscriptionBill]:
    """The bills that pay for the time around an instant: one, and those of changes at once within it."""
    if found.purchase.intent_id is None:
        return ()
    changed = changed_term_at(session, found.purchase.intent_id, at)
    if changed is not None:
        return changed.bills
    return [bill for bill in found.bills if bill.covers_from <= at][-1:]


def _sources(session: Session, found: Bought, bills: Sequence[SubscriptionBill]) -> list[_Source]:
    """What bills were paid with and what for, in their order; what nobody has paid yet is a source as well."""
    sources = []
    for bill in bills:
        paid = [receipt for receipt in found.receipts if receipt.bill_id == bill.id]
        for receipt in paid:
            known = paid_for(session, receipt)
            sources.append(_Source(bill, receipt, known.payment, known.prepaid_minor))
        if not paid and bill.amount_minor and found.purchase.intent_id is not None:
            sold = sum(sale.amount_minor for sale in months_of_bill(session, bill, found.purchase.intent_id))
            asked = Payment(bill.amount_minor + bill.tax_minor, bill.tax_minor)
            sources.append(_Source(bill, None, asked, max(bill.amount_minor - sold, 0)))
    return sources


def _is_recorded(month: RunningMonth | None, sources: Sequence[_Source]) -> bool:
    """Whether the month that runs is sold, and of these bills."""
    if month is None or not sources:
        return False
    sale = month.sale
    return sources[0].bill.covers_from <= sale.starts_at + (sale.ends_at - sale.starts_at) / 2


def _is_held(session: Session, receipts: Sequence[CashReceipt]) -> bool:
    """Whether the bank of the payer has one of the payments, as what was taken for it says."""
    taken = select(func.coalesce(func.sum(LineReduction.amount_minor), 0)).where(
        LineReduction.cause_type == "chargeback", LineReduction.receipt_id.in_([receipt.id for receipt in receipts])
    )
    return bool(session.scalar(taken))


def _payments_back(sources: Sequence[_Source], net_minor: int) -> tuple[PaymentBack, ...]:
    """What of each bill goes back with its tax, as far as something is left of it."""
    left = [each.left_minor for each in sources]
    back = []
    for each, net in zip(sources, taken_of_payments(min(net_minor, sum(left)), left), strict=True):
        minor = asked_part(each.payment.with_tax(net), each.bill.currency) if net else 0
        if minor:
            back.append(PaymentBack(each.bill, each.receipt, minor, each.payment.tax_of(minor)))
    return tuple(back)


def end_now(
    session: Session, actor: Actor, found: Bought, at: datetime, shown: tuple[int, int], *, now: datetime
) -> Intent:
    """End a plan at once, with the buyer's yes to what goes back, with tax; the same yes again is the same end.

    *Raises*: NotAllowed; RuleBroken where nothing goes back at once; Conflict where what was shown no longer holds.
    """
    if actor.side is not Side.CUSTOMER or not actor.has(Role.BUYER):
        raise NotAllowed("Your organisation's buyer ends a plan.")
    alone(session, found.purchase.id)
    known = end_now_said(session, found, at)
    if known is not None:
        return known
    figures = end_now_figures(session, found, at, now=now)
    if figures.refusal or figures.month is None or found.subscription is None:
        raise RuleBroken(figures.refusal)
    if figures.shown != shown:
        raise Conflict(OTHER_FIGURES)
    said = _said(actor, figures, figures.month) | {"gone_minor": given_back_minor(session, figures.month.sale.id)}
    details = {name: said[name] for name in ("at", "total_minor", "tax_minor")}
    audit.record(session, actor, "end_plan_now", "purchase", found.purchase.id, details=details, now=now)
    return checkouts.plan_end(session, found.subscription, said=said, now=now)


def end_now_said(session: Session, found: Bought, at: datetime) -> Intent | None:
    """The end that the same yes planned before."""
    planned = end_now_planned(session, found)
    if planned is None or planned.state in (rules.FAILED, rules.CANCELLED):
        return None
    return planned if planned.request[rules.END_NOW]["at"] == at.isoformat() else None


def _said(actor: Actor, figures: EndNow, month: RunningMonth) -> dict[str, Any]:
    return {
        "at": figures.at.isoformat(),
        "plan": figures.plan_name,
        "person": actor.person_id,
        "sale": month.sale.id,
        "month_minor": figures.month_minor,
        "unsold_minor": figures.unsold_minor,
        "total_minor": figures.total_minor,
        "tax_minor": figures.tax_minor,
        "sentences": list(figures.sentences),
        "payments": [[each.receipt.id, each.amount_minor] for each in figures.payments if each.receipt is not None],
        "open_bills": [
            [each.bill.id, each.amount_minor, each.tax_minor] for each in figures.payments if each.receipt is None
        ],
    }


def carry_out_end(session: Session, found: Bought, *, now: datetime, livemode: bool = False) -> None:
    """End the plan that Stripe has ended, and give back what was shown; a job's. Again is harmless."""
    planned, seen = end_now_planned(session, found), found.seen
    if planned is None or planned.state in (rules.FAILED, rules.CANCELLED):
        return
    # Stripe may tell that it has ended before its answer is here.
    if planned.state != rules.SUCCEEDED and (seen is None or seen.status != rules.SUBSCRIPTION_ENDED):
        return
    said = planned.request[rules.END_NOW]
    at, sale = datetime.fromisoformat(said["at"]), session.get_one(PlanSale, said["sale"])
    if end_from(session, found, Step.ENDED, at, now, details={"intent_id": str(planned.id)}):
        _give_up(session, sale, said, at, now=now, livemode=livemode)
        for receipt_id, minor in said["payments"]:
            _return(session, session.get_one(CashReceipt, receipt_id), sale, said, minor, now=now)
        enqueue(session, "notify_plan_end", intent_id=planned.id)
    for bill_id, minor, tax_minor in said["open_bills"]:
        _credit(session, found, sale, said, (bill_id, minor, tax_minor), now=now)
    for receipt in _paid_later(session, found, at):
        _return(session, receipt, sale, said, receipt.amount_minor, now=now)


def _give_up(
    session: Session, sale: PlanSale, said: dict[str, Any], at: datetime, *, now: datetime, livemode: bool
) -> None:
    """What goes back of the month is no longer to be earned, and its unused minutes go with it as the policy says.

    What went back of it since the yes otherwise, such as to the payer's bank, does not go back twice.
    """
    minor = said["month_minor"]
    if given_back_minor(session, sale.id) > said["gone_minor"]:
        minor = min(minor, unearned_minor(session, sale))
    if (grant := grant_of_sale(session, sale)) is not None:
        locked_balance(session, grant.id)
    gone, back = minutes_back(session, sale, minor), GivenUp(minor, tuple(said["sentences"]))
    kept = give_up_ended(session, sale, back, at, now=now, livemode=livemode)
    if kept is not None and gone is not None:
        withdraw(session, *gone, cause_type=GIVEN_UP, cause_id=kept.id, now=now)


def _return(
    session: Session, receipt: CashReceipt, sale: PlanSale, said: dict[str, Any], minor: int, *, now: datetime
) -> None:
    reason = f"{said['plan']} was ended at once by its buyer."
    return_of_plan(session, receipt, sale, amount_minor=minor, reason=reason, person_id=said["person"], now=now)


def _credit(
    session: Session, found: Bought, sale: PlanSale, said: dict[str, Any], part: tuple[int, int, int], *, now: datetime
) -> None:
    """Take an amount off a bill that is open; what was paid of it meanwhile, so that Stripe refuses that, goes back."""
    bill_id, minor, tax_minor = part
    note = credit_of_bill(session, bill_id)
    if note is not None and note.state not in (rules.FAILED, rules.CANCELLED):
        return
    paid = [receipt for receipt in found.receipts if receipt.bill_id == bill_id]
    for receipt in _unasked(session, paid[:1]):
        _return(session, receipt, sale, said, minor, now=now)
    if note is None and not paid and found.intent is not None:
        memo = f"{said['plan']} was ended at once"
        amounts = {"amount_minor": minor, "tax_minor": tax_minor}
        plan_bill_credit(
            session, session.get_one(SubscriptionBill, bill_id), found.intent, **amounts, memo=memo, now=now
        )


def _paid_later(session: Session, found: Bought, at: datetime) -> list[CashReceipt]:
    """Payments of a period that only began after the end, because Stripe was told late; of which nothing goes back."""
    later = {bill.id for bill in found.bills if bill.covers_from > at}
    return _unasked(session, [receipt for receipt in found.receipts if receipt.bill_id in later])


def _unasked(session: Session, receipts: Sequence[CashReceipt]) -> list[CashReceipt]:
    """Those of payments of which nobody asked anything back."""
    mine = Adjustment.receipt_id.in_([receipt.id for receipt in receipts])
    asked = set(session.scalars(select(Adjustment.receipt_id).where(mine)))
    return [receipt for receipt in receipts if receipt.id not in asked]


def returns_of(session: Session, found: Bought, planned: Intent) -> list[tuple[Adjustment, str]]:
    """The refunds of a plan that was ended at once, each with how it stands: under way, done or failed."""
    receipts = [receipt.id for receipt in found.receipts]
    rows = session.scalars(
        select(Adjustment)
        .where(
            Adjustment.receipt_id.in_(receipts),
            Adjustment.asked_by == planned.request[rules.END_NOW]["person"],
            Adjustment.asked_at >= planned.created_at,
        )
        .order_by(Adjustment.id)
    ).all()
    ends = [adjustments.end_of(session, row.id) for row in rows]
    return [(row, end.outcome if end is not None else "under_way") for row, end in zip(rows, ends, strict=True)]


def credits_of(session: Session, planned: Intent) -> list[Intent]:
    """The credit notes on what was open, however they went."""
    bills = [bill_id for bill_id, _, _ in planned.request[rules.END_NOW]["open_bills"]]
    notes = [credit_of_bill(session, bill_id) for bill_id in bills]
    return [note for note in notes if note is not None]
