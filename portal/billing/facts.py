"""What a case is billed from: its approved work, cover, custody, cause, yeses and promised hours, as rating takes them.

Read for jobs, which see every row. The documents are those in force when the case was opened: what the payer was shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from portal.billing.models import BillingCut
from portal.billing.outcome import Outcome, outcome_of
from portal.billing.parties import parties_of
from portal.cases.models import CustodyAcceptance, SupportCase
from portal.contracts.agreement import Agreement
from portal.contracts.models import PlanChoice
from portal.contracts.policy import Policy
from portal.contracts.queries import plan_choices
from portal.contracts.rules import plan_named, warranty_end
from portal.directory.models import ProductLine, System
from portal.entitlement.models import (
    Authorization,
    CoverageDecision,
    GrantDraw,
    GrantReservation,
    ReservationRelease,
    UsageGrant,
)
from portal.entitlement.queries import Terms, terms_in_force
from portal.entitlement.rules import decision_from_json, expires_at, facts_from_json
from portal.metering.models import TimeEntry
from portal.metering.queries import approved_entries
from portal.rating import lines, treatment
from portal.rating.facts import (
    BOUGHT_GRANT,
    CUSTOMER,
    INCLUDED_GRANT,
    INTEGRATOR,
    MANUFACTURER,
    CaseFacts,
    Cover,
    Custody,
    GrantState,
    RateKey,
    WorkInterval,
)
from portal.rating.policies import compile_tariff
from portal.rating.situations import setting_at, situation_of
from portal.rating.tariff import Tariff

CLOSING, PERIOD_END = "closing", "period_end"

# A document's value is one object per content, so tariffs are kept by it; holding the value keeps its identity its own.
_TARIFFS_AT_MOST = 256
_tariffs: dict[tuple[int, int, str], tuple[Policy, Agreement | None, Tariff]] = {}


@dataclass(frozen=True)
class BillingFacts:
    """Everything a cut of a case is billed from."""

    case: SupportCase
    documents: Terms
    tariff: Tariff
    facts: CaseFacts
    work: tuple[WorkInterval, ...]
    grants: tuple[GrantState, ...]
    drawn_seconds: dict[int, int]
    authorizations: tuple[Authorization, ...]
    outcome: Outcome
    seller_id: int
    parties: dict[str, int]
    entries: tuple[TimeEntry, ...]

    @property
    def has_integrator(self) -> bool:
        """Whether somebody else than the manufacturer services the site."""
        return self.case.integrator_id != self.case.manufacturer_id


def documents_of(session: Session, case: SupportCase) -> Terms:
    """The documents in force between the case's companies when it was opened."""
    return terms_in_force(
        session, manufacturer_id=case.manufacturer_id, integrator_id=case.integrator_id, at=case.opened_at
    )


@dataclass(frozen=True)
class View:
    """What a page rates instead of what jobs read: work that may still change, cover and hours as the actor sees them.

    ``outcome`` is what a resolution in the making would settle; None takes what is settled.
    """

    entries: Sequence[TimeEntry]
    cover: tuple[Cover, ...]
    grants: tuple[GrantState, ...]
    outcome: Outcome | None = None


def gather(session: Session, case: SupportCase, *, view: View | None = None) -> BillingFacts:
    """The facts of a case with all its approved work."""
    documents = documents_of(session, case)
    policy, agreement = documents.policy, documents.agreement
    outcome = view.outcome if view else None
    if outcome is None:
        outcome = outcome_of(session, case, (agreement or policy.house_terms).fallback)
    choices = plan_choices(session, site_id=case.site_id, manufacturer_id=case.manufacturer_id)
    yeses = _authorizations(session, case.id)
    cover = view.cover if view else cover_of(documents, choices, case)
    facts, tariff = _case_facts(session, case, documents, cover=cover, cause=outcome.cause, yeses=yeses)
    drawn = drawn_of(session, case.id)
    all_of_it = BillingFacts(
        case=case,
        documents=documents,
        tariff=tariff,
        facts=facts,
        work=(),
        grants=view.grants if view else promised_grants(session, case.id, drawn),
        drawn_seconds=drawn,
        authorizations=yeses,
        outcome=outcome,
        seller_id=seller_of(choices, case),
        parties=parties_of(session, case, agreement),
        entries=tuple(view.entries if view else approved_entries(session, case.id)),
    )
    return up_to(all_of_it, None)


def up_to(facts: BillingFacts, cut: BillingCut | None) -> BillingFacts:
    """The facts with the work that belongs to a cut: a closing takes all, a period's end what ended before it."""
    entries = [
        (each, facts.outcome.task_class or each.task_class)
        for each in facts.entries
        if cut is None or cut.kind == CLOSING or each.ended_at <= cut.cut_at
    ]
    setting = (facts.facts, facts.tariff)
    work, nte_minor = _authorised(facts.case, facts.documents.policy, setting, entries, facts.authorizations)
    return replace(facts, facts=replace(facts.facts, nte_minor=nte_minor), work=tuple(work))


def _case_facts(
    session: Session,
    case: SupportCase,
    documents: Terms,
    *,
    cover: tuple[Cover, ...],
    cause: str | None,
    yeses: Sequence[Authorization],
) -> tuple[CaseFacts, Tariff]:
    product_line, system = session.execute(
        select(ProductLine.code, System)
        .join(System, System.product_line_id == ProductLine.id)
        .where(System.id == case.system_id)
    ).one()
    return rating_facts(
        case,
        documents,
        (product_line, system),
        cover=cover,
        cause=cause,
        certified=_certified(session, case.id),
        custody=_custody(session, case),
        accepted_rates=_accepted_rates(session, case, yeses),
    )


def rating_facts(
    case: SupportCase,
    documents: Terms,
    installed: tuple[str, System],
    *,
    cover: tuple[Cover, ...],
    cause: str | None,
    certified: bool,
    custody: tuple[Custody, ...],
    accepted_rates: dict[RateKey, Fraction],
) -> tuple[CaseFacts, Tariff]:
    """What rating takes of a case and its prices; ``installed`` are the product line's code and the system."""
    product_line, system = installed
    warranty_from, warranty_until = _warranty(documents, product_line, system)
    facts = CaseFacts(
        cover=cover,
        severity=case.severity,
        certified=certified,
        has_integrator=case.integrator_id != case.manufacturer_id,
        cause=cause,
        day_one_at=_midnight(documents.policy.zone, system.day_one_on),
        warranty_from=warranty_from,
        warranty_until=warranty_until,
        custody=custody,
        accepted_rates=accepted_rates,
        opened_at=case.opened_at,
    )
    return facts, tariff_of(documents, product_line)


def tariff_of(documents: Terms, product_line: str) -> Tariff:
    """The compiled prices of the documents for a product line."""
    policy, agreement = documents.policy, documents.agreement
    key = (id(policy), id(agreement), product_line)
    if key not in _tariffs:
        if len(_tariffs) >= _TARIFFS_AT_MOST:
            _tariffs.clear()
        compiled = compile_tariff(policy, product_line=product_line, agreement=agreement)
        _tariffs[key] = (policy, agreement, compiled)
    return _tariffs[key][-1]


def _midnight(zone: str, day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), ZoneInfo(zone))


def _warranty(documents: Terms, product_line: str, system: System) -> tuple[datetime | None, datetime | None]:
    """From when until when the system is under warranty; without any record, until before all work."""
    policy = documents.policy
    starts_on, ends_on = system.warranty_starts_on, system.warranty_ends_on
    over_on = ends_on + timedelta(days=1) if ends_on else None
    if over_on is None and starts_on is not None:
        over_on = warranty_end(policy, product_line, starts_on)
    return _midnight(policy.zone, starts_on), _midnight(policy.zone, over_on)


def cover_of(documents: Terms, choices: Sequence[PlanChoice], case: SupportCase) -> tuple[Cover, ...]:
    """The plans of the site in turn. A running case keeps its cover when the plan is given up."""
    policy = documents.policy
    free = plan_named(policy, None).code
    known = {plan.code for plan in policy.plans}
    cover = [Cover(case.opened_at, free)]
    for choice in choices:
        if choice.plan_code not in known:
            continue
        if choice.from_at <= case.opened_at:
            cover = [Cover(choice.from_at, choice.plan_code)]
        elif choice.plan_code != free:
            cover.append(Cover(choice.from_at, choice.plan_code))
    return tuple(cover)


def seller_of(choices: Sequence[PlanChoice], case: SupportCase) -> int:
    """Who sold the plan that the case began under; the manufacturer where nobody did."""
    begun = [choice for choice in choices if choice.from_at <= case.opened_at]
    return begun[-1].seller_id if begun else case.manufacturer_id


def _custody(session: Session, case: SupportCase) -> tuple[Custody, ...]:
    rows = session.execute(
        select(CustodyAcceptance.from_at, CustodyAcceptance.company_id)
        .where(CustodyAcceptance.case_id == case.id)
        .order_by(CustodyAcceptance.seq)
    )
    return tuple(Custody(row.from_at, side_named(case, row.company_id)) for row in rows)


def side_named(case: SupportCase, organisation_id: int) -> str:
    """Which of the two companies an organisation is on a case, in rating's words."""
    return MANUFACTURER if organisation_id == case.manufacturer_id else INTEGRATOR


def _certified(session: Session, case_id: int) -> bool:
    """Whether whoever asked holds a certificate; only a technician can lack one."""
    first = session.scalars(
        select(CoverageDecision.facts).where(CoverageDecision.case_id == case_id).order_by(CoverageDecision.id).limit(1)
    ).one_or_none()
    if first is None:
        return True
    asked = facts_from_json(first)
    return asked.certified or asked.opener.value in ("contact", "engineer")


def _authorizations(session: Session, case_id: int) -> tuple[Authorization, ...]:
    rows = select(Authorization).where(Authorization.case_id == case_id).order_by(Authorization.id)
    return tuple(session.scalars(rows))


def _accepted_rates(session: Session, case: SupportCase, yeses: Sequence[Authorization]) -> dict[RateKey, Fraction]:
    """The prices that the payer saw with its last yes: none of them is exceeded without another yes."""
    accepted: dict[RateKey, Fraction] = {}
    if not yeses:
        return accepted
    rows = session.execute(
        select(CoverageDecision.decided_at, CoverageDecision.decision)
        .where(CoverageDecision.case_id == case.id)
        .order_by(CoverageDecision.decided_at, CoverageDecision.id)
    ).all()
    for yes in yeses:
        shown = [row.decision for row in rows if row.decided_at <= yes.authorized_at]
        if not shown:
            continue
        decision = decision_from_json(shown[-1])
        for price in decision.prices:
            accepted[RateKey(decision.mode.value, decision.task_class.value, price.band)] = price.per_hour
    return accepted


def _authorised(
    case: SupportCase,
    policy: Policy,
    setting: tuple[CaseFacts, Tariff],
    entries: Sequence[tuple[TimeEntry, str]],
    yeses: Sequence[Authorization],
) -> tuple[list[WorkInterval], dict[str, int]]:
    """The work, each piece with whether its payer had said yes to it, and the sum of the yeses that serve any."""
    facts, tariff = setting
    used: dict[str, set[int]] = {CUSTOMER: set(), INTEGRATOR: set()}
    work = []
    for entry, task_class in entries:
        situation = situation_of(facts, setting_at(facts, entry.started_at), task_class, authorised=True)
        payer = treatment.treatment(tariff, situation).bill.payer
        payer_id = case.integrator_id if payer == INTEGRATOR else case.customer_id
        serving = [
            yes.id
            for yes in yeses
            if yes.payer_id == payer_id
            and _covers_from(case, yes)
            <= entry.started_at
            < max(expires_at(policy, yes.authorized_at), yes.covers_from)
        ]
        used.setdefault(payer, set()).update(serving)
        work.append(
            WorkInterval(
                entry.id,
                entry.person_id,
                entry.started_at,
                entry.ended_at,
                entry.mode,
                task_class,
                bool(serving),
                side_named(case, entry.organisation_id),
            )
        )
    limits = {payer: sum(yes.nte_minor for yes in yeses if yes.id in used[payer]) for payer in (CUSTOMER, INTEGRATOR)}
    return work, limits


def _covers_from(case: SupportCase, yes: Authorization) -> datetime:
    """From when on a yes covers work: one given in advance with the plan covers the case from its opening."""
    return min(yes.covers_from, case.opened_at) if yes.basis == "standing" else yes.covers_from


def drawn_of(session: Session, case_id: int) -> dict[int, int]:
    rows = session.execute(
        select(GrantDraw.grant_id, func.sum(GrantDraw.seconds))
        .where(GrantDraw.case_id == case_id)
        .group_by(GrantDraw.grant_id)
    )
    return {grant_id: int(seconds) for grant_id, seconds in rows}


def promised_grants(session: Session, case_id: int, drawn: dict[int, int] | None = None) -> tuple[GrantState, ...]:
    """What the case may draw in all: what is promised to it now and what it has drawn before."""
    promised = session.execute(
        select(GrantReservation.grant_id, func.sum(GrantReservation.seconds))
        .where(
            GrantReservation.case_id == case_id,
            ~exists().where(ReservationRelease.reservation_id == GrantReservation.id),
        )
        .group_by(GrantReservation.grant_id)
    )
    seconds = dict(drawn_of(session, case_id) if drawn is None else drawn)
    for grant_id, reserved in promised:
        seconds[grant_id] = seconds.get(grant_id, 0) + int(reserved)
    found = session.scalars(select(UsageGrant).where(UsageGrant.id.in_(seconds))).all()
    grants = {grant.id: grant for grant in found}
    return tuple(
        grant_state(grants[grant_id], left) if grant_id in grants else GrantState(grant_id, INCLUDED_GRANT, left)
        for grant_id, left in sorted(seconds.items())
    )


def grant_state(grant: UsageGrant, seconds: int) -> GrantState:
    """A grant as rating takes it, with the seconds that may be drawn."""
    return GrantState(
        grant.id,
        INCLUDED_GRANT if grant.kind == lines.INCLUDED else BOUGHT_GRANT,
        seconds,
        granted_at=grant.granted_at,
        starts_at=grant.starts_at,
        expires_at=grant.expires_at,
    )
