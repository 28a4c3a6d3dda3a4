"""Promises against the clock: when they are due, how much is used, met or missed.

The clocks of the first answer run from the offer, or from the opening, until acceptance or the first substantive reply,
whoever holds the case. Every other clock runs only while its company holds the case and no pause is on. Deadlines are
counted in the open time of the clock's calendar; nothing is taken from the current assignee.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from portal.calendars import Calendar, Period, add_seconds, explain_deadline, seconds_between
from portal.cases.rules.custody import Segment, held_periods
from portal.contracts.blocks import Company
from portal.contracts.policy import Policy
from portal.contracts.promises import Asked, target_of
from portal.contracts.targets import ANSWER_CLOCKS, Clock, PauseReason, StartEvent, Target
from portal.contracts.terms import Plan


@dataclass(frozen=True)
class ClockSpec:
    """A clock to open: a promise of a plan for whoever asks.

    ``target_seconds`` is 0 where the promise is in business days, at once or without a date; ``days`` tells those in
    days apart. ``target`` is the document's row.
    """

    clock: Clock
    target_seconds: int
    calendar: str
    days: int | None = None
    target: Target | None = field(default=None, compare=False)

    @property
    def starts(self) -> StartEvent:
        """From what it counts."""
        return self.target.starts if self.target is not None else StartEvent.ARRIVAL


@dataclass(frozen=True)
class ClockFacts:
    """One clock: its promise, when it started, when what it promises happened (None: not yet), and what it runs in.

    ``custody`` is the case's; ``pauses`` are those that stop this clock: one that lasts is given up to now, with
    ``paused``. A promise ``without_date`` is never due and never broken.
    """

    clock: Clock
    calendar: Calendar
    target_seconds: int
    started_at: datetime
    stopped_at: datetime | None = None
    company: Company = Company.MANUFACTURER
    custody: tuple[Segment, ...] = ()
    pauses: tuple[Period, ...] = ()
    paused: bool = False
    answer_pauses: bool = False
    without_date: bool = False


class ClockState(StrEnum):
    """What a clock is doing."""

    RUNNING = "running"
    STANDING = "standing"
    MET = "met"
    MISSED = "missed"


@dataclass(frozen=True)
class ClockReading:
    """A clock read at a moment.

    ``due_at`` is None while the clock stands: it is counted anew when it runs again. ``missed_at`` is when the promise
    broke, also while the clock goes on. ``steps`` add up to the target where there is a deadline.
    """

    state: ClockState
    used_seconds: int
    left_seconds: int
    due_at: datetime | None
    missed_at: datetime | None
    steps: tuple[tuple[Period, int], ...] = ()


def clocks_for(plan: Plan, asked: Asked) -> tuple[ClockSpec, ...]:
    """The clocks a case has under a plan, in the order of their kinds."""
    found = ((clock, target_of(plan, clock, asked)) for clock in Clock)
    return tuple(spec_of(target) for clock, target in found if target is not None)


def spec_of(target: Target) -> ClockSpec:
    """The clock of a document's row."""
    return ClockSpec(target.clock, (target.minutes or 0) * 60, target.calendar, target.days, target)


def stopping(clock: Clock, target: Target | None, reasons: Sequence[PauseReason], code: str | None) -> bool:
    """Whether a pause stops a clock: as the promise says, else as the reason says, else all but the first answer."""
    if target is not None and target.pauses is not None:
        return code in target.pauses
    named = next((each for each in reasons if each.code == code), None)
    return clock in named.stops if named is not None else clock not in ANSWER_CLOCKS


@dataclass(frozen=True)
class ClockChanges:
    """What a change of severity, plan or certificate does: clocks to close, and clocks to open from that moment."""

    closed: tuple[Clock, ...]
    opened: tuple[ClockSpec, ...]


def changed_clocks(running: Sequence[ClockSpec], wanted: Sequence[ClockSpec], *, responded: bool) -> ClockChanges:
    """The difference between the clocks that run and those that should; a promise to respond that was kept stays so."""
    after = {spec.clock: spec for spec in wanted if not (responded and spec.clock in ANSWER_CLOCKS)}
    before = {spec.clock: spec for spec in running}
    closed = tuple(clock for clock, spec in before.items() if after.get(clock) != spec)
    return ClockChanges(closed, tuple(spec for clock, spec in after.items() if before.get(clock) != spec))


def clock_start(
    policy: Policy,
    at: datetime,
    *,
    handed_back_at: datetime | None,
    previous_start: datetime | None,
    new_information: bool,
) -> datetime:
    """Where the response clock of an offer starts.

    Handed back and offered again within the policy's hours without new information, it goes on from where it started.
    """
    if handed_back_at is None or previous_start is None or new_information:
        return at
    window = timedelta(hours=policy.lifecycle.hand_back_hours)
    return previous_start if at - handed_back_at < window else at


def read_clock(facts: ClockFacts, now: datetime) -> ClockReading:
    """The clock at ``now``: what is used and left, when it is due, whether the promise was kept.

    *Shape*: exactly used up at the deadline is kept; a promise is broken by the first second after it.
    """
    end = now if facts.stopped_at is None else min(facts.stopped_at, now)
    if facts.without_date:
        stopped = facts.stopped_at is not None and facts.stopped_at <= now
        return ClockReading(_state(missed=False, stopped=stopped, stands=False), 0, 0, None, None)
    excluded = _excluded(facts, end)
    used = seconds_between(facts.calendar, facts.started_at, end, excluded)
    left = max(facts.target_seconds - used, 0)
    missed = used > facts.target_seconds
    stopped = facts.stopped_at is not None and facts.stopped_at <= now
    stands = not stopped and not missed and _stands(facts, now)
    due_at = None if stands else add_seconds(facts.calendar, facts.started_at, facts.target_seconds, excluded)
    steps = () if stands else explain_deadline(facts.calendar, facts.started_at, facts.target_seconds, excluded)
    return ClockReading(
        _state(missed=missed, stopped=stopped, stands=stands), used, left, due_at, due_at if missed else None, steps
    )


def _state(*, missed: bool, stopped: bool, stands: bool) -> ClockState:
    if missed:
        return ClockState.MISSED
    if stopped:
        return ClockState.MET
    return ClockState.STANDING if stands else ClockState.RUNNING


def _excluded(facts: ClockFacts, end: datetime) -> tuple[Period, ...]:
    """The time up to ``end`` in which the clock does not run."""
    if facts.started_at >= end:
        return ()
    if facts.clock in ANSWER_CLOCKS:
        return facts.pauses if facts.answer_pauses else ()
    gaps: list[Period] = []
    reached = facts.started_at
    for held in held_periods(facts.custody, facts.company, end):
        if held.start > reached:
            gaps.append(Period(reached, held.start))
        reached = max(reached, held.end)
    if reached < end:
        gaps.append(Period(reached, end))
    return (*gaps, *facts.pauses)


def _stands(facts: ClockFacts, now: datetime) -> bool:
    """Whether the clock does not run at ``now``, so that no deadline can be named."""
    if facts.clock in ANSWER_CLOCKS:
        return facts.paused and facts.answer_pauses
    holders = [segment.company for segment in facts.custody if segment.start <= now]
    return facts.paused or not holders or holders[-1] != facts.company
