"""An adjustment as the steps that a page shows: what was done, what waits for whom, what is still to come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.access import Actor, may_see_shares
from portal.adjustments import queries
from portal.adjustments.models import Adjustment, ClawBack
from portal.adjustments.rules.asking import REFUND
from portal.adjustments.rules.saga import DECLINED, DONE, FAILED, REVERSAL_FIRST, Facts

DONE_, WAITS, TO_COME, ENDED = "done", "waits", "to_come", "ended"
_CLAW_BACK_WORDS = {
    "taken": "Taken out of an earlier transfer",
    "owed": "Could not be taken: it is owed and netted from the next statements",
    "netted": "Netted from a statement",
    "written_off": "Given up",
}


@dataclass(frozen=True)
class Stage:
    """One step: what it is, how it stands (done, waits, to_come, ended), and what of it a person should know."""

    label: str
    state: str
    says: str = ""
    at: datetime | None = None


def stages_of(session: Session, actor: Actor, adjustment: Adjustment) -> list[Stage]:
    """The steps of an adjustment in their order, as far as the actor may know them."""
    facts = queries.saga_facts(session, adjustment)
    found = [Stage("Asked for", DONE_, at=adjustment.asked_at), *_asked(session, adjustment, facts)]
    taking = _taking(session, actor, adjustment, facts)
    paying = [_paying(session, adjustment, facts)]
    first_taken = facts.is_refund and facts.order == REVERSAL_FIRST
    found += [*taking, *paying] if first_taken else [*paying, *taking]
    end = queries.end_of(session, adjustment.id)
    if end is None:
        return found
    words = {DONE: "Done", FAILED: "Could not be done", DECLINED: "Declined"}[end.outcome]
    kept = [stage for stage in found if end.outcome == DONE or stage.state == DONE_]
    return [*kept, Stage(words, DONE_ if end.outcome == DONE else ENDED, end.explanation, end.ended_at)]


def _asked(session: Session, adjustment: Adjustment, facts: Facts) -> list[Stage]:
    found = []
    if adjustment.consent_of is not None:
        answer = queries.consent_of(session, adjustment.id)
        label = "The integrator agrees that its share falls"
        found.append(_answered(label, facts.consent, answer.answered_at if answer else None))
    if adjustment.needs_second:
        decision = queries.decision_of(session, adjustment.id)
        label = "Somebody else of the manufacturer's finance approves"
        found.append(_answered(label, facts.decision, decision.decided_at if decision else None))
    return found


def _answered(label: str, said: str | None, at: datetime | None) -> Stage:
    if said is None:
        return Stage(label, WAITS, "Waits for an answer.")
    return Stage(label, DONE_ if said == "yes" else ENDED, at=at)


def _taking(session: Session, actor: Actor, adjustment: Adjustment, facts: Facts) -> list[Stage]:
    if not may_see_shares(actor):
        return []
    state = DONE_ if facts.taken else TO_COME
    found = [Stage("The parties' shares are taken back", state, "Given back again." if facts.given_back else "")]
    for claw_back, steps in queries.claw_backs(session, "adjustment", adjustment.id):
        if actor.organisation_id in (claw_back.manufacturer_id, claw_back.party_id):
            found.append(_claw_back(claw_back, [step.kind for step in steps]))
    return found


def _claw_back(claw_back: ClawBack, kinds: list[str]) -> Stage:
    label = "What was paid out already comes back"
    if not kinds:
        return Stage(label, WAITS, "The reversal is at Stripe.", claw_back.opened_at)
    return Stage(label, DONE_, _CLAW_BACK_WORDS[kinds[-1]], claw_back.opened_at)


def _paying(session: Session, adjustment: Adjustment, facts: Facts) -> Stage:
    label = "The payer gets its money" if adjustment.kind == REFUND else "The invoice costs less"
    if facts.paying == "paid":
        return Stage(label, DONE_, adjustment.reference)
    if facts.paying == "none":
        return Stage(label, TO_COME)
    if facts.paying == "refused":
        return Stage(label, ENDED)
    intent = queries.paying_intent(session, adjustment)
    pending = intent is not None and intent.progress.get("status") == "pending"
    says = "Waits until the Stripe balance covers it." if pending else "On its way through Stripe."
    return Stage(label, WAITS, says)
