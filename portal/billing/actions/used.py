"""What of a sold month was used, is kept for the next, and was earned so far: each read from its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from portal.billing.models import PlanEarning, PlanSale, PlanShare
from portal.billing.rules import worth_minor
from portal.billing.rules.plans import use_by_grant
from portal.entitlement.models import GrantBalance, UsageGrant
from portal.entitlement.queries import Terms

# What each case used of included time, beside the seconds it drew from each grant that served it. A buyer reads no use
# of packs, which is in the use of a case: the difference is asked of a function that reads both for its parties.
_USE = text(
    """
    SELECT draw.case_id, draw.grant_id, sum(draw.seconds)::bigint AS seconds,
           coalesce(included_use_of_case(draw.case_id), 0) AS use_minor
    FROM grant_draw draw
    JOIN usage_grant given ON given.id = draw.grant_id AND given.kind = 'included'
    WHERE draw.case_id IN (SELECT case_id FROM grant_draw WHERE grant_id = :grant_id)
    GROUP BY draw.case_id, draw.grant_id
    ORDER BY draw.case_id, draw.grant_id
    """
)


def used_of_grant(session: Session, grant: UsageGrant) -> tuple[int, int]:
    """What the use of a grant's time was worth, and its seconds that nobody used."""
    drawn: dict[int, dict[int, int]] = {}
    worth: dict[int, int] = {}
    for row in session.execute(_USE, {"grant_id": grant.id}):
        drawn.setdefault(row.case_id, {})[row.grant_id] = row.seconds
        worth[row.case_id] = row.use_minor
    used = sum(use_by_grant(worth[case_id], seconds).get(grant.id, 0) for case_id, seconds in drawn.items())
    return used, grant.granted_seconds - sum(seconds.get(grant.id, 0) for seconds in drawn.values())


@dataclass(frozen=True)
class Past:
    """What a sale has earned so far: how often, how much, and how much of it by the document's word for the party.

    ``funding`` is when that is payable, which does not change any more; empty where nobody has a share yet.
    """

    count: int
    amount_minor: int
    by_role: Mapping[str, int]
    funding: str = ""


def kept_minor(session: Session, sale: PlanSale, grant: UsageGrant, terms: Terms, now: datetime) -> int:
    """What the month's minutes are worth that rolled over and can still be used."""
    balance = session.get_one(GrantBalance, grant.id)
    if balance.ends_at is None or balance.ends_at <= now:
        return 0
    return worth_minor(terms.policy, {sale.plan_code: balance.free_seconds + balance.reserved_seconds})


def past_of(session: Session, sale: PlanSale) -> Past:
    """What a sale has earned so far."""
    count, total = session.execute(
        select(func.count(), func.coalesce(func.sum(PlanEarning.amount_minor), 0)).where(
            PlanEarning.plan_sale_id == sale.id
        )
    ).one()
    by_role = session.execute(
        select(PlanShare.party_role, func.sum(PlanShare.amount_minor))
        .where(PlanShare.plan_sale_id == sale.id)
        .group_by(PlanShare.party_role)
    ).tuples()
    first = select(PlanShare.funding).where(PlanShare.plan_sale_id == sale.id).order_by(PlanShare.id).limit(1)
    return Past(count, int(total), {role: int(minor) for role, minor in by_role}, session.scalar(first) or "")


def grant_of_sale(session: Session, sale: PlanSale) -> UsageGrant | None:
    """The included minutes of a sold month; none where the plan includes none, or the sale is no month."""
    if sale.kind == "left_early":
        return None
    mine = (UsageGrant.plan_choice_id == sale.plan_choice_id, UsageGrant.starts_at == sale.starts_at)
    return session.scalars(select(UsageGrant).where(*mine)).one_or_none()


def used_of_sale(session: Session, sale: PlanSale) -> int:
    """What the use of a sold month's time was worth so far."""
    grant = grant_of_sale(session, sale)
    return 0 if grant is None else used_of_grant(session, grant)[0]


def given_up_minor(session: Session, plan_sale_id: int) -> int:
    """What of a month went back because it was given up, below zero."""
    back = select(func.coalesce(func.sum(PlanSale.amount_minor), 0)).where(PlanSale.credits_id == plan_sale_id)
    return int(session.scalar(back) or 0)
