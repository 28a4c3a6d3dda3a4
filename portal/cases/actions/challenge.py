"""A challenge of cause, split or task class climbs a ladder with dates; no party's employee decides alone.

The two managers agree by proposing the same; after their days a neutral decides by a mailed link; after those, or where
the documents name no neutral, the signed fallback does, by job. A challenge of the split holds only the shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_challenge_split, may_do
from portal.cases import rules
from portal.cases.actions.core import Held, hold, parties, person_id, record
from portal.cases.actions.movement import terms_of
from portal.cases.models import (
    CaseEvent,
    Challenge,
    ChallengeDecision,
    ChallengeProposal,
    ChallengeStep,
    Resolution,
    SupportCase,
)
from portal.cases.situation import has_integrator
from portal.contracts.blocks import WHOLE_BP, TaskClass
from portal.contracts.policy import Policy
from portal.contracts.rules import cause_named, split_terms
from portal.entitlement.queries import Terms
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.jobs import enqueue

# What a mailed link must allow for the neutral to decide.
LINK_ACT = "decide_challenge"
LINK_OBJECT = "challenge"
LINK_VERSION = 1

SUBJECTS = ("split", "cause", "task_class")
_FALLBACK_WORDS = "Nobody decided in time: the signed fallback holds."


@dataclass(frozen=True)
class Outcome:
    """What a challenge ends in: the cause, the kind of help, and the weights."""

    cause: str
    task_class: str
    integrator_bp: int
    manufacturer_bp: int


def challenge(
    session: Session,
    actor: Actor,
    case: SupportCase,
    *,
    subject: str,
    reason: str,
    proposal: Mapping[str, Any],
    seq: int,
    now: datetime,
) -> Challenge:
    """Dispute the resolution: the split by the other company, cause or task class by the payer too.

    *Shape*: ``proposal`` names what the subject should be: ``integrator_bp`` and ``manufacturer_bp``, ``cause``, or
    ``task_class``.
    *Raises*: NotFound, Stale, Conflict, NotAllowed, Invalid.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    if subject not in SUBJECTS:
        raise Invalid("Choose what you challenge.", {"subject": "Choose split, cause or kind of help."})
    held.check(rules.Verb.CHALLENGE if subject == "split" else rules.Verb.CHALLENGE_CAUSE)
    if not reason.strip():
        raise Invalid("Say why.", {"reason": "Say why: the managers and the neutral read this."})
    resolution_id = _resolution_id(session, held)
    _check_proposal(subject, proposal, terms_of(session, held).policy)
    raised = Challenge(
        **parties(held.case),
        resolution_id=resolution_id,
        subject=subject,
        company_id=actor.organisation_id,
        person_id=actor.person_id,
        person_name=actor.display_name,
        reason=reason.strip(),
        proposal=dict(proposal),
        raised_at=now,
    )
    session.add(raised)
    session.flush()
    audience = "customer" if actor.side is Side.CUSTOMER else "companies"
    record(session, held, "challenged", audience=audience, details={"challenge_id": raised.id, "subject": subject})
    # The ladder is between the companies: a customer's session may not write it, so a job sets it up for everybody.
    enqueue(session, "climb_ladder", challenge_id=raised.id)
    if actor.side is not Side.CUSTOMER:
        _begin_ladder(session, held, raised, terms_of(session, held))
        _propose(session, held, raised, _outcome(session, held, raised, proposal))
    return raised


def propose_outcome(
    session: Session,
    actor: Actor,
    challenge_id: int,
    proposal: Mapping[str, Any],
    *,
    seq: int | None = None,
    now: datetime,
) -> ChallengeDecision | None:
    """A manager proposes how the challenge ends; the same from both companies ends it, None while they differ.

    *Raises*: NotFound, NotAllowed, Conflict once it is decided, Invalid; Stale where the form says its ``seq``.
    """
    raised, held = _hold_challenge(session, actor, challenge_id, now, seq=seq)
    if not may_challenge_split(actor):
        raise NotAllowed("A challenge is settled by the managers of the two companies.")
    _must_be_open(session, raised)
    _check_proposal(raised.subject, proposal, terms_of(session, held).policy)
    outcome = _outcome(session, held, raised, proposal)
    _propose(session, held, raised, outcome)
    record(session, held, "outcome_proposed", audience="companies", details={"challenge_id": raised.id})
    standing = _standing_proposals(session, raised)
    both = {held.case.manufacturer_id, held.case.integrator_id}
    if set(standing) >= both and len({_frozen(standing[each]) for each in both}) == 1:
        words = "Both companies' managers proposed the same."
        return _decide(session, held, raised, outcome, basis="agreed", explanation=words)
    return None


def withdraw_challenge(
    session: Session, actor: Actor, challenge_id: int, *, seq: int | None = None, now: datetime
) -> ChallengeDecision:
    """Who challenged lets the resolution stand. *Raises*: NotFound, NotAllowed, Conflict once it is decided."""
    raised, held = _hold_challenge(session, actor, challenge_id, now, seq=seq)
    if raised.company_id != actor.organisation_id or actor.side is Side.CUSTOMER:
        raise NotAllowed("Only the company that challenged withdraws.")
    if not may_challenge_split(actor):
        raise NotAllowed("A challenge is withdrawn by the company's manager.")
    _must_be_open(session, raised)
    as_resolved = _resolved_outcome(session, held, raised)
    words = "The challenge was withdrawn."
    return _decide(session, held, raised, as_resolved, basis="withdrawn", explanation=words)


def decide_as_neutral(
    session: Session,
    actor: Actor,
    challenge_id: int,
    proposal: Mapping[str, Any],
    *,
    explanation: str,
    now: datetime,
) -> ChallengeDecision:
    """The neutral decides by the mailed link. *Raises*: NotFound, NotAllowed, Conflict once it is decided, Invalid."""
    if not may_do(actor, LINK_ACT, LINK_OBJECT, str(challenge_id), version=LINK_VERSION):
        raise NotFound()
    raised, held = _hold_challenge(session, actor, challenge_id, now)
    _must_be_open(session, raised)
    rungs = set(session.scalars(select(ChallengeStep.rung).where(ChallengeStep.challenge_id == raised.id)))
    if "neutral" not in rungs:
        raise Conflict("The managers' days are not over.")
    if not explanation.strip():
        raise Invalid("Give your reasons.", {"explanation": "Both companies read your reasons."})
    _check_proposal(raised.subject, proposal, terms_of(session, held).policy)
    outcome = _outcome(session, held, raised, proposal)
    return _decide(session, held, raised, outcome, basis="neutral", explanation=explanation.strip())


def climb_ladder(session: Session, challenge_id: int, *, now: datetime) -> str | None:
    """The job at each date: the stage the challenge is at now; None once it is decided. Again is harmless.

    *Raises*: NotFound.
    """
    raised, held = _hold_challenge(session, None, challenge_id, now)
    if _decision(session, raised) is not None:
        return None
    terms = terms_of(session, held)
    _begin_ladder(session, held, raised, terms)
    stages = rules.ladder(terms.policy, terms.agreement, raised.raised_at)
    stage = rules.ladder_stage(stages, now)
    known = set(session.scalars(select(ChallengeStep.rung).where(ChallengeStep.challenge_id == raised.id)))
    if stage.stage.value not in known:
        _add_step(session, held, raised, stage)
        details = {"challenge_id": raised.id, "rung": stage.stage.value}
        record(session, held, "ladder_climbed", audience="companies", details=details)
        if stage.stage is rules.LadderStage.NEUTRAL:
            enqueue(session, "notify_neutral", challenge_id=raised.id)
    if stage.stage is rules.LadderStage.FALLBACK:
        fallback = _fallback(session, held, raised, terms)
        _decide(session, held, raised, fallback, basis="fallback", explanation=_FALLBACK_WORDS)
    return stage.stage.value


def climb_due(session: Session, *, now: datetime, limit: int = 200) -> int:
    """The sweep: climb every undecided challenge whose stage has ended; how many."""
    last = select(func.max(ChallengeStep.due_at)).where(ChallengeStep.challenge_id == Challenge.id).scalar_subquery()
    due = session.scalars(
        select(Challenge.id)
        .outerjoin(ChallengeDecision, ChallengeDecision.challenge_id == Challenge.id)
        .where(ChallengeDecision.id.is_(None), func.coalesce(last, Challenge.raised_at) <= now)
        .order_by(Challenge.id)
        .limit(limit)
    ).all()
    return sum(climb_ladder(session, challenge_id, now=now) is not None for challenge_id in due)


def _begin_ladder(session: Session, held: Held, raised: Challenge, terms: Terms) -> None:
    """The first rung, and a job at the end of each: harmless when it stands already."""
    begun = session.scalar(select(ChallengeStep.id).where(ChallengeStep.challenge_id == raised.id).limit(1))
    if begun is not None:
        return
    stages = rules.ladder(terms.policy, terms.agreement, raised.raised_at)
    _add_step(session, held, raised, stages[0])
    for stage in stages:
        if stage.until is not None:
            enqueue(session, "climb_ladder", run_at=stage.until, challenge_id=raised.id)


def _add_step(session: Session, held: Held, raised: Challenge, stage: rules.LadderStep) -> None:
    session.add(
        ChallengeStep(
            **parties(held.case),
            challenge_id=raised.id,
            rung=stage.stage.value,
            started_at=stage.from_at,
            due_at=stage.until or stage.from_at,
        )
    )
    session.flush()


def _propose(session: Session, held: Held, raised: Challenge, outcome: Outcome) -> None:
    session.add(
        ChallengeProposal(
            **parties(held.case),
            challenge_id=raised.id,
            company_id=held.actor.organisation_id if held.actor is not None else held.case.manufacturer_id,
            person_id=person_id(held.actor),
            outcome=asdict(outcome),
            proposed_at=held.now,
        )
    )
    session.flush()


def _standing_proposals(session: Session, raised: Challenge) -> dict[int, Mapping[str, Any]]:
    """Each company's last proposal."""
    rows = session.scalars(
        select(ChallengeProposal).where(ChallengeProposal.challenge_id == raised.id).order_by(ChallengeProposal.id)
    )
    return {row.company_id: row.outcome for row in rows}


def _frozen(outcome: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(outcome.items()))


def _decide(
    session: Session, held: Held, raised: Challenge, outcome: Outcome, *, basis: str, explanation: str
) -> ChallengeDecision:
    decision = ChallengeDecision(
        **parties(held.case),
        challenge_id=raised.id,
        basis=basis,
        **asdict(outcome),
        explanation=explanation,
        decided_at=held.now,
    )
    session.add(decision)
    session.flush()
    # The payer reads what became of cause and kind of help; the split is between the companies.
    audience = "companies" if raised.subject == "split" else "customer"
    details: dict[str, Any] = {"challenge_id": raised.id, "subject": raised.subject, "basis": basis}
    if raised.subject != "split":
        details |= {"cause": outcome.cause, "task_class": outcome.task_class}
    changes = {"task_class": outcome.task_class} if outcome.task_class != held.case.task_class else {}
    record(session, held, "challenge_decided", audience=audience, details=details, changes=changes)
    enqueue(session, "settle_shares", case_id=held.case.id)
    if raised.subject != "split":
        enqueue(session, "rebill", case_id=held.case.id)
    return decision


def _resolved_outcome(session: Session, held: Held, raised: Challenge) -> Outcome:
    resolution = session.get_one(Resolution, raised.resolution_id)
    return Outcome(resolution.cause, held.case.task_class, resolution.integrator_bp, resolution.manufacturer_bp)


def _outcome(session: Session, held: Held, raised: Challenge, proposal: Mapping[str, Any]) -> Outcome:
    """The resolution with what the subject says in its place."""
    base = asdict(_resolved_outcome(session, held, raised))
    wanted = {"split": ("integrator_bp", "manufacturer_bp"), "cause": ("cause",), "task_class": ("task_class",)}
    return Outcome(**{**base, **{name: proposal[name] for name in wanted[raised.subject]}})


def _fallback(session: Session, held: Held, raised: Challenge, terms: Terms) -> Outcome:
    base = _resolved_outcome(session, held, raised)
    if raised.subject != "split" or not has_integrator(held.case):
        return base
    weights = split_terms(terms.policy, terms.agreement).fallback
    return Outcome(base.cause, base.task_class, weights.integrator_bp, weights.manufacturer_bp)


def _check_proposal(subject: str, proposal: Mapping[str, Any], policy: Policy) -> None:
    """Refuse a proposal that could not be an outcome. *Raises*: Invalid."""
    if subject == "cause":
        cause_named(policy, str(proposal.get("cause", "")))
    elif subject == "task_class":
        if proposal.get("task_class") not in set(TaskClass):
            raise Invalid("Choose a kind of help.", {"task_class": "Choose a kind of help."})
    else:
        parts = [proposal.get("integrator_bp"), proposal.get("manufacturer_bp")]
        whole = all(isinstance(part, int) and 0 <= part <= WHOLE_BP for part in parts)
        if not whole or sum(part for part in parts if isinstance(part, int)) != WHOLE_BP:
            raise Invalid("The weights must sum to 100 %.", {"weights": "The weights must sum to 100 %."})


def _resolution_id(session: Session, held: Held) -> int:
    """The resolution that is challenged; a customer, who does not read it, knows its number from the event."""
    if held.resolution_id is not None:
        return held.resolution_id
    details = session.scalars(
        select(CaseEvent.details)
        .where(CaseEvent.case_id == held.case.id, CaseEvent.kind == "resolved")
        .order_by(CaseEvent.seq.desc())
        .limit(1)
    ).one_or_none()
    if details is None:
        raise Conflict("There is no resolution to challenge.")
    return int(details["resolution_id"])


def _hold_challenge(
    session: Session, actor: Actor | None, challenge_id: int, now: datetime, *, seq: int | None = None
) -> tuple[Challenge, Held]:
    raised = session.get(Challenge, challenge_id)
    if raised is None:
        raise NotFound()
    return raised, hold(session, actor, raised.case_id, seq=seq, now=now)


def _decision(session: Session, raised: Challenge) -> ChallengeDecision | None:
    return session.scalars(select(ChallengeDecision).where(ChallengeDecision.challenge_id == raised.id)).one_or_none()


def _must_be_open(session: Session, raised: Challenge) -> None:
    if _decision(session, raised) is not None:
        raise Conflict("The challenge is decided.")
