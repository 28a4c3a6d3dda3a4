"""A draft over a past period: every billed case, in batches that this process or several compare, added up in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from portal.billing.facts import tariff_of
from portal.billing.models import PlanSale
from portal.contracts.agreement import agreement_against_policy
from portal.contracts.policy import Policy
from portal.contracts.rules import amount_minor
from portal.db import transaction
from portal.entitlement.queries import Terms, terms_of_versions
from portal.errors import RuleBroken
from portal.whatif.batching import Memory, compared
from portal.whatif.discounts import discounted
from portal.whatif.question import Question
from portal.whatif.reading import case_ids, number_of_cases
from portal.whatif.remaining import not_recomputed
from portal.whatif.rules.probing import inversions
from portal.whatif.rules.result import result_of
from portal.whatif.rules.tally import Pair, Tally, add
from portal.whatif.spreading import compared_apart

CASES_AT_ONCE = 500
# Processes of their own begin by importing what they need, a second or two.
SPREAD_FROM = 10_000

Progress = Callable[[int, int], None]


def compare(
    engine: Engine,
    question: Question,
    *,
    progress: Progress = lambda done, total: None,
    spread_from: int = SPREAD_FROM,
    at_once: int = CASES_AT_ONCE,
) -> dict[str, Any]:
    """The result over all cases, as ``result_of`` says it; ``progress`` is told after each batch.

    From ``spread_from`` cases on several processes share the batches of ``at_once``.

    *Raises*: RuleBroken when nothing was billed in the period.
    """
    tally, memory = Tally(), Memory()
    with transaction(engine) as session:
        total = number_of_cases(session, question)
    if not total:
        raise RuleBroken("Nothing was billed in this period: choose another.")
    batches = _batches(engine, question, at_once)
    for batch in _compared(engine, question, batches, memory, spread=total >= spread_from):
        add(tally, batch)
        done = tally.cases + tally.refused
        progress(done, max(total, done))
    seen = memory.seen
    with transaction(engine) as session:
        months = _plan_months(session, question)
        lowered = discounted(session, question)
        others = not_recomputed(session, question, seen.currency, tally.total.signed, lowered)
        signed = terms_of_versions(session, seen.documents)
    inverted = _inversions(question, signed, seen.lines)
    found = result_of(tally, currency=seen.currency, notes=_notes(question, signed), inversions=inverted)
    return {**found, "months": months, "discounts": lowered.rows, "not_recomputed": others}


def _compared(
    engine: Engine, question: Question, batches: Iterator[list[int]], memory: Memory, *, spread: bool
) -> Iterator[Tally]:
    if spread:
        # The first batch says the currency that all others are held to.
        for ids in islice(batches, 1):
            yield compared(engine, question, ids, memory)
        yield from compared_apart(engine, question, batches, memory.seen)
        return
    for ids in batches:
        yield compared(engine, question, ids, memory)


def _batches(engine: Engine, question: Question, at_once: int) -> Iterator[list[int]]:
    after = 0
    while True:
        with transaction(engine) as session:
            ids = case_ids(session, question, after=after, most=at_once)
        if not ids:
            return
        yield ids
        after = ids[-1]


def _notes(question: Question, documents: Iterable[Terms]) -> Iterator[str]:
    """What of the documents themselves the reader has to know."""
    said: set[str] = set()
    for signed in documents:
        draft = question.terms(signed)
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


def _inversions(question: Question, documents: Iterable[Terms], lines: Iterable[str]) -> Iterator[str]:
    """Each sentence once, whatever product lines share the prices."""
    said: dict[str, None] = {}
    # What is probed is what customers pay, and that no agreement changes: each policy once.
    drafts = {id(draft.policy): draft for draft in map(question.terms, documents)}
    for draft in drafts.values():
        for line in _told_apart(draft.policy, lines):
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
        PlanSale.kind == "month",
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
