"""The payer's yes: how much of it there is, what a valid one needs, what happens when nobody can be asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from portal.calendars import add_days
from portal.contracts.policy import Policy
from portal.contracts.rules import amount_minor, calendar_named
from portal.entitlement.rules.decision import EmergencyPath
from portal.errors import Invalid, RuleBroken
from portal.money import Money, plain_amount

# Spoken consent is written down while it is fresh; later it is a claim about the past.
LONGEST_SPOKEN_AGE = timedelta(hours=24)


@dataclass(frozen=True)
class AuthorizationFact:
    """A yes: up to how much, from when, and until when it can be used for work; None is without end."""

    nte_minor: int
    authorized_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True)
class SpokenYes:
    """A yes on the telephone: who, from which number, when, and that the amount was read back."""

    name: str
    number: str
    said_at: datetime | None
    read_back: bool


class EmergencyStep(StrEnum):
    """What to do about a yes that is missing."""

    AUTHORIZED = "authorized"
    ASK = "ask"
    WAIT = "wait"
    FACTORY_RISK = "factory_risk"
    STOP = "stop"


def authorized_minor(authorizations: Iterable[AuthorizationFact], now: datetime) -> int:
    """The sum of the not-to-exceed amounts that can be used at ``now``."""
    return sum(
        each.nte_minor
        for each in authorizations
        if each.authorized_at <= now and (each.expires_at is None or now < each.expires_at)
    )


def expires_at(policy: Policy, authorized_at: datetime) -> datetime:
    """When an authorization given now can no longer be used for new work."""
    return authorized_at + timedelta(days=policy.authorization.valid_days)


def check_nte(policy: Policy, nte_minor: int) -> None:
    """Refuse a not-to-exceed amount below the policy's least. *Raises*: Invalid."""
    least = amount_minor(policy.authorization.least_nte, policy.currency)
    if nte_minor < max(least, 1):
        sentence = f"Authorize at least {plain_amount(Money(max(least, 1), policy.currency))} {policy.currency}."
        raise Invalid(sentence, {"nte": sentence})


def check_spoken_yes(spoken: SpokenYes, now: datetime) -> None:
    """Refuse a spoken yes that could not be proved later. *Raises*: Invalid with a sentence for each field."""
    problems: dict[str, str] = {}
    if not spoken.name.strip():
        problems["name"] = "Say who said yes."
    if sum(character.isdigit() for character in spoken.number) < 5:
        problems["number"] = "Give the telephone number the person was reached at."
    if spoken.said_at is None:
        problems["said_at"] = "Say when."
    elif spoken.said_at > now:
        problems["said_at"] = "This time has not come yet."
    elif now - spoken.said_at > LONGEST_SPOKEN_AGE:
        problems["said_at"] = "A spoken yes is recorded within 24 hours."
    if not spoken.read_back:
        problems["read_back"] = "Read the amount and the price back to the person first."
    if problems:
        raise Invalid("A spoken yes needs name, number, time and read-back.", problems)


def emergency_path(policy: Policy, severity: int) -> EmergencyPath | None:
    """What may happen when nobody can be asked; None below the emergency severities."""
    terms = policy.emergency
    if severity not in terms.severities:
        return None
    return EmergencyPath(
        system_down=terms.system_down,
        wait_seconds=terms.wait_minutes * 60,
        at_factory_risk=terms.at_factory_risk,
        ratification_days=terms.ratification_days,
    )


def emergency_step(
    policy: Policy, *, severity: int, authorized: bool, refused: bool, asked_at: datetime | None, now: datetime
) -> EmergencyStep:
    """What to do next about work that would cost money.

    Below the emergency severities work waits for the yes; an emergency waits only as long as the policy says and then
    goes on at factory risk. A no stops billable work, never the case.
    """
    if authorized:
        return EmergencyStep.AUTHORIZED
    if refused:
        return EmergencyStep.STOP
    if asked_at is None:
        return EmergencyStep.ASK
    terms = policy.emergency
    waited = now - asked_at >= timedelta(minutes=terms.wait_minutes)
    if severity in terms.severities and terms.at_factory_risk and waited:
        return EmergencyStep.FACTORY_RISK
    return EmergencyStep.WAIT


def may_go_on(policy: Policy, *, severity: int, used_minor: int, authorized: int) -> bool:
    """Whether work may go on at this use: reaching the not-to-exceed amount never stops an emergency."""
    return used_minor < authorized or severity in policy.emergency.severities


def ratify_by(policy: Policy, began_at: datetime) -> datetime:
    """Until when a person may ratify work that went on at factory risk."""
    calendar = calendar_named(policy, policy.emergency.calendar)
    return add_days(calendar, began_at, policy.emergency.ratification_days)


def check_ratification(due_at: datetime, now: datetime) -> None:
    """Refuse to ratify after the window. *Raises*: RuleBroken."""
    if now >= due_at:
        raise RuleBroken("The days to ratify this work are over; it stays at factory risk.")
