"""What the work comes to: minutes, lines and amounts, with the sentences that explain them."""

from __future__ import annotations

from typing import Any

from portal.contracts.agreement import Agreement
from portal.contracts.policy import Policy
from portal.money import Money
from portal.quoting.case_input import CaseInput
from portal.quoting.facts import case_facts, work_of
from portal.rating.engine import rate
from portal.rating.explanation import explain
from portal.rating.lines import HOURS_BOUGHT, PAID_KINDS, Line, RatedCase
from portal.rating.policies import compile_tariff
from portal.rating.words import words

_COUNTED = PAID_KINDS | {HOURS_BOUGHT}


def rated(policy: Policy, agreement: Agreement | None, case: CaseInput) -> RatedCase:
    """The case rated by the engine that rates bills."""
    tariff = compile_tariff(policy, product_line=case.product_line, agreement=agreement)
    return rate(case_facts(policy, case), work_of(policy, case), (), tariff)


def bill(policy: Policy, agreement: Agreement | None, case: CaseInput) -> dict[str, Any]:
    """Amounts, minutes, lines and their explanation; ``billable_minutes`` are billed or drawn from hours bought."""
    result = rated(policy, agreement, case)
    counted = [line for line in result.lines if line.kind in _COUNTED]
    explanation = explain(result)
    return {
        "currency": policy.currency,
        "amount": _major(result.amount_minor, policy.currency),
        "list_amount": _major(result.list_amount_minor, policy.currency),
        "worked_minutes": minutes(result.worked_seconds),
        "billable_minutes": minutes(sum(line.seconds for line in counted)),
        "minutes_by_mode": _sums(counted, "mode"),
        "minutes_by_band": _sums(counted, "band"),
        "lines": [_line(line, policy.currency) for line in result.lines],
        "words": list(words(explanation)),
        "explanation": explanation,
    }


def minutes(seconds: int) -> int | str:
    """Whole minutes as a number, others as text with seconds: no figure is rounded."""
    whole, rest = divmod(seconds, 60)
    return f"{whole}:{rest:02}" if rest else whole


def _major(minor: int, currency: str) -> str:
    return str(Money(minor, currency)).split(" ", maxsplit=1)[0].replace(",", "")


def _sums(lines: list[Line], by: str) -> dict[str, int | str]:
    found: dict[str, int] = {}
    for line in lines:
        name = getattr(line.key, by)
        found[name] = found.get(name, 0) + line.seconds
    return {name: minutes(seconds) for name, seconds in found.items()}


def _line(line: Line, currency: str) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "payer": line.payer,
        "mode": line.key.mode,
        "task_class": line.key.task_class,
        "band": line.key.band,
        "minutes": minutes(line.seconds),
        "amount": _major(line.amount_minor, currency),
        "list_amount": _major(line.list_amount_minor, currency),
    }
