"""Which cases took how much of a grant: drawn by their bills, or promised to their approved work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.cases.models import SupportCase
from portal.entitlement.models import GrantDraw, GrantReservation
from portal.entitlement.queries import released


@dataclass(frozen=True)
class Taken:
    """What one case took of a grant; ``bill_item_id`` is the bill that did so last, None while it is only promised."""

    grant_id: int
    case_name: str
    at: datetime
    seconds: int
    incidents: int
    bill_item_id: int | None


def taken_by_cases(session: Session, grant_ids: Sequence[int]) -> dict[int, tuple[Taken, ...]]:
    """What was taken of each grant, by case, as far as the scope may read it: the newest first."""
    drawn = session.execute(
        select(
            GrantDraw.grant_id,
            SupportCase.name,
            func.min(GrantDraw.drawn_at),
            func.sum(GrantDraw.seconds),
            func.sum(GrantDraw.incidents),
            func.max(GrantDraw.bill_item_id),
        )
        .join(SupportCase, SupportCase.id == GrantDraw.case_id)
        .where(GrantDraw.grant_id.in_(grant_ids))
        .group_by(GrantDraw.grant_id, SupportCase.name)
    ).tuples()
    promised = session.execute(
        select(
            GrantReservation.grant_id,
            SupportCase.name,
            func.min(GrantReservation.worked_from),
            func.sum(GrantReservation.seconds),
            func.sum(GrantReservation.incidents),
        )
        .join(SupportCase, SupportCase.id == GrantReservation.case_id)
        .where(GrantReservation.grant_id.in_(grant_ids), ~released())
        .group_by(GrantReservation.grant_id, SupportCase.name)
    ).tuples()
    found = [
        *(Taken(*row[:3], int(row[3]), int(row[4]), row[5]) for row in drawn if row[3] or row[4]),
        *(Taken(*row[:3], int(row[3]), int(row[4]), None) for row in promised),
    ]
    found.sort(key=lambda each: (each.at, each.case_name), reverse=True)
    return {grant_id: tuple(each for each in found if each.grant_id == grant_id) for grant_id in grant_ids}
