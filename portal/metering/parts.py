"""The verbs of parts: record one that was fitted, confirm a dear one, take back one that was recorded by mistake.

Who bears a part is the policy's to say, else whoever records it; what it costs the customer is billed with the case.
One dearer than the policy's limit is billed once a lead or manager other than who recorded it has confirmed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from portal.access import Actor, Role
from portal.cases.actions.core import parties
from portal.cases.models import SupportCase
from portal.contracts.blocks import Company
from portal.contracts.owing import Disposition
from portal.contracts.parts import needs_second_person
from portal.contracts.policy import Policy
from portal.contracts.rules import amount_minor
from portal.entitlement.queries import terms_in_force
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.jobs import enqueue
from portal.metering import rules
from portal.metering.models import FittedPart, PartConfirmation, PartReversal
from portal.rows import add_or_refuse, insert_once

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
        needs_second=needs_second_person(
            _limit(policy), policy.parts, price_minor=new.price_minor, on_customer=new.on_customer
        ),
        fitted_at=fitted_at,
        recorded_by=actor.person_id,
        recorded_name=actor.display_name,
        recorded_at=now,
    )
    session.add(row)
    session.flush()
    enqueue(session, "time_changed", case_id=case.id)
    return row


def confirm_part(session: Session, actor: Actor, part_id: int, *, now: datetime) -> bool:
    """Say that a dear part is right; whether that was new. *Raises*: NotFound, NotAllowed, Conflict."""
    row = session.get(FittedPart, part_id)
    if row is None or row.organisation_id != actor.organisation_id:
        raise NotFound()
    if not rules.may_approve(actor, worker_id=row.recorded_by, company_id=row.organisation_id):
        raise NotAllowed(
            "A dear part is confirmed by a lead or manager of the company that recorded it, never by who recorded it."
        )
    if not row.needs_second:
        raise Conflict("This part needs nobody to confirm it.")
    if session.scalar(select(exists().where(PartReversal.part_id == row.id))):
        raise Conflict("This part was taken back meanwhile.")
    made = insert_once(
        session,
        PartConfirmation(
            **_of_case(row),
            part_id=row.id,
            recorded_by=row.recorded_by,
            confirmed_by=actor.person_id,
            confirmed_name=actor.display_name,
            confirmed_at=now,
        ),
        unique=["part_id"],
    )
    if made is not None:
        enqueue(session, "time_changed", case_id=row.case_id)
    return made is not None


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
    gone = PartReversal(
        **_of_case(row),
        part_id=row.id,
        reason=reason.strip(),
        reversed_by=actor.person_id,
        reversed_at=now,
    )
    add_or_refuse(session, gone, Conflict("This part was taken back meanwhile."))
    enqueue(session, "rebill", case_id=row.case_id)
    return gone


def _limit(policy: Policy) -> int | None:
    return None if policy.confirm_parts_above is None else amount_minor(policy.confirm_parts_above, policy.currency)


def _of_case(row: FittedPart) -> dict[str, int]:
    return {name: getattr(row, name) for name in ("case_id", "manufacturer_id", "integrator_id", "customer_id")}


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
