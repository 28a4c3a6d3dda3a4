"""The fixed cast: two companies and their customer, their people, signed documents, and strangers of every kind.

Nordlicht Access (factory, operator) makes the systems, Kessler Sicherheit services them at the Klinikum Ostufer.
Meridian Audio, Alpen Haustechnik and Schule am Park have nothing to do with it: their people are the strangers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.contracts import actions as contracts
from portal.contracts import queries as contracts_queries
from portal.contracts.models import DocumentVersion, PlanChoice
from portal.db import Base
from portal.directory import actions as directory
from portal.directory.actions import NewOrganisation, NewSystem
from portal.directory.models import Organisation, ProductLine, Site, System
from portal.identity.models import Membership, Person

# A Tuesday morning, 10:00 in Berlin, long after the documents took effect.
NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
SIGNED_AT = datetime(2026, 1, 1, 0, 0, tzinfo=UTC)
DOCUMENTS = Path(__file__).resolve().parents[2] / "portal" / "demo" / "documents"


@dataclass(frozen=True)
class Cast:
    """Everybody and everything a story needs; organisations and rows as stored, people as actors."""

    factory: Organisation
    other_factory: Organisation
    integrator: Organisation
    other_integrator: Organisation
    customer: Organisation
    other_customer: Organisation
    ana: Actor
    eli: Actor
    leo: Actor
    fay: Actor
    fin: Actor
    adam: Actor
    tom: Actor
    tia: Actor
    mia: Actor
    ivo: Actor
    ian: Actor
    bea: Actor
    cal: Actor
    flo: Actor
    sam: Actor
    eve: Actor
    bob: Actor
    product_line: ProductLine
    site: Site
    system: System
    plain_site: Site
    plain_system: System
    policy_version: DocumentVersion
    agreement_version: DocumentVersion
    plan_choice: PlanChoice


# name: (organisation, roles). Factory: ana, eli work cases; leo leads; fay and fin are finance; adam administers.
_PEOPLE = {
    "ana": ("factory", Role.ENGINEER),
    "eli": ("factory", Role.ENGINEER),
    "leo": ("factory", Role.SUPPORT_LEAD),
    "fay": ("factory", Role.FINANCE),
    "fin": ("factory", Role.FINANCE),
    "adam": ("factory", Role.ADMINISTRATOR),
    "tom": ("integrator", Role.TECHNICIAN),
    "tia": ("integrator", Role.TECHNICIAN),
    "mia": ("integrator", Role.SERVICE_MANAGER),
    "ivo": ("integrator", Role.FINANCE),
    "ian": ("integrator", Role.ADMINISTRATOR),
    "bea": ("customer", Role.BUYER),
    "cal": ("customer", Role.CONTACT),
    "flo": ("customer", Role.FINANCE),
    "sam": ("other_integrator", Role.TECHNICIAN),
    "eve": ("other_factory", Role.ENGINEER),
    "bob": ("other_customer", Role.BUYER),
}


def build_cast(session: Session, now: datetime = NOW) -> Cast:
    """Store the cast by the portal's own actions; documents hold from the first day of 2026."""
    companies = _companies(session)
    people = {name: add_person(session, companies[company], name, role) for name, (company, role) in _PEOPLE.items()}
    adam, bea = people["adam"], people["bea"]
    line = directory.add_product_line(session, adam, code="DoorController", name="Door controllers", now=SIGNED_AT)
    places = {
        name: directory.add_site(
            session,
            adam,
            customer_id=companies["customer"].id,
            name=label,
            address="Uferweg 1, Kiel",
            zone="Europe/Berlin",
            now=SIGNED_AT,
        )
        for name, label in (("site", "Main building"), ("plain_site", "Outpatient centre"))
    }
    policy_version, agreement_version = _sign_documents(session, adam, people["ian"], companies["integrator"])
    systems = {}
    for name, serial in (("site", "NA-1001"), ("plain_site", "NA-2002")):
        directory.begin_service(
            session,
            adam,
            site_id=places[name].id,
            product_line_id=line.id,
            integrator_id=companies["integrator"].id,
            from_on=date(2026, 1, 1),
            letter_reference="Letter of 2 December 2025",
            now=SIGNED_AT,
        )
        systems[name] = directory.add_system(
            session, adam, NewSystem(places[name].id, line.id, serial, f"Doors, {places[name].name}"), SIGNED_AT
        )
    plan_choice = contracts.choose_plan(
        session,
        bea,
        site=places["site"],
        version=policy_version,
        shown_sha256=policy_version.sha256,
        plan_code="assured",
        from_at=SIGNED_AT,
        now=SIGNED_AT,
    )
    directory.certify(
        session,
        adam,
        person_id=people["tom"].person_id,
        organisation_id=companies["integrator"].id,
        product_line_id=line.id,
        number="C-100",
        issued_on=date(2025, 6, 1),
        expires_on=date(2027, 6, 1),
        now=SIGNED_AT,
    )
    session.flush()
    for row in (*companies.values(), *places.values(), *systems.values()):
        session.refresh(row)
    return Cast(
        **companies,
        **people,
        product_line=line,
        site=places["site"],
        system=systems["site"],
        plain_site=places["plain_site"],
        plain_system=systems["plain_site"],
        policy_version=policy_version,
        agreement_version=agreement_version,
        plan_choice=plan_choice,
    )


def recast(session: Session, cast: Cast) -> Cast:
    """The same cast with its rows in ``session``, as they were stored: nothing is asked of the database."""
    rows = {
        field.name: session.merge(value, load=False)
        for field in fields(cast)
        if isinstance(value := getattr(cast, field.name), Base)
    }
    return replace(cast, **rows)


def refresh(session: Session, cast: Cast) -> None:
    """Read the cast's rows again, as something has changed them."""
    for field in fields(cast):
        value = getattr(cast, field.name)
        if isinstance(value, Base):
            session.refresh(value)


def add_person(session: Session, organisation: Organisation, name: str, *roles: Role) -> Actor:
    """One more member of an organisation, as an actor."""
    person = Person(
        email=f"{name}@{organisation.code.lower()}.example",
        display_name=name.capitalize(),
        zone=organisation.zone,
        visible_to=[organisation.id],
        created_at=SIGNED_AT,
    )
    session.add(person)
    session.flush()
    session.add(
        Membership(
            person_id=person.id,
            organisation_id=organisation.id,
            roles=[role.value for role in roles],
            started_at=SIGNED_AT,
        )
    )
    session.flush()
    return Actor(
        person_id=person.id,
        organisation_id=organisation.id,
        side=Side(organisation.side),
        roles=frozenset(roles),
        is_operator=organisation.is_operator,
        display_name=person.display_name,
    )


def _companies(session: Session) -> dict[str, Organisation]:
    named = {
        "factory": (Side.MANUFACTURER, "NOR", "Nordlicht Access"),
        "other_factory": (Side.MANUFACTURER, "MER", "Meridian Audio"),
        "integrator": (Side.INTEGRATOR, "KES", "Kessler Sicherheit"),
        "other_integrator": (Side.INTEGRATOR, "ALP", "Alpen Haustechnik"),
        "customer": (Side.CUSTOMER, "KLI", "Klinikum Ostufer"),
        "other_customer": (Side.CUSTOMER, "SCH", "Schule am Park"),
    }
    return {
        key: directory.found_deployment(
            session,
            NewOrganisation(side, code, name, "Europe/Berlin", "DE", "EUR", is_operator=key == "factory"),
            SIGNED_AT,
        )
        for key, (side, code, name) in named.items()
    }


def _sign_documents(
    session: Session, adam: Actor, ian: Actor, integrator: Organisation
) -> tuple[DocumentVersion, DocumentVersion]:
    policy = contracts.open_document(session, adam, kind="policy", title="Service policy", now=SIGNED_AT)
    policy_version = _propose(session, adam, policy.id, "nordlicht_policy.toml")
    contracts.sign_version(session, adam, policy_version, shown_sha256=policy_version.sha256, now=SIGNED_AT)
    agreement = contracts.open_document(
        session, adam, kind="agreement", title="Agreement", now=SIGNED_AT, integrator_id=integrator.id
    )
    agreement_version = _propose(session, adam, agreement.id, "nordlicht_kessler_agreement.toml")
    for actor in (adam, ian):
        contracts.sign_version(session, actor, agreement_version, shown_sha256=agreement_version.sha256, now=SIGNED_AT)
    return policy_version, agreement_version


def _propose(session: Session, adam: Actor, document_id: int, file_name: str) -> DocumentVersion:
    return contracts.propose_version(
        session,
        adam,
        contracts_queries.document(session, document_id),
        body_toml=(DOCUMENTS / file_name).read_text("utf-8"),
        effective_from=SIGNED_AT,
        now=SIGNED_AT,
    )


def hours_later(hours: float) -> datetime:
    """An instant after NOW."""
    return NOW + timedelta(hours=hours)


def everything(session: Session, table: str) -> list[dict[str, object]]:
    """All rows of a table, for asserting what was stored; ``table`` is a name from the test, never input."""
    return [dict(row._mapping) for row in session.execute(text(f'SELECT * FROM "{table}" ORDER BY 1'))]
