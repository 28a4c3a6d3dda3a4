"""Hours left: opened each month, promised to approved work in order of work time, drawn when it is billed.

What is free and what is promised stand in one counter row per grant, locked here before it is read and never below
zero. Reservations, their releases and draws are facts. All of this is run by jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.contracts.models import PlanChoice
from portal.contracts.policy import Policy
from portal.contracts.rules import plan_named
from portal.contracts.terms import Plan
from portal.entitlement import queries
from portal.entitlement.actions.standing import open_standing
from portal.entitlement.models import GrantBalance, GrantDraw, GrantReservation, ReservationRelease, UsageGrant
from portal.entitlement.queries import CaseParts
from portal.entitlement.rules import Grant, Reservation, Work, included_window, reserve
from portal.errors import NotFound, RuleBroken
from portal.jobs import enqueue
from portal.rows import insert_once

_EARLIER_WORK = "earlier work of another case came first"
_AGAIN = "counted again"
_DRAWN = "drawn"


@dataclass(frozen=True)
class Reserving:
    """How work counts against hours: the rounding step, the least, and how much one case may use without asking."""

    increment_seconds: int
    minimum_seconds: int = 0
    case_limit_seconds: int | None = None


def open_monthly_grants(session: Session, now: datetime) -> int:
    """Open this month's included minutes of every plan choice in force; how many were opened. Again is harmless."""
    opened = 0
    for choice, until in choices_in_force(session, now):
        opened += _open(session, choice, _policy_of(session, choice, now), until, at=now, now=now)
    return opened


def open_plan(session: Session, plan_choice_id: int, *, now: datetime) -> None:
    """What a new plan choice brings: standing authorization, this month's included minutes. Again is harmless."""
    choice = session.get(PlanChoice, plan_choice_id)
    if choice is None:
        raise NotFound()
    at = max(now, choice.from_at)
    policy = _policy_of(session, choice, at)
    open_standing(session, choice, policy=policy, now=now)
    for held, until in choices_in_force(session, at):
        if held.id == choice.id:
            _open(session, choice, policy, until, at=at, now=now)


def reserving_for(policy: Policy, plan: Plan, *, least_minutes: int) -> Reserving:
    """How work on a case under a plan counts against its hours."""
    limit = plan.standing_minutes_per_case
    return Reserving(policy.rounding.increment_minutes * 60, least_minutes * 60, None if limit is None else limit * 60)


def reserve_for_case(session: Session, case: CaseParts, work: Iterable[Work], how: Reserving, *, now: datetime) -> int:
    """Promise hours of the site's grants to all approved, unbilled work of a case; the seconds no grant covers.

    *Shape*: what the case was promised before is counted again. Where too little is free, promises to later work of
    other cases give way, and those cases are reserved again by job.
    """
    pieces = _rounded(sorted(work, key=lambda piece: (piece.started_at, piece.entry_id)), how)
    grants = _locked_grants(session, case, pieces)
    balances = {balance.grant_id: balance for _, balance in grants}
    _release(session, case, balances, _AGAIN, now)
    used = _drawn_seconds(session, case.id)
    promised = _reserve(pieces, grants, how, used)
    wanted = sum(piece.seconds for piece in pieces)
    if sum(each.seconds for each in promised) < wanted and _make_room(session, case, pieces, grants, now):
        promised = _reserve(pieces, grants, how, used)
    started = {piece.entry_id: piece.started_at for piece in pieces}
    for each in promised:
        session.add(
            GrantReservation(
                **_parties(case),
                grant_id=each.grant_id,
                worked_from=started[each.entry_id],
                seconds=each.seconds,
                reserved_at=now,
            )
        )
        balances[each.grant_id].free_seconds -= each.seconds
        balances[each.grant_id].reserved_seconds += each.seconds
    session.flush()
    return wanted - sum(each.seconds for each in promised)


def release_for_case(session: Session, case: CaseParts, *, reason: str, now: datetime) -> int:
    """Give back everything promised to a case and not drawn; the seconds given back."""
    grant_ids = [each.grant_id for each in queries.reserved_for_case(session, case.id)]
    return _release(session, case, _lock(session, grant_ids), reason, now)


def draw_reserved(
    session: Session, case: CaseParts, *, bill_item_id: int, seconds_by_grant: Mapping[int, int], now: datetime
) -> None:
    """Turn a case's promises into use by a bill item; what it did not use is free again.

    Seconds below zero give back what an earlier item of the same cut had drawn.
    *Raises*: RuleBroken when a grant has fewer seconds than are drawn.
    """
    promised = {each.grant_id for each in queries.reserved_for_case(session, case.id)}
    balances = _lock(session, promised | set(seconds_by_grant))
    _release(session, case, balances, _DRAWN, now)
    for grant_id, seconds in sorted(seconds_by_grant.items()):
        if seconds == 0:
            continue
        if balances[grant_id].free_seconds < seconds:
            raise RuleBroken("Fewer hours are left than the bill would use.")
        balances[grant_id].free_seconds -= seconds
        session.add(
            GrantDraw(**_parties(case), grant_id=grant_id, bill_item_id=bill_item_id, seconds=seconds, drawn_at=now)
        )
    session.flush()


def choices_in_force(session: Session, now: datetime) -> list[tuple[PlanChoice, datetime | None]]:
    """Each site's choice that holds now, with the instant the next one takes over."""
    rows = session.scalars(
        select(PlanChoice).order_by(PlanChoice.site_id, PlanChoice.manufacturer_id, PlanChoice.from_at)
    ).all()
    found: list[tuple[PlanChoice, datetime | None]] = []
    for choice, following in pairwise([*rows, None]):
        if choice is None:
            continue
        same = following is not None and (following.site_id, following.manufacturer_id) == (
            choice.site_id,
            choice.manufacturer_id,
        )
        until = following.from_at if same and following is not None else None
        if choice.from_at <= now and (until is None or now < until):
            found.append((choice, until))
    return found


def _policy_of(session: Session, choice: PlanChoice, at: datetime) -> Policy:
    parties = {"manufacturer_id": choice.manufacturer_id, "integrator_id": choice.manufacturer_id}
    return queries.terms_in_force(session, **parties, at=at).policy


def _open(
    session: Session, choice: PlanChoice, policy: Policy, until: datetime | None, *, at: datetime, now: datetime
) -> int:
    if choice.plan_code not in {plan.code for plan in policy.plans}:
        return 0
    minutes = plan_named(policy, choice.plan_code).included_minutes_per_month
    if minutes == 0:
        return 0
    month = included_window(policy, at)
    starts_at = max(month.start, choice.from_at)
    if _opened_before(session, choice, starts_at):
        return 0
    parties = {
        "manufacturer_id": choice.manufacturer_id,
        "integrator_id": choice.integrator_id or choice.manufacturer_id,
        "customer_id": choice.customer_id,
    }
    expires_at = month.end if until is None else min(month.end, until)
    grant = insert_once(
        session,
        UsageGrant(
            **parties,
            kind="included",
            site_id=choice.site_id,
            plan_choice_id=choice.id,
            granted_seconds=minutes * 60,
            starts_at=starts_at,
            expires_at=expires_at,
            granted_at=now,
        ),
        unique=["plan_choice_id", "starts_at"],
    )
    if grant is None:
        return 0
    free = {"free_seconds": minutes * 60, "reserved_seconds": 0}
    session.add(GrantBalance(**parties, grant_id=grant.id, **free, ends_at=expires_at))
    session.flush()
    return 1


def _opened_before(session: Session, choice: PlanChoice, starts_at: datetime) -> bool:
    """Whether the same plan's minutes are open already: it was accepted again, by a newer policy, within its month."""
    earlier = (
        select(UsageGrant.id)
        .join(PlanChoice, PlanChoice.id == UsageGrant.plan_choice_id)
        .where(
            UsageGrant.site_id == choice.site_id,
            UsageGrant.manufacturer_id == choice.manufacturer_id,
            PlanChoice.plan_code == choice.plan_code,
            PlanChoice.id != choice.id,
            UsageGrant.starts_at <= starts_at,
            UsageGrant.expires_at > starts_at,
        )
    )
    return session.scalar(select(earlier.exists())) or False


def _rounded(pieces: Sequence[Work], how: Reserving) -> list[Work]:
    """The pieces with the case's rounding added to the last one, so that a step is not promised in part."""
    total = sum(piece.seconds for piece in pieces)
    if total == 0:
        return []
    step = max(how.increment_seconds, 1)
    counted = max(-(-total // step) * step, how.minimum_seconds)
    last = pieces[-1]
    return [*pieces[:-1], replace(last, seconds=last.seconds + counted - total)]


def _locked_grants(session: Session, case: CaseParts, pieces: Sequence[Work]) -> list[tuple[UsageGrant, GrantBalance]]:
    """The grants of the case's site that can serve the work or have been promised to it, locked in order."""
    promised = [each.grant_id for each in queries.reserved_for_case(session, case.id)]
    of_site = UsageGrant.site_id == case.site_id, UsageGrant.manufacturer_id == case.manufacturer_id
    statement = select(UsageGrant).where(*of_site)
    if pieces:
        first, last = pieces[0].started_at, pieces[-1].started_at
        holds = (UsageGrant.starts_at <= last) & (UsageGrant.expires_at > first)
        statement = statement.where(holds | UsageGrant.id.in_(promised))
    else:
        statement = statement.where(UsageGrant.id.in_(promised))
    found = session.scalars(statement.order_by(UsageGrant.id)).all()
    balances = _lock(session, [grant.id for grant in found])
    return [(grant, balances[grant.id]) for grant in found]


def _lock(session: Session, grant_ids: Iterable[int]) -> dict[int, GrantBalance]:
    rows = session.scalars(
        select(GrantBalance)
        .where(GrantBalance.grant_id.in_(set(grant_ids)))
        .order_by(GrantBalance.grant_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {balance.grant_id: balance for balance in rows}


def _release(
    session: Session, case: CaseParts, balances: Mapping[int, GrantBalance], reason: str, now: datetime
) -> int:
    live = session.scalars(
        select(GrantReservation).where(GrantReservation.case_id == case.id, ~queries.released())
    ).all()
    for reservation in live:
        _give_back(session, reservation, balances[reservation.grant_id], reason, now)
    session.flush()
    return sum(reservation.seconds for reservation in live)


def _give_back(
    session: Session, reservation: GrantReservation, balance: GrantBalance, reason: str, now: datetime
) -> None:
    session.add(
        ReservationRelease(
            case_id=reservation.case_id,
            manufacturer_id=reservation.manufacturer_id,
            integrator_id=reservation.integrator_id,
            customer_id=reservation.customer_id,
            reservation_id=reservation.id,
            reason=reason,
            released_at=now,
        )
    )
    balance.reserved_seconds -= reservation.seconds
    balance.free_seconds += reservation.seconds


def _reserve(
    pieces: Sequence[Work], grants: Sequence[tuple[UsageGrant, GrantBalance]], how: Reserving, used: int
) -> tuple[Reservation, ...]:
    free = [
        Grant(grant.id, grant.kind, balance.free_seconds, grant.starts_at, grant.expires_at)
        for grant, balance in grants
    ]
    return reserve(pieces, free, case_limit_seconds=how.case_limit_seconds, case_used_seconds=used)


def _make_room(
    session: Session,
    case: CaseParts,
    pieces: Sequence[Work],
    grants: Sequence[tuple[UsageGrant, GrantBalance]],
    now: datetime,
) -> bool:
    """Take back promises to other cases' work that is later than this case's first work; whether there were any."""
    balances = {balance.grant_id: balance for _, balance in grants}
    later = session.scalars(
        select(GrantReservation).where(
            GrantReservation.grant_id.in_(balances),
            GrantReservation.case_id != case.id,
            GrantReservation.worked_from > pieces[0].started_at,
            ~queries.released(),
        )
    ).all()
    for reservation in later:
        _give_back(session, reservation, balances[reservation.grant_id], _EARLIER_WORK, now)
    session.flush()
    for case_id in sorted({reservation.case_id for reservation in later}):
        enqueue(session, "reserve_case_hours", case_id=case_id)
    return bool(later)


def _drawn_seconds(session: Session, case_id: int) -> int:
    rows = session.scalars(select(GrantDraw.seconds).where(GrantDraw.case_id == case_id))
    return sum(rows)


def _parties(case: CaseParts) -> dict[str, int]:
    return {
        "case_id": case.id,
        "manufacturer_id": case.manufacturer_id,
        "integrator_id": case.integrator_id,
        "customer_id": case.customer_id,
    }
