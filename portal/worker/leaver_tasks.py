"""Tasks that follow somebody's leaving: what the person held passes on, as of that moment."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal import jobs
from portal.cases import actions as cases
from portal.entitlement import queries as entitlement
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


@task("return_offers_of_leaver")
def return_offers_of_leaver(session: Session, now: datetime, *, membership_id: int) -> None:
    membership = session.get_one(Membership, membership_id)
    cases.return_offers_of(session, person_id=membership.person_id, organisation_id=membership.organisation_id, now=now)


@task("pass_on_approvals_of_leaver")
def pass_on_approvals_of_leaver(session: Session, now: datetime, *, membership_id: int) -> None:
    # Whoever holds the purse now is asked; those who were asked before are not asked twice.
    payer = session.get_one(Membership, membership_id).organisation_id
    for request_id in entitlement.request_ids_waiting_for(session, payer):
        jobs.enqueue(session, "notify_authorization_request", request_id=request_id)
