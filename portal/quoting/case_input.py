"""The case that a quote is about, as a file says it: TOML or JSON, strict, every key optional where it can be.

Times without a zone are those of the policy's zone. Work that names no start follows the work before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from typing import Self

from pydantic import Field, model_validator

from portal.contracts.blocks import Block, Code, DecimalText, Label, Minutes, Mode, Severity, TaskClass
from portal.contracts.entry import Opener
from portal.contracts.reading import Contradiction, document_from_json, document_from_toml
from portal.contracts.targets import Channel
from portal.quoting.moment_input import MomentsInput, PlacesInput, PlanChangeInput, SystemInput
from portal.quoting.money_input import (
    CancelledInput,
    ClaimInput,
    EquipmentInput,
    HoldingInput,
    LapseInput,
    PartInput,
    PurchaseInput,
    SubscriptionInput,
)

_WORKERS = ("manufacturer", "integrator")


class WorkInput(Block):
    """A piece of work."""

    starts_at: datetime | None = None
    """When it began; where left out, when the work before it ended, and the first when the case was opened."""
    ends_at: datetime | None = None
    """When it ended; either this or minutes."""
    minutes: Minutes | None = None
    """How long it took; either this or ends_at."""
    mode: Mode = Mode.REMOTE
    """remote, phone, on_site or travel."""
    task_class: TaskClass | None = None
    """support, how_to or commissioning; the case's where left out."""
    side: str = "manufacturer"
    """Whose person worked: manufacturer or integrator."""
    authorized: bool = True
    """Whether the payer had said yes to it."""
    people: int = Field(default=1, ge=1, le=100)
    """How many worked together, each for the whole time."""
    role: str = ""
    """The worker's role, a code of the policy."""
    skill: str = ""
    """The skill the work takes, a code of the policy."""
    visit: int = Field(default=0, ge=0, le=10_000)
    """The number of the visit it belongs to; left out, what a day does on site is one visit."""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.ends_at is None) == (self.minutes is None):
            raise ValueError("work has either ends_at or minutes")
        if self.side not in _WORKERS:
            raise ValueError("side is manufacturer or integrator")
        return self


class CaseInput(Block):
    """What is known of a case that need not exist."""

    title: Label | None = None
    """What the quote is about."""
    opened_at: datetime
    """When the case was opened."""
    plan: Code | None = None
    """The plan of the site; the complimentary one where left out."""
    plan_changes: tuple[PlanChangeInput, ...] = ()
    """Plans chosen while the case runs."""
    product_line: str = ""
    """The product line of the system."""
    severity: Severity = 3
    """1 (system down) to 4."""
    task_class: TaskClass = TaskClass.SUPPORT
    """What kind of help it is."""
    certified: bool = True
    """Whether the technician who asked holds a certificate for the product line."""
    has_integrator: bool = True
    """Whether somebody else than the manufacturer services the site."""
    cause: Code | None = None
    """What turned out to be wrong; unknown where left out."""
    warranty_from_on: date | None = None
    """First day under warranty."""
    warranty_until_on: date | None = None
    """First day no longer under warranty; none where left out."""
    day1_on: date | None = None
    """The day from which the customer uses the system unaided."""
    nte: DecimalText | None = None
    """The sum the payer authorized; without limit where left out."""
    allowed_minutes: Minutes = 0
    """Minutes of the hours left that the payer let the case use beside what its plan lets each."""
    customer_class: Code | None = None
    """The customer's class under the policy, where its own facts do not say it."""
    channel: Channel = Channel.PORTAL
    """How they ask: portal, phone, email or chat."""
    level: int | None = Field(default=None, ge=1, le=3)
    """The support level asked for."""
    opener: Opener = Opener.TECHNICIAN
    """Who asks: technician (certified or not, see above), contact, end_user, distributor or engineer."""
    identified: bool = True
    """Whether the system is named by serial number or another mark of its own."""
    system: SystemInput = SystemInput()
    """What the system is and how old."""
    moments: MomentsInput = MomentsInput()
    """What happened when, beside the opening."""
    places: PlacesInput = PlacesInput()
    """Where it is, and whose clocks count."""
    requested: tuple[Code, ...] = ()
    """What the customer asked for, codes of the policy's requests."""
    reopened_at: tuple[datetime, ...] = ()
    """When the case was opened again."""
    distance: DecimalText | None = None
    """How far it is from the base to the site, one way, in the policy's unit."""
    lapsed_days: int | None = Field(default=None, ge=0)
    """Days since the customer's plan ended."""
    included_left_minutes: Minutes | None = None
    """What is left of the plan's included minutes; all of a month's where left out."""
    last_month_left_minutes: Minutes = 0
    """Included minutes left when last month ended, of which the plan keeps what its rollover allows."""
    sale: str | None = None
    """The sale whose allowance the work may use."""
    holdings: tuple[HoldingInput, ...] = ()
    """The packs the customer holds."""
    paid: DecimalText | None = None
    """What was paid for the case in advance."""
    parts: tuple[PartInput, ...] = ()
    """Parts that were fitted."""
    claims: tuple[ClaimInput, ...] = ()
    """What the companies claim of each other beside the shares; needs an agreement."""
    last_action: Code | None = None
    """The last corrective action, for the shares."""
    work: tuple[WorkInput, ...] = Field(default=(), max_length=10_000)
    """The work, in any order where every piece names its start."""
    followed_by: tuple[CaseInput, ...] = Field(default=(), max_length=100)
    """Cases that come after it and draw on what it leaves of the holdings."""
    buys: tuple[PurchaseInput, ...] = ()
    """Packs the customer buys."""
    lapse: LapseInput | None = None
    """A plan that ended and is taken up again."""
    cancelled: CancelledInput | None = None
    """A visit that was called off."""
    equipment: tuple[EquipmentInput, ...] = ()
    """Equipment that came back, or did not."""
    subscription: SubscriptionInput | None = None
    """A plan that is paid."""
    volume: DecimalText = "0"
    """What the partnership earned in the months that the agreement counts, where it shares by volume."""


def _contradictions(case: CaseInput) -> Iterator[Contradiction]:
    for number, piece in enumerate(case.work):
        if (
            piece.starts_at
            and piece.ends_at
            and piece.ends_at.replace(tzinfo=None) < piece.starts_at.replace(tzinfo=None)
        ):
            yield Contradiction(
                ("work", number, "ends_at"), "work cannot end before it starts", ("work", number, "starts_at")
            )


def case_from_text(text: str) -> CaseInput:
    """The case that TOML or JSON text says; JSON begins with a brace.

    *Raises*: DocumentInvalid with every problem: its line, its key and what is allowed there.
    """
    if text.lstrip().startswith("{"):
        return case_from_values(json.loads(text))
    return document_from_toml(CaseInput, text, _contradictions)


def case_from_values(values: object) -> CaseInput:
    """The case that plain values say. *Raises*: DocumentInvalid."""
    return document_from_json(CaseInput, json.dumps(values, default=str), _contradictions)
