"""The directory's verbs: bring in organisations, sites and systems, and change who services what.

Directory rows may change; each act leaves an audit entry in the same transaction. Organisations, systems and training
are the manufacturer's administrator's to keep; who services what changes by the customer's letter only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.audit import actions as audit
from portal.db import Base
from portal.directory import rules
from portal.directory.models import (
    Certificate,
    Organisation,
    ProductLine,
    PunchItem,
    ServiceRelationship,
    Site,
    System,
)
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.jobs import enqueue
from portal.rows import add_or_refuse


@dataclass(frozen=True)
class NewOrganisation:
    """What is said of an organisation when it is brought in."""

    side: Side
    code: str
    name: str
    zone: str
    country: str
    currency: str
    is_operator: bool = False
    support_phone: str = ""
    accounts_payable_email: str = ""


@dataclass(frozen=True)
class NewSystem:
    """What is said of an installed system; dates are days at the site."""

    site_id: int
    product_line_id: int
    serial: str
    name: str
    installed_on: date | None = None
    warranty_starts_on: date | None = None
    warranty_ends_on: date | None = None
    day_one_on: date | None = None
    transition_ends_on: date | None = None


def found_deployment(session: Session, new: NewOrganisation, now: datetime) -> Organisation:
    """Make the operator, the first organisation: it has nobody yet who could act."""
    return _add_organisation(session, new, (), now)


def add_organisation(session: Session, actor: Actor, new: NewOrganisation, now: datetime) -> Organisation:
    """Bring in an organisation. *Raises*: NotAllowed; Invalid for a code that is taken or a zone nobody knows."""
    _must_keep_directory(actor)
    organisation = _add_organisation(session, new, (actor.organisation_id,), now)
    audit.record(
        session, actor, "add_organisation", "organisation", organisation.id, details={"code": new.code}, now=now
    )
    return organisation


def add_site(
    session: Session, actor: Actor, *, customer_id: int, name: str, address: str, zone: str, now: datetime
) -> Site:
    """Add a customer's place. *Raises*: NotAllowed, NotFound, Invalid."""
    _must_keep_directory(actor)
    rules.check_place(name, zone)
    customer = session.get(Organisation, customer_id)
    if customer is None or customer.side != Side.CUSTOMER:
        raise NotFound()
    site = Site(
        customer_id=customer_id,
        name=name,
        address=address,
        zone=zone,
        visible_to=sorted({actor.organisation_id, customer_id}),
        created_at=now,
    )
    session.add(site)
    session.flush()
    audit.record(session, actor, "add_site", "site", site.id, details={"name": name}, now=now)
    return site


def add_product_line(session: Session, actor: Actor, *, code: str, name: str, now: datetime) -> ProductLine:
    """Add a product line of the actor's own company. *Raises*: NotAllowed."""
    _must_be_manufacturer(actor)
    line = ProductLine(manufacturer_id=actor.organisation_id, code=code, name=name)
    session.add(line)
    session.flush()
    audit.record(session, actor, "add_product_line", "product_line", line.id, details={"code": code}, now=now)
    return line


def add_system(session: Session, actor: Actor, new: NewSystem, now: datetime) -> System:
    """Record an installed system of the actor's own make. *Raises*: NotAllowed, NotFound, Invalid."""
    _must_be_manufacturer(actor)
    rules.check_system_dates(new.warranty_starts_on, new.warranty_ends_on, new.day_one_on, new.transition_ends_on)
    site, line = session.get(Site, new.site_id), session.get(ProductLine, new.product_line_id)
    if site is None or line is None or line.manufacturer_id != actor.organisation_id:
        raise NotFound()
    if not new.serial.strip():
        raise Invalid("A system needs its serial number.", {"serial": "Enter the serial number."})
    system = System(
        manufacturer_id=actor.organisation_id,
        customer_id=site.customer_id,
        site_id=site.id,
        product_line_id=line.id,
        serial=new.serial.strip(),
        name=new.name,
        installed_on=new.installed_on,
        warranty_starts_on=new.warranty_starts_on,
        warranty_ends_on=new.warranty_ends_on,
        day_one_on=new.day_one_on,
        transition_ends_on=new.transition_ends_on,
        created_at=now,
    )
    _insert(session, system, "serial", "Another system of this make has this serial number.")
    audit.record(session, actor, "add_system", "system", system.id, details={"serial": system.serial}, now=now)
    return system


def begin_service(
    session: Session,
    actor: Actor,
    *,
    site_id: int,
    product_line_id: int,
    integrator_id: int,
    from_on: date,
    letter_reference: str,
    now: datetime,
) -> ServiceRelationship:
    """Say who services a product line at a site from a day on; an integrator before ends there.

    The new integrator is handed the technical history, by job; the old one is told and keeps its cases.
    *Raises*: NotAllowed, NotFound; Invalid without the customer's letter; Conflict when the day is already taken.
    """
    _must_be_manufacturer(actor)
    if not letter_reference.strip():
        raise Invalid("A change needs the customer's letter.", {"letter_reference": "Name the customer's letter."})
    site, line = session.get(Site, site_id), session.get(ProductLine, product_line_id)
    integrator = session.get(Organisation, integrator_id)
    if site is None or line is None or line.manufacturer_id != actor.organisation_id:
        raise NotFound()
    if integrator is None or integrator.side != Side.INTEGRATOR:
        raise NotFound()
    before = _end_running_service(session, site_id, product_line_id, from_on)
    relationship = ServiceRelationship(
        site_id=site_id,
        product_line_id=product_line_id,
        manufacturer_id=actor.organisation_id,
        integrator_id=integrator_id,
        customer_id=site.customer_id,
        from_on=from_on,
        to_on=None,
        letter_reference=letter_reference.strip(),
        created_at=now,
    )
    _insert(session, relationship, "from_on", "Somebody else services this product line at the site in that time.")
    details = {"integrator_id": integrator_id, "before_id": before.integrator_id if before else None}
    audit.record(session, actor, "begin_service", "service_relationship", relationship.id, details=details, now=now)
    if before is not None:
        enqueue(session, "hand_over_history", relationship_id=relationship.id)
        enqueue(session, "notify_service_change", relationship_id=relationship.id, before_id=before.id)
    return relationship


def end_service(
    session: Session,
    actor: Actor,
    *,
    site_id: int,
    product_line_id: int,
    to_on: date,
    letter_reference: str,
    now: datetime,
) -> ServiceRelationship:
    """Say that from a day on nobody services a product line at a site: the customer deals with the manufacturer.

    *Raises*: NotAllowed, NotFound; Invalid without the customer's letter; Conflict where nobody services it by then.
    """
    _must_be_manufacturer(actor)
    if not letter_reference.strip():
        raise Invalid("A change needs the customer's letter.", {"letter_reference": "Name the customer's letter."})
    line = session.get(ProductLine, product_line_id)
    if session.get(Site, site_id) is None or line is None or line.manufacturer_id != actor.organisation_id:
        raise NotFound()
    ended = _end_running_service(session, site_id, product_line_id, to_on)
    if ended is None:
        raise Conflict("Nobody services this product line at the site, or somebody until a day that is set already.")
    details = {"to_on": to_on.isoformat(), "letter": letter_reference.strip()}
    audit.record(session, actor, "end_service", "service_relationship", ended.id, details=details, now=now)
    enqueue(session, "notify_service_end", relationship_id=ended.id)
    return ended


def certify(
    session: Session,
    actor: Actor,
    *,
    person_id: int,
    organisation_id: int,
    product_line_id: int,
    number: str,
    issued_on: date,
    expires_on: date,
    now: datetime,
) -> Certificate:
    """Record a person's training for a product line. *Raises*: NotAllowed, Invalid."""
    _must_be_manufacturer(actor)
    if expires_on <= issued_on:
        raise Invalid("A certificate ends after it begins.", {"expires_on": "Choose a later day."})
    certificate = Certificate(
        person_id=person_id,
        organisation_id=organisation_id,
        manufacturer_id=actor.organisation_id,
        product_line_id=product_line_id,
        number=number,
        issued_on=issued_on,
        expires_on=expires_on,
    )
    _insert(session, certificate, "number", "This certificate number is taken.")
    audit.record(session, actor, "certify", "certificate", certificate.id, details={"number": number}, now=now)
    return certificate


def end_certificate(
    session: Session, actor: Actor, certificate: Certificate, *, reason: str, now: datetime
) -> Certificate:
    """Have a certificate end today, or the day after its first. *Raises*: NotAllowed, Invalid, Conflict when ended."""
    _must_be_manufacturer(actor)
    if certificate.manufacturer_id != actor.organisation_id:
        raise NotFound()
    if not reason.strip():
        raise Invalid("Say why it ends.", {"reason": "Say why it ends."})
    if certificate.expires_on <= now.date():
        raise Conflict("This certificate has ended already.")
    before = certificate.expires_on
    certificate.expires_on = max(now.date(), certificate.issued_on + timedelta(days=1))
    session.flush()
    details = {"number": certificate.number, "reason": reason.strip(), "was": before.isoformat()}
    audit.record(session, actor, "end_certificate", "certificate", certificate.id, details=details, now=now)
    return certificate


def add_punch_item(
    session: Session, actor: Actor, system: System, *, integrator_id: int, description: str, now: datetime
) -> PunchItem:
    """Note an open closeout item of a system; it moves no date and bills nobody. *Raises*: NotAllowed, Invalid."""
    if not actor.has(Role.SERVICE_MANAGER, Role.TECHNICIAN, Role.SUPPORT_LEAD, Role.ENGINEER):
        raise NotAllowed("The punch list belongs to the service people of the two companies.")
    if not description.strip():
        raise Invalid("Say what is still open.", {"description": "Say what is still open."})
    item = PunchItem(
        system_id=system.id,
        manufacturer_id=system.manufacturer_id,
        integrator_id=integrator_id,
        customer_id=system.customer_id,
        description=description.strip(),
        opened_at=now,
        closed_at=None,
    )
    session.add(item)
    session.flush()
    audit.record(session, actor, "add_punch_item", "punch_item", item.id, now=now)
    return item


def close_punch_item(session: Session, actor: Actor, item_id: int, now: datetime) -> PunchItem:
    """Tick a closeout item off; a second tick changes nothing. *Raises*: NotFound, NotAllowed."""
    item = session.get(PunchItem, item_id)
    if item is None:
        raise NotFound()
    if not actor.has(Role.SERVICE_MANAGER, Role.TECHNICIAN, Role.SUPPORT_LEAD, Role.ENGINEER):
        raise NotAllowed("The punch list belongs to the service people of the two companies.")
    if item.closed_at is None:
        item.closed_at = now
        audit.record(session, actor, "close_punch_item", "punch_item", item.id, now=now)
    return item


def _add_organisation(session: Session, new: NewOrganisation, known_to: tuple[int, ...], now: datetime) -> Organisation:
    rules.check_organisation(new.code, new.name, new.zone, new.currency)
    organisation = Organisation(
        side=new.side.value,
        code=new.code,
        name=new.name.strip(),
        is_operator=new.is_operator,
        zone=new.zone,
        country=new.country,
        currency=new.currency,
        support_phone=new.support_phone,
        accounts_payable_email=new.accounts_payable_email,
        visible_to=list(known_to),
        created_at=now,
    )
    _insert(session, organisation, "code", "Another organisation has this code.")
    return organisation


def _end_running_service(
    session: Session, site_id: int, product_line_id: int, from_on: date
) -> ServiceRelationship | None:
    running = session.scalars(
        select(ServiceRelationship)
        .where(
            ServiceRelationship.site_id == site_id,
            ServiceRelationship.product_line_id == product_line_id,
            ServiceRelationship.to_on.is_(None),
        )
        .with_for_update()
    ).one_or_none()
    if running is None:
        return None
    if running.from_on >= from_on:
        raise Conflict("The present integrator begins on that day or later.")
    running.to_on = from_on
    session.flush()
    return running


def _insert(session: Session, row: Base, field: str, sentence: str) -> None:
    add_or_refuse(session, row, Invalid(sentence, {field: sentence}))


def _must_keep_directory(actor: Actor) -> None:
    if not actor.has(Role.ADMINISTRATOR) or not (actor.is_operator or actor.side is Side.MANUFACTURER):
        raise NotAllowed("Organisations and sites are kept by the manufacturer's or the operator's administrator.")


def _must_be_manufacturer(actor: Actor) -> None:
    if actor.side is not Side.MANUFACTURER or not actor.has(Role.ADMINISTRATOR, Role.SUPPORT_LEAD):
        raise NotAllowed("This is the manufacturer's administrator's to do.")
