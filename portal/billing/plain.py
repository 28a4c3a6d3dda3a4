"""The facts of many plain cases at once, read in a few statements however many they are.

A case is plain when it is closed, its closing is its one cut and has no item, nothing holds it, and neither challenges,
coverage decisions nor hours bought bear on it. Every other case is read and billed by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import exists, select, text
from sqlalchemy.orm import Session

from portal.billing.facts import BillingFacts, cover_of, documents_of, rating_facts, seller_of, side_named, up_to
from portal.billing.models import BillingCut
from portal.billing.outcome import Outcome, settled_weights
from portal.billing.parties import parties_of
from portal.cases.models import CustodyAcceptance, Resolution, ResolutionAnswer, SupportCase
from portal.contracts.models import DocumentInForce, PlanChoice
from portal.directory.models import ProductLine, System
from portal.entitlement.models import Authorization
from portal.entitlement.queries import Terms
from portal.metering.models import TimeApproval, TimeEntry, TimeReversal
from portal.rating.facts import Custody

_PLAIN = text(
    """
    SELECT held.id
    FROM support_case held JOIN billing_cut cut ON cut.case_id = held.id AND cut.kind = 'closing'
    WHERE held.id = ANY (:case_ids) AND held.state = 'closed' AND cut.cut_at = held.closed_at
      AND (SELECT count(*) FROM billing_cut WHERE case_id = held.id) = 1
      AND NOT EXISTS (SELECT FROM bill_item WHERE case_id = held.id)
      AND NOT EXISTS (SELECT FROM running_timer WHERE case_id = held.id)
      AND NOT EXISTS (SELECT FROM emergency WHERE case_id = held.id)
      AND NOT EXISTS (SELECT FROM challenge WHERE case_id = held.id)
      AND NOT EXISTS (SELECT FROM coverage_decision WHERE case_id = held.id)
      AND NOT EXISTS (SELECT FROM grant_reservation WHERE case_id = held.id)
      AND NOT EXISTS (SELECT FROM grant_draw WHERE case_id = held.id)
      AND NOT EXISTS (SELECT FROM usage_grant
                      WHERE site_id = held.site_id AND manufacturer_id = held.manufacturer_id)
      AND NOT EXISTS (SELECT FROM time_entry entry
                      WHERE entry.case_id = held.id
                        AND NOT EXISTS (SELECT FROM time_approval WHERE entry_id = entry.id)
                        AND NOT EXISTS (SELECT FROM time_reversal WHERE entry_id = entry.id))
    """
)

Row = TypeVar("Row")


def plain_cases(session: Session, case_ids: Sequence[int]) -> list[SupportCase]:
    """Those of the cases that are plain, each held by this transaction, in order of their ids."""
    held = session.scalars(
        select(SupportCase)
        .where(SupportCase.id.in_(case_ids))
        .order_by(SupportCase.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    plain = set(session.scalars(_PLAIN, {"case_ids": [case.id for case in held]}))
    return [case for case in held if case.id in plain]


def gather_plain(session: Session, cases: Sequence[SupportCase]) -> list[tuple[BillingFacts, BillingCut]]:
    """The facts of plain cases with the cut that each is billed by."""
    ids = [case.id for case in cases]
    documents = _documents(session, cases)
    systems = _systems(session, cases)
    choices = _by(
        session.scalars(
            select(PlanChoice)
            .where(PlanChoice.site_id.in_({case.site_id for case in cases}))
            .order_by(PlanChoice.from_at)
        ),
        lambda row: (row.site_id, row.manufacturer_id),
    )
    custody = _by(
        session.scalars(
            select(CustodyAcceptance).where(CustodyAcceptance.case_id.in_(ids)).order_by(CustodyAcceptance.seq)
        ),
        lambda row: row.case_id,
    )
    yeses = _by(
        session.scalars(select(Authorization).where(Authorization.case_id.in_(ids)).order_by(Authorization.id)),
        lambda row: row.case_id,
    )
    entries = _by(_approved(session, ids), lambda row: row.case_id)
    cuts = {row.case_id: row for row in session.scalars(select(BillingCut).where(BillingCut.case_id.in_(ids)))}
    outcomes = _outcomes(session, ids, documents)
    parties: dict[tuple[int, int, int | None], dict[str, int]] = {}
    found = []
    for case in cases:
        terms, outcome, sold = documents[case.id], outcomes[case.id], choices[case.site_id, case.manufacturer_id]
        who = case.manufacturer_id, case.integrator_id, terms.agreement_version_id
        if who not in parties:
            parties[who] = parties_of(session, case, terms.agreement)
        facts, tariff = rating_facts(
            case,
            terms,
            systems[case.system_id],
            cover=cover_of(terms, sold, case),
            cause=outcome.cause,
            certified=True,
            custody=tuple(Custody(row.from_at, side_named(case, row.company_id)) for row in custody[case.id]),
            accepted_rates={},
        )
        all_of_it = BillingFacts(
            case=case,
            documents=terms,
            tariff=tariff,
            facts=facts,
            work=(),
            grants=(),
            drawn_seconds={},
            authorizations=tuple(yeses[case.id]),
            outcome=outcome,
            seller_id=seller_of(sold, case),
            parties=parties[who],
            entries=tuple(entries[case.id]),
        )
        found.append((up_to(all_of_it, cuts[case.id]), cuts[case.id]))
    return found


def _by(rows: Iterable[Row], key: Callable[[Row], object]) -> defaultdict[object, list[Row]]:
    found: defaultdict[object, list[Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def _approved(session: Session, ids: Sequence[int]) -> Sequence[TimeEntry]:
    return session.scalars(
        select(TimeEntry)
        .join(TimeApproval, TimeApproval.entry_id == TimeEntry.id)
        .where(TimeEntry.case_id.in_(ids), ~exists().where(TimeReversal.entry_id == TimeEntry.id))
        .order_by(TimeEntry.started_at, TimeEntry.id)
    ).all()


def _systems(session: Session, cases: Sequence[SupportCase]) -> dict[int, tuple[str, System]]:
    rows = session.execute(
        select(ProductLine.code, System)
        .join(System, System.product_line_id == ProductLine.id)
        .where(System.id.in_({case.system_id for case in cases}))
    )
    return {system.id: (code, system) for code, system in rows}


def _documents(session: Session, cases: Sequence[SupportCase]) -> dict[int, Terms]:
    """The documents of each case; read once for all cases that were opened between the same two versions."""
    starts = _by(
        session.execute(
            select(DocumentInForce.manufacturer_id, DocumentInForce.effective_from)
            .where(DocumentInForce.manufacturer_id.in_({case.manufacturer_id for case in cases}))
            .order_by(DocumentInForce.effective_from)
        ),
        lambda row: row.manufacturer_id,
    )
    known: dict[tuple[int, int, datetime | None], Terms] = {}
    found = {}
    for case in cases:
        begun = [row.effective_from for row in starts[case.manufacturer_id] if row.effective_from <= case.opened_at]
        key = case.manufacturer_id, case.integrator_id, begun[-1] if begun else None
        if key not in known:
            known[key] = documents_of(session, case)
        found[case.id] = known[key]
    return found


def _outcomes(session: Session, ids: Sequence[int], documents: dict[int, Terms]) -> dict[int, Outcome]:
    """The outcome of each case by its last resolution and its last answer; nobody has challenged any."""
    last = {
        row.case_id: row
        for row in session.scalars(select(Resolution).where(Resolution.case_id.in_(ids)).order_by(Resolution.seq))
    }
    answers = {
        row.resolution_id: row.basis
        for row in session.execute(
            select(ResolutionAnswer.resolution_id, ResolutionAnswer.basis)
            .where(ResolutionAnswer.case_id.in_(ids))
            .order_by(ResolutionAnswer.id)
        )
    }
    found = {}
    for case_id in ids:
        resolution, signed = last.get(case_id), documents[case_id]
        terms = signed.agreement or signed.policy.house_terms
        if resolution is None:
            found[case_id] = Outcome()
            continue
        weights = settled_weights(resolution, answers.get(resolution.id), terms.fallback)
        found[case_id] = Outcome(resolution.id, resolution.cause, None, weights, frozenset())
    return found
