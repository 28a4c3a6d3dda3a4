"""The windows in a case's life: reminders, closing by itself, reopening, what silence and time do."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from portal.contracts.blocks import Block, Code, SomeDays


class Unanswered(Block):
    """What happens when a question to the other side is not answered; an answer begins the count anew."""

    reminder_days: SomeDays | None = None
    """Business days after which a reminder goes out; none where left out."""
    close_days: SomeDays
    """Business days after which the case is resolved and closed by itself."""
    calendar: Code
    """The calendar of these days."""
    cause: Code
    """The cause such a case gets."""
    last_action: Code
    """The last corrective action such a case gets."""

    @model_validator(mode="after")
    def _reminder_first(self) -> Self:
        if self.reminder_days is not None and self.reminder_days >= self.close_days:
            raise ValueError("reminder_days comes before close_days")
        return self


class Lifecycle(Block):
    """The windows in a case's life."""

    reopen_hours: int = Field(default=168, ge=0, le=8_784)
    """Hours after the last resolution in which a return reopens the case; 0 closes at once."""
    reopen_days: SomeDays | None = None
    """Business days of reopen_calendar instead of reopen_hours."""
    reopen_calendar: Code | None = None
    """The calendar of reopen_days."""
    closing_reminder_days: SomeDays | None = None
    """Business days of reopen_calendar after the resolution at which the customer is reminded to answer."""
    hand_back_hours: int = Field(default=24, ge=0, le=8_784)
    """Hours in which a hand-back without new information does not restart a clock."""
    interim_cut_days: SomeDays | None = None
    """Approved work and parts older than this at period end are billed before the case closes; never where left out."""
    unanswered: Unanswered | None = None
    """What happens when a question is not answered; it waits for ever where left out."""

    @model_validator(mode="after")
    def _days_with_calendar(self) -> Self:
        if (self.reopen_days is not None) != (self.reopen_calendar is not None):
            raise ValueError("reopen_days and reopen_calendar are stated together")
        if self.closing_reminder_days is not None and self.reopen_days is None:
            raise ValueError("closing_reminder_days belongs to reopen_days")
        if self.closing_reminder_days is not None and self.closing_reminder_days >= (self.reopen_days or 0):
            raise ValueError("closing_reminder_days comes before reopen_days")
        return self
