"""The file that a year's forms are filed with, which holds the numbers that nobody else reads.

Invariants: one person of the payer's finance asks for it, another allows it, and for a day both may take it; each
taking is in the audit log with how many numbers it held; the database gives no number out otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.audit import actions as audit
from portal.errors import Conflict, NotAllowed, NotFound, RuleBroken
from portal.identity import sealing
from portal.money import Money, plain_amount
from portal.rows import insert_once
from portal.settlement.yearly import Recipient, check_payer, recipients
from portal.taxes.certifying import SEALED_FOR
from portal.taxes.models import FilingApproval, FilingRequest
from portal.taxes.queries import tax_identity
from portal.taxes.rules.year_forms import FILE, box_amounts

TAKEN_WITHIN = timedelta(days=1)
# The columns that filing services take; a box of a form is a row.
HEAD = (
    "form", "tax_year", "payer", "payer_address", "payer_country", "recipient", "recipient_address",
    "recipient_country", "tin_type", "tin", "account", "box", "label", "currency", "amount",
)  # fmt: skip

_NUMBERS = text("SELECT organisation_id, number_sealed FROM sealed_taxpayer_numbers(:request, :at)")


@dataclass(frozen=True)
class Filing:
    """A request for the file of a year, and who allowed it."""

    request: FilingRequest
    approval: FilingApproval | None

    def may_be_taken(self, now: datetime) -> bool:
        """Whether it was allowed within the last day."""
        return self.approval is not None and now < self.approval.approved_at + TAKEN_WITHIN

    def is_for(self, person_id: int) -> bool:
        """Whether a person is one of the two who may take it."""
        return self.approval is not None and person_id in (self.request.asked_by, self.approval.approved_by)


def filings(session: Session, actor: Actor, year: int) -> Sequence[Filing]:
    """The requests of the actor's company for a year, the latest first. *Raises*: NotAllowed."""
    check_payer(actor)
    rows = session.execute(
        select(FilingRequest, FilingApproval)
        .outerjoin(FilingApproval, FilingApproval.request_id == FilingRequest.id)
        .where(FilingRequest.manufacturer_id == actor.organisation_id, FilingRequest.year == year)
        .order_by(FilingRequest.id.desc())
    )
    return [Filing(*row) for row in rows.tuples()]


def filing_seen(session: Session, actor: Actor, request_id: int) -> Filing:
    """One of the actor's company. *Raises*: NotAllowed, NotFound."""
    check_payer(actor)
    request = session.get(FilingRequest, request_id)
    if request is None or request.manufacturer_id != actor.organisation_id:
        raise NotFound
    return next(each for each in filings(session, actor, request.year) if each.request.id == request_id)


def to_file(session: Session, actor: Actor, year: int) -> list[Recipient]:
    """Whose forms the payer files and nothing is missing of. *Raises*: NotAllowed."""
    return [
        each
        for each in recipients(session, actor, year)
        if each.outcome.kind == FILE and each.outcome.filer == "payer" and not each.outcome.missing
    ]


def ask(session: Session, actor: Actor, year: int, *, now: datetime) -> FilingRequest:
    """Ask for the file of a year.

    *Raises*: NotAllowed, NotFound where nobody was paid, RuleBroken where nothing can be filed of it.
    """
    if not recipients(session, actor, year):
        raise NotFound
    if not to_file(session, actor, year):
        raise RuleBroken(f"No form of {year} is the payer's to file with everything it needs.")
    made = FilingRequest(manufacturer_id=actor.organisation_id, year=year, asked_by=actor.person_id, asked_at=now)
    session.add(made)
    session.flush()
    audit.record(session, actor, "ask_for_filing", "filing_request", made.id, details={"year": year}, now=now)
    return made


def approve(session: Session, actor: Actor, request_id: int, *, now: datetime) -> FilingApproval:
    """Somebody else of finance allows it, for a day. *Raises*: NotAllowed, NotFound, Conflict when it is allowed."""
    asked = filing_seen(session, actor, request_id).request
    if asked.asked_by == actor.person_id:
        raise NotAllowed("This is allowed by somebody other than the person who asked for it.")
    said = FilingApproval(
        request_id=asked.id,
        manufacturer_id=asked.manufacturer_id,
        asked_by=asked.asked_by,
        approved_by=actor.person_id,
        approved_at=now,
    )
    made = insert_once(session, said, unique=["request_id"])
    if made is None:
        raise Conflict("This is allowed already.")
    audit.record(session, actor, "allow_filing", "filing_request", asked.id, details={"year": asked.year}, now=now)
    return made


def take(session: Session, actor: Actor, request_id: int, *, secret: str, now: datetime) -> list[tuple[str, ...]]:
    """The rows of the file, numbers in the clear. *Raises*: NotAllowed, NotFound, Conflict when its day is over."""
    found = filing_seen(session, actor, request_id)
    if not found.may_be_taken(now):
        raise Conflict("The file is taken within a day after another person has allowed it.")
    if not found.is_for(actor.person_id):
        raise NotAllowed("The file is taken by who asked for it or who allowed it.")
    session.flush()
    numbers = {
        row.organisation_id: sealing.unseal(
            bytes(row.number_sealed), secret=secret, purpose=SEALED_FOR, row=str(row.organisation_id)
        )
        for row in session.execute(_NUMBERS, {"request": request_id, "at": now})
    }
    filed = [each for each in to_file(session, actor, found.request.year) if each.party_id in numbers]
    details = {"year": found.request.year, "numbers": len(filed)}
    audit.record(session, actor, "take_filing", "filing_request", request_id, details=details, now=now)
    payer = tax_identity(session, actor.organisation_id)
    own = (payer.legal_name, payer.address, payer.country) if payer else ("", "", "")
    return [row for each in filed for row in _rows(each, own, numbers[each.party_id])]


def _rows(one: Recipient, payer: tuple[str, str, str], number: str) -> Iterator[tuple[str, ...]]:
    identity, taxpayer = one.identity, one.taxpayer
    if identity is None or taxpayer is None:
        return
    for box, minor in box_amounts(one.outcome.form, one.paid):
        if minor:
            yield (
                one.outcome.form.code, str(one.paid.year), *payer, taxpayer.certified_name, identity.address,
                identity.country, taxpayer.number_type, number, str(one.party_id), box.number, box.label,
                one.paid.currency, plain_amount(Money(minor, one.paid.currency)),
            )  # fmt: skip
