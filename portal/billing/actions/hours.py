"""Hours left are promised to a case's approved work as its bill would use them.

What the bill would draw is asked of rating itself, as if there were hours without end; what is really left is promised
in order of work time by entitlement. Run when time is approved or corrected, and once more before a case is billed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from portal.billing.actions.cuts import lock_case
from portal.billing.facts import BillingFacts, grant_state
from portal.billing.gathering import gather
from portal.contracts.rules import plan_named
from portal.entitlement.actions import Reserving, release_for_case, reserve_for_case
from portal.entitlement.rules import Work
from portal.rating.engine import rate
from portal.rating.facts import CUSTOMER
from portal.rating.lines import HOURS_BOUGHT, INCLUDED, UNAUTHORIZED
from portal.rating.situations import setting_at

# More than any case can use: a hundred years of work.
_WITHOUT_END = 100 * 366 * 86_400


def reserve_hours(session: Session, case_id: int, *, now: datetime) -> int:
    """Promise the site's hours to the case's approved work that no bill has drawn for; the seconds not covered."""
    return reserve_for(session, gather(session, lock_case(session, case_id)), now=now)


def first_unauthorized(session: Session, case_id: int) -> datetime | None:
    """When the customer's first billable work without its yes began; None where it has said yes to all."""
    facts = gather(session, lock_case(session, case_id))
    if not facts.work:
        return None
    rated = rate(facts.facts, facts.work, facts.grants, facts.tariff)
    starts = [
        segment.started_at
        for line in rated.lines
        if line.kind == UNAUTHORIZED and line.payer == CUSTOMER
        for segment in line.segments
    ]
    return min(starts, default=None)


def reserve_for(session: Session, facts: BillingFacts, *, now: datetime) -> int:
    """The same for a case that this transaction holds already."""
    case = facts.case
    wanted = _undrawn(_wanted(facts), sum(facts.drawn_seconds.values()))
    if not wanted:
        if facts.grants:
            release_for_case(session, case, reason="no work needs them", now=now)
        return 0
    plan = plan_named(facts.documents.policy, setting_at(facts.facts, wanted[0].started_at).plan)
    limit = plan.standing_minutes_per_case
    how = Reserving(1, case_limit_seconds=None if limit is None else limit * 60)
    return reserve_for_case(session, case, wanted, how, now=now)


def _wanted(facts: BillingFacts) -> list[Work]:
    """What the case's bill would draw if there were hours without end, in order of work."""
    endless = [grant_state(grant, _WITHOUT_END) for grant in facts.hours]
    if not endless or not facts.work:
        return []
    # The authorized sum stops money, not hours.
    rated = rate(replace(facts.facts, nte_minor={}), facts.work, endless, facts.tariff)
    return sorted(
        (
            Work(segment.entry_id, segment.started_at, segment.seconds)
            for line in rated.lines
            if line.kind in (INCLUDED, HOURS_BOUGHT) and line.key.grant_id is not None
            for segment in line.segments
        ),
        key=lambda piece: (piece.started_at, piece.entry_id),
    )


def _undrawn(pieces: Sequence[Work], drawn_seconds: int) -> list[Work]:
    """The pieces without the first seconds, which bills have drawn already."""
    left = []
    for piece in pieces:
        taken = min(piece.seconds, drawn_seconds)
        drawn_seconds -= taken
        if taken < piece.seconds:
            left.append(replace(piece, seconds=piece.seconds - taken))
    return left
