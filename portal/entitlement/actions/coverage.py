"""Coverage and price: gather the facts, decide, and keep the decision with its case.

Deciding stores nothing, so the page before the act and the act itself show and keep the same value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any

from sqlalchemy import exists, or_, select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.contracts.blocks import Mode, Payer, TaskClass
from portal.contracts.calendar_blocks import NOWHERE, Places, WhoseZone
from portal.contracts.circumstances import ORDINARY_CASE, Circumstances, checked, questions_of
from portal.contracts.entry import Opener
from portal.contracts.policy import Policy
from portal.contracts.prices import customer_class_of
from portal.contracts.rules import plan_named
from portal.contracts.targets import Channel
from portal.directory.models import Certificate, Organisation, ProductLine, ServiceRelationship, Site, System
from portal.directory.queries import systems_of
from portal.entitlement import queries
from portal.entitlement.models import CoverageDecision as CoverageRow
from portal.entitlement.queries import CaseParts, CaseUse, SiteCover, Terms
from portal.entitlement.rules import CoverageDecision, CoverageFacts, StandingFacts, coverage_for, to_json
from portal.entitlement.rules.decision import PackLeft
from portal.entitlement.terms import incident_packs, packs_left
from portal.errors import NotFound
from portal.identity.models import Membership

_NOTHING_USED = CaseUse(0, 0, {})
# What a case says of itself because prices, cover or promises depend on it, by its names among the facts.
_TOLD = ("customer_class", "requested", "distance", "level", "channel")
_OPENER = {Side.MANUFACTURER: Opener.ENGINEER, Side.INTEGRATOR: Opener.TECHNICIAN, Side.CUSTOMER: Opener.CONTACT}


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for: how bad, what kind of help, how it will probably be done.

    ``caller_certified`` is said where an engineer logs a call: whether the calling technician is certified; None where
    the caller is no technician.
    """

    severity: int
    task_class: TaskClass = TaskClass.SUPPORT
    mode: Mode = Mode.REMOTE
    caller_certified: bool | None = None
    circumstances: Circumstances = ORDINARY_CASE


@dataclass(frozen=True)
class Place:
    """Where it is: the system with its line, and who services it; the manufacturer itself under house terms."""

    system: System
    product_line_code: str
    manufacturer_code: str
    integrator_id: int

    @property
    def has_integrator(self) -> bool:
        """Whether an integrator services the system."""
        return self.integrator_id != self.system.manufacturer_id


@dataclass(frozen=True)
class Coverage:
    """What a decision at an instant is made from; the decision is what pages show.

    ``lapsed_class`` is the class that the record gives to customers whose plan has ended; empty where none.
    """

    facts: CoverageFacts
    terms: Terms
    cover: SiteCover
    place: Place
    at: datetime
    asked_by: Side | None = None
    lapsed_class: str = ""

    @cached_property
    def decision(self) -> CoverageDecision:
        """Made when it is first asked for: what is gathered for a form may be decided only as the form says."""
        return coverage_for(self.facts, self.terms.policy, self.terms.agreement, now=self.at)


def decide_coverage(session: Session, actor: Actor, system_id: int, wanted: Wanted, *, now: datetime) -> Coverage:
    """What help with one of the actor's systems would be covered by and cost, for a case that does not exist yet.

    *Raises*: NotFound for a system that is not the actor's, or where the manufacturer has no policy.
    """
    place, is_certified = _place(session, actor, system_id, now.date())
    certified = is_certified if actor.side is Side.INTEGRATOR else wanted.caller_certified
    opener = _OPENER[actor.side]
    if actor.side is Side.MANUFACTURER and wanted.caller_certified is not None:
        opener = Opener.TECHNICIAN
    terms = _terms(session, place, now)
    if opener is Opener.CONTACT and not _is_named(session, actor, terms):
        opener = Opener.END_USER
    asker = _Asker(opener, wanted, certified=bool(certified))
    lapsed_class = _lapsed_class(session, terms.policy, place.system, now)
    told = _told(terms, wanted, actor.side, lapsed_class)
    coverage = _decide(session, place, asker, terms, told, now=now)
    return replace(coverage, asked_by=actor.side, lapsed_class=lapsed_class)


def decide_again(gathered: Coverage, wanted: Wanted, *, now: datetime) -> Coverage:
    """The decision for another wish of the same person about the same system, from facts that were just gathered."""
    asked = {"severity": wanted.severity, "task_class": wanted.task_class, "mode": wanted.mode}
    told = _told(gathered.terms, wanted, gathered.asked_by, gathered.lapsed_class)
    facts = gathered.facts.model_copy(update=asked | told)
    if facts == gathered.facts and gathered.at == now:
        return gathered
    return replace(gathered, facts=facts, at=now)


def decide_for_case(
    session: Session, case: CaseParts, system: System, *, before: CoverageFacts, severity: int, now: datetime
) -> Coverage:
    """The decision anew for a case, as its facts are now; who asked stays what it was."""
    line = session.get_one(ProductLine, system.product_line_id)
    maker = session.get_one(Organisation, system.manufacturer_id)
    place = Place(system, line.code, maker.code, case.integrator_id)
    terms = _terms(session, place, now)
    use = queries.case_use(session, case, terms.policy, now)
    asker = _Asker(before.opener, Wanted(severity, before.task_class, before.mode), certified=before.certified)
    told = {name: getattr(before, name) for name in _TOLD}
    held = [grant.terms or {} for grant in queries.incidents_promised(session, case.id)]
    return _decide(session, place, asker, terms, told, use=use, now=now, own=incident_packs(held))


def keep_coverage(session: Session, coverage: Coverage, case: CaseParts) -> CoverageRow:
    """Keep the decision with its case."""
    row = coverage_row(coverage, case)
    session.add(row)
    return row


def coverage_row(coverage: Coverage, case: CaseParts) -> CoverageRow:
    """The decision as it is kept.

    What an integrator pays is between the companies; everything else the customer reads too, so that the other paying
    side's amounts, which decided nothing here, are left out.
    """
    payer = coverage.decision.payer
    own = {payer: coverage.facts.authorized_minor[payer]} if payer in coverage.facts.authorized_minor else {}
    facts = coverage.facts.model_copy(update={"authorized_minor": own})
    return CoverageRow(
        case_id=case.id,
        manufacturer_id=case.manufacturer_id,
        integrator_id=case.integrator_id,
        customer_id=case.customer_id,
        audience=audience_of(payer),
        policy_version_id=coverage.terms.policy_version_id,
        agreement_version_id=coverage.terms.agreement_version_id,
        plan_choice_id=coverage.cover.plan_choice_id,
        facts=to_json(facts),
        decision=to_json(coverage.decision),
        decided_at=coverage.decision.decided_at,
    )


def audience_of(payer: Payer) -> str:
    """Who reads what a paying side is asked and answers: the integrator's prices are not the customer's."""
    return "companies" if payer is Payer.INTEGRATOR else "customer"


@dataclass(frozen=True)
class _Asker:
    opener: Opener
    wanted: Wanted
    certified: bool


def _place(session: Session, actor: Actor, system_id: int, on: date) -> tuple[Place, bool]:
    """The actor's system with its line, its maker's code and who services it; and whether the actor is certified."""
    servicing = select(ServiceRelationship.integrator_id).where(
        ServiceRelationship.site_id == System.site_id,
        ServiceRelationship.product_line_id == System.product_line_id,
        ServiceRelationship.from_on <= on,
        or_(ServiceRelationship.to_on.is_(None), ServiceRelationship.to_on > on),
    )
    valid = exists().where(
        Certificate.person_id == actor.person_id,
        Certificate.product_line_id == System.product_line_id,
        Certificate.issued_on <= on,
        Certificate.expires_on > on,
    )
    row = session.execute(
        systems_of(actor, on)
        .join(ProductLine, ProductLine.id == System.product_line_id)
        .join(Organisation, Organisation.id == System.manufacturer_id)
        .where(System.id == system_id)
        .add_columns(ProductLine.code, Organisation.code, servicing.scalar_subquery(), valid)
    ).one_or_none()
    if row is None:
        raise NotFound()
    system, line_code, maker_code, integrator_id, is_certified = row
    return Place(system, line_code, maker_code, integrator_id or system.manufacturer_id), is_certified


def _is_named(session: Session, actor: Actor, terms: Terms) -> bool:
    """Whether the person is among the contacts the policy lets a customer name: the first so many of them."""
    at_most = terms.policy.contacts.at_most
    if at_most is None:
        return True
    named = session.scalars(
        select(Membership.person_id)
        .where(
            Membership.organisation_id == actor.organisation_id,
            Membership.ended_at.is_(None),
            Membership.roles.overlap([Role.CONTACT.value]),
        )
        .order_by(Membership.started_at, Membership.id)
        .limit(at_most)
    )
    return actor.person_id in set(named)


def _terms(session: Session, place: Place, now: datetime) -> Terms:
    return queries.terms_in_force(
        session, manufacturer_id=place.system.manufacturer_id, integrator_id=place.integrator_id, at=now
    )


def _told(terms: Terms, wanted: Wanted, side: Side | None, lapsed_class: str) -> dict[str, Any]:
    """What was said of the case, as facts: what its side may say of it, and the class that the record knows.

    *Raises*: Invalid at the field for what the policy does not name.
    """
    said = wanted.circumstances
    if side is not Side.MANUFACTURER:
        said = replace(said, channel=Channel.PORTAL)
    if side is Side.CUSTOMER:
        # What lowers or raises its own price is not the customer's to say.
        said = replace(said, customer_class="", distance="")
    counted = checked(questions_of(terms.policy, terms.agreement), said)
    values = (lapsed_class or counted.customer_class or None, counted.requested, counted.distance)
    return dict(zip(_TOLD, (*values, counted.level, counted.channel), strict=True))


def _lapsed_class(session: Session, policy: Policy, system: System, now: datetime) -> str:
    """The class of customers whose plan has ended; read only where the policy has such a class."""
    if not any(each.lapsed_over_days is not None for each in policy.customer_classes):
        return ""
    ended_at = session.scalar(
        text("SELECT plan_ended_at(:site, :maker, :at, :free)"),
        {
            "site": system.site_id,
            "maker": system.manufacturer_id,
            "at": now,
            "free": plan_named(policy, None).code,
        },
    )
    return customer_class_of(policy, None if ended_at is None else (now - ended_at).days)


def _decide(
    session: Session,
    place: Place,
    asker: _Asker,
    terms: Terms,
    told: Mapping[str, Any],
    *,
    use: CaseUse = _NOTHING_USED,
    now: datetime,
    own: tuple[PackLeft, ...] = (),
) -> Coverage:
    system, wanted = place.system, asker.wanted
    cover = queries.site_cover(
        session, site_id=system.site_id, manufacturer_id=system.manufacturer_id, policy=terms.policy, at=now
    )
    where = _whereabouts(session, terms.policy, system)
    facts = CoverageFacts(
        opener=asker.opener,
        certified=asker.certified,
        severity=wanted.severity,
        task_class=wanted.task_class,
        mode=wanted.mode,
        product_line=place.product_line_code,
        plan_code=cover.plan_code,
        day1_on=system.day_one_on,
        warranty_starts_on=system.warranty_starts_on,
        warranty_ends_on=system.warranty_ends_on,
        has_integrator=place.has_integrator,
        included_seconds_left=_included_seconds(terms, cover),
        packs=(*packs_left(session, cover, now), *own),
        grant_seconds_used_on_case=use.grant_seconds,
        hours_authorized_seconds=use.hours_seconds,
        authorized_minor=use.authorized_minor,
        standing=_standing(cover, use),
        region=where.region,
        site_zone=where.site,
        **told,
    )
    return Coverage(facts, terms, cover, place, now)


def _whereabouts(session: Session, policy: Policy, system: System) -> Places:
    """The customer's country and the site's zone, read only where the policy's calendars ask for them."""
    if not any(block.by_region or block.whose_zone is WhoseZone.SITE for block in policy.calendars):
        return NOWHERE
    zone, country = session.execute(
        select(Site.zone, Organisation.country)
        .join(Organisation, Organisation.id == Site.customer_id)
        .where(Site.id == system.site_id)
    ).one()
    return Places(country.lower(), zone)


def _included_seconds(terms: Terms, cover: SiteCover) -> int:
    """Included time left; a month whose grant the night's job has not opened yet is still whole."""
    if cover.has_included or cover.plan_code is None:
        return cover.included_seconds
    return plan_named(terms.policy, cover.plan_code).included_minutes_per_month * 60


def _standing(cover: SiteCover, use: CaseUse) -> StandingFacts | None:
    if cover.standing_id is None:
        return None
    return StandingFacts(
        incident_minor=cover.incident_minor or 0,
        month_minor=cover.month_minor or 0,
        severities=cover.severities,
        used_on_case_minor=0,
        used_in_month_minor=max(cover.used_in_month_minor - use.standing_minor, 0),
    )
