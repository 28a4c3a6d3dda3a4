"""Remarks on documents that are right but could mislead: words nothing uses, rows that change nothing, missing care."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from portal.contracts.agreement import Agreement
from portal.contracts.checks import uncharged_remarks
from portal.contracts.policy import Policy
from portal.contracts.reading import Contradiction, Problem, problems_of
from portal.contracts.work_checks import TABLES

_WORDS = (("roles", "roles"), ("skills", "skills"), ("requests", "requested"), ("customer_classes", "customer_classes"))


def policy_remarks(policy: Policy, text: str | None = None) -> tuple[Problem, ...]:
    """What could be written better, in the order of the lines."""
    return problems_of(_of_policy(policy), text)


def agreement_remarks(agreement: Agreement, text: str | None = None) -> tuple[Problem, ...]:
    """What could be written better, in the order of the lines."""
    return problems_of(_of_agreement(agreement), text)


def _of_policy(policy: Policy) -> Iterator[Contradiction]:
    yield from uncharged_remarks(policy, policy.currency)
    yield from _unused_calendars(policy)
    for table, condition in _WORDS:
        used = {word for name in TABLES for row in getattr(policy, name) for word in getattr(row, condition)}
        for number, word in enumerate(getattr(policy, table)):
            if word.code not in used and not getattr(word, "lapsed_over_days", None):
                yield Contradiction((table, number), f'no row about work names "{word.code}"')
    for number, band in enumerate(policy.bands[:-1]):
        if not any(band.code in row.bands for name in TABLES for row in getattr(policy, name)):
            yield Contradiction(
                ("bands", number), f'no row prices "{band.code}" apart: it costs what all other time does'
            )
    for number, row in enumerate((*policy.surcharges,)):
        if not Fraction(row.percent):
            yield Contradiction(("surcharges", number, "percent"), "a surcharge of 0 percent changes nothing")
    yield from _unconditional_before_the_last(policy)
    for number, plan in enumerate(policy.plans):
        if not plan.complimentary and plan.summary is None:
            yield Contradiction(("plans", number), "a buyer reads the summary before accepting: this plan has none")


def _unused_calendars(policy: Policy) -> Iterator[Contradiction]:
    named = set(_texts(policy.model_dump(mode="json", exclude={"calendars": {"__all__": {"code"}}})))
    for number, block in enumerate(policy.calendars):
        if block.code not in named:
            yield Contradiction(("calendars", number), f'nothing uses the calendar "{block.code}"')


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, Iterable):
        for item in value:
            yield from _texts(item)


def _unconditional_before_the_last(policy: Policy) -> Iterator[Contradiction]:
    """A row of caps or fees without any condition is for all work, travel too; that is rarely meant."""
    for number, cap in enumerate(policy.caps):
        if cap.unconditional:
            yield Contradiction(("caps", number), "this cap holds for all work, travel too; name its modes to be plain")


def _of_agreement(agreement: Agreement) -> Iterator[Contradiction]:
    yield from uncharged_remarks(agreement, agreement.currency)
    if not agreement.resolution:
        yield Contradiction(("fallback",), "there is no resolution table: every resolution has to be agreed by hand")
    if agreement.challenge.neutral_name is None:
        yield Contradiction(("challenge",), "no neutral is named: a challenge goes from the managers to the fallback")
    for number, row in enumerate(agreement.intercompany):
        if row.hourly == 0:
            yield Contradiction(("intercompany", number), "a net price of 0 makes this help free for the integrator")
