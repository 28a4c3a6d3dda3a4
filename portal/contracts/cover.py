"""Which plan covers which stretch of a case, from the plans a site chose in turn. Pure.

A plan chosen while the case runs covers what comes after, or the whole case where the plan says so; a plan that is
given up covers a running case to its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from portal.contracts.policy import Policy
from portal.contracts.rules import plan_named


def plans_over_case(
    policy: Policy, opened_at: datetime, chosen: Iterable[tuple[datetime, str]]
) -> tuple[tuple[datetime, str], ...]:
    """From when each plan covers a case; the choices in order of time, those of unknown plans left out."""
    free = plan_named(policy, None).code
    plans = {plan.code: plan for plan in policy.plans}
    cover = [(opened_at, free)]
    for from_at, code in chosen:
        if code not in plans:
            continue
        if from_at <= opened_at:
            cover = [(from_at, code)]
        elif code != free:
            cover = [(opened_at, code)] if plans[code].back_cover else [*cover, (from_at, code)]
    return tuple(cover)
