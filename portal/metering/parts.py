"""The verbs of parts: record one that was fitted, take back one that was recorded by mistake.

Who bears a part is the policy's to say, else whoever records it; what it costs the customer is billed with the case.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.access import Actor, Role
from portal.cases.actions.core import parties
from portal.cases.models import SupportCase
from portal.contracts.blocks import Company
from portal.contracts.owing import Disposition
from portal.entitlement.queries import terms_in_force
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.jobs import enqueue
from portal.metering import rules
from portal.metering.models import FittedPart, PartReversal

LONGEST_WORD = 100


@dataclass(frozen=True)
class NewPart:
    """A part as whoever fitted it tells of it: what it is, whose it was, what became of the old one, its list price."""

    part: str
    price_minor: int
    supplier: str
    disposition: str
    on_customer: bool
    serial: str = ""
    rma: str = ""


def record_part(
    session: Session, actor: Actor, case: SupportCase, new: NewPart, *, fitted_at: datetime, now: datetime
) -> FittedPart:
    """Record a part that was fitted. *Raises*: NotFound, NotAllowed, Conflict once the case is closed, Invalid."""
    if actor.organisation_id not in (case.manufacturer_id, case.integrator_id):
        raise NotFound()
    if not rules.may_log_time(actor):
        raise NotAllowed("Parts are recorded by the service people of the two companies.")
    if case.state == "closed":
        raise Conflict("This case is closed. Open a follow-up case for what was fitted since.")
    _check(case, new, fitted_at, now)
    policy = terms_in_force(
        session, manufacturer_id=case.manufacturer_id, integrator_id=case.integrator_id, at=case.opened_at
    ).policy
    row = FittedPart(
        **parties(case),
        organisation_id=actor.organisation_id,
        supplier_id=case.manufacturer_id if new.supplier == Company.MANUFACTURER else case.integrator_id,
        part=new.part.strip(),
        serial=new.serial.strip(),
        rma=new.rma.strip(),
        disposition=new.disposition,
        on_customer=new.on_customer,
        currency=policy.currency,
        price_minor=new.price_minor,
        fitted_at=fitted_at,
        recorded_by=actor.person_id,
        recorded_name=actor.display_name,
        recorded_at=now,
    )
    session.add(row)
    session.flush()
    enqueue(session, "time_changed", case_id=case.id)
    return row


def take_back_part(session: Session, actor: Actor, part_id: int, *, reason: str, now: datetime) -> PartReversal:
    """Take a part back that was recorded by mistake. *Raises*: NotFound, NotAllowed, Conflict, Invalid."""
    row = session.get(FittedPart, part_id)
    if row is None or row.organisation_id != actor.organisation_id:
        raise NotFound()
    in_charge = actor.has(Role.SUPPORT_LEAD, Role.SERVICE_MANAGER)
    if not in_charge and not (rules.may_log_time(actor) and row.recorded_by == actor.person_id):
        raise NotAllowed("A part is taken back by whoever recorded it, or by the company's lead or manager.")
    if not reason.strip():
        raise Invalid("A correction needs its reason.", {"reason": "Say why the part was recorded by mistake."})
    names = ("case_id", "manufacturer_id", "integrator_id", "customer_id")
    gone = PartReversal(
        **{name: getattr(row, name) for name in names},
        part_id=row.id,
        reason=reason.strip(),
        reversed_by=actor.person_id,
        reversed_at=now,
    )
    try:
        with session.begin_nested():
            session.add(gone)
            session.flush()
    except IntegrityError as known:
        raise Conflict("This part was taken back meanwhile.") from known
    enqueue(session, "rebill", case_id=row.case_id)
    return gone


def _check(case: SupportCase, new: NewPart, fitted_at: datetime, now: datetime) -> None:
    problems = {
        name: f"At most {LONGEST_WORD} characters."
        for name in ("part", "serial", "rma")
        if len(getattr(new, name)) > LONGEST_WORD
    }
    if not new.part.strip():
        problems["part"] = "Name the part."
    if new.price_minor <= 0:
        problems["price"] = "A part has a list price above zero."
    if new.disposition not in set(Disposition):
        problems["disposition"] = "Choose what became of the old part."
    if new.supplier not in set(Company) or (
        new.supplier == Company.INTEGRATOR and case.integrator_id == case.manufacturer_id
    ):
        problems["supplier"] = "Choose whose the part was."
    if fitted_at > now:
        problems["fitted_at"] = "This is in the future."
    elif fitted_at < case.opened_at:
        problems["fitted_at"] = "This is before the case was opened."
    if problems:
        raise Invalid("This part cannot be recorded as it is.", problems)
