"""The fees of a policy as rating takes them, and the allowances of every case: fees of nothing that include time.

What is due for returned equipment is no part of a case's bill.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from portal.contracts.conditions import WorkConditions, WorkKey
from portal.contracts.fees import Fee, Occasion
from portal.contracts.packs import Allowance, AllowancePer
from portal.contracts.policy import Policy
from portal.contracts.rules import amount_minor, rate_minor
from portal.rating.terms import FeeTerm

_FOR_EQUIPMENT = (Occasion.RETURN, Occasion.NOT_RETURNED)


def fee_terms(policy: Policy, product_line: str) -> tuple[FeeTerm, ...]:
    """The fees that work can bring, in the policy's order."""
    fees = (_term(policy, fee, product_line) for fee in policy.fees if fee.per not in _FOR_EQUIPMENT)
    given = (_given(row, product_line) for row in policy.allowances if row.per is AllowancePer.CASE)
    return (*given, *fees)


def _given(row: Allowance, product_line: str) -> FeeTerm:
    return FeeTerm(
        f"allowance {row.code}",
        row.label,
        Occasion.CASE.value,
        _fits(row, product_line),
        included_seconds=row.minutes * 60,
        included_modes=tuple(mode.value for mode in row.modes),
    )


def _term(policy: Policy, fee: Fee, product_line: str) -> FeeTerm:
    per_distance = rate_minor(fee.per_distance, policy.currency) if fee.per_distance is not None else None
    return FeeTerm(
        fee.code,
        fee.label,
        fee.per.value,
        _fits(fee, product_line),
        minor=amount_minor(fee.amount, policy.currency) if fee.amount is not None else 0,
        seconds=(fee.minutes or 0) * 60,
        mode=fee.mode.value if fee.mode else "",
        labour_part=Fraction(fee.percent_of_labour or 0) / 100,
        per_distance=per_distance,
        trips=2 if fee.round_trip else 1,
        free_distance=fee.free_distance,
        distance_from=fee.distance_from,
        distance_below=fee.distance_below,
        notice_below_hours=fee.notice_below_hours,
        included_seconds=fee.included_minutes * 60,
        included_modes=tuple(mode.value for mode in fee.included_modes),
        included_hours=fee.included_hours,
        by_incident=fee.by_incident,
        is_labour=fee.is_labour,
    )


def _fits(row: WorkConditions, product_line: str) -> Callable[[WorkKey], bool]:
    return lambda work: row.fits(work._replace(product_line=product_line))
