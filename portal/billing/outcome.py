"""How a case stands for billing: its cause, task class and resolvers as far as they are settled, and what is disputed.

A resolution counts while the case is resolved or closed. It is settled once the other company confirmed it, or silence
did; until then, and while its split is challenged, nobody knows who resolved the case.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.cases.models import Challenge, ChallengeDecision, Resolution, ResolutionAnswer, SupportCase
from portal.contracts.blocks import WHOLE_BP, Weights

SPLIT, CAUSE, TASK_CLASS = "split", "cause", "task_class"
# Only these name a task class of their own; otherwise every entry keeps its own.
_NAMED = frozenset({"agreed", "neutral"})
_CONFIRMED = frozenset({"confirmed", "deemed", "import"})


@dataclass(frozen=True)
class Outcome:
    """What is settled of a case: ``weights`` None while nobody knows who resolved it."""

    resolution_id: int | None = None
    cause: str | None = None
    task_class: str | None = None
    weights: Weights | None = None
    disputed: frozenset[str] = frozenset()


def outcome_of(session: Session, case: SupportCase, fallback: Weights) -> Outcome:
    """The case's outcome; ``fallback`` are the document's weights for a case that nobody resolved."""
    resolution = session.scalars(
        select(Resolution).where(Resolution.case_id == case.id).order_by(Resolution.seq.desc()).limit(1)
    ).one_or_none()
    if resolution is None or case.state not in ("resolved", "closed"):
        return Outcome()
    rows = session.execute(
        select(Challenge.subject, ChallengeDecision)
        .outerjoin(ChallengeDecision, ChallengeDecision.challenge_id == Challenge.id)
        .where(Challenge.resolution_id == resolution.id)
        .order_by(Challenge.id)
    ).all()
    disputed = frozenset(row.subject for row in rows if row.ChallengeDecision is None)
    # A challenge that was withdrawn settles the resolution as it was proposed.
    decided = {row.subject: row.ChallengeDecision for row in rows if row.ChallengeDecision is not None}
    cause = decided[CAUSE].cause if CAUSE in decided and decided[CAUSE].cause else resolution.cause
    named = decided.get(TASK_CLASS)
    task_class = named.task_class if named is not None and named.basis in _NAMED else None
    weights = _weights(session, resolution, decided.get(SPLIT), fallback)
    return Outcome(resolution.id, cause, task_class or None, None if SPLIT in disputed else weights, disputed)


def _weights(
    session: Session, resolution: Resolution, decision: ChallengeDecision | None, fallback: Weights
) -> Weights | None:
    if decision is not None and decision.integrator_bp + decision.manufacturer_bp == WHOLE_BP:
        return Weights(integrator_bp=decision.integrator_bp, manufacturer_bp=decision.manufacturer_bp)
    answer = session.scalars(
        select(ResolutionAnswer.basis)
        .where(ResolutionAnswer.resolution_id == resolution.id)
        .order_by(ResolutionAnswer.id.desc())
        .limit(1)
    ).one_or_none()
    return settled_weights(resolution, answer, fallback)


def settled_weights(resolution: Resolution, answer: str | None, fallback: Weights) -> Weights | None:
    """The weights of a resolution that nobody challenged, by its last answer; None while it has no yes."""
    if answer not in _CONFIRMED:
        return None
    if resolution.integrator_bp + resolution.manufacturer_bp != WHOLE_BP:
        return Weights(integrator_bp=fallback.integrator_bp, manufacturer_bp=fallback.manufacturer_bp)
    return Weights(integrator_bp=resolution.integrator_bp, manufacturer_bp=resolution.manufacturer_bp)
