"""What a case is billed from: its approved work, cover, custody, cause, yeses and promised hours, as rating takes them.

The documents are those in force when the case was opened: what the payer was shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.billing.models import BillingCut
from portal.billing.outcome import Outcome
from portal.cases.models import SupportCase
from portal.contracts.agreement import Agreement
from portal.contracts.calendar_blocks import NOWHERE, Places
from portal.contracts.cover import plans_over_case
from portal.contracts.models import PlanChoice
from portal.contracts.policy import Policy
from portal.contracts.rules import plan_named, warranty_end
from portal.directory.models import System
from portal.entitlement.models import (
    Authorization,
    GrantDraw,
    UsageGrant,
)
from portal.entitlement.queries import Terms
from portal.entitlement.rules import Amount, expires_at
from portal.metering.models import FittedPart as FittedPartRow
from portal.metering.models import TimeEntry
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
    FittedPart,
    GrantState,
    HoursLimit,
    RateKey,
    WorkInterval,
)
from portal.rating.policies import compile_tariff
from portal.rating.situations import setting_at, situation_of
from portal.rating.tariff import Tariff

CLOSING, PERIOD_END = "closing", "period_end"

# A document's value is one object per content, so tariffs are kept by it; holding the value keeps its identity its own.
_TARIFFS_AT_MOST = 256
_tariffs: dict[tuple[int, int, str, Places], tuple[Policy, Agreement | None, Tariff]] = {}


@dataclass(frozen=True)
class SiteHours:
    """A grant of a case's site and until when it holds now; None is for ever."""

    grant: UsageGrant
    ends_at: datetime | None

    @property
    def terms(self) -> Mapping[str, Any]:
        """What a pack was sold under; nothing for a plan's minutes."""
        return self.grant.terms or {}


@dataclass(frozen=True)
class BillingFacts:
    """Everything a cut of a case is billed from.

    ``hours`` are the grants of its site that are good for the case, ``grants`` what it may draw of them; ``volumes``
    what the partnership earned in so many closed months, where the documents share by it; ``parts`` what was fitted.
    """

    case: SupportCase
    documents: Terms
    tariff: Tariff
    facts: CaseFacts
    work: tuple[WorkInterval, ...]
    hours: tuple[SiteHours, ...]
    grants: tuple[GrantState, ...]
    drawn: dict[int, Amount]
    authorizations: tuple[Authorization, ...]
    outcome: Outcome
    seller_id: int
    parties: dict[str, int]
    entries: tuple[TimeEntry, ...]
    volumes: Mapping[int, int] = field(default_factory=dict)
    parts: tuple[FittedPartRow, ...] = ()

    @property
    def has_integrator(self) -> bool:
        """Whether somebody else than the manufacturer services the site."""
        return self.case.integrator_id != self.case.manufacturer_id


def up_to(facts: BillingFacts, cut: BillingCut | None) -> BillingFacts:
    """The facts with the work that belongs to a cut: a closing takes all, a period's end what ended before it."""
    entries = [
        (each, facts.outcome.task_class or each.task_class)
        for each in facts.entries
        if cut is None or cut.kind == CLOSING or each.ended_at <= cut.cut_at
    ]
    setting = (facts.facts, facts.tariff)
    fitted = [row for row in facts.parts if cut is None or cut.kind == CLOSING or row.fitted_at <= cut.cut_at]
    parts = [(row, _serving(facts, facts.case.customer_id, row.fitted_at)) for row in fitted]
    work, used = _authorized(facts, setting, entries)
    used[CUSTOMER].update(yes.id for _, serving in parts for yes in serving)
    yeses = [yes for yes in facts.authorizations if any(yes.id in each for each in used.values())]
    rated = replace(
        facts.facts,
        nte_minor={payer: sum(yes.nte_minor for yes in yeses if yes.id in ids) for payer, ids in used.items()},
        hours_limit=_hours_limit(facts, work, yeses),
        parts=tuple(_fitted_part(facts.case, row, authorized=bool(serving)) for row, serving in parts),
    )
    return replace(facts, facts=rated, work=tuple(work))


def _fitted_part(case: SupportCase, row: FittedPartRow, *, authorized: bool) -> FittedPart:
    marks = ((row.part, ""), (row.serial, "serial "), (row.rma, "RMA "))
    return FittedPart(
        ", ".join(words + mark for mark, words in marks if mark),
        row.price_minor,
        row.fitted_at,
        side_named(case, row.supplier_id),
        row.disposition,
        on_customer=row.on_customer,
        authorized=authorized,
    )


def _hours_limit(
    facts: BillingFacts, work: Sequence[WorkInterval], used: Sequence[Authorization]
) -> tuple[HoursLimit, ...]:
    """What the case may use of hours left: by the plan that covered its first work, then by each yes of its customer.

    No limit where that plan has none: then there is nothing to ask for.
    """
    if not work:
        return ()
    first = min(each.started_at for each in work)
    plan = plan_named(facts.documents.policy, setting_at(facts.facts, first).plan)
    if plan.standing_minutes_per_case is None:
        return ()
    limits = [HoursLimit(first, plan.standing_minutes_per_case * 60)]
    for yes in sorted(used, key=lambda row: (row.covers_from, row.id)):
        if yes.hours_seconds and yes.payer_id == facts.case.customer_id:
            limits.append(HoursLimit(yes.covers_from, limits[-1].seconds + yes.hours_seconds))
    return tuple(limits)


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
        task_class=case.task_class,
        customer_class=case.customer_class,
        requested=tuple(case.requested),
        distances={0: Fraction(case.distance)} if case.distance else {},
    )
    return facts, tariff_of(documents, product_line, Places(case.region or None, case.site_zone or None))


def tariff_of(documents: Terms, product_line: str, places: Places = NOWHERE) -> Tariff:
    """The compiled prices of the documents for a product line, where the case is."""
    policy, agreement = documents.policy, documents.agreement
    key = (id(policy), id(agreement), product_line, places)
    if key not in _tariffs:
        if len(_tariffs) >= _TARIFFS_AT_MOST:
            _tariffs.clear()
        compiled = compile_tariff(policy, product_line=product_line, agreement=agreement, places=places)
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
    chosen = [(choice.from_at, choice.plan_code) for choice in choices]
    return tuple(Cover(*each) for each in plans_over_case(documents.policy, case.opened_at, chosen))


def seller_of(choices: Sequence[PlanChoice], case: SupportCase) -> int:
    """Who sold the plan that the case began under; the manufacturer where nobody did."""
    begun = [choice for choice in choices if choice.from_at <= case.opened_at]
    return begun[-1].seller_id if begun else case.manufacturer_id


def side_named(case: SupportCase, organisation_id: int) -> str:
    """Which of the two companies an organisation is on a case, in rating's words."""
    return MANUFACTURER if organisation_id == case.manufacturer_id else INTEGRATOR


def _authorized(
    facts: BillingFacts, setting: tuple[CaseFacts, Tariff], entries: Sequence[tuple[TimeEntry, str]]
) -> tuple[list[WorkInterval], dict[str, set[int]]]:
    """The work, each piece with whether its payer had said yes to it; and the yeses that serve any, by payer."""
    case, (rated, tariff) = facts.case, setting
    used: dict[str, set[int]] = {CUSTOMER: set(), INTEGRATOR: set()}
    work = []
    for entry, task_class in entries:
        situation = situation_of(rated, setting_at(rated, entry.started_at), task_class, authorized=True)
        payer = treatment.treatment(tariff, situation).bill.payer
        payer_id = case.integrator_id if payer == INTEGRATOR else case.customer_id
        serving = [yes.id for yes in _serving(facts, payer_id, entry.started_at)]
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
                entry.role,
                entry.skill,
                zone=entry.zone,
            )
        )
    return work, used


def _serving(facts: BillingFacts, payer_id: int, at: datetime) -> list[Authorization]:
    """The yeses of a payer that cover what happens at an instant."""
    case, policy = facts.case, facts.documents.policy
    return [
        yes
        for yes in facts.authorizations
        if yes.payer_id == payer_id
        and _covers_from(case, yes) <= at < max(expires_at(policy, yes.authorized_at), yes.covers_from)
    ]


def _covers_from(case: SupportCase, yes: Authorization) -> datetime:
    """From when on a yes covers work: one given in advance with the plan covers the case from its opening."""
    return min(yes.covers_from, case.opened_at) if yes.basis == "standing" else yes.covers_from


def drawn_of(session: Session, case_id: int) -> dict[int, Amount]:
    """What a case's bills have drawn of each grant."""
    rows = session.execute(
        select(GrantDraw.grant_id, func.sum(GrantDraw.seconds), func.sum(GrantDraw.incidents))
        .where(GrantDraw.case_id == case_id)
        .group_by(GrantDraw.grant_id)
    )
    return {grant_id: Amount(int(seconds), int(incidents)) for grant_id, seconds, incidents in rows}


def grants_promised(hours: Mapping[int, SiteHours], amounts: Mapping[int, Amount]) -> tuple[GrantState, ...]:
    """Hours as rating takes them; a grant that is not known here, as to a former integrator, holds included time."""
    return tuple(
        grant_state(hours[grant_id], left) if grant_id in hours else GrantState(grant_id, INCLUDED_GRANT, left.seconds)
        for grant_id, left in sorted(amounts.items())
    )


def grant_state(hours: SiteHours, left: Amount) -> GrantState:
    """A grant as rating takes it, with what may be drawn of it: of incidents a case never takes more than one."""
    grant, terms = hours.grant, hours.terms
    return GrantState(
        grant.id,
        INCLUDED_GRANT if grant.kind == lines.INCLUDED else BOUGHT_GRANT,
        left.seconds,
        priority=terms.get("priority", 0),
        granted_at=grant.granted_at,
        starts_at=grant.starts_at,
        expires_at=hours.ends_at,
        modes=tuple(terms.get("modes", ())),
        incidents=min(left.incidents, 1),
        # What a case is promised keeps to what it may use without asking.
        unasked=grant.kind != lines.INCLUDED,
    )
