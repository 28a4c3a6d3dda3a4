"""The verbs of finance details: say who the organisation is, record and end its registrations."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy.orm import Session

from portal.access import Actor
from portal.audit import actions as audit
from portal.errors import Conflict, Invalid
from portal.rows import insert_once
from portal.taxes import queries
from portal.taxes.models import FinanceDetail, TaxRegistration, TaxRegistrationEnd
from portal.taxes.rules import identity
from portal.taxes.rules.filing_layout import phone_problem
from portal.taxes.rules.rates import tidy_number
from portal.taxes.tables import known_rates

UNKNOWN_COUNTRY = "The tax rates of this country are not known here; ask the operator to add them."


def keep_details(
    session: Session,
    actor: Actor,
    *,
    legal_name: str,
    address: str,
    country: str,
    is_small_business: bool,
    phone: str = "",
    now: datetime,
) -> FinanceDetail:
    """Say who the organisation is on invoices, from now on. *Raises*: NotAllowed, Invalid by field."""
    queries.check_keeper(actor)
    problems = identity.detail_problems(legal_name, address)
    if country not in known_rates().countries:
        problems["country"] = UNKNOWN_COUNTRY
    if wrong_phone := phone_problem(phone):
        problems["phone"] = wrong_phone
    if problems:
        raise Invalid("An invoice could not name your organisation by this.", problems)
    detail = FinanceDetail(
        organisation_id=actor.organisation_id,
        legal_name=legal_name,
        address=address,
        country=country,
        is_small_business=is_small_business,
        phone=phone,
        recorded_by=actor.person_id,
        recorded_at=now,
    )
    session.add(detail)
    session.flush()
    audit.record(session, actor, "keep_finance_details", "finance_detail", detail.id, now=now)
    return detail


def record_registration(
    session: Session,
    actor: Actor,
    *,
    country: str,
    number: str,
    valid_from: date,
    valid_to: date | None,
    now: datetime,
) -> TaxRegistration:
    """Record a registration number of a country. *Raises*: NotAllowed, Invalid by field."""
    queries.check_keeper(actor)
    tidy = tidy_number(number)
    problems = _number_problems(country, tidy)
    if valid_to is not None and valid_to <= valid_from:
        problems["valid_to"] = "The first day without it comes after its first day."
    if any((one.country, one.number) == (country, tidy) and end is None and one.valid_to is None
           for one, end in queries.own_registrations(session, actor)):  # fmt: skip
        problems["number"] = "This number is recorded already."
    if problems:
        raise Invalid("This registration cannot be taken as it is.", problems)
    row = TaxRegistration(
        organisation_id=actor.organisation_id,
        country=country,
        number=tidy,
        valid_from=valid_from,
        valid_to=valid_to,
        recorded_by=actor.person_id,
        recorded_at=now,
    )
    session.add(row)
    session.flush()
    audit.record(session, actor, "record_tax_registration", "tax_registration", row.id, now=now)
    return row


def _number_problems(country: str, number: str) -> dict[str, str]:
    known = known_rates().countries.get(country)
    if known is None:
        return {"country": UNKNOWN_COUNTRY}
    if not known.levies_tax:
        return {"country": f"{known.name} has no value added tax and registers nobody for it."}
    if not known.takes_number(number):
        return {"number": f"A number of {known.name} looks like {known.number_example}."}
    return {}


def end_registration(
    session: Session, actor: Actor, registration_id: int, *, ends_on: date, now: datetime
) -> TaxRegistrationEnd:
    """Say from which day a registration no longer holds. *Raises*: NotAllowed, NotFound, Invalid, Conflict if ended."""
    row = queries.own_registration(session, actor, registration_id)
    if ends_on <= row.valid_from or (row.valid_to is not None and ends_on > row.valid_to):
        raise Invalid("It ends after its first day and before its last.", {"ends_on": "Choose a day within it."})
    end = insert_once(
        session,
        TaxRegistrationEnd(
            registration_id=row.id,
            organisation_id=row.organisation_id,
            ends_on=ends_on,
            ended_by=actor.person_id,
            ended_at=now,
        ),
    )
    if end is None:
        raise Conflict("This registration has ended already.")
    audit.record(session, actor, "end_tax_registration", "tax_registration", row.id, now=now)
    return end
