"""The verbs of self-billing: offer, accept and end an agreement; say the number of one's own invoice."""

from __future__ import annotations

import hashlib
from datetime import date, datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Side
from portal.audit import actions as audit
from portal.directory.models import Organisation
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, Stale
from portal.identity import queries as people
from portal.jobs import enqueue
from portal.rows import insert_once
from portal.settlement import queries as settled
from portal.settlement.actions import hold_statement
from portal.settlement.models import Statement
from portal.settlement.selfbilling import queries, rules
from portal.settlement.selfbilling.models import (
    PartyInvoice,
    SelfBillingAcceptance,
    SelfBillingAgreement,
    SelfBillingEnd,
)
from portal.taxes.rules.identity import LONGEST_NUMBER
from portal.zones import local_day

LONGEST_REASON = rules.LONGEST_REASON


def offer_agreement(
    session: Session, actor: Actor, *, party_id: int, starts_on: date, expires_on: date, now: datetime
) -> SelfBillingAgreement:
    """The manufacturer's finance offers to issue a party's invoices; the party is told.

    *Raises*: NotAllowed, NotFound, Invalid for days that cannot be.
    """
    queries.check_finance(actor)
    if actor.side is not Side.MANUFACTURER:
        raise NotAllowed("Self-billing is offered by the manufacturer that owes the shares.")
    party = session.get(Organisation, party_id)
    if party is None or party.side == Side.CUSTOMER or party.id == actor.organisation_id:
        raise NotFound
    own = session.get_one(Organisation, actor.organisation_id)
    _check_days(starts_on, expires_on, local_day(own.zone, now))
    body = rules.agreement_text(own.name, party.name, starts_on, expires_on)
    agreement = SelfBillingAgreement(
        manufacturer_id=actor.organisation_id,
        party_id=party.id,
        body=body,
        text_sha256=hashlib.sha256(body.encode()).hexdigest(),
        starts_on=starts_on,
        expires_on=expires_on,
        offered_by=actor.person_id,
        offered_at=now,
    )
    session.add(agreement)
    session.flush()
    audit.record(session, actor, "offer_self_billing", "self_billing_agreement", agreement.id, now=now)
    enqueue(session, "notify_self_billing", agreement_id=agreement.id)
    return agreement


def _check_days(starts_on: date, expires_on: date, today: date) -> None:
    if expires_on <= starts_on:
        raise Invalid("An agreement ends after it begins.", {"expires_on": "Choose a later day."})
    if expires_on <= today:
        raise Invalid("An agreement ends in the future.", {"expires_on": "This day has passed."})
    if (expires_on - starts_on).days > rules.LONGEST_YEARS * 366:
        sentence = f"At most {rules.LONGEST_YEARS} years; renew it then."
        raise Invalid("An agreement is not that long.", {"expires_on": sentence})


def accept_agreement(
    session: Session, actor: Actor, agreement_id: int, *, shown_sha256: str, now: datetime
) -> SelfBillingAcceptance:
    """The party's finance says yes to exactly the text that was shown.

    *Raises*: NotAllowed, NotFound, Stale for another text, Conflict once it ended or expired.
    """
    found = queries.agreement_seen(session, actor, agreement_id, now)
    agreement = found.agreement
    if actor.organisation_id != agreement.party_id:
        raise NotAllowed("A self-billing agreement is accepted by the party whose invoices are issued.")
    if shown_sha256 != agreement.text_sha256:
        raise Stale("This is not the text as it was shown; read it again.")
    if found.state in (rules.ENDED, rules.EXPIRED):
        raise Conflict("This agreement has ended; ask for a new one.")
    accepted = insert_once(
        session,
        SelfBillingAcceptance(
            agreement_id=agreement.id,
            manufacturer_id=agreement.manufacturer_id,
            party_id=agreement.party_id,
            text_sha256=agreement.text_sha256,
            accepted_by=actor.person_id,
            accepted_name=people.names(session, {actor.person_id}).get(actor.person_id, ""),
            accepted_at=now,
        ),
    )
    if accepted is None:
        raise Conflict("This agreement is accepted already.")
    audit.record(session, actor, "accept_self_billing", "self_billing_agreement", agreement.id, now=now)
    return accepted


def end_agreement(session: Session, actor: Actor, agreement_id: int, *, reason: str, now: datetime) -> SelfBillingEnd:
    """Either company ends an agreement from today on. *Raises*: NotAllowed, NotFound, Invalid, Conflict."""
    found = queries.agreement_seen(session, actor, agreement_id, now)
    if not 1 <= len(reason.strip()) <= LONGEST_REASON:
        raise Invalid("Say why it ends.", {"reason": f"1 to {LONGEST_REASON} characters."})
    end = insert_once(
        session,
        SelfBillingEnd(
            agreement_id=found.agreement.id,
            manufacturer_id=found.agreement.manufacturer_id,
            party_id=found.agreement.party_id,
            reason=reason.strip(),
            ends_on=found.day,
            ended_by=actor.person_id,
            ended_at=now,
        ),
    )
    if end is None:
        raise Conflict("This agreement has ended already.")
    audit.record(session, actor, "end_self_billing", "self_billing_agreement", found.agreement.id, now=now)
    enqueue(session, "notify_self_billing_end", agreement_id=found.agreement.id)
    return end


def _numbers_elsewhere(session: Session, statement: Statement) -> set[str]:
    """The numbers against which the party's other statements that stand are paid; nobody else adds one meanwhile."""
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
    session.execute(lock, {"key": f"party_invoice:{statement.manufacturer_id}:{statement.party_id}"})
    return set(
        session.scalars(
            select(PartyInvoice.number)
            .join(Statement, Statement.id == PartyInvoice.statement_id)
            .where(
                PartyInvoice.manufacturer_id == statement.manufacturer_id,
                PartyInvoice.party_id == statement.party_id,
                PartyInvoice.statement_id != statement.id,
                settled.stands(),
            )
            .distinct(PartyInvoice.statement_id)
            .order_by(PartyInvoice.statement_id, PartyInvoice.id.desc())
        )
    )


def record_own_invoice(
    session: Session, actor: Actor, statement_id: int, *, number: str, dated_on: date, now: datetime
) -> PartyInvoice:
    """The party says under which number it invoiced a statement itself; the latest counts until the approval.

    *Raises*: NotAllowed, NotFound, Invalid by field, Conflict once it is approved.
    """
    statement = settled.statement_seen(session, actor, statement_id)
    queries.check_finance(actor)
    if actor.organisation_id != statement.party_id or statement.party_id == statement.manufacturer_id:
        raise NotAllowed("The number of an own invoice is entered by the party that is paid.")
    hold_statement(session, statement.id)
    if settled.approval_of(session, statement.id) is not None:
        raise Conflict("This statement is approved already; it is paid as it was approved.")
    told = number.strip()
    if not 1 <= len(told) <= LONGEST_NUMBER:
        raise Invalid("The invoice needs its number.", {"number": f"1 to {LONGEST_NUMBER} characters."})
    if dated_on > local_day(session.get_one(Organisation, actor.organisation_id).zone, now):
        raise Invalid("The invoice is dated in the future.", {"dated_on": "Choose today or an earlier day."})
    if told in _numbers_elsewhere(session, statement):
        raise Invalid("This number is used already.", {"number": "Another statement is paid against this number."})
    row = PartyInvoice(
        statement_id=statement.id,
        manufacturer_id=statement.manufacturer_id,
        party_id=statement.party_id,
        number=told,
        dated_on=dated_on,
        recorded_by=actor.person_id,
        recorded_at=now,
    )
    session.add(row)
    session.flush()
    return row
