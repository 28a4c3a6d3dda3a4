"""What the work comes to: minutes, lines and amounts, the sentences that explain them, and what is left of packs."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from portal.contracts.agreement import Agreement
from portal.contracts.holdings import Holding
from portal.contracts.policy import Policy
from portal.contracts.rules import amount_minor
from portal.money import Money, minor_digits, round_half_up
from portal.quoting.case_input import CaseInput
from portal.quoting.deadlines import places_of
from portal.quoting.facts import FIRST_HOLDING, INCLUDED_ID, case_facts, grants_of, holdings_of, work_of
from portal.rating.engine import rate
from portal.rating.explanation import explain
from portal.rating.lines import FEE, HOURS_BOUGHT, PAID_KINDS, Line, RatedCase
from portal.rating.policies import compile_tariff
from portal.rating.words import words

_COUNTED = PAID_KINDS | {HOURS_BOUGHT}


def rated(policy: Policy, agreement: Agreement | None, case: CaseInput, holdings: Iterable[Holding]) -> RatedCase:
    """The case rated by the engine that rates bills."""
    tariff = compile_tariff(policy, product_line=case.product_line, agreement=agreement, places=places_of(case))
    return rate(case_facts(policy, case), work_of(policy, case), grants_of(policy, case, holdings), tariff)


def bill(policy: Policy, agreement: Agreement | None, case: CaseInput) -> dict[str, Any]:
    """Amounts, minutes, lines and their explanation; ``billable_minutes`` are billed or drawn from hours bought."""
    holdings = holdings_of(policy, case)
    result = rated(policy, agreement, case, holdings)
    counted = [line for line in result.lines if line.kind in _COUNTED]
    work = [line for line in counted if line.key.rate_num and line.kind != FEE]
    explanation = explain(result)
    days = sum((Fraction(line.seconds, unit) for line, unit in _in_days(result, counted)), Fraction(0))
    return {
        "currency": policy.currency,
        "amount": major(result.amount_minor, policy.currency),
        "list_amount": major(result.list_amount_minor, policy.currency),
        **_taxed(policy, result.amount_minor),
        **_refund(policy, case, result.amount_minor),
        "worked_minutes": minutes(result.worked_seconds),
        "billable_minutes": minutes(sum(line.seconds for line in work)),
        **({"billable_days": decimal(days)} if days else {}),
        "minutes_by_mode": _sums(work, "mode"),
        "minutes_by_band": _sums(work, "band"),
        "fees": _fees(result),
        "lines": [_line(line, policy.currency) for line in result.lines],
        **_included(result),
        "balances": balances(policy, agreement, case, holdings, result),
        "words": list(words(explanation)),
        "explanation": explanation,
    }


def minutes(seconds: int) -> int | str:
    """Whole minutes as a number, others as text with seconds: no figure is rounded."""
    whole, rest = divmod(seconds, 60)
    return f"{whole}:{rest:02}" if rest else whole


def decimal(value: Fraction) -> int | str:
    """A whole number as such, another exactly or with at most four decimals."""
    if value.denominator == 1:
        return value.numerator
    return f"{float(round(value, 4)):.4f}".rstrip("0")


def major(minor: int, currency: str) -> str:
    """An amount in major units, as a document writes it."""
    digits = minor_digits(currency)
    return str(Money(minor, currency)).split(" ", maxsplit=1)[0].replace(",", "") if digits else str(minor)


def balances(
    policy: Policy, agreement: Agreement | None, case: CaseInput, holdings: tuple[Holding, ...], result: RatedCase
) -> list[dict[str, Any]]:
    """What is left of each pack after the case, and after those that follow it."""
    left = [(held.left_minutes * 60, held.left_incidents) for held in holdings]
    left = _after(left, result)
    for later in case.followed_by:
        now = tuple(
            Holding(held.pack, held.bought_on, seconds // 60, incidents)
            for held, (seconds, incidents) in zip(holdings, left, strict=True)
        )
        left = _after(left, rated(policy, agreement, later, now))
    return [_balance(held, seconds, incidents) for held, (seconds, incidents) in zip(holdings, left, strict=True)]


def _after(left: list[tuple[int, int]], result: RatedCase) -> list[tuple[int, int]]:
    after = list(left)
    for drawn in result.draws:
        place = drawn.grant_id - FIRST_HOLDING
        if place >= 0:
            seconds, incidents = after[place]
            after[place] = (seconds - drawn.seconds, incidents - drawn.incidents)
    return after


def _balance(held: Holding, seconds: int, incidents: int) -> dict[str, Any]:
    pack = held.pack
    if pack.incidents is not None:
        return {"pack": pack.code, "used_incidents": held.left_incidents - incidents, "left_incidents": incidents}
    threshold = pack.top_up_below_minutes
    return {
        "pack": pack.code,
        "used_minutes": minutes(held.left_minutes * 60 - seconds),
        "left_minutes": minutes(seconds),
        "top_up": threshold is not None and seconds < threshold * 60,
    }


def _included(result: RatedCase) -> dict[str, int | str]:
    """What is left of the plan's included minutes."""
    grant = next((each for each in result.basis.grants if each.grant_id == INCLUDED_ID), None)
    if grant is None:
        return {}
    drawn = sum(each.seconds for each in result.draws if each.grant_id == INCLUDED_ID)
    return {"included_left_minutes": minutes(grant.remaining_seconds - drawn)}


def _taxed(policy: Policy, minor: int) -> dict[str, str]:
    """Net, tax and gross, where the policy names its tax: once, on the rounded sum."""
    if policy.tax is None:
        return {}
    tax = round_half_up(Fraction(policy.tax.percent) / 100 * minor)
    amounts = (("net", minor), ("tax", tax), ("gross", minor + tax))
    return {name: major(value, policy.currency) for name, value in amounts}


def _refund(policy: Policy, case: CaseInput, minor: int) -> dict[str, str]:
    """What goes back of what was paid in advance."""
    if case.paid is None:
        return {}
    return {"refund": major(max(amount_minor(case.paid, policy.currency) - minor, 0), policy.currency)}


def _sums(lines: list[Line], by: str) -> dict[str, int | str]:
    found: dict[str, int] = {}
    for line in lines:
        name = getattr(line.key, by)
        found[name] = found.get(name, 0) + line.seconds
    return {name: minutes(seconds) for name, seconds in found.items() if seconds}


def _in_days(result: RatedCase, lines: list[Line]) -> list[tuple[Line, int]]:
    """The lines that are priced by the day, each with a day's seconds."""
    units = {
        (row.plan, row.mode, row.task_class, row.band, row.extras.detail): row.extras.unit_seconds
        for row in (piece.row for piece in result.basis.slices)
        if row.extras is not None and row.extras.unit_seconds > 3_600
    }
    found = []
    for line in lines:
        unit = units.get((*line.key[2:6], line.key.detail))
        if unit is not None:
            found.append((line, unit))
    return found


def _fees(result: RatedCase) -> dict[str, dict[str, Any]]:
    """How often each fee was charged; what each comes to stands on its line."""
    found: dict[str, dict[str, Any]] = {}
    for charge in result.basis.charges:
        if charge.supplier or not (charge.minor or charge.seconds or charge.part_num):
            continue
        known = found.setdefault(charge.code, {"count": 0})
        known["count"] += 1
    return found


def _line(line: Line, currency: str) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "payer": line.payer,
        "mode": line.key.mode,
        "task_class": line.key.task_class,
        "band": line.key.band,
        "detail": line.key.detail,
        "minutes": minutes(line.seconds),
        "amount": major(line.amount_minor, currency),
        "list_amount": major(line.list_amount_minor, currency),
    }
