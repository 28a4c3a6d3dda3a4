"""One batch of billed cases under a draft: read together, rated one by one, both ways, and added up.

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
from portal.whatif.rules.tally import Tally, count, refuse
from portal.whatif.rules.values import Compared, Outcome, Refused


@dataclass
class Seen:
    """What the result says beside the sums: the currency, the signed documents by their versions, product lines."""

    currency: str = ""
    documents: set[tuple[int, int | None]] = field(default_factory=set)
    lines: set[str] = field(default_factory=set)

    def learn(self, other: Seen) -> None:
        """Take over what another process has seen."""
        self.currency = self.currency or other.currency
        self.documents |= other.documents
        self.lines |= other.lines


@dataclass
class Memory:
    """What a process remembers from one batch to the next, so that it is not asked for again."""

    seen: Seen = field(default_factory=Seen)
    drafts: dict[tuple[int, int | None], Terms] = field(default_factory=dict)
    parties: dict[tuple[int | None, ...], dict[str, int]] = field(default_factory=dict)
    volumes: Known = field(default_factory=Known)


def compared(engine: Engine, question: Question, ids: Sequence[int], memory: Memory) -> Tally:
    """The cases counted in order of their ids, in a transaction of their own that only reads."""
    tally = Tally()
    with transaction(engine) as session:
        cases = session.scalars(select(SupportCase).where(SupportCase.id.in_(ids)).order_by(SupportCase.id)).all()
        billed = billed_items(session, question, ids)
        signed = signed_outcomes(session, billed)
        for read in read_cases(session, cases):
            case = read.case
            try:
                draft = _draft(session, question, read, billed[case.id], memory)
            except RuleBroken as error:
                refuse(tally, Refused(case.id, case.name, error.sentence))
            else:
                about = (case.id, case.name, case.integrator_id, case.customer_id, _plan_of(read))
                count(tally, Compared(*about, signed[case.id], draft))
    return tally


def _draft(session: Session, question: Question, read: Gathered, rows: Sequence[Billed], memory: Memory) -> Outcome:
    terms, seen = _draft_of(question, read.documents, memory), memory.seen
    currency = terms.policy.currency
    seen.currency = seen.currency or rows[0].currency
    if {currency, *(row.currency for row in rows)} != {seen.currency}:
        raise RuleBroken(f"It was billed in {rows[0].currency} and the documents say {currency}.")
    seen.lines.add(read.product_line)
    facts = facts_of(session, replace(read, documents=terms), parties=memory.parties)
    answers = sorted(read.rows[Resolution], key=lambda row: row.seq)
    facts = as_drafted(facts, read.documents, answers[-1] if answers else None, read.product_line)
    volumes = volumes_by_period(session, facts, {row.period_id for row in rows}, memory.volumes)
    return draft_outcome(facts, rows, volumes)


def _draft_of(question: Question, signed: Terms, memory: Memory) -> Terms:
    """The draft's documents of a case; one value for all cases of the same documents, so that it is compiled once."""
    key = signed.policy_version_id, signed.agreement_version_id
    if key not in memory.drafts:
        memory.drafts[key] = question.terms(signed)
        memory.seen.documents.add(key)
    return memory.drafts[key]


def _plan_of(read: Gathered) -> str:
    """The plan that the site had chosen when the case was opened, by its code."""
    begun = [choice.plan_code for choice in read.choices if choice.from_at <= read.case.opened_at]
    return begun[-1] if begun else plan_named(read.documents.policy, None).code
