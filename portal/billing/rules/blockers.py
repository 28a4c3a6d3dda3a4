"""What holds a bill item, by name. A challenge of the split is none: it holds only the shares."""

from __future__ import annotations

from dataclasses import dataclass

UNAPPROVED_TIME = "unapproved_time"
RUNNING_TIMER = "running_timer"
OPEN_RATIFICATION = "open_ratification"
OPEN_CHALLENGE = "open_challenge"
UNCONFIRMED_PART = "unconfirmed_part"
UNKNOWN_MONTH = "unknown_month"
BLOCKS = (UNAPPROVED_TIME, RUNNING_TIMER, OPEN_RATIFICATION, OPEN_CHALLENGE, UNCONFIRMED_PART, UNKNOWN_MONTH)


@dataclass(frozen=True)
class BlockingFacts:
    """How many of each thing stand in the way of a cut."""

    unapproved_entries: int = 0
    running_timers: int = 0
    open_ratifications: int = 0
    open_challenges: int = 0
    unconfirmed_parts: int = 0
    unknown_months: int = 0


@dataclass(frozen=True)
class Blocker:
    """One reason why a case is not billed yet; ``code`` is one of BLOCKS."""

    code: str
    count: int
    sentence: str


def blockers_of(facts: BlockingFacts) -> tuple[Blocker, ...]:
    """What holds the item, in a fixed order; empty when it can be made."""
    rows = (
        (UNAPPROVED_TIME, facts.unapproved_entries, "time entry is", "time entries are", "not approved yet"),
        (RUNNING_TIMER, facts.running_timers, "timer is", "timers are", "still running"),
        (OPEN_RATIFICATION, facts.open_ratifications, "emergency is", "emergencies are", "still to be ratified"),
        (OPEN_CHALLENGE, facts.open_challenges, "challenge of cause or class is", "challenges of cause or class are",
         "undecided"),
        (UNCONFIRMED_PART, facts.unconfirmed_parts, "dear part is", "dear parts are",
         "not confirmed yet by a second person of the company that recorded it"),
        (UNKNOWN_MONTH, facts.unknown_months, "month of the plan is", "months of the plan are",
         "not asked for by its subscription yet: it is billed by itself when Stripe's bill is known"),
    )  # fmt: skip
    return tuple(
        Blocker(code, count, f"{count} {one if count == 1 else many} {rest}.")
        for code, count, one, many, rest in rows
        if count
    )
