"""What a plan gives back for a broken promise, by the signed table of remedies. Pure."""

from __future__ import annotations

from portal.contracts.blocks import WHOLE_BP
from portal.contracts.policy import Policy
from portal.contracts.rules import amount_minor, rate_minor
from portal.contracts.targets import Clock, Remedy
from portal.contracts.terms import Plan
from portal.money import round_half_up


def remedy_for(plan: Plan, clock: Clock, *, severity: int, late_seconds: int) -> Remedy | None:
    """What a plan gives back for a promise broken by so much; None where it gives nothing."""
    for remedy in plan.remedies:
        fits = remedy.clock == clock and (not remedy.severities or severity in remedy.severities)
        if fits and late_seconds >= (remedy.late_by_minutes or 0) * 60:
            return remedy
    return None


def credit_minor(policy: Policy, plan: Plan, remedy: Remedy) -> int | None:
    """A remedy's credit in minor units, a part of a month's price rounded half up; None for a longer term."""
    if remedy.credit is not None:
        return amount_minor(remedy.credit, policy.currency)
    if remedy.credit_bp is not None:
        return round_half_up(rate_minor(plan.price_per_month, policy.currency) * remedy.credit_bp / WHOLE_BP)
    return None
