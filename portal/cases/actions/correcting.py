"""What was said of a case when it was opened is corrected: class, wishes, distance, level, how somebody asked.

Coverage is decided again as a row of its own; the one before stays. Prices follow from then on and for all of the case,
since a bill is always reckoned from the start; a payer for whom it gets dearer is told and asked before it counts.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.access import Actor
from portal.cases import rules
from portal.cases.actions.authorizing import ask, renew_request
from portal.cases.actions.changing import follow_coverage
from portal.cases.actions.core import Held, hold, record
from portal.cases.actions.movement import terms_of
from portal.cases.models import SupportCase
from portal.contracts.circumstances import Circumstances, corrected, differences
from portal.directory.models import System
from portal.entitlement.actions import Coverage, decide_for_case, keep_coverage
from portal.entitlement.queries import decision_of, latest_coverage, requests_of
from portal.entitlement.rules import facts_from_json, is_dearer
from portal.errors import Conflict, Invalid
from portal.jobs import enqueue

_DEARER = "What was said of the case is corrected, and it costs more."


def correct_circumstances(
    session: Session,
    actor: Actor,
    case: SupportCase,
    *,
    said: Circumstances,
    reason: str,
    bill_again: bool = False,
    seq: int,
    now: datetime,
) -> None:
    """Say anew what prices, cover or promises of a case depend on.

    A closed case is billed: it is corrected only by billing it again, which ``bill_again`` asks for.

    *Raises*: NotFound, Stale, Conflict, NotAllowed, Invalid at the field.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.CORRECT_CIRCUMSTANCES)
    if not reason.strip():
        raise Invalid("Say why.", {"reason": "Say why: everybody on the case reads this."})
    is_billed = held.case.state == "closed"
    if is_billed and not bill_again:
        sentence = "The case is billed. It is corrected only by billing it again: say that it is to be."
        raise Invalid(sentence, {"bill_again": sentence})
    terms = terms_of(session, held)
    before = held.case.circumstances
    after = corrected(terms.policy, terms.agreement, before, said)
    coverage, dearer = _decide(session, held, after)
    details = {
        "said": list(differences(terms.policy, before, after)),
        "reason": reason.strip(),
        "billed_again": is_billed,
        "dearer_for": coverage.decision.payer.value if dearer else "",
    }
    record(session, held, "circumstances_corrected", details=details, changes=_columns(after))
    if held.case.state in ("resolved", "closed"):
        keep_coverage(session, coverage, held.case)
    else:
        follow_coverage(session, held, coverage)
    if dearer and not is_billed:
        _ask_payer(session, held, coverage)
    # Prices of work that was reckoned already follow, and the bill of a closed case.
    enqueue(session, "rebill" if is_billed else "time_changed", case_id=held.case.id)


def _decide(session: Session, held: Held, after: Circumstances) -> tuple[Coverage, bool]:
    """The decision anew, and whether it is dearer than the one that stood."""
    kept = latest_coverage(session, held.case.id)
    if kept is None:
        raise Conflict("Coverage of this case is being decided. Try again in a minute.")
    told = {
        "customer_class": after.customer_class or None,
        "requested": after.requested,
        "distance": after.distance,
        "level": after.level,
        "channel": after.channel,
    }
    coverage = decide_for_case(
        session,
        held.case,
        session.get_one(System, held.case.system_id),
        before=facts_from_json(kept.facts).model_copy(update=told),
        severity=held.case.severity,
        now=held.now,
    )
    return coverage, is_dearer(decision_of(kept), coverage.decision)


def _ask_payer(session: Session, held: Held, coverage: Coverage) -> None:
    """Ask for a yes at the price that holds now, in place of a request that was sent at the price before.

    Work at factory risk waits for the yes to what it began under: that request stays.
    """
    before = [state for state in requests_of(session, held.case.id) if state.is_open]
    if any(state.emergency is not None for state in before):
        return
    if not before:
        ask(session, held, coverage, reason=_DEARER, nte_minor=None)
    for state in before:
        renew_request(session, held, state, coverage, reason=_DEARER)


def _columns(said: Circumstances) -> dict[str, object]:
    return {
        "customer_class": said.customer_class,
        "requested": list(said.requested),
        "distance": said.distance,
        "support_level": said.level,
        "channel": said.channel.value,
    }
