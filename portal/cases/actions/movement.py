"""What several verbs do to custody and clocks: accept, respond, ask the other company; each with the case held."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.cases import clocks, rules
from portal.cases.actions.core import Held, organisation_of, parties, person_id, record, running_state
from portal.cases.models import CaseClock, CustodyAcceptance, CustodyOffer
from portal.contracts.blocks import Company
from portal.contracts.rules import plan_named
from portal.contracts.terms import Clock
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
        clocks.stop_clocks(session, case, [Clock.RESPONSE], past, now=now)
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
    told = [clock for clock in running if clock.kind in (Clock.RESPONSE, Clock.UPDATE)]
    if not told:
        return
    past = clocks.history(session, case, now)
    ended = clocks.stop_clocks(session, case, [Clock.RESPONSE, Clock.UPDATE], past, now=now)
    _begin_again(session, held, [clock for clock in ended if clock.kind == Clock.UPDATE])
    clocks.set_due(session, case, past, now=now)


def promises(session: Session, held: Held, terms: Terms) -> tuple[rules.ClockSpec, ...]:
    """The clocks the case has under its plan and severity; who asked stays what the coverage decision says."""
    kept = latest_coverage(session, held.case.id)
    certified = facts_from_json(kept.facts).certified if kept is not None else False
    plan = plan_named(terms.policy, held.case.plan_code)
    return rules.clocks_for(plan, severity=held.case.severity, certified=certified)


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
                target_seconds=clock.target_seconds,
                started_at=held.now,
                due_at=None,
            )
        )
    session.flush()
