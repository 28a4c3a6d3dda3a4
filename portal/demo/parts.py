"""Dear parts in the demonstration: paid within what the hospital agreed to, one confirmed and one that waits for it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.cases.models import SupportCase
from portal.demo.present import HOUR, CaseOfNow, at_work, escalation
from portal.demo.story import Act, Story, say_yes
from portal.metering.models import FittedPart
from portal.metering.parts import NewPart, confirm_part, record_part

AGREED_MINOR = 180_000
CONTROLLER = NewPart(
    "Amplifier card", 64_000, "manufacturer", "returned", on_customer=True, serial="AC-2290", rma="R-118"
)
POWER_SUPPLY = NewPart("Power supply, stage rack", 48_500, "manufacturer", "kept", on_customer=True, serial="PS-771")


def plan_parts(story: Story) -> None:
    """The technician fits two parts; its manager has confirmed the first, and finds the second to confirm."""
    case = escalation(
        story,
        "tom",
        "NA-10441",
        "Controller of the east doors is dead",
        "No light on the controller since the thunderstorm.",
        severity=2,
        nte_minor=AGREED_MINOR,
    )
    case.unfolds(
        at_work(story.now) - 27 * HOUR,
        {
            6: _agreed_by_payer(case),
            9: case.accepted_by("ana"),
            40: case.worked_by("ana", 25, "Read the log up to the thunderstorm: the board is dead"),
            150: _fitted(case, CONTROLLER),
            160: _confirmed(case, CONTROLLER, "mia"),
            190: _fitted(case, POWER_SUPPLY),
        },
    )


def _agreed_by_payer(case: CaseOfNow) -> Act:
    """Whoever pays says yes to what was asked for, work and parts together."""

    def act(session: Session, now: datetime) -> None:
        say_yes(case.story, session, case.id, now)

    return act


def _fitted(case: CaseOfNow, new: NewPart) -> Act:
    def act(session: Session, row: SupportCase, now: datetime) -> None:
        record_part(session, case.opened_by, row, new, fitted_at=now, now=now)

    return case.does(act)


def _confirmed(case: CaseOfNow, new: NewPart, key: str) -> Act:
    manager = case.story.world.actors[key]

    def act(session: Session, now: datetime) -> None:
        fitted = select(FittedPart.id).where(FittedPart.case_id == case.id, FittedPart.part == new.part)
        for part_id in session.scalars(fitted):
            confirm_part(session, manager, part_id, now=now)

    return act
