"""What would cover a case now, from the facts its last decision kept and from what was bought since.

The same answer serves the page that shows it and the offer that sends it: nothing is offered that would not cover.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.cases.models import SupportCase
from portal.contracts import queries as contracts
from portal.contracts.queries import PolicyInForce
from portal.entitlement import queries as entitlement
from portal.entitlement.models import CoverageDecision
from portal.entitlement.rules import facts_from_json
from portal.entitlement.terms import packs_left
from portal.errors import NotFound
from portal.selling.models import OfferEnd, OfferRelease
from portal.selling.rules import Cure, cures


@dataclass(frozen=True)
class Cures:
    """The things that would cover a case now, the cheapest first, by the policy in force."""

    in_force: PolicyInForce
    found: tuple[Cure, ...]


def cures_now(session: Session, case: SupportCase, decided: Any | None, *, now: datetime) -> Cures | None:
    """What would cover a case now; ``decided`` is its last decision's row. None without a policy or decision."""
    if decided is None or case.state == "closed":
        return None
    try:
        in_force = contracts.policy_in_force(session, case.manufacturer_id, now)
    except NotFound:
        return None
    agreement = contracts.agreement_in_force(session, case.manufacturer_id, case.integrator_id, now)
    cover = entitlement.site_cover(
        session, site_id=case.site_id, manufacturer_id=case.manufacturer_id, policy=in_force.policy, at=now
    )
    # What was bought since the decision counts; who asked and how bad it is stays what it was.
    facts = facts_from_json(decided.facts).model_copy(
        update={
            "plan_code": cover.plan_code,
            "included_seconds_left": cover.included_seconds,
            "packs": packs_left(session, cover, now),
            "severity": case.severity,
        }
    )
    return Cures(in_force, cures(facts, in_force.policy, agreement.agreement if agreement else None, now=now))


def last_decision(session: Session, case: SupportCase) -> CoverageDecision | None:
    """The decision about a case that counts."""
    mine = select(CoverageDecision).where(CoverageDecision.case_id == case.id)
    return session.scalars(mine.order_by(CoverageDecision.id.desc()).limit(1)).one_or_none()


def open_offers_of_case(session: Session, case_id: int, *, now: datetime) -> dict[tuple[str, str], OfferRelease]:
    """What the customer of a case can accept for it now, by kind and code."""
    ended = select(OfferEnd.offer_id)
    rows = session.scalars(
        select(OfferRelease)
        .where(OfferRelease.case_id == case_id, OfferRelease.expires_at > now, OfferRelease.offer_id.not_in(ended))
        .order_by(OfferRelease.id)
    )
    return {(row.kind, row.code): row for row in rows}
