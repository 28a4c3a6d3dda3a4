"""The mapping: how the log of another support system reads as cases, as one frozen value.

Written in TOML like a policy and checked like one: an error names line and key. Values of the log stand in it as the
log spells them; a value that the mapping does not know rejects its row, it is never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints

from portal.access import Side
from portal.contracts.blocks import (
    Block,
    Code,
    Company,
    Currency,
    Label,
    MailAddress,
    Mode,
    SomeMinutes,
    ZoneName,
)
from portal.contracts.calendar_blocks import CalendarBlock
from portal.contracts.reading import Contradiction, document_from_toml

Column = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Value = Annotated[str, StringConstraints(max_length=200)]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}\.toml$")]
CompanyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{1,7}$")]
MailDomain = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=100)]

# Between the parts of a state or a worker that stands in more than one column.
BETWEEN = " / "


class Columns(Block):
    """The log's columns, by their heading."""

    case: Column
    """The case's number in the other system."""
    at: Column
    """When the row's state began."""
    state: tuple[Column, ...] = Field(min_length=1, max_length=3)
    """The state; several columns are read together, with " / " between."""
    company: Column
    """Which company held the case."""
    worker: tuple[Column, ...] = Field(min_length=1, max_length=3)
    """Who worked: these columns together are one person."""
    owner: Column
    """The column that names a system which logs no time."""
    product: Column
    """The product, which becomes a product line."""
    customer: Column
    """The customer."""
    severity: Column
    """How bad it was."""
    details: tuple[Column, ...] = ()
    """What is kept with each event beside its state."""


class Instant(Block):
    """How the log writes an instant."""

    form: Annotated[str, StringConstraints(min_length=2, max_length=40)] = "iso"
    """"iso" for ISO 8601, or a strptime form such as "%d.%m.%Y %H:%M:%S"."""
    zone: ZoneName | None = None
    """IANA zone of instants without an offset; left out, such an instant rejects its row."""


class States(Block):
    """What the log's states mean; every state that occurs stands in one of these lists, resolving also in completed."""

    work: tuple[Value, ...] = Field(min_length=1)
    """Somebody works."""
    wait: tuple[Value, ...] = ()
    """The case waits for something outside both companies."""
    idle: tuple[Value, ...] = ()
    """Nobody works, nothing is waited for."""
    completed: tuple[Value, ...] = Field(min_length=1)
    """The work has ended; work after it is a reopening."""
    resolving: tuple[Value, ...] = ()
    """Completed states that say who resolved the case; where a case has none, its last completed row says it."""


class Work(Block):
    """Which work becomes time entries."""

    company: Company
    """Whose work it is."""
    calendar: CalendarBlock
    """Only time in this calendar is kept."""
    cap_minutes: SomeMinutes
    """Of each interval, the first so many minutes kept."""
    systems: tuple[Value, ...] = ()
    """Owners that are programs and log no time."""
    mode: Mode = Mode.REMOTE
    """How the work was done."""
    mail_domain: MailDomain
    """Workers of the other system are known by addresses of this domain; nobody signs in by them."""


class Person(Block):
    """A person of one of the companies."""

    name: Label
    """As shown."""
    mail: MailAddress
    """The address by which the person is known; whoever has it already is taken."""


class Organisation(Block):
    """One of the two companies; where its code is known already, that organisation is taken."""

    code: CompanyCode
    """Its code."""
    name: Label
    """Its name."""
    zone: ZoneName
    """IANA zone."""
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    """Country code."""
    values: tuple[Value, ...] = Field(min_length=1)
    """The values of the company column that mean it."""
    administrator: Person
    """Who signs the documents for it."""


class Customers(Block):
    """A customer and its site for each value of the customer column."""

    code_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,3}$")]
    """Their codes: this and a number, in the order in which the log names them."""
    name: Label
    """Their names; {value} stands for the log's value."""
    site: Label
    """Their sites' names; {value} likewise."""
    zone: ZoneName
    """IANA zone."""
    buyer: Person
    """Who accepts the policy and signs the standing authorization; {code} in the mail is the customer's code."""
    same: dict[str, str] = {}
    """Values that mean the same customer as another."""
    names: dict[str, Label] = {}
    """What to show for a value, where the value itself would say nothing."""


class Resolver(Block):
    """What is recorded as cause and last corrective action of a case; words of the policy."""

    cause: Code
    """The cause."""
    last_action: Code
    """The last corrective action; with the cause it gives the weights of the agreement's table."""


class Resolvers(Block):
    """The resolution for each company that can have resolved a case."""

    integrator: Resolver
    """Resolved by the integrator."""
    manufacturer: Resolver
    """Resolved by the manufacturer."""


class Documents(Block):
    """What is signed for the imported cases."""

    policy: FileName
    """The policy's file, beside the mapping."""
    agreement: FileName
    """The agreement's file, beside the mapping."""
    effective_on: date
    """Both hold, and the integrator services every site, from this day on."""
    plan: Code
    """The plan every customer has."""
    first_period_on: date
    """A day in the manufacturer's first month of books."""


class Mapping(Block):
    """How the log of another support system reads as cases."""

    schema_version: Literal[1] = 1
    """The version of this mapping language."""
    source: Code
    """The other system's name, kept with each case."""
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","
    """What stands between cells."""
    currency: Currency
    """ISO 4217 code of the imported organisations' money."""
    columns: Columns
    """The log's columns."""
    instant: Instant = Instant()
    """How the log writes an instant."""
    states: States
    """What its states mean."""
    work: Work
    """Which work becomes time entries."""
    severities: dict[str, Annotated[int, Field(ge=1, le=4)]]
    """The severity, 1 to 4, of each value of the severity column."""
    manufacturer: Organisation
    """The manufacturer."""
    integrator: Organisation
    """The integrator."""
    customers: Customers
    """The customers."""
    resolution: Resolvers
    """What is recorded as resolution."""
    documents: Documents
    """What is signed."""
    approver: Person
    """Who approves the imported time, for the company whose work it is."""

    @cached_property
    def company_of(self) -> dict[str, Company]:
        """Which value of the company column means which company."""
        companies = ((self.manufacturer, Company.MANUFACTURER), (self.integrator, Company.INTEGRATOR))
        return {value: company for organisation, company in companies for value in organisation.values}

    @cached_property
    def wall_zone(self) -> tzinfo | None:
        """The zone of instants without an offset."""
        return ZoneInfo(self.instant.zone) if self.instant.zone else None

    def instant_of(self, text: str) -> datetime:
        """The instant that a cell says. *Raises*: ValueError."""
        form = self.instant.form
        at = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007
        if at.tzinfo is None:
            if self.wall_zone is None:
                raise ValueError("has no offset, and the mapping names no zone")
            at = at.replace(tzinfo=self.wall_zone)
        return at.astimezone(UTC).replace(microsecond=0)

    def customer_value(self, text: str) -> str:
        """The value under which a customer is kept."""
        return self.customers.same.get(text, text)

    def effective_from(self) -> datetime:
        """The instant from which the documents hold."""
        midnight = datetime.combine(self.documents.effective_on, datetime.min.time())
        return midnight.replace(tzinfo=ZoneInfo(self.manufacturer.zone)).astimezone(UTC)

    def first_period_at(self) -> datetime:
        """An instant in the first month of books, whatever the zone."""
        noon = datetime.combine(self.documents.first_period_on, datetime.min.time(), UTC)
        return noon + timedelta(hours=12)


def parse_mapping(text: str) -> Mapping:
    """The mapping that a TOML text says. *Raises*: DocumentInvalid with every problem's line and key."""
    return document_from_toml(Mapping, text, mapping_contradictions)


def mapping_contradictions(mapping: Mapping) -> Iterator[Contradiction]:
    """Where a mapping contradicts itself; each finding names its places."""
    yield from _states_once(mapping)
    for value in mapping.states.resolving:
        if value not in mapping.states.completed:
            yield Contradiction(("states", "resolving"), f'"{value}" is not among the completed states')
    for number, value in enumerate(mapping.integrator.values):
        if value in mapping.manufacturer.values:
            yield Contradiction(
                ("integrator", "values", number), f'"{value}" means both companies', ("manufacturer", "values")
            )
    if mapping.manufacturer.code == mapping.integrator.code:
        yield Contradiction(("integrator", "code"), "the two companies have one code", ("manufacturer", "code"))
    if not mapping.severities:
        yield Contradiction(("severities",), "no severity is named")
    yield from _customers(mapping)


def _states_once(mapping: Mapping) -> Iterator[Contradiction]:
    meant: dict[str, str] = {}
    for meaning in ("work", "wait", "idle", "completed"):
        for value in getattr(mapping.states, meaning):
            if value in meant:
                yield Contradiction(("states", meaning), f'"{value}" stands twice', ("states", meant[value]))
            meant.setdefault(value, meaning)


def _customers(mapping: Mapping) -> Iterator[Contradiction]:
    customers = mapping.customers
    for value, kept in customers.same.items():
        if kept in customers.same:
            yield Contradiction(
                ("customers", "same", value), f'"{kept}" is itself another value', ("customers", "same", kept)
            )
    for key, text in (("name", customers.name), ("site", customers.site)):
        if "{value}" not in text:
            yield Contradiction(("customers", key), "the name has no {value}, so all customers would share it")
    if "{code}" not in customers.buyer.mail:
        yield Contradiction(
            ("customers", "buyer", "mail"), "the address has no {code}, so all customers would share it"
        )


def side_of(company: Company) -> Side:
    """The side on which a company stands."""
    return Side(company.value)
