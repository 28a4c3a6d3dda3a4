"""How a case stands for billing: its cause, task class and resolvers as far as they are settled, and what is disputed.

A resolution counts while the case is resolved or closed. It is settled once the other company confirmed it, or silence
did; until then, and while its split is challenged, nobody knows who resolved the case.
"""

from __future__ import annotations

from dataclasses import dataclass

from portal.cases.models import Challenge, ChallengeDecision, Resolution, ResolutionAnswer, SupportCase
from portal.contracts.blocks import WHOLE_BP, Weights
from portal.rows import Facts

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


def outcome_from(case: SupportCase, rows: Facts, fallback: Weights) -> Outcome:
    """The case's outcome by its rows; ``fallback`` are the document's weights for a case that nobody resolved."""
    if not rows[Resolution] or case.state not in ("resolved", "closed"):
        return Outcome()
    resolution = max(rows[Resolution], key=lambda row: row.seq)
    raised = [row for row in rows[Challenge] if row.resolution_id == resolution.id]
    decisions = {row.challenge_id: row for row in rows[ChallengeDecision]}
    disputed = frozenset(row.subject for row in raised if row.id not in decisions)
    # A challenge that was withdrawn settles the resolution as it was proposed.
    decided = {row.subject: decisions[row.id] for row in raised if row.id in decisions}
    cause = decided[CAUSE].cause if CAUSE in decided and decided[CAUSE].cause else resolution.cause
    named = decided.get(TASK_CLASS)
    task_class = named.task_class if named is not None and named.basis in _NAMED else None
    weights = _weights(rows, resolution, decided.get(SPLIT), fallback)
    return Outcome(resolution.id, cause, task_class or None, None if SPLIT in disputed else weights, disputed)


def _weights(
    rows: Facts, resolution: Resolution, decision: ChallengeDecision | None, fallback: Weights
) -> Weights | None:
    if decision is not None and decision.integrator_bp + decision.manufacturer_bp == WHOLE_BP:
        return Weights(integrator_bp=decision.integrator_bp, manufacturer_bp=decision.manufacturer_bp)
    answers = [row.basis for row in rows[ResolutionAnswer] if row.resolution_id == resolution.id]
    return settled_weights(resolution, answers[-1] if answers else None, fallback)


def settled_weights(resolution: Resolution, answer: str | None, fallback: Weights) -> Weights | None:
    """The weights of a resolution that nobody challenged, by its last answer; None while it has no yes."""
    if answer not in _CONFIRMED:
        return None
    if resolution.integrator_bp + resolution.manufacturer_bp != WHOLE_BP:
        return Weights(integrator_bp=fallback.integrator_bp, manufacturer_bp=fallback.manufacturer_bp)
    return Weights(integrator_bp=resolution.integrator_bp, manufacturer_bp=resolution.manufacturer_bp)
