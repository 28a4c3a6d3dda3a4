"""What a payer is asked once a case has used what it may of hours left without asking: more of them, or money. Pure.

A yes opens what it names and nothing else; a no, or no answer, leaves the work with the manufacturer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal.contracts.terms import AuthorizationTerms, Means
from portal.entitlement.rules.decision import Reason
from portal.errors import Invalid

# Without a limit of its own to go by, a yes is asked for an hour.
ORDINARY_SECONDS = 3_600
_ASKED_FOR = {Means.HOURS: "more of the hours left", Means.MONEY: "money"}


@dataclass(frozen=True)
class Beyond:
    """What there is beyond a case's limit: hours that are left, and money its payer allowed and that is not used.

    ``money_asked`` is whether the payer has ever been asked for money on the case, ``hours_refused`` whether its last
    word about more hours was a no.
    """

    hours_seconds: int
    money_minor: int = 0
    money_asked: bool = False
    hours_refused: bool = False


def means_to_ask(order: Sequence[Means], beyond: Beyond) -> Means | None:
    """What the payer is asked for next by itself; None where it has said its word or nothing is left to ask for."""
    for means in order:
        if means is Means.HOURS and beyond.hours_seconds:
            return None if beyond.hours_refused else means
        if means is Means.MONEY and not beyond.money_asked:
            return means
        if means is Means.MONEY and beyond.money_minor:
            return None
    return None


def asked_anew(asked_minor: int, suggestion_minor: int, *, per_hour_before: int, per_hour_now: int) -> int:
    """What is asked for in place of ``asked_minor`` once an hour costs more: as much work, the suggestion at least.

    Nothing where only hours were asked for.
    """
    if not asked_minor:
        return 0
    same_work = -(-asked_minor * per_hour_now // per_hour_before) if per_hour_before else asked_minor
    return max(same_work, asked_minor, suggestion_minor)


def standing_pays(terms: AuthorizationTerms, *, included_seconds: int, beyond_seconds: int) -> bool:
    """Whether a standing yes to an amount may pay: not for work beyond the case's limit while hours are asked first.

    ``beyond_seconds`` are the hours left that the case may not use without asking.
    """
    if included_seconds or not beyond_seconds:
        return True
    return terms.standing_beyond_limit or terms.beyond_limit[0] is Means.MONEY


def suggested_seconds(beyond_seconds: int, limit_minutes: int | None) -> int:
    """For how much more of the hours left a payer is asked: as much as the plan gives a case, if that is left."""
    return min(beyond_seconds, (limit_minutes or 0) * 60 or ORDINARY_SECONDS)


def check_asked(order: Sequence[Means], beyond: Beyond, *, hours_seconds: int, nte_minor: int) -> None:
    """Refuse to ask for what the policy does not let a yes open, or not yet. *Raises*: Invalid at the field."""
    problem = _problem_of_hours(order, beyond, hours_seconds) if hours_seconds else ""
    if problem:
        raise Invalid(problem, {"minutes": problem})
    if nte_minor and Means.MONEY not in order and beyond.hours_seconds:
        sentence = "Hours are left, and the policy lets the payer be asked for those only."
        raise Invalid(sentence, {"nte": sentence})


def _problem_of_hours(order: Sequence[Means], beyond: Beyond, hours_seconds: int) -> str:
    if Means.HOURS not in order:
        return "Beyond its limit a case uses no more hours by this policy: ask for money."
    if hours_seconds > beyond.hours_seconds:
        return f"{beyond.hours_seconds // 60} minutes are left beyond what the case may use without asking."
    if order[0] is Means.MONEY and not beyond.money_asked:
        return "By this policy the payer is asked for money first."
    return ""


def beyond_reasons(order: Sequence[Means], beyond_seconds: int) -> tuple[Reason, ...]:
    """What becomes of work beyond the limit; nothing where no hours are left beyond it."""
    if not beyond_seconds:
        return ()
    asked = ", then for ".join(_ASKED_FOR[means] for means in order)
    sentence = f"{beyond_seconds // 60} minutes more are left; beyond its own the customer is asked for {asked}."
    return (Reason(code="beyond_limit", sentence=sentence),)
