"""Bill many closed cases in a few statements: the same items as one by one, for imports and long work lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.billing.actions.items import bill_case
from portal.billing.actions.money import item_legs
from portal.billing.actions.rows import case_columns, item_columns, line_rows, segment_rows, share_rows, shares_for
from portal.billing.facts import CLOSING, BillingFacts
from portal.billing.gathering import facts_of
from portal.billing.models import BillingCut
from portal.billing.plain import closing_cut, plain_cases
from portal.billing.rules import ACCRUAL_PAIRS, ItemPart, ShareAmount, authorization_left, parts_by_payer
from portal.billing.volumes import Known, with_volumes
from portal.cases.models import SupportCase
from portal.entitlement.models import Authorization
from portal.ledger.bulk import Books, Entry, hold_books, journal_rows
from portal.ledger.rules import Document, Leg
from portal.rating.engine import rate
from portal.rating.lines import Line, difference
from portal.rows import Fact, insert_rows, next_keys

# So many cases to a transaction: long enough to pay off, short enough that nobody waits for their rows.
BILLED_AT_ONCE = 250
# A manufacturer and a currency.
Ledger = tuple[int, str]


@dataclass(frozen=True)
class _Rated:
    """A case rated, and what its one payer owes; ``cut`` None where its closing was not cut yet."""

    facts: BillingFacts
    cut: BillingCut | None
    part: ItemPart

    @property
    def ledger(self) -> Ledger:
        """Which ledger it is posted in."""
        return self.facts.case.manufacturer_id, self.facts.tariff.currency

    @property
    def parties(self) -> set[int]:
        """Everybody that its postings can name."""
        case = self.facts.case
        return {case.manufacturer_id, case.integrator_id, case.customer_id, *self.facts.parties.values()}


@dataclass
class _Made:
    """An item with all its rows, before they are stored."""

    rated: _Rated
    cut: BillingCut | Fact
    item: Fact
    lines: Sequence[Line]
    shares: Sequence[dict[str, Any]]
    line_ids: dict[int, int] = field(default_factory=dict)

    @property
    def legs(self) -> list[tuple[str, list[Leg]]]:
        """What is posted of it, by kind."""
        gross = self.rated.facts.documents.gross_kinds
        return item_legs(
            self.item,
            [
                ShareAmount(
                    row.get("id", 0), row["party_id"], row["funding"], row["amount_minor"], row["revenue_kind"] in gross
                )
                for row in self.shares
            ],
        )


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
    """Store the items with all that is posted of them by one statement, and settle the yeses that they use."""
    books = _books(session, together)
    volumes = Known()
    made = [_made(session, one, books[one.ledger], volumes, now=now) for one in together]
    keys = _numbered(session, made)
    rows = _rows_of(made)
    for ledger, held in books.items():
        entries = [
            Entry(kind, Document("bill_item", str(one.item.id)), legs, one.item.occurred_at)
            for one in made
            if one.rated.ledger == ledger
            for kind, legs in one.legs
        ]
        posted = journal_rows(session, held, entries, keys, allowed_pairs=ACCRUAL_PAIRS, now=now, livemode=livemode)
        for table, journal in posted.items():
            rows.setdefault(table, []).extend(journal)
    added = {table: of_table for table, of_table in rows.items() if of_table}
    left = [yes for one in made for yes in _left_of_yeses(one)]
    insert_rows(session, added, changed={"authorization_balance": left} if left else None)


def _books(session: Session, together: Sequence[_Rated]) -> dict[Ledger, Books]:
    """The ledgers that the items are posted in, held in one order whoever comes."""
    parties: defaultdict[Ledger, set[int]] = defaultdict(set)
    for one in together:
        parties[one.ledger] |= one.parties
    return {ledger: hold_books(session, *ledger, parties[ledger]) for ledger in sorted(parties)}


def _made(session: Session, one: _Rated, books: Books, volumes: Known, *, now: datetime) -> _Made:
    """The item of a case and its shares, without keys."""
    cut = one.cut or _new_cut(one.facts.case)
    lines = difference(one.part.rated.lines, ())
    columns = item_columns(one.facts, cut, one.part, lines, None, period_id=books.period_id, now=now)
    item = Fact(id=None, **columns)
    facts = with_volumes(session, one.facts, item.period_id, volumes)
    parts = shares_for(facts, item, lines)
    shares = share_rows(item, "original", parts, one.facts.parties, now=now, weights=one.facts.outcome.weights)
    return _Made(one, cut, item, lines, shares)


def _numbered(session: Session, made: Sequence[_Made]) -> Iterator[int]:
    """Give every row that another refers to its key, all taken at once; the keys for the journal are left."""
    keys = next_keys(
        session,
        {
            "billing_cut": sum(one.rated.cut is None for one in made),
            "bill_item": len(made),
            "bill_line": sum(len(one.lines) for one in made),
            "share": sum(len(one.shares) for one in made),
            "journal_transaction": sum(len(one.legs) for one in made),
        },
    )
    for one in made:
        if one.rated.cut is None:
            one.cut.id = next(keys["billing_cut"])
        one.item.cut_id, one.item.id = one.cut.id, next(keys["bill_item"])
        one.line_ids.update((position, next(keys["bill_line"])) for position, _ in enumerate(one.lines, start=1))
        for row in one.shares:
            row.update(id=next(keys["share"]), bill_item_id=one.item.id)
    return keys["journal_transaction"]


def _new_cut(case: SupportCase) -> Fact:
    """The closing's cut, where the job that bills the case is the first to come."""
    return Fact(id=None, **case_columns(case.id, case), seq=1, kind=CLOSING, cut_at=case.closed_at)


def _rows_of(made: Sequence[_Made]) -> dict[str, list[dict[str, Any]]]:
    """The rows to store, by table."""
    return {
        "billing_cut": [vars(one.cut) for one in made if one.rated.cut is None],
        "bill_item": [vars(one.item) for one in made],
        "bill_line": [
            {"id": one.line_ids[row["position"]], **row} for one in made for row in line_rows(one.item, one.lines, None)
        ],
        "bill_segment": [row for one in made for row in segment_rows(one.item, one.lines, one.line_ids)],
        "share": [row for one in made for row in one.shares],
    }


def _left_of_yeses(one: _Made) -> Iterator[dict[str, int]]:
    """What the item leaves of each of its case's yeses; a plain case has no other item."""
    by_payer: defaultdict[int, list[Authorization]] = defaultdict(list)
    for yes in one.rated.facts.authorizations:
        by_payer[yes.payer_id].append(yes)
    for payer_id, yeses in by_payer.items():
        billed = one.item.amount_minor if payer_id == one.item.payer_id else 0
        left = authorization_left([yes.nte_minor for yes in yeses], billed)
        for yes, minor in zip(yeses, left, strict=True):
            yield {"authorization_id": yes.id, "left_minor": minor}
