"""How bad a case is, said anew: who has how long to answer a dispute, and what holds while they differ."""

from __future__ import annotations

from enum import StrEnum

from portal.contracts.blocks import Block, Code, SomeDays


class Disputed(StrEnum):
    """Which severity holds where the two sides differ for good."""

    HIGHER = "higher"
    BEFORE = "before"
    AFTER = "after"


class Reclassification(Block):
    """What holds when the factory says anew how bad a case is and the other side disputes it."""

    answer_days: SomeDays = 2
    """Business days in which the factory answers; its silence gives the severity from before."""
    calendar: Code = "always"
    """The calendar of these days."""
    when_disputed: Disputed = Disputed.HIGHER
    """Where the factory does not give in: the higher one of both, the one before, or the one after."""
