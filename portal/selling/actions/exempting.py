"""Certificates that a payer owes no sales tax: kept with their day of expiry, taken back by another row."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy.orm import Session

from portal.access import Actor
from portal.audit import actions as audit
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.rows import insert_once
from portal.taxes.exempting import certificate_day, may_keep
from portal.taxes.models import TaxExemption, TaxExemptionEnd

LONGEST = 80


def keep_exemption(
    session: Session,
    actor: Actor,
    *,
    jurisdiction: str,
    number: str,
    valid_from: date,
    expires_on: date,
    now: datetime,
) -> TaxExemption:
    """Record a certificate of the actor's organisation. *Raises*: NotAllowed, Invalid, Conflict when it is known."""
    _must_handle(actor)
    problems = {
        name: f"From 1 to {LONGEST} characters."
        for name, value in (("jurisdiction", jurisdiction), ("number", number))
        if not 1 <= len(value.strip()) <= LONGEST
    }
    if expires_on <= max(valid_from, certificate_day(session, actor.organisation_id, now)):
        problems["expires_on"] = "A day to come, after the first one."
    if problems:
        raise Invalid("The certificate cannot be kept like this.", problems)
    row = TaxExemption(
        organisation_id=actor.organisation_id,
        jurisdiction=jurisdiction.strip(),
        number=number.strip(),
        valid_from=valid_from,
        expires_on=expires_on,
        recorded_by=actor.person_id,
        recorded_at=now,
    )
    kept = insert_once(session, row, unique=["organisation_id", "jurisdiction", "number"])
    if kept is None:
        raise Conflict("This certificate is recorded already.")
    audit.record(session, actor, "keep_exemption", "tax_exemption", kept.id, details={"number": kept.number}, now=now)
    return kept


def end_exemption(session: Session, actor: Actor, exemption_id: int, *, now: datetime) -> None:
    """Take a certificate back; again changes nothing. *Raises*: NotAllowed, NotFound."""
    _must_handle(actor)
    found = session.get(TaxExemption, exemption_id)
    if found is None or found.organisation_id != actor.organisation_id:
        raise NotFound()
    row = TaxExemptionEnd(
        exemption_id=found.id, organisation_id=actor.organisation_id, ended_by=actor.person_id, ended_at=now
    )
    if insert_once(session, row, unique=["exemption_id"]) is not None:
        audit.record(session, actor, "end_exemption", "tax_exemption", found.id, details={}, now=now)


def _must_handle(actor: Actor) -> None:
    if not may_keep(actor):
        raise NotAllowed("Certificates are kept by your organisation's buyer or finance.")
