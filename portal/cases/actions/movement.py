"""What several verbs do to custody and clocks: accept, respond, ask the other company; each with the case held."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.cases import clocks, rules
from portal.cases.actions.core import Held, organisation_of, parties, person_id, record, running_state
from portal.cases.models import CaseClock, CustodyAcceptance, CustodyOffer
from portal.contracts.blocks import Company
from portal.contracts.promises import Asked, Moments, due_of
from portal.contracts.rules import plan_named
from portal.contracts.targets import ANSWER_CLOCKS, Clock, StartEvent
from portal.entitlement.queries import Terms, latest_coverage, terms_in_force
from portal.entitlement.rules import facts_from_json
from portal.errors import Conflict

# Two acceptances of one case never share an instant.
_STEP = timedelta(microseconds=1)


def open_offer(session: Session, held: Held) -> CustodyOffer:
    """The offer that nobody has answered. *Raises*: Conflict when there is none."""
    offer = session.scalars(
        select(CustodyOffer).where(CustodyOffer.case_id == held.case.id).order_by(CustodyOffer.seq.desc()).limit(1)
    ).one_or_none()
    if offer is None or held.case.offered_to_id is None:
        raise Conflict("The case is not offered to anybody.")
    return offer


def move_custody(
    session: Session, held: Held, company: Company, channel: str, *, offer_id: int | None, kind: str, by_name: str = ""
) -> CustodyAcceptance:
    """Let a company hold the case from now on, and count its clocks anew."""
    case, now = held.case, held.now
    past = clocks.history(session, case, now)
    last = past.acceptances[-1]
    from_at = max(now, last.from_at + _STEP)
    accepted_name = by_name or (held.actor.display_name if held.actor is not None else "")
    acceptance = CustodyAcceptance(
        **parties(case),
        seq=last.seq + 1,
        company_id=organisation_of(case, company),
        from_at=from_at,
        channel=channel,
        offer_id=offer_id,
        accepted_by=person_id(held.actor),
        accepted_name=accepted_name,
        recorded_at=now,
    )
    session.add(acceptance)
    if company is Company.MANUFACTURER:
        answered = clocks.stop_clocks(session, case, ANSWER_CLOCKS, past, now=now)
        _begin_at_response(session, held, answered)
    changes: dict[str, Any] = {
        "holder_side": company.value,
        "holder_id": acceptance.company_id,
        "offered_to_id": None,
        "assignee_id": acceptance.accepted_by,
        "assignee_name": accepted_name,
    }
    if case.state == "offered":
        changes["state"] = "open"
    record(session, held, kind, details={"channel": channel, "company": company.value}, changes=changes)
    later = max(now, from_at)
    clocks.set_due(session, case, clocks.history(session, case, later), now=later)
    return acceptance


def accept_now(session: Session, held: Held, channel: str, *, by_name: str = "") -> CustodyAcceptance:
    """Accept the open offer for the company it was made to."""
    offer = open_offer(session, held)
    company = Company.MANUFACTURER if offer.to_id == held.case.manufacturer_id else Company.INTEGRATOR
    return move_custody(session, held, company, channel, offer_id=offer.id, kind="accepted", by_name=by_name)


def respond(session: Session, held: Held) -> None:
    """The factory has said something of substance: its response clock stops, its update clock begins again."""
    case, now = held.case, held.now
    running = clocks.running_clocks(session, case.id)
    told = [clock for clock in running if clock.kind in (*ANSWER_CLOCKS, Clock.UPDATE)]
    if not told:
        return
    past = clocks.history(session, case, now)
    ended = clocks.stop_clocks(session, case, (*ANSWER_CLOCKS, Clock.UPDATE), past, now=now)
    _begin_again(session, held, [clock for clock in ended if clock.kind == Clock.UPDATE])
    _begin_at_response(session, held, ended)
    clocks.set_due(session, case, past, now=now)


def acknowledge(session: Session, held: Held) -> None:
    """The factory has said that it has the case: only the promise to acknowledge it is kept."""
    past = clocks.history(session, held.case, held.now)
    if clocks.stop_clocks(session, held.case, [Clock.ACKNOWLEDGEMENT], past, now=held.now):
        clocks.set_due(session, held.case, past, now=held.now)


def promises(session: Session, held: Held, terms: Terms) -> tuple[rules.ClockSpec, ...]:
    """The clocks the case has under its plan and severity; who asked stays what the coverage decision says."""
    kept = latest_coverage(session, held.case.id)
    asked = facts_from_json(kept.facts).asked if kept is not None else Asked(held.case.severity)
    plan = plan_named(terms.policy, held.case.plan_code)
    return rules.clocks_for(plan, replace(asked, severity=held.case.severity))


def moments_at(held: Held, *, responded: bool) -> Moments:
    """The moments of promises that begin now, because something about the case has changed."""
    return Moments(held.case.opened_at, held.now, held.now, held.now, held.now if responded else None)


def begin_waiting(
    session: Session,
    held: Held,
    terms: Terms,
    event: StartEvent,
    moments: Moments,
    *,
    without: Collection[Clock] = (),
) -> None:
    """Open the clocks that wait for an event that has just happened, each once; ``without`` those of some kinds."""
    specs = [spec for spec in promises(session, held, terms) if spec.starts is event]
    waiting = [spec for spec in specs if spec.clock not in without]
    if not waiting:
        return
    begun = select(CaseClock.kind).where(CaseClock.case_id == held.case.id).distinct()
    known = set(session.scalars(begun))
    clocks.start_clocks(
        session, held.case, [spec for spec in waiting if spec.clock.value not in known], terms, moments=moments
    )
    session.flush()


def terms_of(session: Session, held: Held) -> Terms:
    """The signed documents that hold between the case's companies now."""
    case = held.case
    return terms_in_force(session, manufacturer_id=case.manufacturer_id, integrator_id=case.integrator_id, at=held.now)


def no_offer(held: Held) -> dict[str, Any]:
    """The header without its open offer."""
    held.case.offered_to_id = None
    return {"state": running_state(held.case)} if held.case.state == "offered" else {}


def _begin_again(session: Session, held: Held, ended: list[CaseClock]) -> None:
    for clock in ended:
        session.add(
            CaseClock(
                **parties(held.case),
                kind=clock.kind,
                company_id=clock.company_id,
                version_id=clock.version_id,
                calendar_code=clock.calendar_code,
                target_seconds=_seconds_again(session, clock, held),
                started_at=held.now,
                due_at=None,
                zone=clock.zone,
                promise=clock.promise,
            )
        )
    session.flush()


def _seconds_again(session: Session, clock: CaseClock, held: Held) -> int:
    """What a promise is in seconds when it begins again now: business days are as long as they are."""
    target = clocks.target_of_clock(clock)
    if target is None or target.days is None:
        return clock.target_seconds
    return due_of(target, clocks.calendar_read(session, clock), held.now).seconds


def _begin_at_response(session: Session, held: Held, ended: list[CaseClock]) -> None:
    """The first answer begins the promises that count from it."""
    if any(clock.kind == Clock.RESPONSE for clock in ended):
        moments = moments_at(held, responded=True)
        begin_waiting(session, held, terms_of(session, held), StartEvent.RESPONSE, moments)
