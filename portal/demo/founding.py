"""Stores the demonstration's world by the portal's own actions: companies, people, documents, sites, systems, plans."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.contracts import actions as contracts
from portal.contracts import queries as contract_queries
from portal.contracts.models import DocumentVersion
from portal.demo.world import (
    AGREEMENTS,
    CERTIFIED,
    COMPANIES,
    LINES,
    PASSWORD,
    PEOPLE,
    PLACES,
    POLICIES,
    SYSTEMS,
    Company,
    Place,
)
from portal.directory import actions as directory
from portal.directory.actions import NewOrganisation, NewSystem
from portal.directory.models import Organisation, ProductLine, Site, System
from portal.identity import passwords
from portal.identity.models import Credential, Membership, Person
from portal.ledger import actions as ledger

DOCUMENTS = Path(__file__).parent / "documents"
OPERATOR = "NOR"


@dataclass(frozen=True)
class World:
    """The stored world by the keys of the story; rows are detached and only read."""

    organisations: dict[str, Organisation]
    actors: dict[str, Actor]
    sites: dict[str, Site]
    systems: dict[str, System]
    lines: dict[str, ProductLine]

    def administrator_of(self, code: str) -> Actor:
        """The administrator of a company."""
        return next(
            self.actors[person.key]
            for person in PEOPLE
            if person.company == code and Role.ADMINISTRATOR in person.roles
        )

    def people_of(self, code: str, role: Role) -> list[Actor]:
        """The people of a company with a role, in the order of the list."""
        return [self.actors[person.key] for person in PEOPLE if person.company == code and role in person.roles]


def found_world(session: Session, now: datetime) -> World:
    """Store everything that exists before the first case."""
    organisations = {company.code: _company(session, company, now) for company in COMPANIES}
    actors = _people(session, organisations, now)
    world = World(organisations, actors, {}, {}, {})
    for code in POLICIES:
        _manufacturer(session, world, code, now)
    for manufacturer, integrator, file_name in AGREEMENTS:
        _agreement(session, world, (manufacturer, integrator), file_name, now)
    for place in PLACES:
        _place(session, world, place, now)
    _systems(session, world, now)
    _certificates(session, world, now)
    for place in PLACES:
        _plan(session, world, place, now)
    session.flush()
    return world


def _company(session: Session, company: Company, now: datetime) -> Organisation:
    return directory.found_deployment(
        session,
        NewOrganisation(
            company.side,
            company.code,
            company.name,
            company.zone,
            company.country,
            company.currency,
            is_operator=company.code == OPERATOR,
            support_phone="+49 431 555 0100" if company.side is Side.MANUFACTURER else "",
            accounts_payable_email=f"accounts@{company.code.lower()}.example",
        ),
        now,
    )


def _people(session: Session, organisations: dict[str, Organisation], now: datetime) -> dict[str, Actor]:
    # One hash for everybody: hashing a password takes long on purpose.
    password_hash = passwords.hashed(PASSWORD)
    actors: dict[str, Actor] = {}
    for somebody in PEOPLE:
        organisation = organisations[somebody.company]
        person = Person(
            email=f"{somebody.key}@{organisation.code.lower()}.example",
            display_name=somebody.name,
            zone=organisation.zone,
            visible_to=[organisation.id],
            created_at=now,
        )
        session.add(person)
        session.flush()
        session.add(Credential(person_id=person.id, password_hash=password_hash, set_at=now))
        session.add(
            Membership(
                person_id=person.id,
                organisation_id=organisation.id,
                roles=[role.value for role in somebody.roles],
                started_at=now,
            )
        )
        actors[somebody.key] = Actor(
            person_id=person.id,
            organisation_id=organisation.id,
            side=Side(organisation.side),
            roles=frozenset(somebody.roles),
            is_operator=organisation.is_operator,
            display_name=somebody.name,
        )
    session.flush()
    return actors


def _manufacturer(session: Session, world: World, code: str, now: datetime) -> None:
    administrator = world.administrator_of(code)
    for line_code, name in LINES[code]:
        world.lines[line_code] = directory.add_product_line(session, administrator, code=line_code, name=name, now=now)
    document = contracts.open_document(session, administrator, kind="policy", title="Service policy", now=now)
    version = contracts.propose_version(
        session, administrator, document, body_toml=_text(POLICIES[code]), effective_from=now, now=now
    )
    contracts.sign_version(session, administrator, version, shown_sha256=version.sha256, now=now)
    organisation = world.organisations[code]
    ledger.open_first_period(session, manufacturer_id=organisation.id, zone=organisation.zone, now=now)


def _agreement(session: Session, world: World, parties: tuple[str, str], file_name: str, now: datetime) -> None:
    manufacturer, integrator = parties
    administrator = world.administrator_of(manufacturer)
    document = contracts.open_document(
        session,
        administrator,
        kind="agreement",
        title=f"Agreement with {world.organisations[integrator].name}",
        now=now,
        integrator_id=world.organisations[integrator].id,
    )
    version = contracts.propose_version(
        session, administrator, document, body_toml=_text(file_name), effective_from=now, now=now
    )
    for signer in (administrator, world.administrator_of(integrator)):
        contracts.sign_version(session, signer, version, shown_sha256=version.sha256, now=now)


def _place(session: Session, world: World, place: Place, now: datetime) -> None:
    customer = world.organisations[place.company]
    administrator = world.administrator_of(place.manufacturer)
    site = directory.add_site(
        session,
        administrator,
        customer_id=customer.id,
        name=place.name,
        address=place.address,
        zone=customer.zone,
        now=now,
    )
    world.sites[place.key] = site
    for line_code, _ in LINES[place.manufacturer]:
        directory.begin_service(
            session,
            administrator,
            site_id=site.id,
            product_line_id=world.lines[line_code].id,
            integrator_id=world.organisations[place.integrator].id,
            from_on=now.date(),
            letter_reference=f"Letter of {now.date() - timedelta(days=14):%d.%m.%Y}",
            now=now,
        )


def _systems(session: Session, world: World, now: datetime) -> None:
    places = {place.key: place for place in PLACES}
    for installed in SYSTEMS:
        handed_over = now.date() - timedelta(days=installed.age_days)
        world.systems[installed.serial] = directory.add_system(
            session,
            world.administrator_of(places[installed.place].manufacturer),
            NewSystem(
                site_id=world.sites[installed.place].id,
                product_line_id=world.lines[installed.line].id,
                serial=installed.serial,
                name=installed.name,
                installed_on=handed_over - timedelta(days=20),
                warranty_starts_on=handed_over,
                warranty_ends_on=handed_over + timedelta(days=730),
                day_one_on=handed_over,
            ),
            now,
        )


def _certificates(session: Session, world: World, now: datetime) -> None:
    owners = {line: code for code, lines in LINES.items() for line, _ in lines}
    for number, (key, line) in enumerate(CERTIFIED, start=1):
        actor = world.actors[key]
        directory.certify(
            session,
            world.administrator_of(owners[line]),
            person_id=actor.person_id,
            organisation_id=actor.organisation_id,
            product_line_id=world.lines[line].id,
            number=f"C-{1000 + number}",
            issued_on=_year_before(now.date()),
            expires_on=now.date() + timedelta(days=500),
            now=now,
        )


def _plan(session: Session, world: World, place: Place, now: datetime) -> None:
    if place.plan is None:
        return
    buyer = world.people_of(place.company, Role.BUYER)[0]
    version = policy_of(session, world, place.manufacturer, now)
    contracts.choose_plan(
        session,
        buyer,
        site=world.sites[place.key],
        version=version,
        shown_sha256=version.sha256,
        plan_code=place.plan,
        from_at=now,
        now=now,
    )


def policy_of(session: Session, world: World, manufacturer: str, at: datetime) -> DocumentVersion:
    """The manufacturer's policy in force."""
    return contract_queries.policy_in_force(session, world.organisations[manufacturer].id, at).version


def _year_before(day: date) -> date:
    return day - timedelta(days=365)


def _text(file_name: str) -> str:
    return (DOCUMENTS / file_name).read_text("utf-8")
