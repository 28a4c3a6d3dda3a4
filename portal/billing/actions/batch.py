"""Bill many closed cases in a few statements: the same items as one by one, for imports and long work lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from portal.billing.actions.items import bill_case
from portal.billing.actions.money import item_legs
from portal.billing.actions.rows import case_columns, line_rows, made_item, segment_rows, share_rows, shares_for
from portal.billing.facts import CLOSING, BillingFacts
from portal.billing.gathering import facts_of
from portal.billing.models import BillingCut, BillItem
from portal.billing.plain import closing_cut, plain_cases
from portal.billing.rules import ACCRUAL_PAIRS, ItemPart, ShareAmount, authorization_left, parts_by_payer
from portal.billing.volumes import Known, with_volumes
from portal.cases.models import SupportCase
from portal.contracts.rules import gross_kinds
from portal.ledger.actions import lock_open_period
from portal.ledger.bulk import Entry, post_new
from portal.ledger.rules import Document
from portal.rating.engine import rate
from portal.rating.lines import Line, difference
from portal.rows import insert_rows, next_keys

# So many cases to a transaction: long enough to pay off, short enough that nobody waits for their rows.
BILLED_AT_ONCE = 250

_SETTLE = text(
    """
    UPDATE authorization_balance SET left_minor = settled.left_minor
    FROM unnest(CAST(:ids AS bigint[]), CAST(:minors AS bigint[])) AS settled (id, left_minor)
    WHERE authorization_id = settled.id AND authorization_balance.left_minor <> settled.left_minor
    """
)


@dataclass(frozen=True)
class _Rated:
    """A case rated, and what its one payer owes; ``cut`` None where its closing was not cut yet."""

    facts: BillingFacts
    cut: BillingCut | None
    part: ItemPart

    @property
    def manufacturer_id(self) -> int:
        """Whose ledger it is posted in."""
        return self.facts.case.manufacturer_id


@dataclass(frozen=True)
class _Made:
    """An item with all its rows, before they are stored."""

    rated: _Rated
    cut: BillingCut
    item: BillItem
    lines: Sequence[Line]
    line_ids: Mapping[int, int]
    shares: Sequence[Mapping[str, Any]]

    @property
    def amounts(self) -> list[ShareAmount]:
        """The shares as they are posted."""
        documents = self.rated.facts.documents
        gross = gross_kinds(documents.policy, documents.agreement)
        return [
            ShareAmount(row["id"], row["party_id"], row["funding"], row["amount_minor"], row["revenue_kind"] in gross)
            for row in self.shares
        ]


def bill_closed(session: Session, case_ids: Sequence[int], *, now: datetime, livemode: bool = False) -> int:
    """Bill these cases, the plain ones together and every other by itself; how many items were made.

    *Raises*: RuleBroken when a case cannot be billed by its documents.
    """
    done = bill_plain(session, case_ids, now=now, livemode=livemode)
    alone = [case_id for case_id in case_ids if case_id not in done]
    return len(done) + sum(bill_case(session, case_id, now=now, livemode=livemode) for case_id in alone)


def bill_plain(session: Session, case_ids: Sequence[int], *, now: datetime, livemode: bool = False) -> set[int]:
    """Bill the plain ones of these cases together, leaving out the others; the ids of those that were billed.

    *Raises*: RuleBroken when one of them cannot be billed by its documents.
    """
    parties: dict[tuple[int | None, ...], dict[str, int]] = {}
    together: list[_Rated] = []
    for read in plain_cases(session, case_ids, now=now):
        facts = facts_of(session, read, parties=parties)
        parts = parts_by_payer(rate(facts.facts, facts.work, facts.grants, facts.tariff))
        if len(parts) == 1:
            together.append(_Rated(facts, closing_cut(read), parts[0]))
    if together:
        _store(session, together, now=now, livemode=livemode)
    return {one.facts.case.id for one in together}


def _store(session: Session, together: Sequence[_Rated], *, now: datetime, livemode: bool) -> None:
    made = _numbered(session, together, now=now)
    insert_rows(session, {table: rows for table, rows in _rows_of(made, now).items() if rows})
    _settle_yeses(session, made)
    by_ledger: defaultdict[tuple[int, str], list[Entry]] = defaultdict(list)
    for one in made:
        document = Document("bill_item", str(one.item.id))
        for kind, legs in item_legs(one.item, one.amounts):
            ledger = by_ledger[one.item.manufacturer_id, one.item.currency]
            ledger.append(Entry(kind, document, legs, one.item.occurred_at))
    for (manufacturer_id, currency), entries in by_ledger.items():
        post_new(
            session,
            entries,
            manufacturer_id=manufacturer_id,
            currency=currency,
            allowed_pairs=ACCRUAL_PAIRS,
            now=now,
            livemode=livemode,
        )


def _numbered(session: Session, together: Sequence[_Rated], *, now: datetime) -> list[_Made]:
    """The items with the keys of every row that refers to another, all taken at once."""
    periods = {maker: lock_open_period(session, maker) for maker in sorted({one.manufacturer_id for one in together})}
    drafts, volumes = [], Known()
    for one in together:
        cut = one.cut or _new_cut(one.facts.case)
        item = made_item(one.facts, cut, one.part, None, period_id=periods[one.manufacturer_id], now=now)
        lines = difference(one.part.rated.lines, ())
        facts = with_volumes(session, one.facts, item.period_id, volumes)
        drafts.append((one, cut, item, lines, shares_for(facts, item, lines)))
    keys = next_keys(
        session,
        {
            "billing_cut": sum(one.cut is None for one in together),
            "bill_item": len(drafts),
            "bill_line": sum(len(lines) for *_, lines, _ in drafts),
            "share": sum(len(shares) for *_, shares in drafts),
        },
    )
    made = []
    for one, cut, item, lines, parts in drafts:
        if one.cut is None:
            cut.id = next(keys["billing_cut"])
        item.cut_id, item.id = cut.id, next(keys["bill_item"])
        line_ids = {position: next(keys["bill_line"]) for position, _ in enumerate(lines, start=1)}
        shares = share_rows(item, "original", parts, one.facts.parties, now=now, weights=one.facts.outcome.weights)
        made.append(_Made(one, cut, item, lines, line_ids, [{"id": next(keys["share"]), **row} for row in shares]))
    return made


def _new_cut(case: SupportCase) -> BillingCut:
    """The closing's cut, where the job that bills the case is the first to come."""
    return BillingCut(**case_columns(case), seq=1, kind=CLOSING, cut_at=case.closed_at)


def _rows_of(made: Sequence[_Made], now: datetime) -> dict[str, list[dict[str, Any]]]:
    """The rows to store, by table."""
    cuts = [column.key for column in inspect(BillingCut).columns]
    items = [column.key for column in inspect(BillItem).columns]
    return {
        "billing_cut": [{name: getattr(one.cut, name) for name in cuts} for one in made if one.rated.cut is None],
        "bill_item": [{name: getattr(one.item, name) for name in items} for one in made],
        "bill_line": [
            {"id": one.line_ids[row["position"]], **row} for one in made for row in line_rows(one.item, one.lines, None)
        ],
        "bill_segment": [row for one in made for row in segment_rows(one.item, one.lines, one.line_ids)],
        "share": [dict(row) for one in made for row in one.shares],
    }


def _settle_yeses(session: Session, made: Sequence[_Made]) -> None:
    """What the items leave of each case's yeses; a plain case has no other item."""
    left: dict[int, int] = {}
    for one in made:
        by_payer: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for yes in one.rated.facts.authorizations:
            by_payer[yes.payer_id].append((yes.id, yes.nte_minor))
        for payer_id, yeses in by_payer.items():
            billed = one.item.amount_minor if payer_id == one.item.payer_id else 0
            rest = authorization_left([nte for _, nte in yeses], billed)
            left |= {yes_id: minor for (yes_id, _), minor in zip(yeses, rest, strict=True)}
    if left:
        session.execute(_SETTLE, {"ids": list(left), "minors": list(left.values())})
