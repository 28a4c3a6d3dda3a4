"""Who may have a case opened, how, and what has to be there first: the first row whose conditions all hold decides."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from portal.contracts.blocks import Block, Code, Label, Severity, TaskClass
from portal.contracts.targets import Channel


class Opener(StrEnum):
    """Who asks. Contacts are those the customer has named; anybody else on the customer's side is an end user."""

    TECHNICIAN = "technician"
    CERTIFIED_TECHNICIAN = "certified_technician"
    CONTACT = "contact"
    END_USER = "end_user"
    DISTRIBUTOR = "distributor"
    ENGINEER = "engineer"


class EntryDecision(StrEnum):
    """What becomes of somebody who asks."""

    ACCEPT = "accept"
    WAIT = "wait"
    REFER = "refer"
    REFUSE = "refuse"


class Gate(StrEnum):
    """What has to be there before work begins."""

    SYSTEM = "system"
    CHECKLIST = "checklist"
    PREPAYMENT = "prepayment"
    PURCHASE_ORDER = "purchase_order"
    AUTHORIZATION = "authorization"


class EntryRow(Block):
    """What becomes of those who ask like this; conditions left out hold always."""

    openers: tuple[Opener, ...] = ()
    """technician, certified_technician, contact, end_user, distributor, engineer."""
    plans: tuple[Code, ...] = ()
    """Plans this row is for."""
    customer_classes: tuple[Code, ...] = ()
    """Customer classes this row is for."""
    channels: tuple[Channel, ...] = ()
    """Ways of asking this row is for: portal, phone, email, chat."""
    levels: tuple[int, ...] = ()
    """Support levels this row is for, 1 to 3."""
    severities: tuple[Severity, ...] = ()
    """Severities this row is for."""
    task_classes: tuple[TaskClass, ...] = ()
    """Task classes this row is for."""
    outside: Code | None = None
    """Only outside the open hours of this calendar."""
    identified: bool | None = None
    """Whether the system is named by serial number or another mark of its own."""
    decision: EntryDecision
    """accept, wait (until calendar opens), refer (to somebody else) or refuse."""
    until: Code | None = None
    """For wait: the calendar that has to open; the one named in outside where left out."""
    refer_to: Label | None = None
    """For refer, and for refuse where somebody else helps: who."""
    requires: tuple[Gate, ...] = ()
    """For accept and wait: system, checklist, prepayment, purchase_order or authorization, before work begins."""
    because: Label | None = None
    """The sentence people read."""

    @model_validator(mode="after")
    def _result_fits(self) -> Self:
        if self.decision is EntryDecision.REFER and self.refer_to is None:
            raise ValueError("refer_to says to whom")
        if self.decision is EntryDecision.WAIT and self.until is None and self.outside is None:
            raise ValueError("until, or outside, says which calendar has to open")
        if self.requires and self.decision in (EntryDecision.REFER, EntryDecision.REFUSE):
            raise ValueError("requires belongs to those who are let in")
        return self

    @property
    def waits_for(self) -> Code | None:
        """The calendar that has to open before those who wait are served."""
        return (self.until or self.outside) if self.decision is EntryDecision.WAIT else None


class Contacts(Block):
    """How many people a customer may name."""

    at_most: int | None = Field(default=None, ge=1, le=10_000)
    """Named contacts of one customer; without limit where left out."""
