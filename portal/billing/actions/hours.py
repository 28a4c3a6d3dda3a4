"""Hours left are promised to a case's approved work as its bill would use them.

What the bill would draw is asked of rating itself, with what is really left: so plan minutes, bought hours and
incidents go to work as the policy ranks them. Later work of other cases gives way to earlier work of this one. Run when
time is approved or corrected, and once more before a case is billed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from portal.billing.actions.cuts import lock_case
from portal.billing.actions.prepaid import incident_ahead, waits_for_prepayment
from portal.billing.facts import BillingFacts, SiteHours, grant_state, grants_promised
from portal.billing.gathering import gather
from portal.billing.queries import closing_is_billed
from portal.entitlement.actions import Available, Held, hold_hours, keep_promises, make_room, release_for_case
from portal.entitlement.rules import NOTHING, Amount, Promise, Room, promises
from portal.rating.engine import rate
from portal.rating.facts import CUSTOMER, GrantState
from portal.rating.lines import UNAUTHORIZED, RatedCase

# More than any case can use: a hundred years of work.
_WITHOUT_END = 100 * 366 * 86_400


def reserve_hours(session: Session, case_id: int, *, now: datetime) -> int:
    """Promise the site's hours to the case's approved work that no bill has drawn for; the seconds not covered."""
    return reserve_for(session, gather(session, lock_case(session, case_id)), now=now)


def reserve_anew(session: Session, case_id: int, *, now: datetime) -> None:
    """The same when hours were bought or came free: not for a case that is billed to its end.

    What that one drew stays as it is until it is billed again, which promises what it then needs; promised hours beside
    those it drew already, it would keep them from others for nothing.
    """
    case = lock_case(session, case_id)
    if case.state not in ("resolved", "closed") or not closing_is_billed(session, case_id):
        reserve_for(session, gather(session, case), now=now)


def first_unauthorized(session: Session, case_id: int) -> datetime | None:
    """When the customer's first billable work, or part, without its yes came; None where it has said yes to all."""
    facts = gather(session, lock_case(session, case_id))
    if not facts.work and not facts.parts:
        return None
    rated = rate(facts.facts, facts.work, facts.grants, facts.tariff)
    starts = [
        segment.started_at
        for line in rated.lines
        if line.kind == UNAUTHORIZED and line.payer == CUSTOMER
        for segment in line.segments
    ]
    parts = [charge.slice for charge in rated.basis.charges if charge.supplier]
    starts += [datetime.fromtimestamp(part.start, UTC) for part in parts if part.kind == UNAUTHORIZED]
    return min(starts, default=None)


def reserve_for(session: Session, facts: BillingFacts, *, now: datetime) -> int:
    """The same for a case that this transaction holds already."""
    case = facts.case
    endless = _rated(facts, [_endless(each) for each in facts.hours])
    wanted = _counted(_without_limit(facts, endless))
    ahead = waits_for_prepayment(session, facts)
    if not endless.uses and not ahead:
        if facts.grants:
            release_for_case(session, case, reason="no work needs them", now=now)
        return wanted
    starts = [datetime.fromtimestamp(use.start, UTC) for use in endless.uses] or [case.opened_at]
    span = (min(case.opened_at, *starts), max(now, *starts)) if ahead else (min(starts), max(starts))
    held = hold_hours(session, case, span)
    made = _promises(facts, held, min(starts))
    if _is_short(facts, made, endless) and make_room(session, case, held, after=min(starts), now=now):
        held = hold_hours(session, case, span)
        made = _promises(facts, held, min(starts))
    if ahead:
        made = (*made, *incident_ahead(facts, held, made))
    keep_promises(session, case, held, made, now=now)
    return wanted - _counted(_rated(facts, _states_after(facts, made)))


def _without_limit(facts: BillingFacts, endless: RatedCase) -> RatedCase:
    """What would be used if the case could use all there is without asking."""
    if not facts.facts.hours_limit:
        return endless
    return _rated(replace(facts, facts=replace(facts.facts, hours_limit=())), endless.basis.grants)


def _endless(hours: SiteHours) -> GrantState:
    """A grant as if it never ran out."""
    grant = hours.grant
    return grant_state(hours, Amount(_WITHOUT_END if grant.granted_seconds else 0, min(grant.granted_incidents, 1)))


def _rated(facts: BillingFacts, grants: Sequence[GrantState]) -> RatedCase:
    # The authorized sum stops money, not hours.
    return rate(replace(facts.facts, nte_minor={}), facts.work if grants else (), grants, facts.tariff)


def _counted(rated: RatedCase) -> int:
    """The counted seconds that hours or an incident pay for."""
    return sum(line.seconds for line in rated.lines if line.key.grant_id is not None)


def _promises(facts: BillingFacts, held: Held, begun_at: datetime) -> tuple[Promise, ...]:
    """What the case's bill would draw of what is held, in order of work."""
    serving = {each.grant.id: each for each in facts.hours}
    available = [each for each in held.available if each.grant.id in serving]
    rooms = {each.grant.id: _room(each, facts.drawn.get(each.grant.id, NOTHING)) for each in available}
    states = [state for each in available for state in _states(serving[each.grant.id], rooms[each.grant.id], begun_at)]
    uses = (use._replace(grant_id=abs(use.grant_id)) for use in _rated(facts, states).uses)
    return promises(uses, rooms)


def _room(available: Available, drawn: Amount) -> Room:
    at = available.expired_at
    return Room(
        Amount(available.seconds, available.incidents),
        drawn,
        Amount(available.expired_seconds, available.expired_incidents),
        at,
        at is not None and (available.ends_at is None or available.ends_at > at),
    )


def _states(hours: SiteHours, room: Room, begun_at: datetime) -> Iterable[GrantState]:
    """A grant as rating takes it; where it outlives what has expired of it, that is a second one, below zero.

    What the case has drawn already counts where its work began.
    """
    if not room.outlives_expiry or not room.expired:
        yield grant_state(hours, room.left + room.drawn + room.expired)
        return
    was_earlier = room.expired_at is not None and begun_at < room.expired_at
    yield grant_state(hours, room.left if was_earlier else room.left + room.drawn)
    expired = room.expired + room.drawn if was_earlier else room.expired
    second = grant_state(replace(hours, ends_at=room.expired_at), expired)
    yield replace(second, grant_id=-second.grant_id)


def _is_short(facts: BillingFacts, made: Sequence[Promise], endless: RatedCase) -> bool:
    """Whether more would be used if there were more; the case's limit stands against both."""
    return _counted(_rated(facts, _states_after(facts, made))) < _counted(endless)


def _states_after(facts: BillingFacts, made: Sequence[Promise]) -> tuple[GrantState, ...]:
    """What the case may draw once it is promised this."""
    amounts = dict(facts.drawn)
    for each in made:
        amounts[each.grant_id] = amounts.get(each.grant_id, NOTHING) + Amount(each.seconds, each.incidents)
    return grants_promised({each.grant.id: each for each in facts.hours}, amounts)
