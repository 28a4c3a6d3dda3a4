"""The tables of a policy: bands, warranty, causes, bill-to, plans, emergencies, intake, house terms."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from typing import Self

from pydantic import Field, model_validator

from portal.contracts.blocks import (
    WHOLE_BP,
    Block,
    Code,
    Collector,
    Company,
    Days,
    DecimalText,
    Label,
    MailAddress,
    Minutes,
    Mode,
    Payer,
    ProductLineCode,
    Recipient,
    ResolutionRow,
    Revenue,
    Severity,
    ShareRow,
    SomeDays,
    TaskClass,
    TaxCode,
    Text,
    Tranche,
    Weights,
)
from portal.contracts.entry import Opener
from portal.contracts.targets import Remedy, Target

# A calendar that every document has without writing it down.
ALWAYS_CALENDAR = "always"
HALF_EACH = Weights(integrator_bp=5_000, manufacturer_bp=5_000)
# Who worked earns what work brings; who made it earns what is paid in advance.
BY_WORK = (
    ShareRow(
        revenues=(Revenue.TIME_AND_MATERIALS, Revenue.INCLUDED, Revenue.PACK_USE),
        tranches=(Tranche(to=Recipient.WORKED_TIME, bp=WHOLE_BP),),
    ),
    ShareRow(
        revenues=(Revenue.SUBSCRIPTION, Revenue.PACK_BREAKAGE),
        tranches=(Tranche(to=Recipient.PARTY, party="manufacturer", bp=WHOLE_BP),),
    ),
)


class FieldKind(StrEnum):
    """What an intake field takes."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    FILE = "file"


class Band(Block):
    """A named stretch of the week that has its own prices; the first band that is open at an instant is its band."""

    code: Code
    """The name rate rows use."""
    label: Label
    """What people read: "business hours"."""
    calendar: Code | None = None
    """The calendar whose open time is this band; left out only for the last band, which takes all other time."""


class WarrantyStart(StrEnum):
    """What a warranty counts from."""

    SHIPMENT = "shipment"
    PURCHASE = "purchase"
    INSTALLATION = "installation"
    DAY_1 = "day_1"
    REGISTRATION = "registration"


class Warranty(Block):
    """What a system's warranty covers; the first row for the product line and part decides."""

    product_lines: tuple[ProductLineCode, ...] = ()
    """Product lines of this row; any where left out."""
    parts: tuple[Code, ...] = ()
    """Parts, or classes of product, of this row; any where left out."""
    starts: WarrantyStart | None = None
    """What it counts from: shipment, purchase, installation, day_1, registration; the record's date where left out."""
    months: int | None = Field(default=None, ge=0, le=240)
    """Length from the start date, for systems whose record has no end date; 0 is none."""
    days: int | None = Field(default=None, ge=0, le=7_300)
    """Length in days instead of months; the last day is within it."""
    longer_with: tuple[Code, ...] = ()
    """Plans that make it last longer_months while they were held without a break from its start on."""
    longer_months: int | None = Field(default=None, ge=1, le=480)
    """The length with such a plan."""
    free_task_classes: tuple[TaskClass, ...] = ()
    """Task classes that cost nothing under warranty whatever the cause."""
    free_causes: tuple[Code, ...] = ()
    """Causes that make the work free when the case is closed under warranty."""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.months is None) == (self.days is None):
            raise ValueError("a warranty lasts months, or days")
        if bool(self.longer_with) != (self.longer_months is not None):
            raise ValueError("longer_with names plans exactly when longer_months is stated")
        return self


class Cause(Block):
    """What turned out to be wrong."""

    code: Code
    """The name other tables use."""
    label: Label
    """What people read."""
    free: bool = False
    """Free for the customer, always; decided when the case is closed."""
    borne_by: Company | None = None
    """Who bears free work; manufacturer or integrator. Belongs to free = true only."""

    @model_validator(mode="after")
    def _bearer_of_free_work(self) -> Self:
        if self.free != (self.borne_by is not None):
            raise ValueError("borne_by is stated exactly when free = true")
        return self


class CorrectiveAction(Block):
    """What was done last to make it work again."""

    code: Code
    """The name the resolution table uses."""
    label: Label
    """What people read."""


class TaskClassTerms(Block):
    """What a task class means to this manufacturer."""

    code: TaskClass
    """support, how_to or commissioning."""
    label: Label
    """What people read."""
    description: Text | None = None
    """Where its border runs."""


class BillTo(Block):
    """Who pays; the first row whose conditions all hold decides. Conditions left out hold always."""

    task_classes: tuple[TaskClass, ...] = ()
    """Task classes this row is for."""
    plans: tuple[Code, ...] = ()
    """Plans this row is for."""
    causes: tuple[Code, ...] = ()
    """Causes this row is for; before the cause is known, such a row does not apply."""
    before_day1: bool | None = None
    """Whether the customer does not yet use the system unaided."""
    in_warranty: bool | None = None
    """Whether the system is under warranty."""
    certified: bool | None = None
    """Whether the technician who asked holds a valid certificate for the product line."""
    payer: Payer
    """customer, integrator, or manufacturer (which means free)."""
    collector: Collector = Collector.OPERATOR
    """operator, or the integrator that invoices its customer itself."""
    seller_of_record: Company = Company.MANUFACTURER
    """The company that sells the service in law."""

    @property
    def conditional(self) -> bool:
        """Whether any condition is stated."""
        lists = self.task_classes or self.plans or self.causes
        return bool(lists) or not (self.before_day1 is self.in_warranty is self.certified is None)


class Plan(Block):
    """What a customer can choose."""

    code: Code
    """The name other tables use."""
    name: Label
    """What people read."""
    summary: Text | None = None
    """What the buyer reads before accepting."""
    complimentary: bool = False
    """The plan of a site that has chosen nothing; a policy has exactly one."""
    price_per_month: DecimalText = "0"
    """The price of one month."""
    first_month_by_days: bool = False
    """A month that is begun late costs the days that are left of it; the whole price where left out."""
    last_month_by_days: bool = False
    """A month whose end is known when it begins costs the days until then; the whole price where left out."""
    given_up_by_days: bool = False
    """A month that is given up once it is sold goes back by the days left of it; nothing does where left out."""
    refunded_minutes_stay: bool = False
    """Included minutes stay when a part of their month's price goes back; unused ones go back with it, in proportion,
    where left out. What was used is kept either way."""
    price_percent_of_list: DecimalText | None = None
    """The price of one year in percent of the list price of what it covers, instead of a monthly price."""
    minimum_months: int = Field(default=0, ge=0, le=240)
    """Months for which a plan that is paid by subscription is taken at least."""
    included_minutes_per_month: Minutes = 0
    """Minutes of work each calendar month that cost nothing more."""
    rollover_minutes: Minutes = 0
    """At most this many unused included minutes are kept for the next month."""
    included_worth_per_hour: DecimalText | None = None
    """What an included hour is worth when its use is shared; price divided by minutes where left out."""
    unlimited: bool = False
    """Covered work costs nothing more, however long."""
    covered_task_classes: tuple[TaskClass, ...] = (TaskClass.SUPPORT,)
    """Task classes that included or unlimited time covers."""
    covered_modes: tuple[Mode, ...] = (Mode.REMOTE, Mode.PHONE)
    """Modes that included or unlimited time covers."""
    cover_calendar: Code = ALWAYS_CALENDAR
    """When the plan covers."""
    back_cover: bool = False
    """Chosen while a case runs, it covers the case from its opening; only from then on where left out."""
    always_covered_severities: tuple[Severity, ...] = ()
    """Severities covered around the clock, whatever the calendar."""
    targets: tuple[Target, ...] = ()
    """Its promises."""
    remedies: tuple[Remedy, ...] = ()
    """What it gives back when a promise is broken."""
    may_open: tuple[Opener, ...] = (Opener.TECHNICIAN, Opener.CERTIFIED_TECHNICIAN, Opener.CONTACT, Opener.ENGINEER)
    """Who may open a case."""
    customer_case_starts_with: Company = Company.INTEGRATOR
    """Which company a case opened by the customer's contact starts with."""
    standing_limit: DecimalText | None = None
    """Money per case the plan's signature authorizes; nothing where left out."""
    standing_limit_per_month: DecimalText | None = None
    """The most such money in one calendar month; no such limit where left out."""
    standing_minutes_per_case: Minutes | None = None
    """Bought or included minutes that one case may use without asking; all that are left where left out."""
    rank: int = Field(default=50, ge=0, le=99)
    """Place in the factory's queue: lower is served first."""
    tax_code: TaxCode | None = None
    """Its tax class, such as txcd_10103001; that of everything sold where left out."""

    @property
    def included_worth(self) -> Fraction:
        """Major units that one included hour is worth when its use is shared."""
        if self.included_worth_per_hour is not None:
            return Fraction(self.included_worth_per_hour)
        if not self.included_minutes_per_month:
            return Fraction(0)
        return Fraction(self.price_per_month) * 60 / self.included_minutes_per_month


class Emergency(Block):
    """What may happen when nobody can be asked."""

    system_down: Text = "Nothing works."
    """What counts as system down: the words a person confirms when choosing severity 1."""
    severities: tuple[Severity, ...] = (1,)
    """Severities that do not wait."""
    wait_minutes: Minutes = 15
    """Minutes to wait for the approvers before going on at factory risk."""
    at_factory_risk: bool = True
    """Work goes on when nobody answers, billable only if ratified."""
    ratification_days: SomeDays = 5
    """Business days in which a person may ratify."""
    calendar: Code = ALWAYS_CALENDAR
    """The calendar of the ratification days."""


class Means(StrEnum):
    """What work beyond a case's limit of hours can be paid with."""

    HOURS = "hours"
    MONEY = "money"


class AuthorizationTerms(Block):
    """How the payer says yes."""

    default_nte: DecimalText = "500"
    """The not-to-exceed amount suggested."""
    least_nte: DecimalText = "1"
    """The least not-to-exceed amount that can be given."""
    valid_days: SomeDays = 30
    """Days after which an unused authorization ends."""
    beyond_limit: tuple[Means, ...] = (Means.HOURS, Means.MONEY)
    """What the payer is asked for beyond standing_minutes_per_case, in order: hours (more of those left), money."""
    standing_beyond_limit: bool = False
    """Whether a standing yes to an amount pays for work beyond that limit though hours are left that come first in
    beyond_limit. Left out, it is a yes to money and to nothing else: the payer is asked for the hours, and where it
    says no the work is the manufacturer's. Where money comes first, or no hours are left, a standing yes pays."""

    @model_validator(mode="after")
    def _something_is_asked(self) -> Self:
        if not self.beyond_limit or len(set(self.beyond_limit)) < len(self.beyond_limit):
            raise ValueError("beyond_limit names hours, money or both, each once")
        return self


class IntakeField(Block):
    """One thing the factory needs to know before it can help."""

    code: Code
    """Its name in the stored answers."""
    label: Label
    """What the technician reads."""
    kind: FieldKind = FieldKind.TEXT
    """text, number, choice or file."""
    choices: tuple[Label, ...] = ()
    """What can be chosen; for kind = "choice" only."""
    required: bool = True
    """Whether the case can be sent without it."""
    help: Text | None = None
    """Where to find it on the system."""

    @model_validator(mode="after")
    def _choices_for_choice(self) -> Self:
        if (self.kind is FieldKind.CHOICE) != (len(self.choices) >= 2):
            raise ValueError('choices (two or more) are stated exactly when kind = "choice"')
        return self


class Intake(Block):
    """The checklist of some product lines; the first row for the product line decides."""

    product_lines: tuple[ProductLineCode, ...] = ()
    """Product lines of this row; any where left out."""
    fields: tuple[IntakeField, ...] = Field(min_length=1)
    """What is asked, in order."""


class Ladder(Block):
    """How a challenge ends: the two managers, a neutral, then the fallback split, each with its business days."""

    manager_days: Days = 5
    """Business days for the two managers."""
    neutral_name: Label | None = None
    """The neutral; the managers' days lead straight to the fallback where left out."""
    neutral_mail: MailAddress | None = None
    """Where the neutral is reached."""
    neutral_days: Days = 10
    """Business days for the neutral."""

    @model_validator(mode="after")
    def _neutral_is_reachable(self) -> Self:
        if (self.neutral_name is None) != (self.neutral_mail is None):
            raise ValueError("a neutral has both neutral_name and neutral_mail")
        return self


class Confirmation(Block):
    """When silence counts as a yes to a resolution."""

    business_days: Days = 5
    """Business days of the silent party after a delivered second notice."""
    second_notice_days: Days = 3
    """Business days after the resolution at which the second notice goes out."""
    integrator_calendar: Code = ALWAYS_CALENDAR
    """The integrator's business days."""
    manufacturer_calendar: Code = ALWAYS_CALENDAR
    """The manufacturer's business days."""
    deemed_up_to: DecimalText = "0"
    """Above this amount silence goes to the manager instead."""


class HouseTerms(Block):
    """What holds where there is no integrator or no agreement."""

    party_order: tuple[Code, ...] = ("manufacturer", "integrator", "operator")
    """Decides who gets the remainder of a split."""
    shares: tuple[ShareRow, ...] = Field(default=BY_WORK, min_length=1)
    """Shares of every revenue kind."""
    resolution: tuple[ResolutionRow, ...] = ()
    """Weights by cause and last corrective action."""
    fallback: Weights = HALF_EACH
    """The split when a challenge ends without agreement."""
    confirmation: Confirmation = Confirmation()
    """When silence counts as a yes."""
    challenge: Ladder = Ladder()
    """How a challenge ends."""
