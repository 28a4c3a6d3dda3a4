"""One batch of billed cases under a draft: read together, rated one by one, both ways beside each other.

Nothing is kept from one batch to the next but what is few however many cases there are: documents, plans, product
lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from portal.billing.gathering import Gathered, facts_of, read_cases
from portal.billing.volumes import Known, volumes_by_period
from portal.cases.models import Resolution, SupportCase
from portal.contracts.rules import plan_named
from portal.db import transaction
from portal.entitlement.queries import Terms
from portal.errors import RuleBroken
from portal.whatif.drafting import as_drafted, draft_outcome
from portal.whatif.question import Question
from portal.whatif.reading import Billed, billed_items, signed_outcomes
from portal.whatif.rules.values import Compared, Outcome, Refused


@dataclass
class Seen:
    """What is remembered beside the sums: documents, plans, product lines; few, however many cases there are."""

    currency: str = ""
    drafts: dict[tuple[int, int | None], tuple[Terms, Terms]] = field(default_factory=dict)
    lines: set[str] = field(default_factory=set)
    parties: dict[tuple[int | None, ...], dict[str, int]] = field(default_factory=dict)
    volumes: Known = field(default_factory=Known)

    def learn(self, other: Seen) -> None:
        """Take over what another batch has seen."""
        self.currency = self.currency or other.currency
        self.drafts = {**other.drafts, **self.drafts}
        self.lines |= other.lines


def compared(engine: Engine, question: Question, ids: Sequence[int], seen: Seen) -> list[Compared | Refused]:
    """The cases in order of their ids, in a transaction of their own that only reads."""
    with transaction(engine) as session:
        cases = session.scalars(select(SupportCase).where(SupportCase.id.in_(ids)).order_by(SupportCase.id)).all()
        billed = billed_items(session, question, ids)
        signed = signed_outcomes(session, billed)
        return [
            _compared(session, question, read, (billed[read.case.id], signed[read.case.id]), seen)
            for read in read_cases(session, cases)
        ]


def _compared(
    session: Session, question: Question, read: Gathered, billed: tuple[Sequence[Billed], Outcome], seen: Seen
) -> Compared | Refused:
    case, (rows, signed) = read.case, billed
    try:
        draft = _draft(session, question, read, rows, seen)
    except RuleBroken as error:
        return Refused(case.id, case.name, error.sentence)
    return Compared(case.id, case.name, case.integrator_id, case.customer_id, _plan_of(read), signed, draft)


def _draft(session: Session, question: Question, read: Gathered, rows: Sequence[Billed], seen: Seen) -> Outcome:
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


def _draft_of(question: Question, signed: Terms, seen: Seen) -> Terms:
    """The draft's documents of a case; one value for all cases of the same documents, so that it is compiled once."""
    key = signed.policy_version_id, signed.agreement_version_id
    if key not in seen.drafts:
        seen.drafts[key] = (signed, question.terms(signed))
    return seen.drafts[key][1]


def _plan_of(read: Gathered) -> str:
    """The plan that the site had chosen when the case was opened, by its code."""
    begun = [choice.plan_code for choice in read.choices if choice.from_at <= read.case.opened_at]
    return begun[-1] if begun else plan_named(read.documents.policy, None).code
