"""What the plan gives back when one of its promises was broken, written down with the clock that was missed.

A credit or a longer term is owed by the manufacturer, which made the promise; it is no part of any case's bill.
"""

from __future__ import annotations

from datetime import datetime

from portal.cases.models import CaseClock, PromiseRemedy, SupportCase
from portal.contracts.policy import Policy
from portal.contracts.remedies import credit_minor, remedy_for
from portal.contracts.rules import plan_named
from portal.contracts.targets import Clock


def owed_for(
    case: SupportCase, clock: CaseClock, policy: Policy, *, late_seconds: int, now: datetime
) -> PromiseRemedy | None:
    """The row for a promise broken by so much; None where the plan gives nothing for it."""
    plan = plan_named(policy, case.plan_code)
    remedy = remedy_for(plan, Clock(clock.kind), severity=case.severity, late_seconds=late_seconds)
    if remedy is None:
        return None
    minor = credit_minor(policy, plan, remedy)
    return PromiseRemedy(
        case_id=case.id,
        manufacturer_id=case.manufacturer_id,
        integrator_id=case.integrator_id,
        customer_id=case.customer_id,
        clock_id=clock.id,
        policy_version_id=clock.version_id,
        plan_code=plan.code,
        late_seconds=late_seconds,
        amount_minor=minor,
        currency=policy.currency if minor is not None else None,
        extra_days=remedy.extra_days,
        owed_at=now,
    )
