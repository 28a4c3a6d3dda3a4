"""How long figures that somebody said yes to hold, and what becomes of a charge whose job was late: pure.

Invariants: nothing new is charged for figures that are older than they hold, or that are other ones by now; a call that
was made is never taken for one that was not while Stripe may still be working on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from portal.money import Money

# What Stripe would charge is shown for so long; a yes that is carried out later is asked for again with newer figures.
FIGURES_HOLD = timedelta(minutes=10)
# The gateway waits 20 seconds for an answer; what was sent this long ago is done at Stripe, or never arrived there.
SETTLES_WITHIN = timedelta(minutes=2)

NOTHING_CHARGED = "Nothing was charged."


class Course(StrEnum):
    """What a charge does next."""

    ASK = "ask"
    REPEAT = "repeat"
    WAIT = "wait"
    LOOK = "look"
    TOO_OLD = "too_old"


@dataclass(frozen=True)
class Sent:
    """When a call was made for the first and for the last time."""

    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class Figures:
    """What a change charges: all of it, and of it what is asked for the new plan and given back of the old one."""

    total_minor: int
    charge_minor: int
    credit_minor: int


def course_of(shown_at: datetime, sent: Sent | None, now: datetime) -> Course:
    """What is done for a charge whose figures were shown at an instant; ``sent`` is None where no call was made.

    Before the first call Stripe is asked again, and figures that are too old end it. A call that was made is repeated
    while its figures hold; afterwards it is only looked for, once Stripe must be done with it.
    """
    holds = now - shown_at <= FIGURES_HOLD
    if sent is None:
        return Course.ASK if holds else Course.TOO_OLD
    if holds:
        return Course.REPEAT
    return Course.WAIT if now - sent.last_at < SETTLES_WITHIN else Course.LOOK


def too_old_words(shown_at: datetime, now: datetime) -> str:
    """Why a charge was not made whose job came too late."""
    minutes = (now - shown_at) // timedelta(minutes=1)
    waited = f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
    hold = f"{FIGURES_HOLD // timedelta(minutes=1)} minutes"
    words = f"It could only be carried out {waited} after you saw what it charges, and that holds for {hold}."
    return f"{words} {NOTHING_CHARGED}"


def other_words(shown: Figures, found: Figures, currency: str) -> str:
    """Why a charge was not made that would be another one by now; empty where it is as shown."""
    if shown == found:
        return ""
    was, now = Money(shown.total_minor, currency), Money(found.total_minor, currency)
    if was == now:
        return f"What the {now} are made of is not as you saw it any more. {NOTHING_CHARGED}"
    return f"You saw that it charges {was}; by now it would be {now}. {NOTHING_CHARGED}"


OTHER_PERIOD = f"The period that you saw figures for is over. {NOTHING_CHARGED}"
RUNS_NO_MORE = f"The plan ends, or was not paid, by now. {NOTHING_CHARGED}"
