"""Billed cases for tests: work that is approved, cases that are resolved, confirmed, closed, cut and billed."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.billing.actions import bill, cut
from portal.billing.models import BillItem, Share
from portal.cases import actions as cases
from portal.cases.models import SupportCase
from portal.entitlement.models import AuthorizationRequest
from portal.ledger.actions import open_first_period
from portal.metering.actions import Work, approve_time, enter_time
from portal.metering.models import TimeEntry
from tests.support.cases import RESOLVING, accepted
from tests.support.cast import NOW, Cast, hours_later

# Some days after the case, within the same month.
BILLED_AT = NOW + timedelta(days=9)


def open_books(session: Session, cast: Cast) -> None:
    """The factory's first period."""
    open_first_period(session, manufacturer_id=cast.factory.id, zone="Europe/Berlin", now=NOW)


def worked(
    session: Session,
    cast: Cast,
    case: SupportCase,
    *,
    minutes: int,
    worker: Actor | None = None,
    start: datetime = NOW + timedelta(hours=1),
    mode: str = "remote",
    task_class: str = "support",
    role: str = "",
    skill: str = "",
    approved: bool = True,
) -> TimeEntry:
    """Work on a case by Ana, or by somebody else, approved by the lead or manager of the worker's company."""
    who = worker or cast.ana
    until = start + timedelta(minutes=minutes)
    entry = enter_time(
        session, who, case, Work(mode, task_class, "Looked into the door controller", role, skill),
        started_at=start, ended_at=until, now=until,
    )  # fmt: skip
    if approved:
        approve(session, cast, entry)
    return entry


def approve(session: Session, cast: Cast, entry: TimeEntry) -> None:
    """The lead or manager of the worker's company says the entry is right."""
    approver = cast.leo if entry.organisation_id == cast.factory.id else cast.mia
    approve_time(session, approver, [entry.id], entry.ended_at)


def paid_case(session: Session, cast: Cast, *, nte_minor: int | None = 100_000) -> SupportCase:
    """A case at the site without a plan, accepted by Ana; the buyer has said yes up to an amount, or not yet."""
    case = accepted(session, cast, system_id=cast.plain_system.id)
    if nte_minor is not None:
        said_yes(session, cast, case, nte_minor=nte_minor)
    return case


def said_yes(
    session: Session, cast: Cast, case: SupportCase, *, nte_minor: int, at: datetime = NOW + timedelta(minutes=36)
) -> None:
    """The buyer answers the case's open request."""
    request_id = session.scalars(
        select(AuthorizationRequest.id)
        .where(AuthorizationRequest.case_id == case.id)
        .order_by(AuthorizationRequest.id.desc())
        .limit(1)
    ).one()
    cases.authorize(session, cast.bea, request_id, nte_minor=nte_minor, now=at)


def settled(session: Session, cast: Cast, case: SupportCase, *, confirmed: bool = True, **resolving: str) -> None:
    """Ana resolves the case; the integrator's manager confirms."""
    # Jobs in sessions of their own may have moved the case on.
    session.refresh(case)
    said = RESOLVING
    if resolving:
        said = cases.Resolving(
            summary="Put right.", **{"cause": said.cause, "last_action": said.last_action, **resolving}
        )
    cases.resolve(session, cast.ana, case, said, seq=case.seq, now=hours_later(30))
    if confirmed:
        cases.confirm(session, cast.mia, case, seq=case.seq, now=hours_later(31))


def billed(session: Session, case: SupportCase, *, now: datetime = BILLED_AT) -> BillItem:
    """The case's closing cut, billed."""
    made = cut(session, case, "closing", now=now)
    return bill(session, made.id, now=now)[0]


def shares_of(session: Session, item: BillItem) -> list[tuple[str, int]]:
    """The party and amount of an item's shares that stand, in order."""
    rows = session.scalars(select(Share).where(Share.bill_item_id == item.id).order_by(Share.id)).all()
    gone = {row.reverses_id for row in rows}
    return [(row.party_role, row.amount_minor) for row in rows if row.kind != "reversal" and row.id not in gone]
