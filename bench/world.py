"""The deployment that is measured: the demonstration's companies, more of every kind, and one case of each course.

Founded by the portal's own actions, so that every row is one the portal writes; ``loading`` multiplies the cases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Audience, Role, Side
from portal.cases import actions as cases
from portal.cases.models import SupportCase
from portal.contracts import actions as contracts
from portal.contracts.queries import agreement_in_force
from portal.demo.founding import DOCUMENTS, World, found_world, policy_of
from portal.directory import actions as directory
from portal.directory.actions import NewOrganisation
from portal.directory.models import Organisation
from portal.entitlement.models import AuthorizationRequest
from portal.identity.models import Membership, Person
from portal.ledger import actions as ledger
from portal.metering import actions as metering

# The oldest copied case lies this far back; everything is founded before it.
FOUNDED_BEFORE = timedelta(days=900)
CLOSED_BEFORE, OPEN_BEFORE = timedelta(days=40), timedelta(days=2)
SECOND_FACTORY = "SUD"
INTEGRATORS, CUSTOMERS = 24, 240
# The second factory works with the first few of the integrators.
SHARED_INTEGRATORS = 8
SYSTEM = "NA-11207"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
SUMMARY = "Time zone table was overwritten; restored from the last backup and checked on two doors."


@dataclass(frozen=True)
class Course:
    """A case that was brought to where its kind stands, how many of 1,000 copies it has, and over how long they lie."""

    kind: str
    case_id: int
    per_mille: int
    is_open: bool


@dataclass(frozen=True)
class Seed:
    """What the loader multiplies: the courses and the people, companies and documents it puts others in place of."""

    now: datetime
    courses: tuple[Course, ...]
    organisation_ids: dict[str, int]
    person_ids: dict[str, int]
    version_ids: dict[str, int]


def found(session: Session, now: datetime) -> Seed:
    """Store everything that exists before the first copy; the caller commits."""
    founded_at = now - FOUNDED_BEFORE
    world = found_world(session, founded_at)
    integrators = _integrators(session, world, founded_at)
    _second_factory(session, world, integrators, founded_at)
    session.execute(_CUSTOMERS, {"count": CUSTOMERS, "at": founded_at, "known": _ids(world, "NOR")})
    session.execute(_SITES, {"at": founded_at})
    session.execute(_SERVICES, {"at": founded_at, "count": INTEGRATORS, "shared": SHARED_INTEGRATORS})
    session.execute(_SYSTEMS, {"at": founded_at})
    session.execute(_SHOWN)
    courses = _courses(session, world, now)
    return Seed(
        now,
        courses,
        {code: row.id for code, row in world.organisations.items()},
        {key: actor.person_id for key, actor in world.actors.items()},
        _versions(session, world, now),
    )


def _versions(session: Session, world: World, now: datetime) -> dict[str, int]:
    """The documents in force between the two companies of the models. *Raises*: LookupError without an agreement."""
    factory, integrator = _ids(world, "NOR", "KES")
    agreement = agreement_in_force(session, factory, integrator, now)
    if agreement is None:
        raise LookupError("the demonstration's companies have no agreement")
    return {"policy": policy_of(session, world, "NOR", now).id, "agreement": agreement.version.id}


def add_people(session: Session, *, per_company: int, now: datetime) -> None:
    """Technicians for every integrator, engineers for both factories, a buyer for each customer; all may sign in."""
    session.execute(_PEOPLE, {"count": per_company, "at": now - FOUNDED_BEFORE})
    session.execute(_MEMBERSHIPS, {"at": now - FOUNDED_BEFORE})
    session.execute(_CREDENTIALS, {"at": now - FOUNDED_BEFORE})


def _ids(world: World, *codes: str) -> list[int]:
    return [world.organisations[code].id for code in codes]


def _integrators(session: Session, world: World, at: datetime) -> list[tuple[Organisation, Actor, Actor]]:
    """More integrators with an administrator and a manager each, every one with an agreement of the first factory."""
    made = []
    for number in range(1, INTEGRATORS + 1):
        new = NewOrganisation(Side.INTEGRATOR, f"I{number:03}", f"Integrator {number}", "Europe/Berlin", "DE", "EUR")
        company = directory.add_organisation(session, world.administrator_of("NOR"), new, at)
        administrator = _member(session, company, "administrator", Role.ADMINISTRATOR, at)
        manager = _member(session, company, "manager", Role.SERVICE_MANAGER, at)
        _agree(session, world.administrator_of("NOR"), administrator, company, at)
        made.append((company, administrator, manager))
    return made


def _second_factory(
    session: Session, world: World, integrators: list[tuple[Organisation, Actor, Actor]], at: datetime
) -> None:
    new = NewOrganisation(Side.MANUFACTURER, SECOND_FACTORY, "Süd Access", "Europe/Berlin", "DE", "EUR")
    company = directory.add_organisation(session, world.administrator_of("NOR"), new, at)
    administrator = _member(session, company, "administrator", Role.ADMINISTRATOR, at)
    _member(session, company, "lead", Role.SUPPORT_LEAD, at)
    directory.add_product_line(session, administrator, code="DoorController", name="Door controllers", now=at)
    policy = contracts.open_document(session, administrator, kind="policy", title="Service policy", now=at)
    body = (DOCUMENTS / "nordlicht_policy.toml").read_text("utf-8")
    version = contracts.propose_version(session, administrator, policy, body_toml=body, effective_from=at, now=at)
    contracts.sign_version(session, administrator, version, shown_sha256=version.sha256, now=at)
    ledger.open_first_period(session, manufacturer_id=company.id, zone=company.zone, now=at)
    for integrator, its_administrator, _ in integrators[:SHARED_INTEGRATORS]:
        _agree(session, administrator, its_administrator, integrator, at)


def _member(session: Session, company: Organisation, name: str, role: Role, at: datetime) -> Actor:
    person = Person(
        email=f"{name}@{company.code.lower()}.example",
        display_name=f"{name.capitalize()} of {company.name}",
        zone=company.zone,
        visible_to=[company.id],
        created_at=at,
    )
    session.add(person)
    session.flush()
    session.add(Membership(person_id=person.id, organisation_id=company.id, roles=[role.value], started_at=at))
    session.flush()
    return Actor(person.id, company.id, Side(company.side), frozenset({role}), display_name=person.display_name)


def _agree(session: Session, factory: Actor, integrator: Actor, company: Organisation, at: datetime) -> None:
    body = (DOCUMENTS / "nordlicht_kessler_agreement.toml").read_text("utf-8")
    code = session.get_one(Organisation, factory.organisation_id).code
    body = body.replace('"KES"', f'"{company.code}"').replace('"NOR"', f'"{code}"')
    title = f"Agreement with {company.name}"
    document = contracts.open_document(
        session, factory, kind="agreement", title=title, now=at, integrator_id=company.id
    )
    version = contracts.propose_version(session, factory, document, body_toml=body, effective_from=at, now=at)
    for signer in (factory, integrator):
        contracts.sign_version(session, signer, version, shown_sha256=version.sha256, now=at)


def _courses(session: Session, world: World, now: datetime) -> tuple[Course, ...]:
    """One case of each course, with how common it is: most cases of a factory are closed."""
    steps: tuple[tuple[str, int, bool, Callable[[_Life], None]], ...] = (
        ("offered", 12, True, _offered),
        ("with the factory", 24, True, _with_factory),
        ("waiting for an answer", 12, True, _waiting),
        ("with the integrator", 12, True, _with_integrator),
        ("resolved", 20, True, _resolved),
        ("closed after a visit", 220, False, _closed_after_visit),
        ("closed", 700, False, _closed),
    )
    made = []
    for number, (kind, per_mille, is_open, bring) in enumerate(steps):
        # Hours apart, so that nobody works on two cases at once.
        began = now - (OPEN_BEFORE if is_open else CLOSED_BEFORE) + 5 * number * HOUR
        life = _Life(session, world, began)
        bring(life)
        made.append(Course(kind, life.case.id, per_mille, is_open))
    return tuple(made)


class _Life:
    """One case and its clock: each step takes some minutes."""

    def __init__(self, session: Session, world: World, at: datetime) -> None:
        self.session, self.now = session, at.replace(microsecond=0)
        self.tom, self.ana, self.bea = world.actors["tom"], world.actors["ana"], world.actors["bea"]
        self.mia, self.leo = world.actors["mia"], world.actors["leo"]
        new = cases.NewCase(
            system_id=world.systems[SYSTEM].id,
            severity=3,
            title="Door stays locked",
            symptom="The reader blinks red for every card since the morning. Power cycled twice.",
            answers={"serial": SYSTEM, "firmware": "4.1", "leds": "red"},
            nte_minor=45_000,
        )
        self.case = cases.escalate(session, self.tom, new, now=self.now)

    def later(self, minutes: int) -> datetime:
        self.now += minutes * MINUTE
        return self.now

    def say_yes(self) -> None:
        request = self.session.scalars(
            select(AuthorizationRequest.id).where(AuthorizationRequest.case_id == self.case.id)
        ).one()
        cases.authorize(self.session, self.bea, request, nte_minor=45_000, now=self.later(6))

    def accept(self, actor: Actor) -> None:
        cases.accept_custody(self.session, actor, self.case, seq=self.case.seq, now=self.later(9))

    def note(self, actor: Actor, body: str) -> None:
        note = cases.NewNote(body, audience=Audience.COMPANIES)
        cases.add_note(self.session, actor, self.case, note, now=self.later(2))

    def work(self, actor: Actor, minutes: int, mode: str, approver: Actor | None) -> None:
        started = self.now
        work = metering.Work(mode, "support", SUMMARY)
        entry = metering.enter_time(
            self.session, actor, self.case, work, started_at=started, ended_at=self.later(minutes), now=self.now
        )
        if approver is not None:
            metering.approve_time(self.session, approver, [entry.id], self.later(1))

    def hand_back(self) -> None:
        reason = "Please measure at the lock and swap the board if it is below 11 V."
        cases.hand_back(
            self.session, self.ana, self.case, reason=reason, new_information=True, seq=self.case.seq, now=self.later(3)
        )

    def resolve(self, actor: Actor) -> None:
        said = cases.Resolving(cause="configuration", last_action="remote_configuration", summary=SUMMARY)
        cases.resolve(self.session, actor, self.case, said, seq=self.case.seq, now=self.later(4))

    def close(self, answerer: Actor) -> None:
        cases.confirm(self.session, answerer, self.case, seq=self.case.seq, now=self.later(60))
        held = self.session.get_one(SupportCase, self.case.id, populate_existing=True)
        if held.reopen_until is not None:
            cases.close_case(self.session, held.id, now=held.reopen_until)


def _offered(life: _Life) -> None:
    life.note(life.tom, "The same door was repaired last year.")


def _with_factory(life: _Life) -> None:
    life.say_yes()
    life.accept(life.ana)
    life.note(life.ana, "I see the controller. Is anything else on the same power supply?")
    life.note(life.tom, "Two readers and the gate.")
    life.work(life.ana, 25, "remote", None)


def _waiting(life: _Life) -> None:
    life.say_yes()
    life.accept(life.ana)
    question = "Which firmware does the second controller run, and is its light green?"
    cases.ask_information(life.session, life.ana, life.case, question=question, seq=life.case.seq, now=life.later(12))


def _with_integrator(life: _Life) -> None:
    _with_factory(life)
    life.hand_back()
    life.accept(life.tom)


def _resolved(life: _Life) -> None:
    life.say_yes()
    life.accept(life.ana)
    life.work(life.ana, 40, "remote", life.leo)
    life.note(life.ana, SUMMARY)
    life.resolve(life.ana)


def _closed(life: _Life) -> None:
    _resolved(life)
    life.close(life.mia)


def _closed_after_visit(life: _Life) -> None:
    life.say_yes()
    life.accept(life.ana)
    life.work(life.ana, 30, "phone", life.leo)
    life.hand_back()
    life.accept(life.tom)
    life.work(life.tom, 60, "on_site", life.mia)
    life.note(life.tom, SUMMARY)
    life.resolve(life.tom)
    life.close(life.leo)


# A manufacturer's administrator would add these one by one; the triggers that make companies known to each other run.
_CUSTOMERS = text("""
    INSERT INTO organisation (side, code, name, zone, country, currency, visible_to, created_at)
    SELECT 'customer', 'C' || lpad(i::text, 4, '0'), 'Customer ' || i, 'Europe/Berlin', 'DE', 'EUR',
           CAST(:known AS bigint[]), :at
    FROM generate_series(1, :count) AS i
""")

_SITES = text("""
    INSERT INTO site (customer_id, name, address, zone, visible_to, created_at)
    SELECT id, 'Main building of ' || name, 'Uferweg ' || id, zone, ARRAY[id], :at
    FROM organisation WHERE code ~ '^C[0-9]{4}$' ORDER BY id
""")

# Few integrators service most sites; every fourth site has systems of the second factory.
_SERVICES = text("""
    INSERT INTO service_relationship (site_id, product_line_id, manufacturer_id, integrator_id, customer_id, from_on,
                                      letter_reference, created_at)
    SELECT place.id, line.id, line.manufacturer_id, integrator.id, place.customer_id, CAST(:at AS timestamptz)::date,
           'Letter', :at
    FROM (SELECT site.id, site.customer_id, row_number() OVER (ORDER BY site.id) AS i
          FROM site JOIN organisation o ON o.id = site.customer_id WHERE o.code ~ '^C[0-9]{4}$') place
    JOIN organisation factory ON factory.code = CASE WHEN place.i % 4 = 0 THEN 'SUD' ELSE 'NOR' END
    JOIN product_line line ON line.manufacturer_id = factory.id AND line.code = 'DoorController'
    JOIN organisation integrator ON integrator.code = 'I' || lpad((1 + floor(
        CASE WHEN place.i % 4 = 0 THEN :shared ELSE :count END * power(place.i * 37 % 101 / 101.0, 2)))::text, 3, '0')
    ORDER BY place.id
""")

_SYSTEMS = text("""
    INSERT INTO system (manufacturer_id, customer_id, site_id, product_line_id, serial, name, installed_on,
                        warranty_starts_on, warranty_ends_on, day_one_on, created_at)
    SELECT service.manufacturer_id, service.customer_id, service.site_id, service.product_line_id,
           'BD-' || lpad((service.id * 4 + door)::text, 6, '0'), 'Doors, wing ' || door,
           service.from_on - 1400, service.from_on - 1390, service.from_on - 660, service.from_on - 1390, :at
    FROM service_relationship service JOIN organisation o ON o.id = service.customer_id, generate_series(1, 3) AS door
    WHERE o.code ~ '^C[0-9]{4}$' ORDER BY service.id, door
""")

# Who services a site now was known to nobody while its system was put in.
_SHOWN = text("""
    UPDATE system SET visible_to = ARRAY(SELECT DISTINCT unnest(system.visible_to || service.integrator_id) ORDER BY 1)
    FROM service_relationship service
    WHERE service.site_id = system.site_id AND service.product_line_id = system.product_line_id
      AND NOT service.integrator_id = ANY (system.visible_to)
""")

_PEOPLE = text("""
    INSERT INTO person (email, display_name, zone, visible_to, created_at)
    SELECT format('p%s@%s.example', i, lower(code)), format('%s %s', initcap(side), i), zone, ARRAY[id], :at
    FROM organisation, generate_series(1, CASE WHEN side = 'customer' THEN 1 ELSE :count END) AS i
    WHERE code ~ '^(C[0-9]{4}|I[0-9]{3}|NOR|SUD)$'
    ORDER BY organisation.id, i
""")

_MEMBERSHIPS = text("""
    INSERT INTO membership (person_id, organisation_id, roles, started_at)
    SELECT person.id, organisation.id,
           ARRAY[CASE side WHEN 'customer' THEN 'buyer' WHEN 'integrator' THEN 'technician' ELSE 'engineer' END], :at
    FROM person JOIN organisation ON organisation.id = ANY (person.visible_to)
    WHERE person.email ~ '^p[0-9]+@'
""")

_CREDENTIALS = text("""
    INSERT INTO credential (person_id, password_hash, set_at)
    SELECT person.id, known.password_hash, :at
    FROM person, (SELECT password_hash FROM credential LIMIT 1) known
    WHERE person.email ~ '^p[0-9]+@'
""")
