"""The files that a year's forms are filed with, which hold the numbers that nobody else reads.

A file is of one form, a row each recipient, in the columns of the IRS's template as far as they could be compared; who
lacks something is shown with what, and is in no file. Invariants: one person of the payer's finance asks for the files,
another allows it, and for a day both may take them; each taking is in the audit log with how many numbers it held; the
database gives no number out otherwise. The payer's own number is certified and sealed as its recipients' are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from portal.taxes.queries import own_details, tax_identity, taxpayer_known
from portal.taxes.rules.filing_layout import Party, Read, Return, read_payer, read_recipient, rows_of
from portal.taxes.rules.year_forms import FILE, box_amounts
from portal.taxes.tables import known_layouts

TAKEN_WITHIN = timedelta(days=1)

_NUMBERS = text("SELECT organisation_id, number_sealed FROM sealed_taxpayer_numbers(:request, :at)")


@dataclass(frozen=True)
class Filing:
    """A request for the files of a year, and who allowed it."""

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


@dataclass(frozen=True)
class Ready:
    """A recipient's form with everything the file needs of it."""

    recipient: Recipient
    party: Party


@dataclass(frozen=True)
class Prepared:
    """What a year's files would hold: the payer, the returns of each form, and who is left out for what is missing."""

    payer: Read
    forms: Mapping[str, Sequence[Ready]]
    left_out: Sequence[tuple[Recipient, tuple[str, ...]]]

    @property
    def may_be_asked_for(self) -> bool:
        """Whether there is anything to file, with a payer to name."""
        return bool(self.forms) and self.payer.party is not None

    @property
    def files(self) -> list[tuple[str, int, int]]:
        """Each file as its form, its part and how many returns it holds."""
        return [
            (form, number, len(returns))
            for form, ready in self.forms.items()
            for number, returns in enumerate(_parts(ready), start=1)
        ]


def _parts(ready: Sequence[Ready]) -> list[Sequence[Ready]]:
    size = known_layouts().returns_in_file
    return [ready[start : start + size] for start in range(0, len(ready), size)]


def prepared(session: Session, actor: Actor, rows: Iterable[Recipient]) -> Prepared:
    """What can be filed of a year's recipients, and what is missing. *Raises*: NotAllowed."""
    check_payer(actor)
    forms: dict[str, list[Ready]] = {}
    left_out = []
    for one in rows:
        if one.outcome.kind != FILE or one.outcome.filer != "payer":
            continue
        read = read_recipient(one.identity, one.taxpayer)
        if read.party is None:
            left_out.append((one, (*one.outcome.missing, *read.missing)))
        else:
            forms.setdefault(one.outcome.form.code, []).append(Ready(one, read.party))
    return Prepared(_payer(session, actor), dict(sorted(forms.items())), left_out)


def _payer(session: Session, actor: Actor) -> Read:
    details = own_details(session, actor)
    identity = tax_identity(session, actor.organisation_id)
    return read_payer(identity, taxpayer_known(session, actor.organisation_id), details.phone if details else "")


def ask(session: Session, actor: Actor, year: int, *, now: datetime) -> FilingRequest:
    """Ask for the files of a year.

    *Raises*: NotAllowed, NotFound where nobody was paid, RuleBroken where nothing can be filed of it.
    """
    rows = recipients(session, actor, year)
    if not rows:
        raise NotFound
    found = prepared(session, actor, rows)
    if not found.forms:
        raise RuleBroken(f"No form of {year} is the payer's to file with everything it needs.")
    _check_payer_is_named(found)
    made = FilingRequest(manufacturer_id=actor.organisation_id, year=year, asked_by=actor.person_id, asked_at=now)
    session.add(made)
    session.flush()
    audit.record(session, actor, "ask_for_filing", "filing_request", made.id, details={"year": year}, now=now)
    return made


def _check_payer_is_named(found: Prepared) -> Party:
    if found.payer.party is None:
        missing = "; ".join(found.payer.missing)
        raise RuleBroken(f"The file names its payer. Missing in finance details: {missing}.")
    return found.payer.party


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


@dataclass(frozen=True)
class Taken:
    """One file: its headings, and its rows with numbers in the clear."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def take(session: Session, actor: Actor, request_id: int, *, form: str, part: int, secret: str, now: datetime) -> Taken:
    """One part of a form's file. *Raises*: NotAllowed, NotFound, RuleBroken, Conflict when its day is over."""
    found = filing_seen(session, actor, request_id)
    if not found.may_be_taken(now):
        raise Conflict("The file is taken within a day after another person has allowed it.")
    if not found.is_for(actor.person_id):
        raise NotAllowed("The file is taken by who asked for it or who allowed it.")
    year = found.request.year
    ready = prepared(session, actor, recipients(session, actor, year))
    payer = _check_payer_is_named(ready)
    parts = _parts(ready.forms.get(form, ()))
    if not 1 <= part <= len(parts):
        raise NotFound
    numbers = _numbers(session, request_id, secret=secret, now=now)
    returns = [_return(each, numbers) for each in parts[part - 1]]
    details = {"year": year, "form": form, "part": part, "numbers": len(returns)}
    audit.record(session, actor, "take_filing", "filing_request", request_id, details=details, now=now)
    layout = known_layouts().by_form[form]
    return Taken(layout.head, rows_of(layout, payer, _number(numbers, actor.organisation_id), returns))


def _numbers(session: Session, request_id: int, *, secret: str, now: datetime) -> dict[int, str]:
    """The numbers that the database gives out, by organisation."""
    session.flush()
    return {
        row.organisation_id: sealing.unseal(
            bytes(row.number_sealed), secret=secret, purpose=SEALED_FOR, row=str(row.organisation_id)
        )
        for row in session.execute(_NUMBERS, {"request": request_id, "at": now})
    }


def _number(numbers: Mapping[int, str], organisation_id: int) -> str:
    """A row without its number would be filed as one: there is none."""
    if organisation_id not in numbers:
        raise RuleBroken("A number of somebody in the file is not known any more; the page says whose is missing.")
    return numbers[organisation_id]


def _return(one: Ready, numbers: Mapping[int, str]) -> Return:
    """The amounts as decimal text; what comes to nothing is left empty."""
    paid, party_id = one.recipient.paid, one.recipient.party_id
    boxes = {
        box.number: plain_amount(Money(minor, paid.currency))
        for box, minor in box_amounts(one.recipient.outcome.form, paid)
        if minor
    }
    return Return(paid.year, str(party_id), one.party, _number(numbers, party_id), boxes)
