"""The buyer's part of Today: what needs a yes, what is left of the plans; a manager reads what waits for the payer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.entitlement import queries as entitlement
from portal.web.plans.authorizations import asked_of
from portal.web.plans.choosing import site_plans
from portal.web.today import section

SHOWN = 10


@section(
    "needs-a-yes",
    title="Waits for the payer's yes",
    template="plans/_waiting.html",
    roles={Role.BUYER, Role.SERVICE_MANAGER},
    sides=frozenset({Side.CUSTOMER, Side.INTEGRATOR}),
    order=10,
)
def needs_a_yes(session: Session, actor: Actor, now: datetime) -> Mapping[str, Any]:
    return {"waiting": asked_of(entitlement.requests_for(session, actor, waiting=True, limit=SHOWN))}


@section(
    "hours-left",
    title="Hours left this month",
    template="plans/_hours_left.html",
    roles={Role.BUYER},
    sides=frozenset({Side.CUSTOMER}),
    order=40,
)
def hours_left(session: Session, actor: Actor, now: datetime) -> Mapping[str, Any]:
    return {"places": site_plans()[:SHOWN]}
