"""The payer's yes in advance: signed with a plan, used case by case, never beyond the month's limit.

The month's use is one counter row that the database keeps within the limit, so two cases at once cannot both take the
last of it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.contracts.blocks import Payer
from portal.contracts.models import PlanChoice
from portal.contracts.policy import Policy
from portal.contracts.rules import amount_minor, plan_named
from portal.entitlement import queries
from portal.entitlement.actions.authorization import Yes, ask_for, store_standing
from portal.entitlement.actions.coverage import Coverage
from portal.entitlement.models import Authorization, StandingAuthorization
from portal.entitlement.queries import CaseParts

# A plan without a monthly limit: far above any month, far below what a bigint holds.
NO_MONTHLY_LIMIT_MINOR = 10**15

# The counter is raised by what is still free, in one statement; nothing comes back when that is less than wanted.
_TAKE = text(
    """
    INSERT INTO standing_month AS used
        (standing_authorization_id, month_on, manufacturer_id, integrator_id, customer_id, limit_minor, used_minor)
    SELECT :standing, :month, :maker, :integrator, :customer, :limit_minor, :wanted
    WHERE :wanted <= :limit_minor
    ON CONFLICT (standing_authorization_id, month_on) DO UPDATE
        SET used_minor = used.used_minor + excluded.used_minor
        WHERE used.used_minor + excluded.used_minor <= used.limit_minor
    RETURNING used_minor
    """
)


def open_standing(session: Session, choice: PlanChoice, *, policy: Policy, now: datetime) -> bool:
    """Store the standing authorization that the buyer signed with a plan; whether there was one to store.

    Again is harmless. Where the plan offers none, none holds from its start on.
    """
    plan = plan_named(policy, choice.plan_code)
    if plan.standing_limit is None:
        return False
    monthly = plan.standing_limit_per_month
    stored = session.scalar(
        insert(StandingAuthorization)
        .values(
            manufacturer_id=choice.manufacturer_id,
            integrator_id=choice.integrator_id or choice.manufacturer_id,
            customer_id=choice.customer_id,
            payer_id=choice.customer_id,
            site_id=choice.site_id,
            currency=policy.currency,
            nte_incident_minor=amount_minor(plan.standing_limit, policy.currency),
            nte_month_minor=NO_MONTHLY_LIMIT_MINOR if monthly is None else amount_minor(monthly, policy.currency),
            severities=[],
            grant_seconds_per_case=(plan.standing_minutes_per_case or 0) * 60,
            approver_ids=[choice.accepted_by],
            from_at=choice.from_at,
            signed_by=choice.accepted_by,
            signed_at=now,
        )
        .on_conflict_do_nothing(index_elements=["site_id", "manufacturer_id", "from_at"])
        .returning(StandingAuthorization.id)
    )
    return stored is not None


def use_standing(session: Session, case: CaseParts, coverage: Coverage, *, now: datetime) -> Authorization | None:
    """Let the standing authorization say yes to a case, up to its limits; None where it has no room or no say."""
    decision, cover = coverage.decision, coverage.cover
    if decision.payer is not Payer.CUSTOMER or not decision.can_cost or cover.standing_id is None:
        return None
    given = sum(row.nte_minor for row in queries.authorizations_of(session, case.id) if row.basis == "standing")
    wanted = min((cover.incident_minor or 0) - given, (cover.month_minor or 0) - cover.used_in_month_minor)
    if wanted < decision.least_minor or wanted <= 0 or not _fits(cover.severities, decision.severity):
        return None
    taken = session.execute(
        _TAKE,
        {
            "standing": cover.standing_id,
            "month": queries.month_on(coverage.terms.policy, now),
            "maker": case.manufacturer_id,
            "integrator": case.integrator_id,
            "customer": case.customer_id,
            "limit_minor": cover.month_minor,
            "wanted": wanted,
        },
    ).one_or_none()
    if taken is None:
        # Another case has just taken the month's rest: this one's payer is asked.
        return None
    yes = Yes(
        nte_minor=wanted,
        basis="standing",
        person_id=None,
        person_name="Standing authorization",
        said_at=now,
        covers_from=now,
        standing_id=cover.standing_id,
    )
    return store_standing(session, case, ask_for(decision, reason="standing authorization"), yes, now)


def _fits(severities: tuple[int, ...], severity: int) -> bool:
    return not severities or severity in severities
