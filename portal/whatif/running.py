"""A draft over a past period: every billed case in batches, each in a transaction of its own that only reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from portal.billing.facts import tariff_of
from portal.billing.gathering import Gathered, facts_of, read_cases
from portal.billing.models import PlanSale
from portal.billing.volumes import Known, volumes_by_period
from portal.cases.models import Resolution, SupportCase
from portal.contracts.agreement import agreement_against_policy
from portal.contracts.policy import Policy
from portal.contracts.rules import amount_minor, plan_named
from portal.db import transaction
from portal.entitlement.queries import Terms
from portal.errors import RuleBroken
from portal.whatif.drafting import as_drafted, draft_outcome
from portal.whatif.question import Question
from portal.whatif.reading import Billed, billed_items, case_ids, number_of_cases, signed_outcomes
from portal.whatif.rules.probing import inversions
from portal.whatif.rules.result import result_of
from portal.whatif.rules.tally import Pair, Tally, count, refuse
from portal.whatif.rules.values import Compared, Outcome, Refused

CASES_AT_ONCE = 500

Progress = Callable[[int, int], None]


@dataclass
class _Seen:
    """What is remembered beside the sums: documents, plans, product lines; few, however many cases there are."""

    currency: str = ""
    drafts: dict[tuple[int, int | None], tuple[Terms, Terms]] = field(default_factory=dict)
    lines: set[str] = field(default_factory=set)
    parties: dict[tuple[int | None, ...], dict[str, int]] = field(default_factory=dict)
    volumes: Known = field(default_factory=Known)


def compare(engine: Engine, question: Question, *, progress: Progress = lambda done, total: None) -> dict[str, Any]:
    """The result over all cases, as ``result_of`` says it; ``progress`` is told after each batch.

    *Raises*: RuleBroken when nothing was billed in the period.
    """
    tally, seen, after, done = Tally(), _Seen(), 0, 0
    with transaction(engine) as session:
        total = number_of_cases(session, question)
    if not total:
        raise RuleBroken("Nothing was billed in this period: choose another.")
    while True:
        with transaction(engine) as session:
            ids = case_ids(session, question, after=after, most=CASES_AT_ONCE)
            if not ids:
                break
            _count_batch(session, question, ids, tally, seen)
        after, done = ids[-1], done + len(ids)
        progress(done, max(total, done))
    with transaction(engine) as session:
        months = _plan_months(session, question)
    notes, inverted = _notes(seen), _inversions(question, seen)
    return {**result_of(tally, currency=seen.currency, notes=notes, inversions=inverted), "months": months}


def _count_batch(session: Session, question: Question, ids: Sequence[int], tally: Tally, seen: _Seen) -> None:
    cases = session.scalars(select(SupportCase).where(SupportCase.id.in_(ids)).order_by(SupportCase.id)).all()
    billed = billed_items(session, question, ids)
    signed = signed_outcomes(session, billed)
    for read in read_cases(session, cases):
        rows = billed[read.case.id]
        try:
            draft = _draft(session, question, read, rows, seen)
        except RuleBroken as error:
            refuse(tally, Refused(read.case.id, read.case.name, error.sentence))
        else:
            count(tally, _compared(read, signed[read.case.id], draft))


def _compared(read: Gathered, signed: Outcome, draft: Outcome) -> Compared:
    case = read.case
    return Compared(case.id, case.name, case.integrator_id, case.customer_id, _plan_of(read), signed, draft)


def _draft(session: Session, question: Question, read: Gathered, rows: Sequence[Billed], seen: _Seen) -> Outcome:
    terms = _draft_of(question, read.documents, seen)
    currency = terms.policy.currency
    seen.currency = seen.currency or rows[0].currency
    if {currency, *(row.currency for row in rows)} != {seen.currency}:
        raise RuleBroken(f"It was billed in {rows[0].currency} and the documents say {currency}.")
    seen.lines.add(read.product_line)
    facts = facts_of(session, replace(read, documents=terms), parties=seen.parties)
    answers = sorted(read.rows[Resolution], key=lambda row: row.seq)
    facts = as_drafted(facts, read.documents, answers[-1] if answers else None, read.product_line)
    volumes = volumes_by_period(session, facts, {row.period_id for row in rows}, seen.volumes)
    return draft_outcome(facts, rows, volumes)


def _draft_of(question: Question, signed: Terms, seen: _Seen) -> Terms:
    """The draft's documents of a case; one value for all cases of the same documents, so that it is compiled once."""
    key = signed.policy_version_id, signed.agreement_version_id
    if key not in seen.drafts:
        seen.drafts[key] = (signed, question.terms(signed))
    return seen.drafts[key][1]


def _plan_of(read: Gathered) -> str:
    """The plan that the site had chosen when the case was opened, by its code."""
    begun = [choice.plan_code for choice in read.choices if choice.from_at <= read.case.opened_at]
    return begun[-1] if begun else plan_named(read.documents.policy, None).code


def _notes(seen: _Seen) -> Iterator[str]:
    """What of the documents themselves the reader has to know."""
    said: set[str] = set()
    for signed, draft in seen.drafts.values():
        if draft.agreement is not None:
            for problem in agreement_against_policy(draft.agreement, draft.policy):
                said.add(f"{draft.agreement.title} does not fit the policy: {problem.key}: {problem.message}")
        said.update(_plan_notes(signed.policy, draft.policy))
    yield from sorted(said)


def _plan_notes(signed: Policy, draft: Policy) -> Iterator[str]:
    kept = {plan.code: plan for plan in draft.plans}
    for plan in signed.plans:
        other = kept.get(plan.code)
        if other is None:
            yield f"The draft has no plan {plan.code}: its cases are rated as the complimentary plan's."
        elif other.included_minutes_per_month != plan.included_minutes_per_month:
            yield (
                f"{plan.name} would include {other.included_minutes_per_month} instead of"
                f" {plan.included_minutes_per_month} min a month; hours are drawn here as they were."
            )


def _inversions(question: Question, seen: _Seen) -> Iterator[str]:
    """Each sentence once, whatever product lines share the prices."""
    said: dict[str, None] = {}
    for _, draft in seen.drafts.values():
        for line in _told_apart(draft.policy, seen.lines):
            said.update(dict.fromkeys(inversions(tariff_of(draft, line), question.from_at)))
    yield from said


def _told_apart(policy: Policy, lines: Iterable[str]) -> list[str]:
    """The product lines that any row of the policy names, and one for all others: these have the same prices."""
    tables = (getattr(policy, name) for name in type(policy).model_fields)
    rows = (row for table in tables if isinstance(table, tuple) for row in table)
    named = {line for row in rows for line in getattr(row, "product_lines", ())}
    ordered = sorted(lines)
    return [line for line in ordered if line in named] + [line for line in ordered if line not in named][:1]


def _plan_months(session: Session, question: Question) -> list[dict[str, Any]]:
    """The months of plans that were sold in the period, at their price then and in the draft."""
    statement = select(PlanSale.plan_code, PlanSale.amount_minor, PlanSale.currency).where(
        PlanSale.manufacturer_id == question.manufacturer_id,
        PlanSale.starts_at >= question.from_at,
        PlanSale.starts_at < question.until_at,
    )
    if question.integrator_id is not None:
        statement = statement.where(PlanSale.integrator_id == question.integrator_id)
    found: dict[str, Pair] = {}
    for row in session.execute(statement):
        found.setdefault(row.plan_code, Pair()).add(row.amount_minor, _price(question.policy, row))
    return [
        {"plan": code, "months": pair.cases, "signed": pair.signed, "draft": pair.draft}
        for code, pair in sorted(found.items())
    ]


def _price(policy: Policy | None, sold: Any) -> int:
    if policy is None:
        return int(sold.amount_minor)
    plan = next((plan for plan in policy.plans if plan.code == sold.plan_code), None)
    return 0 if plan is None else amount_minor(plan.price_per_month, policy.currency)
