"""What follows a resolution: notices, silence that counts as a yes, the ladder of a challenge, reopening and closing.

Business days are those of the silent party. The ladder gives each stage its days in both companies' calendars, so that
neither loses days to the other's holidays. A closing never waits for a challenge of the split.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from portal.calendars import add_days
from portal.contracts.agreement import Agreement
from portal.contracts.blocks import Company
from portal.contracts.policy import Policy
from portal.contracts.promises import day_closes
from portal.contracts.rules import amount_minor, calendar_named, split_terms


class SilenceStep(StrEnum):
    """What to do about a resolution that nobody has answered."""

    WAIT = "wait"
    SECOND_NOTICE = "second_notice"
    DEEM = "deem"
    TO_MANAGER = "to_manager"


class LadderStage(StrEnum):
    """Where a challenge is."""

    MANAGERS = "managers"
    NEUTRAL = "neutral"
    FALLBACK = "fallback"


@dataclass(frozen=True)
class LadderStep:
    """One stage of a challenge: it ends by a decision or at ``until``; the fallback has no end, it decides."""

    stage: LadderStage
    from_at: datetime
    until: datetime | None


def needs_confirmation(*, has_integrator: bool) -> bool:
    """Whether another company must answer a resolution: without an integrator there is none."""
    return has_integrator


def _calendar_days(policy: Policy, agreement: Agreement | None, company: Company, at: datetime, days: int) -> datetime:
    terms = split_terms(policy, agreement).confirmation
    integrator = company == Company.INTEGRATOR
    code = terms.integrator_calendar if integrator else terms.manufacturer_calendar
    return add_days(calendar_named(agreement or policy, code), at, days)


def second_notice_at(policy: Policy, agreement: Agreement | None, silent: Company, resolved_at: datetime) -> datetime:
    """When the silent company gets its second notice."""
    days = split_terms(policy, agreement).confirmation.second_notice_days
    return _calendar_days(policy, agreement, silent, resolved_at, days)


def deemed_at(policy: Policy, agreement: Agreement | None, silent: Company, delivered_at: datetime) -> datetime:
    """When silence counts as a yes: the silent company's business days after its second notice was delivered."""
    days = split_terms(policy, agreement).confirmation.business_days
    return _calendar_days(policy, agreement, silent, delivered_at, days)


def silence_step(
    policy: Policy,
    agreement: Agreement | None,
    *,
    silent: Company,
    resolved_at: datetime,
    second_notice_delivered_at: datetime | None,
    amount: int,
    now: datetime,
) -> SilenceStep:
    """What is due for an unanswered resolution whose bill item is worth ``amount`` minor units.

    Without a delivered second notice silence never counts; above the signed amount it goes to the manager instead.
    """
    if second_notice_delivered_at is None:
        due_at = second_notice_at(policy, agreement, silent, resolved_at)
        return SilenceStep.SECOND_NOTICE if now >= due_at else SilenceStep.WAIT
    if now < deemed_at(policy, agreement, silent, second_notice_delivered_at):
        return SilenceStep.WAIT
    limit = split_terms(policy, agreement).confirmation.deemed_up_to
    above = amount > amount_minor(limit, policy.currency)
    return SilenceStep.TO_MANAGER if above else SilenceStep.DEEM


def may_undo_deemed(*, deemed: bool, hard_closed: bool) -> bool:
    """Whether the silent company can still answer after all: until the hard close of the period."""
    return deemed and not hard_closed


def ladder(policy: Policy, agreement: Agreement | None, raised_at: datetime) -> tuple[LadderStep, ...]:
    """The stages of a challenge with their dates, the fallback split last."""
    terms = split_terms(policy, agreement).challenge
    stages = [(LadderStage.MANAGERS, terms.manager_days)]
    if terms.neutral_name is not None:
        stages.append((LadderStage.NEUTRAL, terms.neutral_days))
    steps: list[LadderStep] = []
    reached = raised_at
    for stage, days in stages:
        until = max(_calendar_days(policy, agreement, company, reached, days) for company in Company)
        steps.append(LadderStep(stage, reached, until))
        reached = until
    return (*steps, LadderStep(LadderStage.FALLBACK, reached, None))


def ladder_stage(steps: tuple[LadderStep, ...], now: datetime) -> LadderStep:
    """The stage of an undecided challenge at ``now``."""
    return next(step for step in steps if step.until is None or now < step.until)


def reopen_until(policy: Policy, resolved_at: datetime) -> datetime:
    """The end of the window after the last resolution in which a return reopens the case."""
    terms = policy.lifecycle
    if terms.reopen_days is not None and terms.reopen_calendar is not None:
        return day_closes(calendar_named(policy, terms.reopen_calendar), resolved_at, terms.reopen_days)
    return resolved_at + timedelta(hours=terms.reopen_hours)


def closes_at(policy: Policy, resolved_at: datetime, customer_confirmed_at: datetime | None) -> datetime:
    """When the case closes: at the end of the reopen window, or at once when the customer's contact confirms."""
    end = reopen_until(policy, resolved_at)
    return end if customer_confirmed_at is None else min(end, customer_confirmed_at)


def return_path(policy: Policy, *, resolved_at: datetime, closed: bool, now: datetime) -> str:
    """What a return of the fault does: ``reopen`` before the closing, ``linked_case`` after it."""
    return "linked_case" if closed or now >= reopen_until(policy, resolved_at) else "reopen"
