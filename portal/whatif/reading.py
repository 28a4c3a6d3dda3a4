"""What bill items say of cases, and what each case was billed by: read for many cases at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from portal.billing.models import BillingCut, BillItem, BillLine, Share
from portal.billing.queries import stands
from portal.billing.splitting import UsedPack
from portal.whatif.discounts import used_packs
from portal.whatif.question import Question
from portal.whatif.rules.values import Figure, LineKey, Outcome


@dataclass(frozen=True)
class Billed:
    """An item of a case that stands, with the cut it bills.

    ``is_asked`` is whether it lies in the period; ``decided_later`` whether the resolvers' part was divided after the
    rest, which rounds by itself; ``packs`` what it earned of packs by the draft's word on discounts.
    """

    item_id: int
    period_id: int
    cut: BillingCut
    payer_id: int
    amount_minor: int
    use_minor: int
    currency: str
    is_asked: bool
    decided_later: bool
    packs: tuple[UsedPack, ...] = ()


def case_ids(session: Session, question: Question, *, after: int, most: int) -> list[int]:
    """The next cases with an item in the period, by id."""
    statement = select(BillItem.case_id).where(*_asked(question), BillItem.case_id > after)
    return list(session.scalars(statement.distinct().order_by(BillItem.case_id).limit(most)))


def number_of_cases(session: Session, question: Question) -> int:
    """How many cases there are to go through."""
    return int(session.scalar(select(func.count(BillItem.case_id.distinct())).where(*_asked(question))) or 0)


def billed_items(session: Session, question: Question, ids: Sequence[int]) -> dict[int, list[Billed]]:
    """The items of each case that stand, in order of their cuts; those before the period too, which billed the rest."""
    # Not the whole items: their explanations are long and nothing here reads them.
    columns = (BillItem.id, BillItem.payer_id, BillItem.amount_minor, BillItem.use_minor, BillItem.currency)
    rows = session.execute(
        select(*columns, BillItem.occurred_at, BillItem.period_id, BillingCut)
        .join(BillingCut, BillingCut.id == BillItem.cut_id)
        .where(BillItem.case_id.in_(ids), stands(), BillItem.occurred_at < question.until_at)
        .order_by(BillingCut.case_id, BillingCut.seq)
    ).all()
    later = _decided_later(session, [row.id for row in rows])
    packs = used_packs(session, question, [row.id for row in rows])
    found: dict[int, list[Billed]] = defaultdict(list)
    for item_id, payer_id, amount_minor, use_minor, currency, occurred_at, period_id, cut in rows:
        is_asked = occurred_at >= question.from_at
        billed = Billed(
            item_id, period_id, cut, payer_id, amount_minor, use_minor, currency, is_asked, item_id in later
        )
        found[cut.case_id].append(replace(billed, packs=tuple(packs.get(item_id, ()))))
    return found


def signed_outcomes(session: Session, billed: dict[int, list[Billed]]) -> dict[int, Outcome]:
    """What the items in the period say of each case."""
    asked = {row.item_id: case_id for case_id, rows in billed.items() for row in rows if row.is_asked}
    lines: dict[int, dict[LineKey, Figure]] = defaultdict(dict)
    for row in session.execute(_lines(list(asked))):
        key = LineKey(row.kind, row.mode, row.task_class, row.band)
        lines[row.case_id][key] = Figure(int(row.seconds), int(row.minor))
    shares: dict[int, dict[int | None, int]] = defaultdict(dict)
    for row in session.execute(_shares(list(asked))):
        # What was taken back and stands in for it cancels out.
        if row.minor:
            shares[row.case_id][row.party_id] = int(row.minor)
    return {
        case_id: Outcome(_by_payer(rows), lines[case_id], shares[case_id], sum(r.use_minor for r in rows if r.is_asked))
        for case_id, rows in billed.items()
    }


def _asked(question: Question) -> tuple[ColumnElement[bool], ...]:
    of_partnership = () if question.integrator_id is None else (BillItem.integrator_id == question.integrator_id,)
    return (
        BillItem.manufacturer_id == question.manufacturer_id,
        BillItem.occurred_at >= question.from_at,
        BillItem.occurred_at < question.until_at,
        stands(),
        *of_partnership,
    )


def _by_payer(rows: Sequence[Billed]) -> dict[int, int]:
    found: dict[int, int] = {}
    for row in rows:
        if row.is_asked:
            found[row.payer_id] = found.get(row.payer_id, 0) + row.amount_minor
    return found


def _lines(item_ids: Sequence[int]) -> Any:
    key = (BillLine.case_id, BillLine.kind, BillLine.mode, BillLine.task_class, BillLine.band)
    sums = func.sum(BillLine.seconds).label("seconds"), func.sum(BillLine.amount_minor).label("minor")
    return select(*key, *sums).where(BillLine.bill_item_id.in_(item_ids)).group_by(*key)


def _shares(item_ids: Sequence[int]) -> Any:
    key = (Share.case_id, Share.party_id)
    total = func.sum(Share.amount_minor).label("minor")
    return select(*key, total).where(Share.bill_item_id.in_(item_ids)).group_by(*key)


def _decided_later(session: Session, item_ids: Sequence[int]) -> set[int]:
    """Items whose undecided part alone was divided later; where all shares were replaced, they were divided at once."""
    undecided = func.bool_or(and_(Share.kind == "original", Share.party_id.is_(None)))
    replaced = func.bool_or(and_(Share.kind == "reversal", Share.party_id.is_not(None)))
    decided = func.bool_or(or_(Share.kind == "decided"))
    rows = session.scalars(
        select(Share.bill_item_id)
        .where(Share.bill_item_id.in_(item_ids))
        .group_by(Share.bill_item_id)
        .having(and_(undecided, decided, ~replaced))
    )
    return set(rows)
