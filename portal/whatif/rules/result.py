"""The finished comparison as plain values that JSON can carry, with its warnings in words.

Organisations stand as ids: whoever shows the result names those its reader may know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from portal.whatif.rules.tally import LinePair, Pair, Tally
from portal.whatif.rules.values import LineKey

# What a result was made by: an older one is shown as it was stored.
RESULT_VERSION = 2
DOUBLED, FROM_NOTHING, ROUNDED, REFUSED, DOCUMENTS, INVERTED = (
    "doubled",
    "from_nothing",
    "rounded_to_nothing",
    "refused",
    "documents",
    "inverted",
)


Key = TypeVar("Key")


def result_of(
    tally: Tally, *, currency: str, notes: Iterable[str] = (), inversions: Iterable[str] = ()
) -> dict[str, Any]:
    """Everything the tally says, largest changes first.

    *Shape*: ``parties``, ``plans``, ``customers``, ``payers`` and ``integrators`` list sums both ways; ``lines`` the
    kinds of line and ``cases`` the cases that change most; ``warnings`` are sentences, each with its kind and, where
    it is about one organisation, that organisation's id.
    """
    return {
        "version": RESULT_VERSION,
        "currency": currency,
        "compared": tally.cases,
        "changed": tally.changed,
        "refused": tally.refused,
        "total": _pair(tally.total),
        "use": _pair(tally.use),
        "parties": [{"id": party, **_pair(pair)} for party, pair in _largest(tally.parties)],
        "plans": [{"plan": plan, **_pair(pair)} for plan, pair in _largest(tally.plans)],
        "customers": [{"id": customer, **_pair(pair)} for customer, pair in _largest(tally.customers)],
        "payers": [{"id": payer, **_pair(pair)} for payer, pair in _largest(tally.payers)],
        "integrators": [{"id": company, **_pair(pair)} for company, pair in _largest(tally.integrators)],
        "lines": [_line(key, pair) for key, pair in _largest_lines(tally.lines)],
        "cases": [
            {
                "id": case.case_id,
                "name": case.name,
                "signed": case.signed.amount_minor,
                "draft": case.draft.amount_minor,
            }
            for _, _, case in sorted(tally.most, reverse=True)
        ],
        "refused_cases": [{"name": case.name, "reason": case.reason} for case in tally.refused_cases],
        "warnings": [*_warnings(tally), *_said(INVERTED, inversions), *_said(DOCUMENTS, notes)],
    }


def _pair(pair: Pair) -> dict[str, int]:
    return {"cases": pair.cases, "signed": pair.signed, "draft": pair.draft}


def _line(key: LineKey, pair: LinePair) -> dict[str, Any]:
    return {
        **key._asdict(),
        "signed_seconds": pair.signed_seconds,
        "draft_seconds": pair.draft_seconds,
        "signed": pair.signed,
        "draft": pair.draft,
    }


def _largest(pairs: Mapping[Key, Pair]) -> list[tuple[Key, Pair]]:
    return sorted(pairs.items(), key=lambda row: (-abs(row[1].draft - row[1].signed), -row[1].signed, str(row[0])))


def _largest_lines(lines: Mapping[LineKey, LinePair]) -> list[tuple[LineKey, LinePair]]:
    return sorted(lines.items(), key=lambda row: (-abs(row[1].draft - row[1].signed), -row[1].signed, row[0]))


def _warnings(tally: Tally) -> Iterable[dict[str, Any]]:
    for customer, pair in _largest(tally.customers):
        if pair.signed > 0 and pair.draft > 2 * pair.signed:
            yield {"kind": DOUBLED, "id": customer, "sentence": "pays more than twice as much."}
        elif pair.signed == 0 and pair.draft > 0:
            yield {"kind": FROM_NOTHING, "id": customer, "sentence": "paid nothing and would pay."}
    for party, cases in tally.rounded.most_common():
        often = "In one case its share rounds" if cases == 1 else f"In {cases:,} cases its share rounds"
        yield {"kind": ROUNDED, "id": party, "sentence": f"{often} to nothing."}
    for reason, cases in tally.refusals.most_common():
        yield {"kind": REFUSED, "id": None, "sentence": f"{_cases(cases)} left out: {reason}"}


def _cases(number: int) -> str:
    return "One case is" if number == 1 else f"{number:,} cases are"


def _said(kind: str, sentences: Iterable[str]) -> list[dict[str, Any]]:
    return [{"kind": kind, "id": None, "sentence": sentence} for sentence in sentences]
