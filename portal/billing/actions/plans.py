"""Plans by the month: sold when the month opens, earned by use, and what is left earned when the month is over.

A month's price is owed at once, or comes out of what a subscription paid ahead, and is deferred: the use of included
minutes takes its worth out of it and shares that as use. A month is sold on its first day, into whatever books are
open: while the month before waits for its close, its use is booked there as well. A subscription's month whose bill
becomes known only after it is sold then, and names the books it is of. What remains when the month is over,
its work is billed and nothing is promised any more, is the month's subscription: it is split by the document's shares
of subscriptions and payable then. What goes to resolvers is weighted over the cases it covered; of a month without one
by the fallback.

Invariants: one sale per plan choice and month; a sale's use and earnings sum to its price; at a close nothing deferred
is below zero: use worth more than its month cost is the manufacturer's at once. Earnings are computed from all use and
what is missing is added, so that a case billed again after its month takes back or adds the difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from portal.billing.actions.ahead import (
    held_from,
    month_discount_minor,
    month_minor,
    paid_by,
    reinstatement_discount_minor,
    reinstatement_minor,
)
from portal.billing.actions.covered import covered_weights
from portal.billing.actions.for_sale import ForSale, for_sale, late_months
from portal.billing.actions.giving_up import give_up_changed, give_up_months
from portal.billing.actions.months import LEFT_EARLY, MONTH, REINSTATEMENT, keep_sale, plan_words
from portal.billing.actions.used import Past, given_up_minor, grant_of_sale, kept_minor, past_of, used_of_grant
from portal.billing.gross import post_gross
from portal.billing.models import PlanEarning, PlanSale, PlanShare
from portal.billing.packs.earning import AT_ONCE
from portal.billing.packs.rules import AHEAD
from portal.billing.parties import parties_of, role_of
from portal.billing.queries import given_back_minor
from portal.billing.rules.gross import sold_as
from portal.billing.rules.plans import PLAN_PAIRS, earning_legs, month_price
from portal.billing.rules.postings import CASH
from portal.calendars import Period
from portal.contracts.blocks import WHOLE_BP, Company, Revenue
from portal.contracts.discounts import discount_between
from portal.contracts.models import PlanChoice
from portal.contracts.rules import amount_minor, split_terms
from portal.contracts.sharing import RevenuePart, Share, SharingFacts, shares_of
from portal.entitlement.actions import anchor_of, begins_instead, open_monthly_grants, open_plan
from portal.entitlement.queries import Terms, terms_in_force
from portal.entitlement.rules import window_of
from portal.ledger.actions import post
from portal.ledger.models import Period as Books
from portal.ledger.rules import Document

EARNED = "plan_earned"


def open_month(session: Session, *, now: datetime, livemode: bool = False) -> int:
    """Open this month's minutes of every chosen plan and sell the months that have begun; how many were sold.

    Months that were over before their bill was known are sold as well, so that none is lost with its job.
    """
    open_monthly_grants(session, now)
    return sum(_sell(session, each, now=now, livemode=livemode) for each in for_sale(session, now))


def sell_ahead(session: Session, manufacturer_id: int, *, now: datetime, livemode: bool = False) -> int:
    """Sell a manufacturer's begun months that subscriptions asked for, so that no use of them is without; how many."""
    wanted = [each for each in for_sale(session, now) if paid_by(each.choice) == AHEAD]
    own = [each for each in wanted if each.choice.manufacturer_id == manufacturer_id]
    return sum(_sell(session, each, now=now, livemode=livemode) for each in own)


def sell_late(session: Session, site_id: int, *, now: datetime, livemode: bool = False) -> int:
    """Sell a site's months that were over before their bill was known; how many. Again is harmless."""
    return sum(_sell(session, each, now=now, livemode=livemode) for each in late_months(session, now, site_id=site_id))


def open_choice(session: Session, plan_choice_id: int, *, now: datetime, livemode: bool = False) -> None:
    """What a new choice brings at once; one for a later day is sold when that has come. *Raises*: NotFound."""
    open_plan(session, plan_choice_id, now=now)
    choice = session.get_one(PlanChoice, plan_choice_id)
    _reinstate(session, choice, now=now, livemode=livemode)
    give_up_months(session, choice, now=now, livemode=livemode)
    for each in for_sale(session, now):
        if each.choice.id == plan_choice_id:
            _sell(session, each, now=now, livemode=livemode)


def _reinstate(session: Session, choice: PlanChoice, *, now: datetime, livemode: bool) -> None:
    """Sell what taking a lapsed plan up again costs, for the time without cover. Again is harmless."""
    price = reinstatement_minor(session, choice)
    if not price:
        return
    kept = choice.terms["reinstatement"]
    starts_at, ends_at = (datetime.fromisoformat(kept[name]) for name in ("from", "until"))
    maker_id = choice.manufacturer_id
    terms = terms_in_force(
        session, manufacturer_id=maker_id, integrator_id=choice.integrator_id or maker_id, at=ends_at
    )
    keep_sale(
        session, choice, terms, kind=REINSTATEMENT, price_minor=price, covered=Period(starts_at, ends_at), now=now,
        livemode=livemode, discount_minor=reinstatement_discount_minor(choice),
    )  # fmt: skip


def _sell(session: Session, wanted: ForSale, *, now: datetime, livemode: bool) -> int:
    choice, until = wanted.choice, wanted.until
    terms = terms_in_force(
        session,
        manufacturer_id=choice.manufacturer_id,
        integrator_id=choice.integrator_id or choice.manufacturer_id,
        at=wanted.at,
    )
    policy = terms.policy
    plan = next((plan for plan in policy.plans if plan.code == choice.plan_code), None)
    month = window_of(policy, wanted.at, anchor_of(choice))
    how = paid_by(choice)
    price = amount_minor(plan.price_per_month, policy.currency) if plan is not None else 0
    starts_at = held_from(choice, month)
    instead = begins_instead(choice, starts_at)
    if instead:
        give_up_changed(session, choice, now=now, livemode=livemode)
    if how == AHEAD and plan is not None:
        price = month_minor(session, choice, month) or 0
    ends_at = month.end if until is None else min(month.end, until)
    if how != AHEAD and plan is not None:
        price = month_price(price, plan, month, starts_at=starts_at, ends_at=ends_at, zone=policy.zone)
    if not price or (not instead and _sold_before(session, choice, starts_at)):
        return 0
    discount = month_discount_minor(session, choice, month, price) if how == AHEAD else 0
    return keep_sale(
        session, choice, terms, kind=MONTH, price_minor=price, covered=Period(starts_at, ends_at), now=now,
        livemode=livemode, discount_minor=discount,
    )  # fmt: skip


def _sold_before(session: Session, choice: PlanChoice, starts_at: datetime) -> bool:
    """Whether the site has this month of the plan already: the plan was accepted again by a newer policy."""
    earlier = select(PlanSale.id).where(
        PlanSale.site_id == choice.site_id,
        PlanSale.manufacturer_id == choice.manufacturer_id,
        PlanSale.plan_code == choice.plan_code,
        PlanSale.kind == MONTH,
        PlanSale.starts_at <= starts_at,
        PlanSale.ends_at > starts_at,
    )
    return session.scalar(select(earlier.exists())) or False


# Months that are over, of which something is still to be earned, was used differently since, or went back or came back
# again before it was earned. What is promised, and work of the month that no bill counts yet, is waited for.
_RIPE = text(
    """
    WITH lowered AS MATERIALIZED (
        SELECT coalesce(line.plan_sale_id, reduction.plan_sale_id) AS sale_id, max(reduction.recorded_at) AS at
        FROM line_reduction reduction LEFT JOIN invoice_item line ON line.id = reduction.invoice_item_id
        WHERE reduction.manufacturer_id = :manufacturer_id AND reduction.deferred_minor <> 0
        GROUP BY 1
    )
    SELECT sale.id FROM plan_sale sale
    LEFT JOIN lowered ON lowered.sale_id = sale.id
    LEFT JOIN usage_grant given
        ON given.plan_choice_id = sale.plan_choice_id AND given.starts_at = sale.starts_at
    LEFT JOIN grant_balance balance ON balance.grant_id = given.id
    LEFT JOIN LATERAL (SELECT max(earned_at) AS at FROM plan_earning WHERE plan_sale_id = sale.id) last ON true
    WHERE sale.manufacturer_id = :manufacturer_id AND sale.ends_at <= :now AND sale.kind <> 'given_up'
      AND (coalesce(balance.reserved_seconds, 0) = 0 OR balance.ends_at > :now)
      AND (last.at IS NULL
           OR (last.at < balance.ends_at AND balance.ends_at <= :now)
           OR lowered.at >= last.at
           OR EXISTS (SELECT FROM plan_sale back WHERE back.credits_id = sale.id AND back.recorded_at >= last.at)
           OR EXISTS (SELECT FROM grant_draw WHERE grant_draw.grant_id = given.id AND drawn_at >= last.at))
      AND NOT EXISTS (
          SELECT FROM support_case
          JOIN time_entry entry ON entry.case_id = support_case.id
          WHERE support_case.site_id = sale.site_id AND support_case.manufacturer_id = sale.manufacturer_id
            AND given.id IS NOT NULL
            AND entry.started_at >= sale.starts_at AND entry.started_at < sale.ends_at
            AND NOT EXISTS (SELECT FROM time_reversal WHERE time_reversal.entry_id = entry.id)
            AND NOT EXISTS (SELECT FROM bill_segment WHERE bill_segment.entry_id = entry.id)
            AND NOT EXISTS (SELECT FROM billing_cut cut JOIN bill_item item ON item.cut_id = cut.id
                            WHERE cut.case_id = support_case.id AND cut.cut_at >= entry.ended_at))
    ORDER BY sale.id
    """
)


# Months that may have been used for more than they cost while something of them is still to come.
_DRAWN = text(
    """
    SELECT sale.id FROM plan_sale sale
    JOIN usage_grant given ON given.plan_choice_id = sale.plan_choice_id AND given.starts_at = sale.starts_at
    WHERE sale.manufacturer_id = :manufacturer_id AND sale.kind = 'month'
      AND EXISTS (SELECT FROM grant_draw WHERE grant_draw.grant_id = given.id)
      AND NOT EXISTS (SELECT FROM plan_earning past
                      WHERE past.plan_sale_id = sale.id AND past.earned_at >= sale.ends_at)
    ORDER BY sale.id
    """
)


def earn_plans(session: Session, manufacturer_id: int, *, now: datetime, livemode: bool = False) -> int:
    """Earn what is left of a manufacturer's months that are over, and what running ones are short of; how many changed.

    Again finds nothing more.
    """
    key = f"plans:{manufacturer_id}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
    changed = 0
    for finds, is_over in ((_RIPE, True), (_DRAWN, False)):
        for sale_id in session.scalars(finds, {"manufacturer_id": manufacturer_id, "now": now}).all():
            sale = session.get_one(PlanSale, sale_id)
            changed += _earn(session, sale, is_over=is_over, now=now, livemode=livemode)
    return changed


def _earn(session: Session, sale: PlanSale, *, is_over: bool, now: datetime, livemode: bool) -> int:
    grant = grant_of_sale(session, sale)
    used, unused_seconds = (0, 0) if grant is None else used_of_grant(session, grant)
    past = past_of(session, sale)
    terms = terms_in_force(
        session, manufacturer_id=sale.manufacturer_id, integrator_id=sale.integrator_id, at=sale.starts_at
    )
    kept = 0 if grant is None else kept_minor(session, sale, grant, terms, now)
    left = sale.amount_minor + given_up_minor(session, sale.id) - used - given_back_minor(session, sale.id)
    target = left - min(kept, max(left, 0)) if is_over else min(left, 0)
    difference = target - past.amount_minor
    if difference == 0 and (past.count or not is_over):
        return 0
    earning = PlanEarning(
        plan_sale_id=sale.id,
        manufacturer_id=sale.manufacturer_id,
        integrator_id=sale.integrator_id,
        seq=past.count + 1,
        currency=sale.currency,
        used_minor=used,
        amount_minor=difference,
        unused_seconds=unused_seconds,
        agreement_version_id=terms.agreement_version_id,
        earned_at=now,
    )
    session.add(earning)
    session.flush()
    funding = past.funding or _funding(sale)
    shares = _share(session, sale, earning, terms, total_minor=target, past=past, funding=funding)
    if shares:
        is_gross = Revenue.SUBSCRIPTION in terms.gross_kinds
        _post_earning(session, sale, earning, shares, is_gross=is_gross, now=now, livemode=livemode)
    return 1


def _share(
    session: Session, sale: PlanSale, earning: PlanEarning, terms: Terms, *, total_minor: int, past: Past, funding: str
) -> Sequence[PlanShare]:
    """The parties' parts of all that was earned, less what they have of it already."""
    parties = parties_of(session, sale, terms.agreement)
    found = {share.party: share for share in month_shares(session, sale, terms, total_minor)}
    rule = sold_as(is_gross=Revenue.SUBSCRIPTION in terms.gross_kinds)
    kept = {"funding": funding}
    rows = [
        {**_row(earning, role, found.get(role), past.by_role.get(role, 0), rule), **kept, "party_id": parties[role]}
        for role in (*found, *(role for role in past.by_role if role not in found))
    ]
    rows = [row for row in rows if row["amount_minor"]]
    if not rows:
        return ()
    ids = session.scalars(insert(PlanShare).returning(PlanShare.id), rows).all()
    return session.scalars(select(PlanShare).where(PlanShare.id.in_(ids)).order_by(PlanShare.id)).all()


def month_shares(session: Session, sale: PlanSale, terms: Terms, total_minor: int) -> tuple[Share, ...]:
    """Who has what of all that a month earned beside its use, by these documents."""
    parties = parties_of(session, sale, terms.agreement)
    choice = session.get_one(PlanChoice, sale.plan_choice_id)
    facts = SharingFacts(
        parts=(RevenuePart(Revenue.SUBSCRIPTION, total_minor, _discount(session, sale)),),
        weights=covered_weights(session, sale, split_terms(terms.policy, terms.agreement).fallback),
        seller=role_of(parties, choice.seller_id),
        has_integrator=sale.integrator_id != sale.manufacturer_id,
    )
    return _divided(terms, facts)


def _discount(session: Session, sale: PlanSale) -> int:
    """What a promotion code took off what of the month did not go back."""
    if not sale.discount_minor:
        return 0
    stands = sale.amount_minor + given_up_minor(session, sale.id) - given_back_minor(session, sale.id)
    return discount_between(sale.discount_minor, sale.amount_minor, 0, stands)


def _divided(terms: Terms, facts: SharingFacts) -> tuple[Share, ...]:
    """The shares of a month; where rounding made its use dearer than its price, the manufacturer bears that."""
    (part,) = facts.parts
    if part.amount_minor >= 0:
        return shares_of(terms.policy, terms.agreement, facts)
    words = ("its use was worth more than its price",)
    return (Share(Company.MANUFACTURER, part.revenue, part.amount_minor, WHOLE_BP, words),)


def _row(
    earning: PlanEarning, role: str, share: Share | None, before_minor: int, rule: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "plan_earning_id": earning.id,
        "plan_sale_id": earning.plan_sale_id,
        "manufacturer_id": earning.manufacturer_id,
        "integrator_id": earning.integrator_id,
        "party_role": role,
        "revenue_kind": Revenue.SUBSCRIPTION.value,
        "weight_bp": share.weight_bp if share else 0,
        "currency": earning.currency,
        "amount_minor": (share.amount_minor if share else 0) - before_minor,
        "explanation": {"sentences": list(share.explanation) if share else [], **rule},
        "recorded_at": earning.earned_at,
    }


def _post_earning(
    session: Session,
    sale: PlanSale,
    earning: PlanEarning,
    shares: Sequence[PlanShare],
    *,
    is_gross: bool,
    now: datetime,
    livemode: bool,
) -> None:
    parts = [(share.party_id, share.amount_minor, Document("plan_share", str(share.id))) for share in shares]
    origin_period_id = _books_of(session, sale)
    post(
        session,
        manufacturer_id=sale.manufacturer_id,
        currency=sale.currency,
        kind=EARNED,
        document=Document("plan_earning", str(earning.id)),
        legs=earning_legs(sale.customer_id, parts, with_cash=shares[0].funding == CASH),
        allowed_pairs=PLAN_PAIRS,
        occurred_at=now,
        now=now,
        description=plan_words(session, sale),
        livemode=livemode,
        origin_period_id=origin_period_id,
    )
    if is_gross:
        post_gross(
            session,
            Document("plan_earning", str(earning.id)),
            [(minor, document) for _, minor, document in parts],
            manufacturer_id=sale.manufacturer_id,
            currency=sale.currency,
            occurred_at=now,
            now=now,
            livemode=livemode,
            origin_period_id=origin_period_id,
        )


def _funding(sale: PlanSale) -> str:
    """When the shares of a sale are payable: at once, but with the cash of its invoice where a plan was left early."""
    return CASH if sale.kind == LEFT_EARLY else AT_ONCE


def _books_of(session: Session, sale: PlanSale) -> int:
    """The books that a month's earning belongs into: those that its last day fell into, or it was sold into later."""
    begun = (Books.id == sale.period_id) | (Books.starts_at < sale.ends_at)
    wanted = select(Books.id).where(Books.manufacturer_id == sale.manufacturer_id, begun)
    return session.scalars(wanted.order_by(Books.starts_at.desc()).limit(1)).one()
