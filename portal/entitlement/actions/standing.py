"""The payer's yes in advance: signed with a plan, used case by case, never beyond the month's limit.

The month's use is one counter row that the database keeps within the limit, so two cases at once cannot both take the
last of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.audit import actions as audit
from portal.contracts.blocks import Payer
from portal.contracts.models import PlanChoice
from portal.contracts.policy import Policy
from portal.contracts.rules import amount_minor, plan_named
from portal.entitlement import queries
from portal.entitlement.actions.authorization import Yes, ask_for, store_standing
from portal.entitlement.actions.coverage import Coverage
from portal.entitlement.models import Authorization, StandingAuthorization
from portal.entitlement.queries import CaseParts
from portal.errors import Invalid, NotAllowed, NotFound
from portal.identity.queries import members
from portal.rows import insert_once

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
    stored = insert_once(
        session,
        StandingAuthorization(
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
        ),
        unique=["site_id", "manufacturer_id", "from_at"],
    )
    return stored is not None


@dataclass(frozen=True)
class StandingTerms:
    """What a buyer signs: for which severities, up to how much, who is asked first beyond it."""

    incident_minor: int
    month_minor: int
    severities: tuple[int, ...]
    approver_ids: tuple[int, ...]


def sign_standing(
    session: Session, actor: Actor, choice: PlanChoice, terms: StandingTerms, *, policy: Policy, now: datetime
) -> StandingAuthorization:
    """The buyer says in advance up to how much each case may cost; from now on it replaces what held before.

    Signing the same again changes nothing. *Raises*: NotAllowed, NotFound, Invalid at the field.
    """
    if actor.side is not Side.CUSTOMER or not actor.has(Role.BUYER):
        raise NotAllowed("A standing authorization is signed by the customer's buyer.")
    if choice.customer_id != actor.organisation_id:
        raise NotFound()
    _check_terms(session, actor, terms)
    held = queries.standing_at(session, site_id=choice.site_id, manufacturer_id=choice.manufacturer_id, now=now)
    if held is not None and held.from_at >= choice.from_at and _terms_of(held) == terms:
        return held
    plan = plan_named(policy, choice.plan_code)
    signed = StandingAuthorization(
        manufacturer_id=choice.manufacturer_id,
        integrator_id=choice.integrator_id or choice.manufacturer_id,
        customer_id=choice.customer_id,
        payer_id=choice.customer_id,
        site_id=choice.site_id,
        currency=policy.currency,
        nte_incident_minor=terms.incident_minor,
        nte_month_minor=terms.month_minor,
        severities=list(terms.severities),
        grant_seconds_per_case=(plan.standing_minutes_per_case or 0) * 60,
        approver_ids=list(terms.approver_ids),
        from_at=now,
        until_at=None,
        signed_by=actor.person_id,
        signed_at=now,
    )
    session.add(signed)
    session.flush()
    audit.record(session, actor, "sign_standing", "standing_authorization", signed.id, now=now)
    return signed


def _check_terms(session: Session, actor: Actor, terms: StandingTerms) -> None:
    problems: dict[str, str] = {}
    if terms.incident_minor < 0:
        problems["incident"] = "An amount is not negative; 0 takes the standing authorization back."
    if terms.month_minor < terms.incident_minor:
        problems["month"] = "A month allows at least what one case does."
    if not terms.severities or not set(terms.severities) <= {1, 2, 3, 4}:
        problems["severities"] = "Choose at least one severity."
    buyers = {
        row.person.id
        for row in members(session, actor)
        if row.membership.ended_at is None and Role.BUYER in row.membership.roles
    }
    if not terms.approver_ids or not set(terms.approver_ids) <= buyers:
        problems["first"] = "Choose who is asked: present buyers of your organisation."
    if problems:
        raise Invalid("Some of this cannot be signed as it is.", problems)


def _terms_of(held: StandingAuthorization) -> StandingTerms:
    return StandingTerms(
        held.nte_incident_minor, held.nte_month_minor, tuple(held.severities), tuple(held.approver_ids)
    )


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


# What a month's cases hold of it: those that are closed and billed what they used, the others all they were given.
_RETURN = text(
    """
    UPDATE standing_month month
    SET used_minor = least(month.limit_minor, (
        SELECT coalesce(sum(CASE
            WHEN support_case.state = 'closed'
                 AND EXISTS (SELECT FROM billing_cut cut JOIN bill_item item ON item.cut_id = cut.id
                             WHERE cut.case_id = support_case.id AND cut.kind = 'closing')
            THEN yes.nte_minor - balance.left_minor ELSE yes.nte_minor END), 0)
        FROM "authorization" yes
        JOIN authorization_balance balance ON balance.authorization_id = yes.id
        JOIN support_case ON support_case.id = yes.case_id
        WHERE yes.basis = 'standing' AND yes.standing_authorization_id = month.standing_authorization_id
          AND date_trunc('month', yes.authorized_at AT TIME ZONE :zone)::date = month.month_on))
    WHERE (month.standing_authorization_id, month.month_on) IN (
        SELECT own.standing_authorization_id, date_trunc('month', own.authorized_at AT TIME ZONE :zone)::date
        FROM "authorization" own WHERE own.case_id = :case_id AND own.basis = 'standing')
    """
)


def return_unused(session: Session, case: CaseParts, *, policy: Policy) -> None:
    """What a closed and billed case did not use of its standing yes is the month's again. Again is harmless.

    Counted anew from the yeses, so that a case billed again for more or less holds what it used then.
    """
    session.flush()
    session.execute(_RETURN, {"case_id": case.id, "zone": policy.zone})


def _fits(severities: tuple[int, ...], severity: int) -> bool:
    return not severities or severity in severities
