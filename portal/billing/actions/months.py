"""A sale of a plan kept and posted: a month, a reinstatement, what goes back of a month, the rest of a term left."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.billing.actions.ahead import paid_by
from portal.billing.models import PlanSale
from portal.billing.packs.rules import AHEAD
from portal.billing.parties import parties_of
from portal.billing.rules.plans import PLAN_PAIRS, sale_legs
from portal.calendars import Period
from portal.contracts.blocks import Collector, TaskClass
from portal.contracts.models import PlanChoice
from portal.contracts.rules import PayerFacts, bill_to_row
from portal.directory.models import Site
from portal.entitlement.queries import Terms, terms_in_force
from portal.ledger.actions import lock_open_period, post
from portal.ledger.rules import Document
from portal.rows import insert_once
from portal.zones import zone_named

SOLD = "plan_sold"
MONTH, REINSTATEMENT, GIVEN_UP, LEFT_EARLY = "month", "reinstatement", "given_up", "left_early"


def keep_sale(
    session: Session,
    choice: PlanChoice,
    terms: Terms,
    *,
    kind: str,
    price_minor: int,
    covered: Period,
    discount_minor: int = 0,
    gives_back: PlanSale | None = None,
    explanation: Mapping[str, Any] | None = None,
    how: str | None = None,
    now: datetime,
    livemode: bool,
) -> int:
    """Keep and post a sale; how many: none where it stands already. ``how`` it is paid; as its choice is, if None."""
    sale = insert_once(
        session,
        PlanSale(
            **(_billed_to(session, choice, terms) if gives_back is None else billed_as(gives_back)),
            kind=kind,
            credits_id=gives_back.id if gives_back is not None else None,
            explanation=dict(explanation or {}),
            plan_choice_id=choice.id,
            plan_code=choice.plan_code,
            policy_version_id=terms.policy_version_id,
            currency=terms.policy.currency,
            amount_minor=price_minor,
            discount_minor=discount_minor,
            paid_by=how or paid_by(choice),
            period_id=lock_open_period(session, choice.manufacturer_id),
            starts_at=covered.start,
            ends_at=covered.end,
            recorded_at=now,
        ),
        unique=["plan_choice_id", "starts_at"],
    )
    if sale is None:
        return 0
    _post_sale(session, sale, now=now, livemode=livemode)
    return 1


def billed_as(sale: PlanSale) -> dict[str, int]:
    """The companies of a sale, for another row about the same month."""
    names = ("manufacturer_id", "integrator_id", "customer_id", "site_id")
    return {name: getattr(sale, name) for name in (*names, "payer_id", "collector_id", "seller_of_record_id")}


def _billed_to(session: Session, choice: PlanChoice, terms: Terms) -> dict[str, int]:
    """The companies of a sale. The customer who chose pays; who collects and sells in law says the bill-to table."""
    integrator_id = choice.integrator_id or choice.manufacturer_id
    facts = PayerFacts(TaskClass.SUPPORT, choice.plan_code, before_day1=False, in_warranty=False, certified=True)
    row = bill_to_row(terms.policy, facts)
    parties = parties_of(session, choice, terms.agreement)
    collector = Collector(choice.terms.get("collector", row.collector))
    resold = collector is Collector.INTEGRATOR and integrator_id != choice.manufacturer_id
    return {
        "manufacturer_id": choice.manufacturer_id,
        "integrator_id": integrator_id,
        "customer_id": choice.customer_id,
        "site_id": choice.site_id,
        "payer_id": choice.customer_id,
        "collector_id": integrator_id if resold else parties["operator"],
        "seller_of_record_id": parties.get(row.seller_of_record, choice.manufacturer_id),
    }


def plan_debtor(sale: PlanSale) -> int:
    """Who owes a month's price to the operator: the payer, or the integrator that collects from it."""
    return sale.collector_id if sale.collector_id == sale.integrator_id != sale.manufacturer_id else sale.payer_id


def _post_sale(session: Session, sale: PlanSale, *, now: datetime, livemode: bool) -> None:
    post(
        session,
        manufacturer_id=sale.manufacturer_id,
        currency=sale.currency,
        kind=SOLD,
        document=Document("plan_sale", str(sale.id)),
        legs=sale_legs(plan_debtor(sale), sale.customer_id, sale.amount_minor, ahead=sale.paid_by == AHEAD),
        allowed_pairs=PLAN_PAIRS,
        occurred_at=sale.starts_at,
        now=now,
        description=plan_words(session, sale),
        livemode=livemode,
    )


def plan_words(session: Session, sale: PlanSale) -> str:
    """What the month is called on an invoice and in the ledger."""
    terms = terms_in_force(
        session, manufacturer_id=sale.manufacturer_id, integrator_id=sale.integrator_id, at=sale.starts_at
    )
    name = next((plan.name for plan in terms.policy.plans if plan.code == sale.plan_code), sale.plan_code)
    site, local = session.get_one(Site, sale.site_id), zone_named(terms.policy.zone)
    if sale.kind == GIVEN_UP:
        return f"{name}, {site.name}, given up on {sale.starts_at.astimezone(local).date()}"
    if sale.kind == LEFT_EARLY:
        return f"{name}, {site.name}, left before {sale.explanation['minimum_until']}"
    if sale.kind == REINSTATEMENT:
        first, last = (at.astimezone(local).date() for at in (sale.starts_at, sale.ends_at))
        return f"Reinstatement of {name}, {site.name}, {first} to {last}"
    return f"{name}, {site.name}, {sale.starts_at.astimezone(local):%Y-%m}"
