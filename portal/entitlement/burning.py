"""Reads of how hours and incidents left were used, by the day of the work that took them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.entitlement.hours import HoursLeft
from portal.entitlement.models import GrantDraw, GrantReservation
from portal.entitlement.queries import released
from portal.entitlement.rules.burning import DayLeft, Use, burn_down


def burned(session: Session, hours: Sequence[HoursLeft], *, now: datetime, zone: ZoneInfo) -> list[tuple[DayLeft, ...]]:
    """For each of the hours its days until now. They are the actor's own, as ``hours_left`` gives them."""
    uses = _uses(session, [each.grant_id for each in hours])
    return [
        burn_down(
            each.granted_incidents or each.granted_seconds,
            uses[each.grant_id],
            starts_at=each.starts_at,
            expires_at=each.expires_at,
            now=now,
            zone=zone,
            step=1 if each.granted_incidents else 60,
        )
        for each in hours
    ]


def _uses(session: Session, grant_ids: Sequence[int]) -> defaultdict[int, list[Use]]:
    """Seconds or incidents: a grant has one of them.

    What is billed counts on the day of the case's first work, what is promised on its own day.
    """
    found: defaultdict[int, list[Use]] = defaultdict(list)
    of_case = GrantReservation.grant_id, GrantReservation.case_id
    first = {
        (row.grant_id, row.case_id): row.at
        for row in session.execute(
            select(*of_case, func.min(GrantReservation.worked_from).label("at"))
            .where(GrantReservation.grant_id.in_(grant_ids))
            .group_by(*of_case)
        )
    }
    drawn = session.execute(
        select(
            GrantDraw.grant_id,
            GrantDraw.case_id,
            func.sum(GrantDraw.seconds + GrantDraw.incidents).label("amount"),
            func.min(GrantDraw.drawn_at).label("at"),
        )
        .where(GrantDraw.grant_id.in_(grant_ids))
        .group_by(GrantDraw.grant_id, GrantDraw.case_id)
    )
    for row in drawn:
        found[row.grant_id].append(Use(first.get((row.grant_id, row.case_id), row.at), int(row.amount)))
    waiting = session.execute(
        select(
            GrantReservation.grant_id,
            GrantReservation.worked_from,
            (GrantReservation.seconds + GrantReservation.incidents).label("amount"),
        ).where(GrantReservation.grant_id.in_(grant_ids), ~released())
    )
    for grant_id, worked_from, amount in waiting:
        found[grant_id].append(Use(worked_from, amount, is_promised=True))
    return found
