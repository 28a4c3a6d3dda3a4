"""Hours left as a coverage decision sees them: plan minutes, bought hours and incidents, and which pays. Pure.

All that a case may use without asking keeps to the plan's limit; an incident has no length to limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from portal.contracts.terms import Plan
from portal.entitlement.rules.decision import CoverageFacts, PackLeft, Reason
from portal.rating.facts import BOUGHT_GRANT, INCLUDED_GRANT, GrantState
from portal.rating.grants import in_order_of_use

# Grants of which nothing is promised have no number of their own: the plan's minutes are 0, packs are below.
_INCLUDED_ID, _FIRST_PACK = 0, -1
# A month's minutes end before any pack does.
_BEFORE_PACKS = -1


def usable_seconds(facts: CoverageFacts, plan: Plan) -> int:
    """Time that this case may use without asking."""
    return sum(usable_parts(facts, plan))


def beyond_seconds(facts: CoverageFacts, plan: Plan, *, covered: bool) -> int:
    """Time that is left for such work, but that this case may use only when its payer says yes.

    ``covered`` is whether the plan's own minutes are good for it.
    """
    included = facts.included_seconds_left if covered else 0
    left = included + sum(pack.seconds_left for pack in usable_packs(facts))
    room = _room(facts, plan)
    return 0 if room is None else max(left - room, 0)


def usable_parts(facts: CoverageFacts, plan: Plan) -> tuple[int, int]:
    """Of that, what the plan includes, which serves only what it covers, and what was bought, which serves any work."""
    bought = sum(pack.seconds_left for pack in usable_packs(facts))
    room = _room(facts, plan)
    if room is None:
        return facts.included_seconds_left, bought
    return min(facts.included_seconds_left, room), min(bought, max(room - facts.included_seconds_left, 0))


def usable_packs(facts: CoverageFacts) -> tuple[PackLeft, ...]:
    """The packs that are good for the work that is asked about; hours of no named pack are one of their own."""
    named = tuple(
        pack
        for pack in facts.packs
        if (not pack.modes or facts.mode in pack.modes) and (facts.certified or not pack.certified_only)
    )
    unnamed = PackLeft(label="bought hours", seconds_left=facts.bought_seconds_left)
    return (*named, unnamed) if unnamed.seconds_left else named


def usable_states(facts: CoverageFacts, plan: Plan) -> tuple[GrantState, ...]:
    """What the case may draw, as rating takes it."""
    included, _ = usable_parts(facts, plan)
    first = [GrantState(_INCLUDED_ID, INCLUDED_GRANT, included, _BEFORE_PACKS)] if included else []
    room = _room(facts, plan)
    return (*first, *pack_states(usable_packs(facts), None if room is None else room - included))


def pack_states(packs: Sequence[PackLeft], room: int | None) -> Iterator[GrantState]:
    """The packs as grants in order of use, each within what those before it leave of the ``room`` in seconds."""
    states = [
        GrantState(
            _FIRST_PACK - number,
            BOUGHT_GRANT,
            pack.seconds_left,
            pack.priority,
            expires_at=pack.ends_at,
            modes=tuple(mode.value for mode in pack.modes),
            incidents=min(pack.incidents_left, 1),
            unasked=True,
        )
        for number, pack in enumerate(packs)
    ]
    for state in in_order_of_use(states):
        if room is None or state.incidents:
            yield state
            continue
        taken = min(state.remaining_seconds, room)
        room -= taken
        if taken:
            yield replace(state, remaining_seconds=taken)


def pays_with(facts: CoverageFacts, plan: Plan, *, covered: bool) -> Reason | None:
    """Which of the hours left pays first, in a sentence; none where there are none for this work.

    ``covered`` is whether the plan's own minutes are good for it.
    """
    included = usable_parts(facts, plan)[0] if covered else 0
    packs = usable_packs(facts)
    states = [state for state in usable_states(facts, plan) if state.kind == BOUGHT_GRANT]
    names = [_pack_words(packs[_FIRST_PACK - state.grant_id], state) for state in _time_first(states)]
    if included:
        then = f"then {names[0]}" if names else "work beyond them is billed by time"
        return Reason(code="hours_left", sentence=f"{included // 60} minutes are left for this case; {then}.")
    if names:
        first = f"{names[0][0].upper()}{names[0][1:]}"
        rest = f"; then {names[1]}" if len(names) > 1 else ""
        return Reason(code="pack_pays", sentence=f"{first}{rest}.")
    return None


def _time_first(states: Sequence[GrantState]) -> list[GrantState]:
    """In the order in which rating uses them: of one priority, time before incidents."""
    return sorted(in_order_of_use(states), key=lambda state: (state.priority, state.incidents > 0))


def _pack_words(pack: PackLeft, state: GrantState) -> str:
    if state.incidents:
        left = f"{pack.incidents_left} {'case is' if pack.incidents_left == 1 else 'cases are'} left"
        return f"one case of {pack.label} pays for all of it, however long ({left})"
    return f"{state.remaining_seconds // 60} minutes of {pack.label} pay, {pack.seconds_left // 60} are left in all"


def _room(facts: CoverageFacts, plan: Plan) -> int | None:
    """What the plan, and the payer's yes, let one case still use; None where that is all there is."""
    if plan.standing_minutes_per_case is None:
        return None
    allowed = plan.standing_minutes_per_case * 60 + facts.hours_authorized_seconds
    return max(allowed - facts.grant_seconds_used_on_case, 0)
