"""Hours left as one case may use them: included ones for what the plan covers, bought ones for any billed work."""

from __future__ import annotations

from portal.contracts.terms import Plan
from portal.entitlement.rules.decision import CoverageFacts
from portal.rating.facts import INCLUDED_GRANT, GrantState

BOUGHT = "bought"


def usable_seconds(facts: CoverageFacts, plan: Plan) -> int:
    """Hours left that this case may use without asking."""
    return sum(usable_parts(facts, plan))


def usable_parts(facts: CoverageFacts, plan: Plan) -> tuple[int, int]:
    """Of those, the included ones, which serve only what the plan covers, and the bought ones, which serve any work."""
    included, bought = facts.included_seconds_left, facts.bought_seconds_left
    if plan.standing_minutes_per_case is None:
        return included, bought
    room = max(plan.standing_minutes_per_case * 60 - facts.grant_seconds_used_on_case, 0)
    return min(included, room), min(bought, max(room - included, 0))


def grants_left(facts: CoverageFacts, plan: Plan) -> tuple[GrantState, ...]:
    """The same as rating draws them."""
    left = zip((INCLUDED_GRANT, BOUGHT), usable_parts(facts, plan), strict=True)
    return tuple(GrantState(number, kind, seconds) for number, (kind, seconds) in enumerate(left, 1) if seconds)
