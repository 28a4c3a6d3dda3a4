"""Where the tables about work contradict themselves: unknown words, rows that never apply, work without a price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING

from portal.contracts.blocks import Mode, TaskClass
from portal.contracts.checks import doubled, never_applying, unknown
from portal.contracts.conditions import CONDITIONS, WorkConditions, WorkKey
from portal.contracts.reading import Contradiction

if TYPE_CHECKING:
    from portal.contracts.policy import Policy

TABLES = (
    "rates",
    "roundings",
    "surcharges",
    "discounts",
    "minimums",
    "caps",
    "fees",
    "burns",
    "allowances",
)
# What tells rows of a first-match table apart beside their conditions.
_FIRST_MATCH = {
    "rates": (),
    "roundings": (),
    "surcharges": (),
    "discounts": (),
    "minimums": ("level", "is_money"),
    "burns": (),
}
# The words of rows and the tables that declare them.
WORDS = (("roles", "roles"), ("skills", "skills"), ("customer_classes", "customer_classes"), ("requested", "requests"))


def work_contradictions(policy: Policy) -> Iterator[Contradiction]:
    """Every contradiction of the tables about work."""
    for table in ("roles", "skills", "requests", "customer_classes", "packs", "allowances"):
        yield from doubled((table,), [each.code for each in getattr(policy, table)])
    for table in TABLES:
        yield from _unknown_words(policy, table, getattr(policy, table))
    for table, more in _FIRST_MATCH.items():
        yield from never_applying((table,), getattr(policy, table), (*CONDITIONS, *more))
    yield from _unpriced(policy)
    yield from _minimum_above_cap(policy)
    yield from _packs(policy)
    yield from _fees(policy)
    yield from _discounts(policy)


def _unknown_words(policy: Policy, table: str, rows: Sequence[WorkConditions]) -> Iterator[Contradiction]:
    bands, plans = [each.code for each in policy.bands], [each.code for each in policy.plans]
    for number, row in enumerate(rows):
        yield from unknown((table, number, "bands"), row.bands, bands, "bands")
        yield from unknown((table, number, "plans"), row.plans, plans, "plans")
        for key, words in WORDS:
            known = [each.code for each in getattr(policy, words)]
            yield from unknown((table, number, key), getattr(row, key), known, words)


def _unpriced(policy: Policy) -> Iterator[Contradiction]:
    """Ordinary work that no row prices: no row can name the empty product line, role, skill or request."""
    codes = [each.code for each in policy.bands], [each.code for each in policy.plans]
    for mode, band, task_class, plan in product(Mode, codes[0], TaskClass, codes[1]):
        work = WorkKey(mode.value, band, task_class.value, "", plan)
        if not any(row.fits(work) for row in policy.rates):
            what = f"{mode} work, band {band}, task class {task_class}, plan {plan}"
            yield Contradiction(("rates",), f"no row for all product lines prices {what}")


def _minimum_above_cap(policy: Policy) -> Iterator[Contradiction]:
    for number, least in enumerate(policy.minimums):
        for place, most in enumerate(policy.caps):
            if least.level != most.level or not _same_work(least, most) or most.up_to_minutes is not None:
                continue
            if least.minutes is not None and most.minutes is not None and least.minutes > most.minutes:
                yield Contradiction(("minimums", number, "minutes"), "the minimum is above a cap", ("caps", place))
            if least.amount is not None and most.amount is not None and Fraction(least.amount) > Fraction(most.amount):
                yield Contradiction(("minimums", number, "amount"), "the minimum is above a cap", ("caps", place))


def _same_work(one: WorkConditions, other: WorkConditions) -> bool:
    """Whether some work can meet the conditions of both rows."""
    pairs = ((getattr(one, name), getattr(other, name)) for name in CONDITIONS)
    return all(not first or not second or set(first) & set(second) for first, second in pairs)


def _packs(policy: Policy) -> Iterator[Contradiction]:
    calendars = {"always", *(each.code for each in policy.calendars)}
    for number, pack in enumerate(policy.packs):
        yield from unknown(("packs", number, "calendar"), [pack.calendar], calendars, "calendars")
        if pack.carry_over_top_up_minutes is not None and pack.valid_months is None:
            yield Contradiction(
                ("packs", number, "carry_over_top_up_minutes"), "a pack that never expires has nothing to carry over"
            )
    if policy.burns and not policy.packs:
        yield Contradiction(("burns",), "without packs there are no bought minutes to use", ("packs",))


def _fees(policy: Policy) -> Iterator[Contradiction]:
    for number, fee in enumerate(policy.fees):
        first, below = fee.distance_from, fee.distance_below
        if first is not None and below is not None and first >= below:
            yield Contradiction(
                ("fees", number, "distance_below"), "the zone ends before it begins", ("fees", number, "distance_from")
            )
        for earlier in range(number):
            other = policy.fees[earlier]
            if other.code == fee.code and other.per != fee.per:
                yield Contradiction(
                    ("fees", number, "per"), f'rows of "{fee.code}" are for one occasion', ("fees", earlier, "per")
                )


def _discounts(policy: Policy) -> Iterator[Contradiction]:
    for number, row in enumerate(policy.discounts):
        if Fraction(row.percent) > 100:
            yield Contradiction(("discounts", number, "percent"), "a discount is at most 100 percent")
