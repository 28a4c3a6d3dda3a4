"""A case that is worked on only when it is paid in advance has its incident promised before anybody begins.

Hours that are left satisfy whoever comes first, because what they lack is asked for; an incident pays for a whole case,
so it is one case's alone from the moment it is counted on.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from portal.billing.facts import BillingFacts, grant_state
from portal.contracts.entry import Gate
from portal.entitlement.actions import Available, Held
from portal.entitlement.queries import decision_of, latest_coverage
from portal.entitlement.rules import Amount, Prepaid, Promise, may_wait_for
from portal.rating.grants import in_order_of_use


def waits_for_prepayment(session: Session, facts: BillingFacts) -> bool:
    """Whether the policy lets nobody work on the case before it is paid in advance; a closed one waits for nothing."""
    policy, case = facts.documents.policy, facts.case
    if case.state == "closed" or not any(Gate.PREPAYMENT in row.requires for row in policy.entry):
        return False
    kept = latest_coverage(session, case.id)
    return kept is not None and Gate.PREPAYMENT in may_wait_for(policy, decision_of(kept), severity=case.severity)


def incident_ahead(facts: BillingFacts, held: Held, made: Sequence[Promise]) -> tuple[Promise, ...]:
    """The incident to promise beside what work uses: the first in order of use; none where it is paid otherwise."""
    serving = {each.grant.id: each for each in facts.hours if each.grant.kind == "pack"}
    packs = {each.grant.id: each for each in held.available if each.grant.id in serving}
    prepaid = Prepaid(
        hours_seconds=sum(each.seconds for each in packs.values()),
        has_used=any(grant_id in serving for grant_id, amount in facts.drawn.items() if amount),
    )
    if any(each.incidents for each in made) or not prepaid.wants_incident:
        return ()
    free = [each for each in packs.values() if each.incidents > 0 and _holds_now(each)]
    states = in_order_of_use(grant_state(serving[each.grant.id], Amount(0, each.incidents)) for each in free)
    return tuple(_promise(facts, packs[state.grant_id]) for state in states[:1])


def _holds_now(pack: Available) -> bool:
    """Whether it has not expired: what has is only for work that was earlier."""
    return pack.expired_at is None or pack.ends_at is None or pack.ends_at > pack.expired_at


def _promise(facts: BillingFacts, pack: Available) -> Promise:
    return Promise(pack.grant.id, max(facts.case.opened_at, pack.grant.starts_at), incidents=1)
