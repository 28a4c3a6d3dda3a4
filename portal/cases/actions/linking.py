"""Cases that belong together: a return after the closing, and sisters about one site's systems of different makers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.access import Actor, Side
from portal.cases.actions.beginning import NewCase
from portal.cases.actions.opening import escalate, log_call, open_by_contact
from portal.cases.models import CaseLink, SupportCase
from portal.errors import Conflict, Invalid


def follow_up(session: Session, actor: Actor, closed: SupportCase, new: NewCase, *, now: datetime) -> SupportCase:
    """A return after the closing: a new case linked to the old one, opened as the actor's side opens cases.

    *Raises*: Conflict for a case that can be reopened; what opening raises.
    """
    if closed.state != "closed":
        raise Conflict("The case is not closed: reopen it instead.")
    opens = {Side.INTEGRATOR: escalate, Side.MANUFACTURER: log_call, Side.CUSTOMER: open_by_contact}
    case = opens[actor.side](session, actor, new, now=now)
    link(session, closed, case, "follow_up", now=now)
    return case


def open_sister(session: Session, actor: Actor, sister: SupportCase, new: NewCase, *, now: datetime) -> SupportCase:
    """The same trouble at the same site with another manufacturer's system: one case each, linked.

    *Raises*: Invalid when the system is at another site or of the same make.
    """
    case = escalate(session, actor, new, now=now)
    if case.site_id != sister.site_id or case.manufacturer_id == sister.manufacturer_id:
        sentence = "A sister case is about another make's system at the same site."
        raise Invalid(sentence, {"system_id": sentence})
    link(session, sister, case, "sister", now=now)
    link(session, case, sister, "sister", now=now)
    return case


def link(session: Session, from_case: SupportCase, to_case: SupportCase, kind: str, *, now: datetime) -> None:
    """Link two cases; the row belongs to the first one's companies, so a manufacturer learns nothing of another."""
    session.add(
        CaseLink(
            from_case_id=from_case.id,
            to_case_id=to_case.id,
            kind=kind,
            customer_id=from_case.customer_id,
            integrator_id=from_case.integrator_id,
            manufacturer_id=from_case.manufacturer_id,
            linked_at=now,
        )
    )
    session.flush()
