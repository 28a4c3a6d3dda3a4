"""Bill many closed cases in a few statements: the same items as one by one, for imports and long work lists."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from portal.billing.actions.items import bill_case
from portal.billing.actions.money import item_legs
from portal.billing.actions.rows import line_rows, made_item, segment_rows, share_rows, shares_for
from portal.billing.facts import BillingFacts
from portal.billing.models import BillingCut, BillItem
from portal.billing.plain import gather_plain, plain_cases
from portal.billing.rules import ACCRUAL_PAIRS, ItemPart, ShareAmount, authorization_left, parts_by_payer
from portal.db import copy_rows, next_ids
from portal.ledger.actions import lock_open_period
from portal.ledger.bulk import Entry, post_new
from portal.ledger.rules import Document
from portal.rating.engine import rate
from portal.rating.lines import Line, difference

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
class _Made:
    """An item with what it was made from, before it is stored."""

    facts: BillingFacts
    part: ItemPart
    item: BillItem

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of the item: a plain case has no earlier one to take off."""
        return difference(self.part.rated.lines, ())


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
    cases = plain_cases(session, case_ids)
    together: list[tuple[BillingFacts, BillingCut, ItemPart]] = []
    for facts, cut in gather_plain(session, cases):
        parts = parts_by_payer(rate(facts.facts, facts.work, facts.grants, facts.tariff))
        if len(parts) == 1:
            together.append((facts, cut, parts[0]))
    _store(session, together, now=now, livemode=livemode)
    return {facts.case.id for facts, _, _ in together}


def _store(
    session: Session,
    together: Sequence[tuple[BillingFacts, BillingCut, ItemPart]],
    *,
    now: datetime,
    livemode: bool,
) -> None:
    by_ledger: defaultdict[tuple[int, str], list[_Made]] = defaultdict(list)
    periods: dict[int, int] = {}
    for number, (facts, cut, part) in zip(next_ids(session, "bill_item", len(together)), together, strict=True):
        manufacturer_id = facts.case.manufacturer_id
        if manufacturer_id not in periods:
            periods[manufacturer_id] = lock_open_period(session, manufacturer_id)
        item = made_item(facts, cut, part, None, period_id=periods[manufacturer_id], now=now)
        item.id = number
        by_ledger[manufacturer_id, item.currency].append(_Made(facts, part, item))
    for (manufacturer_id, currency), made in by_ledger.items():
        entries = _store_items(session, made, now=now)
        _settle_yeses(session, made)
        post_new(
            session,
            entries,
            manufacturer_id=manufacturer_id,
            currency=currency,
            allowed_pairs=ACCRUAL_PAIRS,
            now=now,
            livemode=livemode,
        )


def _store_items(session: Session, made: Sequence[_Made], *, now: datetime) -> list[Entry]:
    """Store the items with their lines, segments and shares; what is to be posted for them."""
    columns = [column.key for column in inspect(BillItem).columns]
    _copy(session, "bill_item", [{name: getattr(one.item, name) for name in columns} for one in made])
    lines = [row for one in made for row in line_rows(one.item, one.lines, None)]
    line_ids: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for line_id, row in zip(next_ids(session, "bill_line", len(lines)), lines, strict=True):
        row["id"] = line_ids[row["bill_item_id"]][row["position"]] = line_id
    _copy(session, "bill_line", lines)
    segments = [row for one in made for row in segment_rows(one.item, one.lines, line_ids[one.item.id])]
    _copy(session, "bill_segment", segments)
    shares = [(one, row) for one in made for row in _shares(one, now)]
    amounts: defaultdict[int, list[ShareAmount]] = defaultdict(list)
    for share_id, (one, row) in zip(next_ids(session, "share", len(shares)), shares, strict=True):
        row["id"] = share_id
        amounts[one.item.id].append(ShareAmount(share_id, row["party_id"], row["funding"], row["amount_minor"]))
    _copy(session, "share", [row for _, row in shares])
    return [
        Entry(kind, Document("bill_item", str(one.item.id)), legs, one.item.occurred_at)
        for one in made
        for kind, legs in item_legs(one.item, amounts[one.item.id])
    ]


def _shares(one: _Made, now: datetime) -> list[dict[str, Any]]:
    parts = shares_for(one.facts, one.item, one.lines)
    return share_rows(one.item, "original", parts, one.facts.parties, now=now, weights=one.facts.outcome.weights)


def _settle_yeses(session: Session, made: Sequence[_Made]) -> None:
    """What the items leave of each case's yeses; a plain case has no other item."""
    left: dict[int, int] = {}
    for one in made:
        by_payer: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for yes in one.facts.authorizations:
            by_payer[yes.payer_id].append((yes.id, yes.nte_minor))
        for payer_id, yeses in by_payer.items():
            billed = one.item.amount_minor if payer_id == one.item.payer_id else 0
            rest = authorization_left([nte for _, nte in yeses], billed)
            left |= {yes_id: minor for (yes_id, _), minor in zip(yeses, rest, strict=True)}
    session.execute(_SETTLE, {"ids": list(left), "minors": list(left.values())})


def _copy(session: Session, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        columns = list(rows[0])
        copy_rows(session, table, columns, [[_cell(row[name]) for name in columns] for row in rows])


def _cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict) else value
