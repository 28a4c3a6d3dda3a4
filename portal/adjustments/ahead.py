"""What a payment at checkout was paid for, and who loses what when it goes back: the facts behind a payment ahead.

It has no invoice. Its lines are what it was for: the pack or the months that were sold from it, what is not sold yet,
and its sales tax. What nobody has used goes back first and is nobody's loss but of who sold it; what is beyond that
is lost as the agreement says. Read only, but for the lock that the act takes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.adjustments.lines import LineLoss, Of, Taking, minutes_back, signed, unearned_minor
from portal.adjustments.models import AdjustmentPart
from portal.adjustments.rules.sharing import Part, Stake, parts_of_line, within_window
from portal.adjustments.rules.unused import PackPart, Payment, SoldPack, part_of_pack, part_of_plan
from portal.billing.actions.changed import changed_term_at, gone_unsold_minor
from portal.billing.actions.used import grant_of_sale
from portal.billing.models import BillItem, PlanSale, PlanShare, Share
from portal.billing.packs.expiring import stands_of
from portal.billing.packs.models import PackEarning, PackSale, PackShare, PackUse
from portal.billing.packs.rules import units
from portal.billing.queries import TakenOfPayment, taken_of_payment
from portal.billing.queries import stands as item_stands
from portal.billing.rules.plans import paid_parts
from portal.billing.supplements.lasting import moved, until_moved
from portal.contracts.models import PlanChoice
from portal.entitlement.actions.withdrawing import locked_balance
from portal.entitlement.models import GrantBalance, UsageGrant
from portal.entitlement.rules import Amount
from portal.errors import RuleBroken
from portal.money import allocate
from portal.payments.models import CashReceipt, SubscriptionBill


@dataclass(frozen=True)
class PaidFor:
    """A payment ahead: what was sold from it, and what of it went back before.

    ``of_months`` is what of each month it paid, where a change at once made several payments pay for one; else None.
    """

    receipt: CashReceipt
    payment: Payment
    pack: PackSale | None
    months: tuple[PlanSale, ...]
    prepaid_minor: int
    of_months: Mapping[int, int] | None = None

    @property
    def sales(self) -> tuple[PackSale | PlanSale, ...]:
        """Everything that was sold from it."""
        return (self.pack,) if self.pack is not None else self.months

    def unearned(self, session: Session) -> list[int]:
        """What of its months nobody has used or earned, as far as this payment paid them."""
        found = [max(unearned_minor(session, sale), 0) for sale in self.months]
        if self.of_months is None:
            return found
        return [min(minor, self.of_months[sale.id]) for minor, sale in zip(found, self.months, strict=True)]


def paid_for(session: Session, receipt: CashReceipt) -> PaidFor:
    """What a payment ahead was for. *Raises*: RuleBroken for one of an invoice."""
    if receipt.intent_id is None:
        raise RuleBroken("This payment is for an invoice.")
    taken = taken_of_payment(session, receipt.id)
    changed = _of_changed_term(session, receipt, taken)
    if changed is not None:
        return changed
    pack = session.scalars(select(PackSale).where(PackSale.receipt_id == receipt.id)).one_or_none()
    months = _months(session, receipt)
    sold = sum(sale.amount_minor for sale in ((pack,) if pack is not None else months))
    left = receipt.amount_minor - receipt.tax_minor - sold - taken.prepaid_minor
    payment = Payment(receipt.amount_minor, receipt.tax_minor, taken.amount_minor, taken.tax_minor)
    return PaidFor(receipt, payment, pack, months, max(left, 0))


def _of_changed_term(session: Session, receipt: CashReceipt, taken: TakenOfPayment) -> PaidFor | None:
    """What a payment was for within a term whose plan was changed at once: its bills pay for its months in turn.

    What a month gave up for the change was never sold from it. None for any other payment.
    """
    bill = session.get(SubscriptionBill, receipt.bill_id) if receipt.bill_id is not None else None
    if bill is None or receipt.intent_id is None:
        return None
    changed = changed_term_at(session, receipt.intent_id, bill.covers_from)
    if changed is None:
        return None
    back = {sale.credits_id: sale.amount_minor for sale in changed.sales if sale.credits_id is not None}
    months = [sale for sale in changed.sales if sale.credits_id is None]
    paid = [row.amount_minor - gone_unsold_minor(session, row) for row in changed.bills]
    parts = paid_parts(paid, [sale.amount_minor + back.get(sale.id, 0) for sale in months])
    *of_months, left = parts[changed.bills.index(bill)]
    mine = {sale.id: minor for sale, minor in zip(months, of_months, strict=True) if minor}
    payment = Payment(receipt.amount_minor, receipt.tax_minor, taken.amount_minor, taken.tax_minor)
    return PaidFor(receipt, payment, None, tuple(sale for sale in months if sale.id in mine), left, mine)


def _months(session: Session, receipt: CashReceipt) -> tuple[PlanSale, ...]:
    """The months of a plan that a subscription's payment has been sold as, in their order."""
    if receipt.bill_id is None or receipt.intent_id is None:
        return ()
    return months_of_bill(session, session.get_one(SubscriptionBill, receipt.bill_id), receipt.intent_id)


def months_of_bill(session: Session, bill: SubscriptionBill, intent_id: UUID) -> tuple[PlanSale, ...]:
    """What was sold of a bill's time, paid or not, in order; ``intent_id`` is its checkout's."""
    rows = session.scalars(
        select(PlanSale)
        .join(PlanChoice, PlanChoice.id == PlanSale.plan_choice_id)
        .where(PlanSale.paid_by == "ahead", PlanChoice.terms["intent_id"].astext == str(intent_id))
        .order_by(PlanSale.starts_at)
    ).all()
    first = session.scalar(
        select(func.min(SubscriptionBill.covers_from)).where(SubscriptionBill.subscription_id == bill.subscription_id)
    )
    # The first bill also paid for taking a lapsed plan up again.
    return tuple(
        sale
        for sale in rows
        if (bill.covers_from == first if sale.kind == "reinstatement" else _is_of(session, bill, sale))
    )


def _is_of(session: Session, bill: SubscriptionBill, sale: PlanSale) -> bool:
    """Whether a month is of a bill's time, which a remedy may have made longer."""
    until = until_moved(bill.covers_until, moved(session, session.get_one(PlanChoice, sale.plan_choice_id)))
    return bill.covers_from <= _middle(sale) < until


def _middle(sale: PlanSale) -> datetime:
    return sale.starts_at + (sale.ends_at - sale.starts_at) / 2


def lock_hours(session: Session, receipt: CashReceipt) -> None:
    """Nobody promises the hours of a payment to work until this transaction ends."""
    found = paid_for(session, receipt)
    if found.pack is not None:
        locked_balance(session, found.pack.grant_id)
    for month in found.months:
        if (grant := grant_of_sale(session, month)) is not None:
            locked_balance(session, grant.id)


def unused_minor(session: Session, receipt: CashReceipt) -> int:
    """What of a payment can go back while what was used stays used, with its tax."""
    found = paid_for(session, receipt)
    if found.pack is not None:
        return found.payment.with_tax(_sold_pack(session, found.pack).refundable_minor)
    return found.payment.with_tax(found.prepaid_minor + sum(found.unearned(session)))


def divide_payment(session: Session, taking: Taking, *, now: datetime) -> tuple[LineLoss, ...]:
    """Who loses what when an amount of a payment ahead goes back.

    *Raises*: RuleBroken for more than is left of it, and, where ``taking`` does not go beyond it, for more than the
    unused rest.
    """
    receipt = session.get_one(CashReceipt, taking.receipt_id)
    found = paid_for(session, receipt)
    if not 0 < taking.amount_minor <= receipt.amount_minor - found.payment.gone_minor:
        raise RuleBroken("This is more than is left of what was paid.")
    tax = found.payment.tax_of(taking.amount_minor)
    net = taking.amount_minor - tax
    if found.pack is not None:
        losses = [_of_pack(session, taking, found.pack, net, now)] if net else []
        return (*losses, *_of_rest(receipt, 0, tax))
    plan = part_of_plan(found.prepaid_minor, found.unearned(session), net)
    if plan.beyond_minor and not taking.goes_beyond:
        raise RuleBroken(BEYOND_UNUSED)
    beyond = _beyond_by_month(found.months, plan.by_month, plan.beyond_minor)
    losses = [
        _of_month(session, taking, sale, (deferred, more), now)
        for sale, deferred, more in zip(found.months, plan.by_month, beyond, strict=True)
        if deferred or more
    ]
    return (*losses, *_of_rest(receipt, plan.prepaid_minor, tax))


BEYOND_UNUSED = "More than the unused rest goes back only with a reason: what was used stays used."


def _of_rest(receipt: CashReceipt, prepaid_minor: int, tax_minor: int) -> tuple[LineLoss, ...]:
    """What was not sold, and the tax: the payer's and the state's, nobody's share."""
    if not prepaid_minor + tax_minor:
        return ()
    of = Of(receipt_id=receipt.id)
    both = prepaid_minor + tax_minor
    return (LineLoss(of, both, 0, (), customer_id=receipt.payer_id, prepaid_minor=prepaid_minor, tax_minor=tax_minor),)


def _sold_pack(session: Session, sale: PackSale) -> SoldPack:
    grant, balance = session.get_one(UsageGrant, sale.grant_id), session.get_one(GrantBalance, sale.grant_id)
    stands = stands_of(session, sale)
    commission = session.scalar(
        select(func.coalesce(func.sum(AdjustmentPart.amount_minor), 0)).where(
            AdjustmentPart.pack_sale_id == sale.id, AdjustmentPart.stage == "commission"
        )
    )
    return SoldPack(
        price_minor=sale.amount_minor,
        commission_minor=stands.commission_minor,
        deferred_gone_minor=stands.given_back_minor,
        commission_gone_minor=int(commission or 0),
        standing_units=units(grant) - units(grant, stands.withdrawn),
        free_units=units(grant, Amount(balance.free_seconds, balance.free_incidents)),
    )


def _of_pack(session: Session, taking: Taking, sale: PackSale, net_minor: int, now: datetime) -> LineLoss:
    part = part_of_pack(_sold_pack(session, sale), net_minor)
    if part.beyond_minor and not taking.goes_beyond:
        raise RuleBroken(BEYOND_UNUSED)
    settlement, bearer_id = signed(session, sale, taking)
    commission = (Part(bearer_id or sale.seller_id, part.commission_minor),) if part.commission_minor else ()
    beyond = _beyond(bearer_id, _pack_stakes(session, sale), part.beyond_minor, taking)

    def in_time(parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return within_window(
            parts, paid_at=taking.when_paid, now=now, days=settlement.clawback_days,
            manufacturer_id=taking.manufacturer_id,
        )  # fmt: skip

    return LineLoss(
        Of(receipt_id=taking.receipt_id, pack_sale_id=sale.id),
        net_minor,
        part.deferred_minor,
        in_time(beyond),
        customer_id=sale.customer_id,
        commission=in_time(commission),
        withdrawn=_amount(session, sale, part),
    )


def _amount(session: Session, sale: PackSale, part: PackPart) -> tuple[int, Amount] | None:
    if not part.units:
        return None
    grant = session.get_one(UsageGrant, sale.grant_id)
    return grant.id, Amount(part.units, 0) if grant.granted_seconds else Amount(0, part.units)


def _of_month(session: Session, taking: Taking, sale: PlanSale, minor: tuple[int, int], now: datetime) -> LineLoss:
    """``minor`` is what goes back of what is not earned, and beyond it."""
    deferred_minor, beyond_minor = minor
    settlement, bearer_id = signed(session, sale, taking)
    parts = within_window(
        _beyond(bearer_id, _month_stakes(session, sale), beyond_minor, taking),
        paid_at=taking.when_paid,
        now=now,
        days=settlement.clawback_days,
        manufacturer_id=taking.manufacturer_id,
    )
    of = Of(receipt_id=taking.receipt_id, plan_sale_id=sale.id)
    return LineLoss(
        of,
        deferred_minor + beyond_minor,
        deferred_minor,
        parts,
        customer_id=sale.customer_id,
        withdrawn=minutes_back(session, sale, deferred_minor),
    )


def _beyond(bearer_id: int | None, stakes: Sequence[Stake], minor: int, taking: Taking) -> tuple[Part, ...]:
    """What was used or earned: its bearer's by name, or by the shares; what they do not cover is the manufacturer's."""
    if not minor:
        return ()
    if bearer_id is not None:
        return (Part(bearer_id, minor),)
    covered = min(minor, max(sum(stake.weight_minor - stake.taken_minor for stake in stakes), 0))
    parts = parts_of_line(stakes, covered) if covered else ()
    return parts if covered == minor else (*parts, Part(taking.manufacturer_id, minor - covered))


def _beyond_by_month(months: Sequence[PlanSale], taken: Sequence[int], beyond_minor: int) -> tuple[int, ...]:
    """What goes beyond the unused rest, over the months by what is left of each; all on the last where nothing is."""
    if not months or not beyond_minor:
        return (0,) * len(months)
    left = [max(sale.amount_minor - minor, 0) for sale, minor in zip(months, taken, strict=True)]
    return allocate(beyond_minor, left if any(left) else [*([0] * (len(months) - 1)), 1])


def _pack_stakes(session: Session, sale: PackSale) -> tuple[Stake, ...]:
    """What each party has of a pack's use and expiry; what nobody has yet stands with the manufacturer."""
    weights: dict[int, int] = {}
    expired = session.execute(
        select(PackShare.party_id, func.sum(PackShare.amount_minor))
        .join(PackEarning, PackEarning.id == PackShare.pack_earning_id)
        .where(PackShare.pack_sale_id == sale.id, PackEarning.kind == "expiry")
        .group_by(PackShare.party_id)
        .order_by(func.min(PackShare.id))
    ).tuples()
    for party_id, minor in expired:
        weights[party_id] = weights.get(party_id, 0) + int(minor)
    uses = session.execute(
        select(PackUse.bill_item_id, PackUse.amount_minor)
        .join(BillItem, BillItem.id == PackUse.bill_item_id)
        .where(PackUse.pack_sale_id == sale.id, PackUse.amount_minor > 0, item_stands())
        .order_by(PackUse.id)
    ).tuples()
    for item_id, minor in uses:
        for party, part in _use_by_party(session, item_id, minor):
            known = party or sale.manufacturer_id
            weights[known] = weights.get(known, 0) + part
    taken = _taken(session, AdjustmentPart.pack_sale_id == sale.id)
    return tuple(Stake(0, who, max(minor, 0), taken.get(who, 0)) for who, minor in weights.items())


def _use_by_party(session: Session, bill_item_id: int, minor: int) -> Sequence[tuple[int | None, int]]:
    """A use of a pack by the shares of all use of its bill item."""
    rows = session.execute(
        select(Share.party_id, func.sum(Share.amount_minor))
        .where(Share.bill_item_id == bill_item_id, Share.funding == "use")
        .group_by(Share.party_id)
        .having(func.sum(Share.amount_minor) > 0)
        .order_by(func.min(Share.id))
    ).all()
    if not rows:
        return ()
    return list(zip((row[0] for row in rows), allocate(minor, [int(row[1]) for row in rows]), strict=True))


def _month_stakes(session: Session, sale: PlanSale) -> tuple[Stake, ...]:
    taken = _taken(session, AdjustmentPart.plan_sale_id == sale.id)
    rows = session.execute(
        select(PlanShare.party_id, func.sum(PlanShare.amount_minor))
        .where(PlanShare.plan_sale_id == sale.id)
        .group_by(PlanShare.party_id)
        .order_by(func.min(PlanShare.id))
    ).tuples()
    return tuple(Stake(0, party, max(int(minor), 0), taken.get(party, 0)) for party, minor in rows)


def _taken(session: Session, of_sale: object) -> dict[int, int]:
    """What each party has lost of one pack_sale or plan_sale beyond what was unused."""
    rows = session.execute(
        select(AdjustmentPart.party_id, func.sum(AdjustmentPart.amount_minor))
        .where(of_sale, AdjustmentPart.stage == "payable", AdjustmentPart.party_id.is_not(None))  # type: ignore[arg-type]
        .group_by(AdjustmentPart.party_id)
    ).tuples()
    return {int(party): int(minor) for party, minor in rows if party is not None}
