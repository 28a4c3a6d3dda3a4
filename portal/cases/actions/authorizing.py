"""The payer's yes and no as steps of a case: asked, answered, spoken, standing, at factory risk, ratified.

Entitlement keeps the rows; here the case is held, the event written, and who waits for the answer is told by job.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, may_do, may_work_cases
from portal.cases.actions.core import Held, hold, record
from portal.cases.actions.movement import terms_of
from portal.cases.models import SupportCase
from portal.contracts.policy import Policy
from portal.contracts.rules import plan_named
from portal.contracts.terms import Means
from portal.directory.models import System
from portal.entitlement import actions as entitlement
from portal.entitlement.actions import Coverage
from portal.entitlement.models import (
    Authorization,
    AuthorizationBalance,
    AuthorizationRefusal,
    AuthorizationRequest,
    Emergency,
    EmergencyRefusal,
)
from portal.entitlement.orders.actions import take_from_order
from portal.entitlement.queries import RequestState, amount_left, latest_coverage, request_state, requests_of
from portal.entitlement.rules import (
    Beyond,
    SpokenYes,
    asked_anew,
    check_asked,
    facts_from_json,
    means_to_ask,
    standing_pays,
    suggested_seconds,
)
from portal.errors import Conflict, NotAllowed, NotFound
from portal.jobs import enqueue
from portal.money import round_half_up

_BEYOND_LIMIT = "The case has used what it may of your hours without asking."


def ask_authorization(
    session: Session,
    actor: Actor,
    case: SupportCase,
    *,
    nte_minor: int,
    reason: str,
    now: datetime,
    hours_seconds: int = 0,
) -> AuthorizationRequest:
    """Ask the payer for a first yes, or for one beyond what was authorized: to money, to more of its hours left.

    *Raises*: NotFound, NotAllowed, Conflict where it is asked already or costs nothing, Invalid.
    """
    held = hold(session, actor, case.id, now=now)
    if not may_work_cases(actor):
        raise NotAllowed("The service people of the two companies ask for authorization.")
    if any(state.is_open for state in requests_of(session, case.id)):
        raise Conflict("The payer has been asked already and has not answered.")
    coverage = coverage_now(session, held)
    if not coverage.decision.can_cost:
        raise Conflict("This help costs the payer nothing.")
    order = coverage.terms.policy.authorization.beyond_limit
    check_asked(order, _beyond(session, held, coverage), hours_seconds=hours_seconds, nte_minor=nte_minor)
    words = reason.strip() or "Help may cost money."
    request = ask(session, held, coverage, reason=words, nte_minor=nte_minor, hours_seconds=hours_seconds)
    path = coverage.decision.emergency
    if path is not None:
        wait = timedelta(seconds=path.wait_seconds)
        enqueue(session, "begin_emergency", run_at=now + wait, request_id=request.id)
    return request


def authorize(
    session: Session, actor: Actor, request_id: int, *, nte_minor: int, now: datetime, hours_seconds: int = 0
) -> Authorization:
    """The payer says yes, signed in or by its mailed link; to work at factory risk it ratifies.

    *Raises*: NotFound, NotAllowed, Conflict when it is answered, RuleBroken after the days to ratify, Invalid.
    """
    held = _hold_request(session, actor, request_id, now)
    policy = terms_of(session, held).policy
    return answer_yes(session, held, request_id, nte_minor=nte_minor, hours_seconds=hours_seconds, policy=policy)


def authorize_spoken(
    session: Session,
    actor: Actor,
    request_id: int,
    spoken: SpokenYes,
    *,
    nte_minor: int,
    now: datetime,
    hours_seconds: int = 0,
) -> Authorization:
    """Write down the payer's yes on the telephone; it is mailed to the payer at once.

    *Raises*: NotFound, NotAllowed, Conflict, Invalid naming what a spoken yes needs.
    """
    held = _hold_request(session, actor, request_id, now)
    policy, state = terms_of(session, held).policy, request_state(session, request_id)
    amounts = {"nte_minor": nte_minor, "hours_seconds": hours_seconds}
    given = entitlement.spoken_authorization(session, actor, state, spoken, **amounts, policy=policy, now=now)
    _tell_yes(session, held, given, "authorized")
    return given


def refuse_authorization(
    session: Session, actor: Actor, request_id: int, *, reason: str, now: datetime
) -> AuthorizationRefusal | EmergencyRefusal:
    """The payer says no; to work at factory risk it refuses to ratify. *Raises*: NotFound, NotAllowed, Conflict."""
    held = _hold_request(session, actor, request_id, now)
    state = request_state(session, request_id)
    details = {"request_id": request_id, "reason": reason.strip()}
    if state.emergency is not None:
        refusal: AuthorizationRefusal | EmergencyRefusal = entitlement.refuse_ratification(
            session, actor, state, now=now
        )
        record(session, held, "ratification_refused", audience=state.request.audience, details=details)
        _rebill(session, held)
        return refusal
    refusal = entitlement.refuse(session, actor, state, reason=reason, now=now)
    record(session, held, "authorization_refused", audience=state.request.audience, details=details)
    return refusal


def begin_emergency(session: Session, request_id: int, *, now: datetime) -> Emergency | None:
    """The job after the policy's minutes: nobody answered, so severity 1 goes on at factory risk. Again is harmless."""
    held = _hold_request(session, None, request_id, now)
    state = request_state(session, request_id)
    if held.case.state in ("resolved", "closed") or state.withdrawal is not None:
        return None
    policy = terms_of(session, held).policy
    begun = entitlement.begin_emergency(session, state, severity=held.case.severity, policy=policy, now=now)
    if begun is not None:
        details = {"request_id": request_id, "ratify_by": begun.ratify_by.isoformat()}
        record(session, held, "emergency_begun", audience=begun.audience, details=details)
        # When the days to ratify are over the time is the factory's, and nothing waits for it any more.
        enqueue(session, "rebill", run_at=begun.ratify_by, case_id=held.case.id)
    return begun


def by_purchase_order(session: Session, request_id: int, *, now: datetime) -> Authorization | None:
    """The job before a payer is asked by mail: an order of its that has enough left says yes. Again is harmless."""
    held = _hold_request(session, None, request_id, now)
    if held.case.state == "closed":
        return None
    policy, state = terms_of(session, held).policy, request_state(session, request_id)
    given = take_from_order(session, held.case, state, policy=policy, now=now)
    if given is not None:
        _tell_yes(session, held, given, "authorized")
    return given


def by_standing(session: Session, held: Held, coverage: Coverage) -> Authorization | None:
    """Let the standing authorization say yes to a held case; None where it has no room, or hours are asked first."""
    decision = coverage.decision
    if not standing_pays(
        coverage.terms.policy.authorization,
        included_seconds=decision.included_seconds_left,
        beyond_seconds=decision.hours_beyond_seconds,
    ):
        return None
    given = entitlement.use_standing(session, held.case, coverage, now=held.now)
    if given is not None:
        _tell_yes(session, held, given, "authorized")
    return given


def use_standing(
    session: Session, case_id: int, *, now: datetime, worked_from: datetime | None = None
) -> Authorization | None:
    """The job when work has outgrown the hours left, or ``worked_from`` lay outside of what the plan covers.

    Takes the standing authorization by the cover at that moment. Again is harmless.
    """
    held = hold(session, None, case_id, now=now)
    return by_standing(session, held, coverage_now(session, replace(held, now=worked_from or now)))


def billable_begins(session: Session, case_id: int, *, now: datetime) -> Authorization | None:
    """The job when somebody starts to work: on a case that costs money now, though it was covered when it was opened,
    the standing authorization is taken before the work is done. Again is harmless.
    """
    held = hold(session, None, case_id, now=now)
    if held.case.state in ("resolved", "closed") or held.case.is_fyi or latest_coverage(session, case_id) is None:
        return None
    coverage = coverage_now(session, held)
    if not coverage.decision.can_cost or coverage.decision.free_seconds != 0 or _has_room(session, case_id):
        return None
    given = by_standing(session, held, coverage)
    _ask_beyond(session, held, coverage)
    return given


def ask_beyond_limit(session: Session, case_id: int, *, now: datetime) -> AuthorizationRequest | None:
    """The job when work has outgrown what the case may use of hours left without asking: its payer is asked.

    Not again while it has not answered, nor once it has said no. Again is harmless.
    """
    held = hold(session, None, case_id, now=now)
    if held.case.state in ("resolved", "closed") or held.case.is_fyi or latest_coverage(session, case_id) is None:
        return None
    return _ask_beyond(session, held, coverage_now(session, held))


def _ask_beyond(session: Session, held: Held, coverage: Coverage) -> AuthorizationRequest | None:
    """Ask for what the policy's order says next, where hours are left that the case may not use without asking."""
    decision, policy = coverage.decision, coverage.terms.policy
    if not decision.hours_beyond_seconds or decision.included_seconds_left or not decision.can_cost:
        return None
    if any(state.is_open for state in requests_of(session, held.case.id)):
        return None
    means = means_to_ask(policy.authorization.beyond_limit, _beyond(session, held, coverage))
    if means is None:
        return None
    if means is Means.MONEY:
        return ask(session, held, coverage, reason=_BEYOND_LIMIT, nte_minor=None)
    limit = plan_named(policy, coverage.cover.plan_code).standing_minutes_per_case
    seconds = suggested_seconds(decision.hours_beyond_seconds, limit)
    return ask(session, held, coverage, reason=_BEYOND_LIMIT, nte_minor=0, hours_seconds=seconds)


def _beyond(session: Session, held: Held, coverage: Coverage) -> Beyond:
    """What there is beyond the case's limit, and what its payer has been asked so far."""
    asked = [each for each in requests_of(session, held.case.id) if each.request.payer_id == held.case.customer_id]
    for_hours = [each for each in asked if each.request.hours_seconds]
    left = amount_left(session, held.case.id)
    return Beyond(
        hours_seconds=coverage.decision.hours_beyond_seconds,
        money_minor=sum(left.values()),
        money_asked=bool(left) or any(each.request.nte_minor for each in asked),
        # The newest stands first.
        hours_refused=bool(for_hours) and for_hours[0].refusal is not None,
    )


def ask(
    session: Session,
    held: Held,
    coverage: Coverage,
    *,
    reason: str,
    nte_minor: int | None,
    hours_seconds: int = 0,
) -> AuthorizationRequest:
    """Ask the payer on a held case; the mail goes out by job."""
    wanted = entitlement.ask_for(coverage.decision, reason=reason, nte_minor=nte_minor, hours_seconds=hours_seconds)
    request = entitlement.request_authorization(
        session,
        held.case,
        wanted,
        asked_by=held.actor.person_id if held.actor is not None else None,
        policy=coverage.terms.policy,
        now=held.now,
    )
    details = {"request_id": request.id, **_amounts(request)}
    record(session, held, "authorization_asked", audience=request.audience, details=details)
    enqueue(session, "notify_authorization_request", request_id=request.id)
    return request


def renew_request(
    session: Session, held: Held, state: RequestState, coverage: Coverage, *, reason: str
) -> AuthorizationRequest:
    """Withdraw an open request of a held case and ask anew at what an hour costs now, for as much work as before."""
    old, decision = state.request, coverage.decision
    nte_minor = asked_anew(
        old.nte_minor,
        decision.nte_suggestion_minor,
        per_hour_before=old.price_per_hour_minor,
        per_hour_now=round_half_up(decision.price_now.per_hour),
    )
    renewed = ask(session, held, coverage, reason=reason, nte_minor=nte_minor, hours_seconds=old.hours_seconds)
    asked_by = held.actor.person_id if held.actor is not None else None
    entitlement.withdraw_request(
        session, state, replaced_by=renewed, reason=reason, withdrawn_by=asked_by, now=held.now
    )
    details = {"request_id": old.id, "replaced_by_id": renewed.id, "reason": reason}
    record(session, held, "authorization_withdrawn", audience=old.audience, details=details)
    if decision.emergency is not None:
        wait = timedelta(seconds=decision.emergency.wait_seconds)
        enqueue(session, "begin_emergency", run_at=held.now + wait, request_id=renewed.id)
    return renewed


def answer_yes(
    session: Session, held: Held, request_id: int, *, nte_minor: int, policy: Policy, hours_seconds: int = 0
) -> Authorization:
    """The payer's yes on a held case."""
    actor, state = held.actor, request_state(session, request_id)
    if actor is None:
        raise NotAllowed("The payer's own people answer this.")
    amounts = {"nte_minor": nte_minor, "hours_seconds": hours_seconds}
    given = entitlement.authorize(session, actor, state, **amounts, policy=policy, now=held.now)
    _tell_yes(session, held, given, "ratified" if given.basis == "ratified" else "authorized")
    return given


def coverage_now(session: Session, held: Held) -> Coverage:
    """The decision for a case as its facts are now. *Raises*: Conflict for a case that has none yet."""
    kept = latest_coverage(session, held.case.id)
    if kept is None:
        raise Conflict("Coverage of this case is being decided. Try again in a minute.")
    system = session.get(System, held.case.system_id)
    if system is None:
        raise NotFound()
    return entitlement.decide_for_case(
        session,
        held.case,
        system,
        before=facts_from_json(kept.facts),
        severity=held.case.severity,
        now=held.now,
    )


def _has_room(session: Session, case_id: int) -> bool:
    """Whether anything is left of what was authorized."""
    left = select(AuthorizationBalance.authorization_id).where(
        AuthorizationBalance.case_id == case_id, AuthorizationBalance.left_minor > 0
    )
    return session.scalar(select(left.exists())) or False


def _hold_request(session: Session, actor: Actor | None, request_id: int, now: datetime) -> Held:
    case_id = session.scalar(select(AuthorizationRequest.case_id).where(AuthorizationRequest.id == request_id))
    if case_id is None:
        raise NotFound()
    held = hold(session, actor, case_id, now=now)
    if actor is not None and actor.act is not None and not _is_for(actor, request_id):
        raise NotFound()
    return held


def _is_for(actor: Actor, request_id: int) -> bool:
    return may_do(
        actor,
        entitlement.LINK_ACT,
        entitlement.LINK_OBJECT,
        str(request_id),
        version=entitlement.LINK_VERSION,
    )


def _tell_yes(session: Session, held: Held, given: Authorization, kind: str) -> None:
    details = {
        "authorization_id": given.id,
        **_amounts(given),
        "basis": given.basis,
        "name": given.person_name,
    }
    record(session, held, kind, audience=given.audience, details=details)
    _rebill(session, held)


def _amounts(row: AuthorizationRequest | Authorization) -> dict[str, Any]:
    """What was asked for or allowed, as the event keeps it: the money, the hours, or both."""
    money = {"nte_minor": row.nte_minor, "currency": row.currency} if row.nte_minor else {}
    return {**money, **({"hours_seconds": row.hours_seconds} if row.hours_seconds else {})}


def _rebill(session: Session, held: Held) -> None:
    """The payer's answer may have been what the bill item of a cut waited for."""
    if held.case.state == "closed":
        enqueue(session, "rebill", case_id=held.case.id)
