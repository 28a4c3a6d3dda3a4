"""Cases added up as they come: constant in the number of cases, growing only with parties, plans and customers."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from portal.whatif.rules.values import Compared, LineKey, Refused

# So many of the cases that change most, and of the refused ones, are named.
NAMED_AT_MOST = 20

Key = TypeVar("Key")


@dataclass
class Pair:
    """The same sum both ways, over ``cases`` cases."""

    cases: int = 0
    signed: int = 0
    draft: int = 0

    def add(self, signed: int, draft: int) -> None:
        """One more case."""
        self.cases += 1
        self.signed += signed
        self.draft += draft


@dataclass
class LinePair:
    """Seconds and amounts of one kind of line both ways."""

    signed_seconds: int = 0
    draft_seconds: int = 0
    signed: int = 0
    draft: int = 0


@dataclass
class Tally:
    """Everything a comparison says, while cases are still coming."""

    cases: int = 0
    changed: int = 0
    total: Pair = field(default_factory=Pair)
    use: Pair = field(default_factory=Pair)
    parties: dict[int | None, Pair] = field(default_factory=dict)
    plans: dict[str, Pair] = field(default_factory=dict)
    integrators: dict[int, Pair] = field(default_factory=dict)
    customers: dict[int, Pair] = field(default_factory=dict)
    payers: dict[int, Pair] = field(default_factory=dict)
    lines: dict[LineKey, LinePair] = field(default_factory=dict)
    most: list[tuple[int, int, Compared]] = field(default_factory=list)
    refused: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    refused_cases: list[Refused] = field(default_factory=list)
    rounded: Counter[int] = field(default_factory=Counter)


def count(tally: Tally, case: Compared) -> None:
    """Add one case. Its order among the others carries no meaning but among equal changes, where the earlier stays."""
    signed, draft = case.signed, case.draft
    tally.cases += 1
    tally.changed += case.change_minor != 0 or signed.shares != draft.shares
    tally.total.add(signed.amount_minor, draft.amount_minor)
    tally.use.add(signed.use_minor, draft.use_minor)
    tally.plans.setdefault(case.plan, Pair()).add(signed.amount_minor, draft.amount_minor)
    tally.integrators.setdefault(case.integrator_id, Pair()).add(signed.amount_minor, draft.amount_minor)
    paid = signed.by_payer.get(case.customer_id, 0), draft.by_payer.get(case.customer_id, 0)
    tally.customers.setdefault(case.customer_id, Pair()).add(*paid)
    for payer in signed.by_payer.keys() | draft.by_payer.keys():
        tally.payers.setdefault(payer, Pair()).add(signed.by_payer.get(payer, 0), draft.by_payer.get(payer, 0))
    for party in signed.shares.keys() | draft.shares.keys():
        tally.parties.setdefault(party, Pair()).add(signed.shares.get(party, 0), draft.shares.get(party, 0))
    tally.rounded.update(draft.rounded_to_nothing)
    _count_lines(tally, case)
    _keep_if_large(tally, case)


def refuse(tally: Tally, case: Refused) -> None:
    """Add one case that the draft cannot bill: it stands in neither sum."""
    tally.refused += 1
    tally.refusals[case.reason] += 1
    if len(tally.refused_cases) < NAMED_AT_MOST:
        tally.refused_cases.append(case)


def add(tally: Tally, later: Tally) -> None:
    """Add what was counted of the cases that come after those of ``tally``; the same as counting them one by one."""
    tally.cases += later.cases
    tally.changed += later.changed
    _add_pair(tally.total, later.total)
    _add_pair(tally.use, later.use)
    _add_pairs(tally.parties, later.parties)
    _add_pairs(tally.plans, later.plans)
    _add_pairs(tally.integrators, later.integrators)
    _add_pairs(tally.customers, later.customers)
    _add_pairs(tally.payers, later.payers)
    for line, pair in later.lines.items():
        known = tally.lines.setdefault(line, LinePair())
        known.signed_seconds += pair.signed_seconds
        known.draft_seconds += pair.draft_seconds
        known.signed += pair.signed
        known.draft += pair.draft
    for _, _, case in later.most:
        _keep_if_large(tally, case)
    tally.refused += later.refused
    tally.refusals.update(later.refusals)
    tally.refused_cases += later.refused_cases[: NAMED_AT_MOST - len(tally.refused_cases)]
    tally.rounded.update(later.rounded)


def _add_pair(pair: Pair, later: Pair) -> None:
    pair.cases += later.cases
    pair.signed += later.signed
    pair.draft += later.draft


def _add_pairs(pairs: dict[Key, Pair], later: Mapping[Key, Pair]) -> None:
    for key, pair in later.items():
        _add_pair(pairs.setdefault(key, Pair()), pair)


def _count_lines(tally: Tally, case: Compared) -> None:
    for key, figure in case.signed.lines.items():
        pair = tally.lines.setdefault(key, LinePair())
        pair.signed_seconds += figure.seconds
        pair.signed += figure.minor
    for key, figure in case.draft.lines.items():
        pair = tally.lines.setdefault(key, LinePair())
        pair.draft_seconds += figure.seconds
        pair.draft += figure.minor


def _keep_if_large(tally: Tally, case: Compared) -> None:
    if not case.change_minor:
        return
    # A case's id is unique, so two cases are never compared themselves.
    ranked = (abs(case.change_minor), -case.case_id, case)
    if len(tally.most) < NAMED_AT_MOST:
        heapq.heappush(tally.most, ranked)
    else:
        heapq.heappushpop(tally.most, ranked)
