"""Reads of cover: documents in force, the facts of a coverage decision, hours left, what the payer has said yes to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, Protocol

from sqlalchemy import ColumnElement, exists, func, or_, select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Side
from portal.contracts.agreement import Agreement
from portal.contracts.blocks import Payer
from portal.contracts.models import DocumentInForce, DocumentVersion
from portal.contracts.policy import Policy
from portal.contracts.queries import WITHOUT_TEXT, agreement_of, agreements_of, policies_of, policy_of
from portal.contracts.rules import gross_kinds
from portal.contracts.sharing import months_counted
from portal.entitlement.models import (
    Authorization,
    AuthorizationBalance,
    AuthorizationRefusal,
    AuthorizationRequest,
    CoverageDecision,
    Emergency,
    EmergencyRefusal,
    GrantDraw,
    GrantReservation,
    ReservationRelease,
    StandingAuthorization,
    UsageGrant,
)
from portal.entitlement.rules import AuthorizationFact, authorized_minor, decision_from_json, expires_at
from portal.entitlement.rules import CoverageDecision as Decision
from portal.entitlement.withdrawals.models import AuthorizationWithdrawal
from portal.errors import NotFound
from portal.rows import Facts
from portal.zones import zone_named


class CaseParts(Protocol):
    """What these functions need to know of a case: its id, its companies, its site."""

    id: int
    manufacturer_id: int
    integrator_id: int
    customer_id: int
    site_id: int


@dataclass(frozen=True)
class Terms:
    """The signed documents that hold between two companies at an instant; no agreement means house terms."""

    policy_version_id: int
    policy: Policy
    agreement_version_id: int | None
    agreement: Agreement | None

    @cached_property
    def gross_kinds(self) -> frozenset[str]:
        """The revenue kinds that the manufacturer sells as principal."""
        return gross_kinds(self.policy, self.agreement)

    @cached_property
    def months_counted(self) -> frozenset[int]:
        """How many closed months the documents count where they share by volume."""
        return months_counted(self.policy, self.agreement)


@dataclass(frozen=True)
class PackAtSite:
    """What is free of a pack of a site, with the terms it was sold under."""

    seconds_left: int
    incidents_left: int
    ends_at: datetime | None
    policy_version_id: int
    terms: Mapping[str, Any]


@dataclass(frozen=True)
class SiteCover:
    """What is chosen, left and standing at a site at an instant."""

    plan_choice_id: int | None
    plan_code: str | None
    included_seconds: int
    has_included: bool
    packs: tuple[PackAtSite, ...]
    standing_id: int | None
    incident_minor: int | None
    month_minor: int | None
    severities: tuple[int, ...]
    used_in_month_minor: int


@dataclass(frozen=True)
class CaseUse:
    """What a case has used or been promised already: seconds of hours left, standing money, live yeses by payer.

    ``hours_seconds`` is what the customer has said yes to of hours left, beyond what the case may use without asking.
    """

    grant_seconds: int
    standing_minor: int
    authorized_minor: dict[Payer, int]
    hours_seconds: int = 0


@dataclass(frozen=True)
class ReservedHours:
    """Seconds of one grant that are promised to one case."""

    grant_id: int
    kind: str
    seconds: int
    granted_at: datetime
    starts_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True)
class RequestState:
    """A request for the payer's yes and what became of it: waiting, authorized, refused, at factory risk, ..."""

    request: AuthorizationRequest
    authorization: Authorization | None
    refusal: AuthorizationRefusal | None
    emergency: Emergency | None
    emergency_refusal: EmergencyRefusal | None
    withdrawal: AuthorizationWithdrawal | None = None

    @property
    def is_open(self) -> bool:
        """Whether the payer can still answer it."""
        ends = (self.authorization, self.refusal, self.emergency_refusal, self.withdrawal)
        return all(end is None for end in ends)


def terms_in_force(session: Session, *, manufacturer_id: int, integrator_id: int, at: datetime) -> Terms:
    """The policy and agreement that hold at an instant, in one statement.

    A customer's session does not see the agreement of the two companies. *Raises*: NotFound without a policy.
    """
    rows = session.execute(
        select(DocumentInForce.kind, DocumentVersion)
        .distinct(DocumentInForce.kind)
        .join(DocumentVersion, DocumentVersion.id == DocumentInForce.version_id)
        .where(
            DocumentInForce.manufacturer_id == manufacturer_id,
            or_(DocumentInForce.integrator_id.is_(None), DocumentInForce.integrator_id == integrator_id),
            DocumentInForce.effective_from <= at,
        )
        .order_by(DocumentInForce.kind, DocumentInForce.effective_from.desc())
        .options(*WITHOUT_TEXT)
    )
    versions: dict[str, DocumentVersion] = {row.kind: row.DocumentVersion for row in rows}
    if "policy" not in versions:
        raise NotFound("The manufacturer has no policy in force at that time.")
    policy, agreement = versions["policy"], versions.get("agreement")
    return Terms(
        policy.id,
        policy_of(policy),
        agreement.id if agreement else None,
        agreement_of(agreement) if agreement else None,
    )


def terms_of_versions(session: Session, versions: Collection[tuple[int, int | None]]) -> list[Terms]:
    """The documents of some pairs of versions, of policy and agreement, in the order of their ids."""
    ordered = sorted(versions, key=lambda pair: (pair[0], pair[1] or 0))
    policies = policies_of(session, {policy for policy, _ in ordered})
    agreements = agreements_of(session, {agreement for _, agreement in ordered if agreement is not None})
    return [Terms(one, policies[one], other, agreements[other] if other else None) for one, other in ordered]


def month_on(policy: Policy, at: datetime) -> date:
    """The first day of the month, in the policy's zone, that ``at`` falls into."""
    return at.astimezone(zone_named(policy.zone)).date().replace(day=1)


def site_cover(session: Session, *, site_id: int, manufacturer_id: int, policy: Policy, at: datetime) -> SiteCover:
    """What is chosen, left and standing at a site at an instant. *Raises*: NotFound for a site nobody told us of."""
    row = session.execute(
        text("SELECT * FROM cover_of_site(:site, :maker, :at, :month)"),
        {"site": site_id, "maker": manufacturer_id, "at": at, "month": month_on(policy, at)},
    ).one_or_none()
    if row is None:
        raise NotFound()
    found = row._asdict()
    packs = tuple(PackAtSite(**{**pack, "ends_at": _instant(pack["ends_at"])}) for pack in found["packs"] or ())
    return SiteCover(**{**found, "packs": packs, "severities": tuple(found["severities"] or ())})


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def case_use(session: Session, case: CaseParts, policy: Policy, now: datetime) -> CaseUse:
    """What a case has used or been promised already."""
    reserved = sum(each.seconds for each in reserved_for_case(session, case.id))
    drawn = session.scalar(select(func.sum(GrantDraw.seconds)).where(GrantDraw.case_id == case.id))
    rows = authorizations_of(session, case.id)
    standing = sum(row.nte_minor for row in rows if row.basis == "standing")
    # The standing amount is counted apart, as room that the standing authorization still gives.
    told = [row for row in rows if row.basis != "standing"]
    by_payer = {
        payer: authorized_minor((_fact(row, policy) for row in told if row.payer_id == payer_id(case, payer)), now)
        for payer in (Payer.CUSTOMER, Payer.INTEGRATOR)
    }
    used = reserved + int(drawn or 0)
    live = [row for row in rows if row.authorized_at <= now < expires_at(policy, row.authorized_at)]
    hours = sum(row.hours_seconds for row in live if row.payer_id == case.customer_id)
    return CaseUse(used, standing, {payer: minor for payer, minor in by_payer.items() if minor}, hours)


def payer_id(case: CaseParts, payer: Payer) -> int:
    """The organisation that a paying side means on this case."""
    return {
        Payer.CUSTOMER: case.customer_id,
        Payer.INTEGRATOR: case.integrator_id,
        Payer.MANUFACTURER: case.manufacturer_id,
    }[payer]


def authorizations_of(session: Session, case_id: int) -> Sequence[Authorization]:
    """Every yes on a case that the scope may read, oldest first."""
    mine = Authorization.case_id == case_id
    return session.scalars(select(Authorization).where(mine).order_by(Authorization.id)).all()


def authorized_amount(session: Session, case: CaseParts, payer: Payer, *, policy: Policy, now: datetime) -> int:
    """The sum, in minor units, that a paying side has said yes to on a case and that can be used at ``now``."""
    rows = authorizations_of(session, case.id)
    return authorized_minor((_fact(row, policy) for row in rows if row.payer_id == payer_id(case, payer)), now)


def requests_of(session: Session, case_id: int) -> Sequence[RequestState]:
    """The requests of a case with what became of each, newest first."""
    return _request_states(session, AuthorizationRequest.case_id == case_id)


def request_states(rows: Facts) -> list[RequestState]:
    """The same from rows of a case that were read together with others."""
    yes = {row.request_id: row for row in rows[Authorization]}
    no = {row.request_id: row for row in rows[AuthorizationRefusal]}
    begun = {row.request_id: row for row in rows[Emergency]}
    ended = {row.emergency_id: row for row in rows[EmergencyRefusal]}
    gone = {row.request_id: row for row in rows[AuthorizationWithdrawal]}
    found = []
    for request in reversed(rows[AuthorizationRequest]):
        emergency = begun.get(request.id)
        refused = ended.get(emergency.id) if emergency is not None else None
        answers = (yes.get(request.id), no.get(request.id), emergency, refused, gone.get(request.id))
        found.append(RequestState(request, *answers))
    return found


def request_state(session: Session, request_id: int) -> RequestState:
    """One request with what became of it. *Raises*: NotFound."""
    found = _request_states(session, AuthorizationRequest.id == request_id)
    if not found:
        raise NotFound()
    return found[0]


def waiting_requests(session: Session, actor: Actor, *, limit: int = 50) -> Sequence[RequestState]:
    """Requests that the actor's own organisation has still to answer, oldest first."""
    states = _request_states(session, AuthorizationRequest.payer_id == actor.organisation_id, waiting=True, limit=limit)
    return tuple(reversed(states))


def request_ids_waiting_for(session: Session, payer: int) -> Sequence[int]:
    """The requests that a payer has still to answer, oldest first. A job's."""
    states = _request_states(session, AuthorizationRequest.payer_id == payer, waiting=True)
    return sorted(state.request.id for state in states)


def requests_for(session: Session, actor: Actor, *, waiting: bool, limit: int = 50) -> Sequence[RequestState]:
    """The requests about the actor's company's cases, newest first; with ``waiting``, those nobody has answered."""
    own = {
        Side.MANUFACTURER: AuthorizationRequest.manufacturer_id,
        Side.INTEGRATOR: AuthorizationRequest.integrator_id,
        Side.CUSTOMER: AuthorizationRequest.customer_id,
    }[actor.side]
    return _request_states(session, own == actor.organisation_id, waiting=waiting, limit=limit)


def latest_coverage(session: Session, case_id: int) -> CoverageDecision | None:
    """The coverage decision kept last with a case, as far as the scope may read it."""
    mine = CoverageDecision.case_id == case_id
    return session.scalars(
        select(CoverageDecision).where(mine).order_by(CoverageDecision.id.desc()).limit(1)
    ).one_or_none()


def decision_of(row: CoverageDecision) -> Decision:
    """The decision's value of a stored row."""
    return decision_from_json(row.decision)


def reserved_for_case(session: Session, case_id: int) -> list[ReservedHours]:
    """What is promised to a case and not yet drawn, by grant."""
    rows = session.execute(
        select(
            UsageGrant.id,
            UsageGrant.kind,
            func.sum(GrantReservation.seconds),
            UsageGrant.granted_at,
            UsageGrant.starts_at,
            UsageGrant.expires_at,
        )
        .join(GrantReservation, GrantReservation.grant_id == UsageGrant.id)
        .where(GrantReservation.case_id == case_id, ~released())
        .group_by(UsageGrant.id)
        .order_by(UsageGrant.expires_at, UsageGrant.id)
    )
    return [ReservedHours(row[0], row[1], int(row[2]), row[3], row[4], row[5]) for row in rows]


def incidents_promised(session: Session, case_id: int) -> list[UsageGrant]:
    """The packs of which a case is promised an incident."""
    mine = (GrantReservation.case_id == case_id, GrantReservation.incidents > 0, ~released())
    held = select(UsageGrant).join(GrantReservation, GrantReservation.grant_id == UsageGrant.id).where(*mine)
    return list(session.scalars(held.order_by(GrantReservation.id)))


def standing_at(session: Session, *, site_id: int, manufacturer_id: int, now: datetime) -> StandingAuthorization | None:
    """The standing authorization of a site that holds now, as far as the scope may read it."""
    return session.scalars(
        select(StandingAuthorization)
        .where(
            StandingAuthorization.site_id == site_id,
            StandingAuthorization.manufacturer_id == manufacturer_id,
            StandingAuthorization.from_at <= now,
            or_(StandingAuthorization.until_at.is_(None), StandingAuthorization.until_at > now),
        )
        .order_by(StandingAuthorization.from_at.desc())
        .limit(1)
    ).one_or_none()


def released() -> ColumnElement[bool]:
    """The condition that a reservation was given back or drawn."""
    return exists().where(ReservationRelease.reservation_id == GrantReservation.id)


def amount_left(session: Session, case_id: int) -> dict[int, int]:
    """What is left of each authorization of a case, by authorization."""
    rows = session.execute(
        select(AuthorizationBalance.authorization_id, AuthorizationBalance.left_minor).where(
            AuthorizationBalance.case_id == case_id
        )
    )
    return {row[0]: row[1] for row in rows}


def _fact(row: Authorization, policy: Policy) -> AuthorizationFact:
    return AuthorizationFact(row.nte_minor, row.authorized_at, expires_at(policy, row.authorized_at))


def _request_states(
    session: Session, condition: ColumnElement[bool], *, waiting: bool = False, limit: int = 100
) -> Sequence[RequestState]:
    statement = (
        select(
            AuthorizationRequest,
            Authorization,
            AuthorizationRefusal,
            Emergency,
            EmergencyRefusal,
            AuthorizationWithdrawal,
        )
        .outerjoin(Authorization, Authorization.request_id == AuthorizationRequest.id)
        .outerjoin(AuthorizationRefusal, AuthorizationRefusal.request_id == AuthorizationRequest.id)
        .outerjoin(Emergency, Emergency.request_id == AuthorizationRequest.id)
        .outerjoin(EmergencyRefusal, EmergencyRefusal.emergency_id == Emergency.id)
        .outerjoin(AuthorizationWithdrawal, AuthorizationWithdrawal.request_id == AuthorizationRequest.id)
        .where(condition)
        .order_by(AuthorizationRequest.id.desc())
        .limit(limit)
    )
    if waiting:
        statement = statement.where(
            Authorization.id.is_(None),
            AuthorizationRefusal.id.is_(None),
            EmergencyRefusal.id.is_(None),
            AuthorizationWithdrawal.id.is_(None),
        )
    return [RequestState(*row) for row in session.execute(statement)]
