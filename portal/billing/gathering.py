"""What cases are billed from, read in one statement however many cases there are.

Jobs read every row, a page what its actor may: the small rows of the cases and what they refer to, which is documents,
plans and hours of their sites, systems. Everything else is made of these rows without asking again, for one case and
for many by the same code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, bindparam, or_, select
from sqlalchemy.orm import Session

from portal.billing.facts import (
    BillingFacts,
    SiteHours,
    cover_of,
    grants_promised,
    rating_facts,
    seller_of,
    side_named,
    up_to,
)
from portal.billing.models import BillingCut, BillItem
from portal.billing.outcome import Outcome, outcome_from
from portal.billing.parties import parties_of, plain_parties
from portal.cases.models import (
    Challenge,
    ChallengeDecision,
    CustodyAcceptance,
    Resolution,
    ResolutionAnswer,
    SupportCase,
)
from portal.contracts.models import DocumentInForce, DocumentVersion, PlanChoice
from portal.contracts.queries import agreement_known_as, policy_known_as
from portal.directory.models import Organisation, ProductLine, System
from portal.entitlement.models import (
    Authorization,
    CoverageDecision,
    Emergency,
    EmergencyRefusal,
    GrantBalance,
    GrantDraw,
    GrantReservation,
    ReservationRelease,
    UsageGrant,
)
from portal.entitlement.queries import Terms
from portal.entitlement.rules import NOTHING, Amount, lacked_certificate, prices_shown
from portal.entitlement.terms import is_good_at
from portal.errors import NotFound
from portal.metering.models import (
    FittedPart,
    PartConfirmation,
    PartReversal,
    RunningTimer,
    TimeApproval,
    TimeEntry,
    TimeReversal,
)
from portal.metering.queries import unconfirmed_parts
from portal.rating.facts import Cover, Custody, GrantState, RateKey
from portal.rows import Facts, Together, read_together, together


@dataclass(frozen=True)
class Gathered:
    """A case with the rows it is billed from; ``hours`` are the grants of its site."""

    case: SupportCase
    rows: Facts
    documents: Terms
    choices: Sequence[PlanChoice]
    product_line: str
    system: System
    hours: Sequence[SiteHours]
    operator_id: int | None

    @property
    def live_entries(self) -> list[TimeEntry]:
        """The entries that were not taken back, in order of work."""
        gone = {row.entry_id for row in self.rows[TimeReversal]}
        found = (row for row in self.rows[TimeEntry] if row.id not in gone)
        return sorted(found, key=lambda row: (row.started_at, row.id))

    @property
    def live_parts(self) -> list[FittedPart]:
        """The parts that were fitted and not taken back, in that order."""
        gone = {row.part_id for row in self.rows[PartReversal]}
        found = (row for row in self.rows[FittedPart] if row.id not in gone)
        return sorted(found, key=lambda row: (row.fitted_at, row.id))

    @property
    def billable_parts(self) -> list[FittedPart]:
        """Those of them that do not wait for a second person."""
        waiting = {row.id for row in unconfirmed_parts(self.rows)}
        return [row for row in self.live_parts if row.id not in waiting]

    @property
    def approved_ids(self) -> set[int]:
        """The entries that somebody said are right."""
        return {row.entry_id for row in self.rows[TimeApproval]}

    @property
    def outcome(self) -> Outcome:
        """What is settled of the case."""
        terms = self.documents.agreement or self.documents.policy.house_terms
        return outcome_from(self.case, self.rows, terms.fallback)


@dataclass(frozen=True)
class View:
    """What a page rates instead of what jobs read: work that may still change, cover and hours as the actor sees them.

    ``outcome`` is what a resolution in the making would settle; None takes what is settled.
    """

    entries: Sequence[TimeEntry]
    cover: tuple[Cover, ...]
    grants: tuple[GrantState, ...]
    outcome: Outcome | None = None


_PARTS: tuple[Any, ...] = (
    *(CustodyAcceptance, Resolution, ResolutionAnswer, Challenge, ChallengeDecision, CoverageDecision),
    *(Authorization, Emergency, EmergencyRefusal, GrantReservation, ReservationRelease, GrantDraw),
    *(TimeEntry, TimeApproval, TimeReversal, RunningTimer, BillingCut, BillItem),
    *(FittedPart, PartConfirmation, PartReversal),
)


def _read_by(given: Callable[[str], ColumnElement[Any]]) -> Together:
    """All rows of cases and of what they refer to; ``given`` is what a column of that meaning is equal to."""
    in_force: ColumnElement[bool] = (DocumentInForce.manufacturer_id == given("maker_id")) & or_(
        DocumentInForce.integrator_id.is_(None), DocumentInForce.integrator_id == given("integrator_id")
    )
    of_site = UsageGrant.site_id == given("site_id")
    return together(
        {
            **{model: model.case_id == given("case_id") for model in _PARTS},
            DocumentInForce: in_force,
            DocumentVersion: DocumentVersion.id.in_(select(DocumentInForce.version_id).where(in_force)),
            PlanChoice: PlanChoice.site_id == given("site_id"),
            UsageGrant: of_site,
            GrantBalance: GrantBalance.grant_id.in_(select(UsageGrant.id).where(of_site)),
            System: System.id == given("system_id"),
            ProductLine: ProductLine.id == given("line_id"),
            Organisation: Organisation.is_operator.is_(True),
        },
        bill_item=("id", "case_id", "cut_id"),
        document_version=("id", "sha256"),
        grant_balance=("grant_id", "ends_at"),
        product_line=("id", "code"),
        organisation=("id",),
    )


_OF_MANY = _read_by(lambda name: any_(bindparam(name, type_=ARRAY(BigInteger))))
# A list makes the database plan these two dozen reads anew each time, which takes longer than they do.
_OF_ONE = _read_by(lambda name: bindparam(name, type_=BigInteger))


def gather(session: Session, case: SupportCase, *, view: View | None = None) -> BillingFacts:
    """The facts of a case with all its approved work."""
    return facts_of(session, read_case(session, case), view=view)


def read_case(session: Session, case: SupportCase) -> Gathered:
    """The rows of one case. *Raises*: NotFound without a policy in force when it was opened."""
    return read_cases(session, [case])[0]


def read_cases(session: Session, cases: Sequence[SupportCase]) -> list[Gathered]:
    """The rows of cases, in their order. *Raises*: NotFound without a policy in force when one was opened."""
    keys = {
        "case_id": [case.id for case in cases],
        "maker_id": sorted({case.manufacturer_id for case in cases}),
        "integrator_id": sorted({case.integrator_id for case in cases}),
        "site_id": sorted({case.site_id for case in cases}),
        "system_id": sorted({case.system_id for case in cases}),
        "line_id": sorted({case.product_line_id for case in cases}),
    }
    if len(cases) == 1:
        read = read_together(session, _OF_ONE, {name: key for name, (key,) in keys.items()})
    else:
        read = read_together(session, _OF_MANY, keys)
    by_case = _by_case(read, cases)
    choices, grants = _of_sites(read[PlanChoice]), _of_sites(read[UsageGrant])
    ends = {row.grant_id: row.ends_at for row in read[GrantBalance]}
    systems = {row.id: row for row in read[System]}
    lines = {row.id: row.code for row in read[ProductLine]}
    begun = _versions_begun(read[DocumentInForce])
    known: dict[tuple[int | None, ...], Terms] = {}
    return [
        Gathered(
            case=case,
            rows=by_case[case.id],
            documents=_documents(session, case, (read, begun), known),
            choices=sorted(choices[case.site_id, case.manufacturer_id], key=lambda row: row.from_at),
            product_line=lines[systems[case.system_id].product_line_id],
            system=systems[case.system_id],
            hours=[SiteHours(row, ends[row.id]) for row in grants[case.site_id, case.manufacturer_id]],
            operator_id=next((row.id for row in read[Organisation]), None),
        )
        for case in cases
    ]


def facts_of(
    session: Session,
    read: Gathered,
    *,
    view: View | None = None,
    parties: dict[tuple[int | None, ...], dict[str, int]] | None = None,
) -> BillingFacts:
    """The facts made of what was read; ``parties`` keeps those of companies that were asked for before."""
    case, rows, documents = read.case, read.rows, read.documents
    outcome = (view.outcome if view else None) or read.outcome
    yeses = tuple(rows[Authorization])
    facts, tariff = rating_facts(
        case,
        documents,
        (read.product_line, read.system),
        cover=view.cover if view else cover_of(documents, read.choices, case),
        cause=outcome.cause,
        certified=_certified(rows),
        custody=_custody(case, rows),
        accepted_rates=_accepted_rates(rows, yeses),
    )
    approved = read.approved_ids
    all_of_it = BillingFacts(
        case=case,
        documents=documents,
        tariff=tariff,
        facts=facts,
        work=(),
        hours=tuple(each for each in read.hours if _serves(session, case, each, certified=facts.certified)),
        grants=view.grants if view else promised_hours(read),
        drawn=_drawn(rows),
        authorizations=yeses,
        outcome=outcome,
        seller_id=seller_of(read.choices, case),
        parties=_parties(session, read, {} if parties is None else parties),
        entries=tuple(view.entries if view else [row for row in read.live_entries if row.id in approved]),
        parts=tuple(read.live_parts if view else read.billable_parts),
    )
    return up_to(all_of_it, None)


def promised_hours(read: Gathered) -> tuple[GrantState, ...]:
    """What the case may draw in all: what is promised to it now and what it has drawn before."""
    amounts = _drawn(read.rows)
    released = {row.reservation_id for row in read.rows[ReservationRelease]}
    for row in read.rows[GrantReservation]:
        if row.id not in released:
            amounts[row.grant_id] = amounts.get(row.grant_id, NOTHING) + Amount(row.seconds, row.incidents)
    return grants_promised({each.grant.id: each for each in read.hours}, amounts)


def _by_case(rows: Facts, cases: Sequence[SupportCase]) -> dict[int, Facts]:
    found: dict[int, Facts] = {case.id: {model: [] for model in _PARTS} for case in cases}
    for model in _PARTS:
        for row in rows[model]:
            found[row.case_id][model].append(row)
    return found


def _of_sites(rows: Sequence[Any]) -> defaultdict[tuple[int, int], list[Any]]:
    found: defaultdict[tuple[int, int], list[Any]] = defaultdict(list)
    for row in rows:
        found[row.site_id, row.manufacturer_id].append(row)
    return found


# From when on each version holds, by the companies it is between: of a policy, the manufacturer and nobody.
_Begun = dict[tuple[int, int | None], list[tuple[datetime, int]]]


def _versions_begun(rows: Sequence[Any]) -> _Begun:
    begun: _Begun = defaultdict(list)
    for row in rows:
        begun[row.manufacturer_id, row.integrator_id].append((row.effective_from, row.version_id))
    return begun


def _documents(
    session: Session, case: SupportCase, read: tuple[Facts, _Begun], known: dict[tuple[int | None, ...], Terms]
) -> Terms:
    """The documents in force between the case's companies when it was opened."""
    setting, begun = read
    policy_id = _version(begun, case.manufacturer_id, None, case.opened_at)
    if policy_id is None:
        raise NotFound("The manufacturer has no policy in force at that time.")
    agreement_id = _version(begun, case.manufacturer_id, case.integrator_id, case.opened_at)
    key = (policy_id, agreement_id)
    if key not in known:
        hashes = {row.id: row.sha256 for row in setting[DocumentVersion]}
        agreement = agreement_known_as(session, agreement_id, hashes[agreement_id]) if agreement_id else None
        policy = policy_known_as(session, policy_id, hashes[policy_id])
        known[key] = Terms(policy_id, policy, agreement_id, agreement)
    return known[key]


def _version(begun: _Begun, maker_id: int, integrator_id: int | None, at: datetime) -> int | None:
    """The version that holds between two companies at an instant."""
    versions = [version for version in begun.get((maker_id, integrator_id), ()) if version[0] <= at]
    return max(versions)[1] if versions else None


def _parties(session: Session, read: Gathered, known: dict[tuple[int | None, ...], dict[str, int]]) -> dict[str, int]:
    case, documents = read.case, read.documents
    key = case.manufacturer_id, case.integrator_id, documents.agreement_version_id
    if key not in known:
        agreement = documents.agreement
        if read.operator_id is None or (agreement is not None and agreement.parties.further):
            known[key] = parties_of(session, case, agreement)
        else:
            known[key] = plain_parties(case, read.operator_id)
    return known[key]


def _custody(case: SupportCase, rows: Facts) -> tuple[Custody, ...]:
    accepted = sorted(rows[CustodyAcceptance], key=lambda row: row.seq)
    return tuple(Custody(row.from_at, side_named(case, row.company_id)) for row in accepted)


def _certified(rows: Facts) -> bool:
    """Whether whoever asked holds a certificate; only a technician can lack one."""
    return not rows[CoverageDecision] or not lacked_certificate(rows[CoverageDecision][0].facts)


def _accepted_rates(rows: Facts, yeses: Sequence[Authorization]) -> dict[RateKey, Fraction]:
    """The prices that the payer saw with its last yes: none of them is exceeded without another yes."""
    accepted: dict[RateKey, Fraction] = {}
    decisions = sorted(rows[CoverageDecision], key=lambda row: (row.decided_at, row.id))
    for yes in yeses:
        shown = [row for row in decisions if row.decided_at <= yes.authorized_at]
        if shown:
            accepted |= prices_shown(shown[-1].decision)
    return accepted


def _serves(session: Session, case: SupportCase, hours: SiteHours, *, certified: bool) -> bool:
    """Whether the terms a pack was sold under let it serve the case: who asked, and when it was opened."""
    terms = hours.terms
    if terms.get("certified_only") and not certified:
        return False
    return is_good_at(session, terms, hours.grant.policy_version_id, case.opened_at)


def _drawn(rows: Facts) -> dict[int, Amount]:
    found: dict[int, Amount] = {}
    for row in rows[GrantDraw]:
        found[row.grant_id] = found.get(row.grant_id, NOTHING) + Amount(row.seconds, row.incidents)
    return found
