"""The payer's answers: asked for a yes up to an amount, it says yes or no; an emergency goes on meanwhile.

The caller holds the case's lock, so an answer is given once; the database's unique keys say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.access import Actor, may_authorize_spending, may_do, may_work_cases
from portal.contracts.blocks import Payer
from portal.contracts.policy import Policy
from portal.entitlement.actions.coverage import audience_of
from portal.entitlement.models import (
    Authorization,
    AuthorizationBalance,
    AuthorizationRefusal,
    AuthorizationRequest,
    Emergency,
    EmergencyRefusal,
)
from portal.entitlement.queries import CaseParts, RequestState, payer_id
from portal.entitlement.rules import (
    CoverageDecision,
    EmergencyStep,
    SpokenYes,
    check_nte,
    check_ratification,
    check_spoken_yes,
    emergency_step,
    ratify_by,
)
from portal.entitlement.withdrawals.models import AuthorizationWithdrawal
from portal.errors import Conflict, Invalid, NotAllowed
from portal.money import round_half_up

# What a mailed link must allow for its holder to answer a request.
LINK_ACT = "authorize"
LINK_OBJECT = "authorization_request"
LINK_VERSION = 1


@dataclass(frozen=True)
class Ask:
    """What a payer is asked to say yes to: money up to an amount, more of its hours left, or both."""

    payer: Payer
    currency: str
    nte_minor: int
    price_per_hour_minor: int
    least_cost_minor: int
    reason: str
    is_emergency: bool = False
    answer_by: datetime | None = None
    hours_seconds: int = 0


@dataclass(frozen=True)
class Yes:
    """How a yes was given: up to how much money, to how much of the hours left, on which basis, in whose name."""

    nte_minor: int
    basis: str
    person_id: int | None
    person_name: str
    said_at: datetime
    covers_from: datetime
    spoken: dict[str, Any] | None = None
    standing_id: int | None = None
    hours_seconds: int = 0


def ask_for(decision: CoverageDecision, *, reason: str, nte_minor: int | None = None, hours_seconds: int = 0) -> Ask:
    """What to ask the payer of a decision; the policy's suggestion where no amount is named."""
    return Ask(
        payer=decision.payer,
        currency=decision.currency,
        nte_minor=decision.nte_suggestion_minor if nte_minor is None else nte_minor,
        price_per_hour_minor=round_half_up(decision.price_now.per_hour),
        least_cost_minor=decision.least_minor,
        reason=reason,
        is_emergency=decision.emergency is not None,
        hours_seconds=hours_seconds,
    )


def request_authorization(
    session: Session, case: CaseParts, ask: Ask, *, asked_by: int | None, policy: Policy, now: datetime
) -> AuthorizationRequest:
    """Ask the payer. *Raises*: Invalid for an amount below the policy's least."""
    request = new_request(case, ask, asked_by=asked_by, policy=policy, now=now)
    session.add(request)
    session.flush()
    return request


def new_request(
    case: CaseParts, ask: Ask, *, asked_by: int | None, policy: Policy, now: datetime
) -> AuthorizationRequest:
    """The row that asks the payer. *Raises*: Invalid for an amount below the policy's least."""
    _check_amounts(policy, ask.nte_minor, ask.hours_seconds)
    return AuthorizationRequest(
        **_parties(case),
        audience=audience_of(ask.payer),
        payer_id=payer_id(case, ask.payer),
        currency=ask.currency,
        nte_minor=ask.nte_minor,
        hours_seconds=ask.hours_seconds,
        price_per_hour_minor=ask.price_per_hour_minor,
        least_cost_minor=ask.least_cost_minor,
        reason=ask.reason,
        is_emergency=ask.is_emergency,
        asked_by=asked_by,
        asked_at=now,
        answer_by=ask.answer_by,
    )


def authorize(
    session: Session,
    actor: Actor,
    state: RequestState,
    *,
    nte_minor: int,
    policy: Policy,
    now: datetime,
    hours_seconds: int = 0,
) -> Authorization:
    """The payer says yes, signed in or by its mailed link; to work already begun at factory risk, it ratifies.

    *Raises*: NotAllowed for anybody else; Conflict when it is answered; RuleBroken after the days to ratify.
    """
    _check_payer(actor, state.request)
    _check_open(state)
    _check_answer(policy, state.request, nte_minor, hours_seconds)
    began = state.emergency
    if began is not None:
        check_ratification(began.ratify_by, now)
    basis = "ratified" if began is not None else "link" if actor.act is not None else "account"
    yes = Yes(
        nte_minor=nte_minor,
        basis=basis,
        # A link's holder may have no account; the name is what the link was mailed to.
        person_id=actor.person_id or None,
        person_name=actor.display_name,
        said_at=now,
        covers_from=began.began_at if began is not None else now,
        hours_seconds=hours_seconds,
    )
    return give_yes(session, state.request, yes, now, emergency=began)


def spoken_authorization(
    session: Session,
    actor: Actor,
    state: RequestState,
    spoken: SpokenYes,
    *,
    nte_minor: int,
    policy: Policy,
    now: datetime,
    hours_seconds: int = 0,
) -> Authorization:
    """Record the payer's yes on the telephone: name, number, time, read-back.

    *Raises*: NotAllowed, Conflict, Invalid.
    """
    if not may_work_cases(actor):
        raise NotAllowed("A spoken yes is recorded by the service people of the two companies.")
    _check_open(state)
    check_spoken_yes(spoken, now)
    _check_answer(policy, state.request, nte_minor, hours_seconds)
    said_at = spoken.said_at or now
    kept = {"name": spoken.name.strip(), "number": spoken.number.strip(), "recorded_by": actor.person_id}
    kept |= {"said_at": said_at.isoformat(), "read_back": spoken.read_back}
    began = state.emergency
    if began is not None:
        check_ratification(began.ratify_by, now)
    yes = Yes(
        nte_minor=nte_minor,
        basis="spoken",
        person_id=None,
        person_name=spoken.name.strip(),
        said_at=said_at,
        covers_from=min(said_at, began.began_at) if began is not None else said_at,
        spoken=kept,
        hours_seconds=hours_seconds,
    )
    return give_yes(session, state.request, yes, now, emergency=began)


def refuse(session: Session, actor: Actor, state: RequestState, *, reason: str, now: datetime) -> AuthorizationRefusal:
    """The payer says no. *Raises*: NotAllowed, Conflict."""
    _check_payer(actor, state.request)
    _check_open(state)
    refusal = AuthorizationRefusal(
        **_parties_of(state.request),
        audience=state.request.audience,
        request_id=state.request.id,
        reason=reason.strip(),
        person_id=actor.person_id or None,
        refused_at=now,
    )
    session.add(refusal)
    session.flush()
    return refusal


def withdraw_request(
    session: Session,
    state: RequestState,
    *,
    replaced_by: AuthorizationRequest,
    reason: str,
    withdrawn_by: int | None,
    now: datetime,
) -> AuthorizationWithdrawal:
    """Take back a request that nobody has answered, since another is asked in its place. *Raises*: Conflict."""
    _check_open(state)
    if state.emergency is not None:
        raise Conflict("Work at factory risk waits for its ratification.")
    gone = AuthorizationWithdrawal(
        **_parties_of(state.request),
        audience=state.request.audience,
        request_id=state.request.id,
        replaced_by_id=replaced_by.id,
        reason=reason,
        withdrawn_by=withdrawn_by,
        withdrawn_at=now,
    )
    session.add(gone)
    session.flush()
    return gone


def begin_emergency(
    session: Session, state: RequestState, *, severity: int, policy: Policy, now: datetime
) -> Emergency | None:
    """Nobody answered in the policy's minutes: severity 1 goes on at factory risk; None before, or without need."""
    answered = state.authorization is not None
    step = emergency_step(
        policy,
        severity=severity,
        authorized=answered,
        refused=state.refusal is not None,
        asked_at=state.request.asked_at,
        now=now,
    )
    if step is not EmergencyStep.FACTORY_RISK or state.emergency is not None:
        return None
    emergency = Emergency(
        **_parties_of(state.request),
        audience=state.request.audience,
        request_id=state.request.id,
        payer_id=state.request.payer_id,
        began_at=now,
        ratify_by=ratify_by(policy, now),
    )
    session.add(emergency)
    session.flush()
    return emergency


def refuse_ratification(session: Session, actor: Actor, state: RequestState, *, now: datetime) -> EmergencyRefusal:
    """The payer will not pay for what was done at factory risk. *Raises*: NotAllowed, Conflict."""
    _check_payer(actor, state.request)
    _check_open(state)
    if state.emergency is None:
        raise Conflict("Nothing was done at factory risk here.")
    refusal = EmergencyRefusal(
        **_parties_of(state.request),
        audience=state.request.audience,
        emergency_id=state.emergency.id,
        person_id=actor.person_id or None,
        refused_at=now,
    )
    session.add(refusal)
    session.flush()
    return refusal


def store_standing(session: Session, case: CaseParts, ask: Ask, yes: Yes, now: datetime) -> Authorization:
    """The yes that a standing authorization gives, without a request."""
    return _add(session, _parties(case), ask, yes, payer=payer_id(case, ask.payer), now=now)


def give_yes(
    session: Session, request: AuthorizationRequest, yes: Yes, now: datetime, *, emergency: Emergency | None = None
) -> Authorization:
    """Store the yes that answers a request, whoever gave it."""
    ask = Ask(
        Payer.INTEGRATOR if request.audience == "companies" else Payer.CUSTOMER,
        request.currency,
        request.nte_minor,
        request.price_per_hour_minor,
        request.least_cost_minor,
        request.reason,
    )
    return _add(
        session,
        _parties_of(request),
        ask,
        yes,
        payer=request.payer_id,
        now=now,
        request_id=request.id,
        emergency_id=emergency.id if emergency is not None else None,
    )


def _add(
    session: Session, parties: dict[str, int], ask: Ask, yes: Yes, *, payer: int, now: datetime, **reference: int | None
) -> Authorization:
    authorization = Authorization(
        **parties,
        **reference,
        audience=audience_of(ask.payer),
        standing_authorization_id=yes.standing_id,
        payer_id=payer,
        currency=ask.currency,
        nte_minor=yes.nte_minor,
        hours_seconds=yes.hours_seconds,
        price_per_hour_minor=ask.price_per_hour_minor,
        basis=yes.basis,
        person_id=yes.person_id,
        person_name=yes.person_name,
        spoken=yes.spoken,
        covers_from=yes.covers_from,
        authorized_at=yes.said_at,
        recorded_at=now,
    )
    session.add(authorization)
    session.flush()
    session.add(
        AuthorizationBalance(
            **parties,
            authorization_id=authorization.id,
            audience=authorization.audience,
            left_minor=yes.nte_minor,
        )
    )
    session.flush()
    return authorization


def _check_amounts(policy: Policy, nte_minor: int, hours_seconds: int) -> None:
    """Refuse an amount below the policy's least; nothing of it where only hours are meant. *Raises*: Invalid."""
    if nte_minor or not hours_seconds:
        check_nte(policy, nte_minor)


def _check_answer(policy: Policy, request: AuthorizationRequest, nte_minor: int, hours_seconds: int) -> None:
    """A yes opens what was asked for: money where money was, at most the hours that were. *Raises*: Invalid."""
    if nte_minor and not request.nte_minor:
        raise Invalid("Only hours were asked for.", {"nte": "Only hours were asked for."})
    if not 0 <= hours_seconds <= request.hours_seconds:
        sentence = f"At most {request.hours_seconds // 60} minutes of the hours left were asked for."
        raise Invalid(sentence, {"minutes": sentence})
    if request.hours_seconds and not nte_minor and not hours_seconds:
        raise Invalid("Say how many minutes, or no.", {"minutes": "Say how many minutes; or say no."})
    _check_amounts(policy, nte_minor, hours_seconds)


def _check_payer(actor: Actor, request: AuthorizationRequest) -> None:
    by_link = may_do(actor, LINK_ACT, LINK_OBJECT, str(request.id), version=LINK_VERSION)
    if actor.organisation_id != request.payer_id or not (by_link or may_authorize_spending(actor)):
        raise NotAllowed("Only the payer's own people answer this.")


def _check_open(state: RequestState) -> None:
    if state.withdrawal is not None:
        raise Conflict("This request was withdrawn: another was sent in its place. Answer that one.")
    if not state.is_open:
        raise Conflict("This request is answered already.")


def _parties(case: CaseParts) -> dict[str, int]:
    return {
        "case_id": case.id,
        "manufacturer_id": case.manufacturer_id,
        "integrator_id": case.integrator_id,
        "customer_id": case.customer_id,
    }


def _parties_of(request: AuthorizationRequest) -> dict[str, int]:
    return {
        "case_id": request.case_id,
        "manufacturer_id": request.manufacturer_id,
        "integrator_id": request.integrator_id,
        "customer_id": request.customer_id,
    }
