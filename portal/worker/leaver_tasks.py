"""Tasks that follow somebody's leaving: what the person held passes on, as of that moment."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.identity.models import Membership
from portal.metering import actions as metering
from portal.worker.registry import task


@task("stop_timer_of_leaver")
def stop_timer_of_leaver(session: Session, now: datetime, *, membership_id: int) -> None:
    membership = session.get_one(Membership, membership_id)
    metering.stop_timer_of_leaver(
        session,
        person_id=membership.person_id,
        organisation_id=membership.organisation_id,
        as_of=membership.ended_at or now,
    )
