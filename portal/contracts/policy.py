"""The policy: what the manufacturer offers its customers, as one frozen value.

One schema for reading TOML, for the canonical JSON that is signed, and for the value that rating and entitlement use.
A policy that contradicts itself cannot be made by `parse_policy` or `policy_from_json`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from pydantic import Field

from portal.contracts.blocks import Block, Currency, DecimalText, Label, Payer, ZoneName
from portal.contracts.calendar_blocks import CalendarBlock
from portal.contracts.canonical import canonical_json, sha256
from portal.contracts.conditions import CustomerClass, Word
from portal.contracts.entry import Contacts, EntryRow
from portal.contracts.fees import Cancellation, Fee, Tax
from portal.contracts.lifecycle import Lifecycle
from portal.contracts.packs import Allowance, Lapse, Pack
from portal.contracts.parts import PartRow
from portal.contracts.policy_checks import drafted_policy_contradictions, policy_contradictions
from portal.contracts.rates import Burn, Cap, Minimum, PercentRow, RateRow, Rounding, RoundingRow
from portal.contracts.reading import Problem, document_from_json, document_from_toml
from portal.contracts.severities import Reclassification
from portal.contracts.targets import PauseReason
from portal.contracts.tax_codes import TaxCodes
from portal.contracts.terms import (
    AuthorizationTerms,
    Band,
    BillTo,
    Cause,
    CorrectiveAction,
    Emergency,
    HouseTerms,
    Intake,
    Plan,
    TaskClassTerms,
    Warranty,
)

__all__ = ["Policy", "Problem", "canonical_json", "parse_policy", "policy_from_json", "sha256"]


# What a policy says that leaves these tables out.
ANY_TIME = Band(code="any", label="any time")
OTHER_CAUSE = Cause(code="other", label="Other")
OTHER_ACTION = CorrectiveAction(code="other", label="Other")
TIME_AND_MATERIALS = Plan(code="time_and_materials", name="Time and materials", complimentary=True)


class Policy(Block):
    """The manufacturer's signed document towards customers."""

    schema_version: Literal[1] = 1
    """The version of this document language."""
    title: Label
    """What people read."""
    currency: Currency
    """ISO 4217 code of every amount."""
    zone: ZoneName
    """IANA zone of calendars that name none, of days and of months."""
    calendars: tuple[CalendarBlock, ...] = ()
    """Named calendars; "always" need not be written."""
    roles: tuple[Word, ...] = ()
    """Roles of workers that rows name."""
    skills: tuple[Word, ...] = ()
    """Skills work can take that rows name."""
    requests: tuple[Word, ...] = ()
    """What a customer can ask for that rows name: a faster answer, a booked block, a bill by post."""
    customer_classes: tuple[CustomerClass, ...] = ()
    """Classes of customers that rows name."""
    bands: tuple[Band, ...] = Field(default=(ANY_TIME,), min_length=1)
    """Price bands, first match wins; the last has no calendar and takes all other time."""
    rates: tuple[RateRow, ...] = Field(min_length=1)
    """Prices of an hour, first match wins; together they price every mode, band and task class."""
    rounding: Rounding = Rounding()
    """How metered time becomes billable minutes."""
    roundings: tuple[RoundingRow, ...] = ()
    """Other roundings for some work, first match wins; rounding is for all other."""
    surcharges: tuple[PercentRow, ...] = ()
    """What is added to the price of some work, first match wins."""
    discounts: tuple[PercentRow, ...] = ()
    """What is taken off the price of some work, after surcharges, first match wins."""
    minimums: tuple[Minimum, ...] = ()
    """The least that is billed."""
    caps: tuple[Cap, ...] = ()
    """The most that is billed; all that fit hold."""
    fees: tuple[Fee, ...] = ()
    """What is charged beside time; all that fit are charged."""
    cancellations: tuple[Cancellation, ...] = ()
    """What a visit costs that is called off, first match wins."""
    tax: Tax | None = None
    """The tax on top of every price."""
    tax_codes: TaxCodes | None = None
    """The tax classes that Stripe reckons by, where it does; the account's own where left out."""
    packs: tuple[Pack, ...] = ()
    """Minutes and incidents bought in advance."""
    burns: tuple[Burn, ...] = ()
    """How fast bought minutes are used, first match wins."""
    allowances: tuple[Allowance, ...] = ()
    """Minutes given beside what plans include; all that fit are given."""
    lapse: Lapse | None = None
    """What it costs to take up a plan again that has ended."""
    warranty: tuple[Warranty, ...] = ()
    """What warranty covers."""
    parts: tuple[PartRow, ...] = ()
    """Who bears parts that are fitted, first match wins; where none fits, whoever records the part says."""
    confirm_parts_above: DecimalText | None = None
    """A part dearer than this is billed once a second person has confirmed it; no limit where left out."""
    causes: tuple[Cause, ...] = Field(default=(OTHER_CAUSE,), min_length=1)
    """What can turn out to be wrong."""
    corrective_actions: tuple[CorrectiveAction, ...] = Field(default=(OTHER_ACTION,), min_length=1)
    """What can be done last to make it work."""
    task_classes: tuple[TaskClassTerms, ...] = ()
    """What the task classes mean here."""
    bill_to: tuple[BillTo, ...] = Field(default=(BillTo(payer=Payer.CUSTOMER),), min_length=1)
    """Who pays, first match wins; the last row has no condition."""
    plans: tuple[Plan, ...] = Field(default=(TIME_AND_MATERIALS,), min_length=1)
    """What a customer can choose, the complimentary plan among them."""
    entry: tuple[EntryRow, ...] = ()
    """What becomes of those who ask, first match wins; who asks like no row is served as the plan's may_open says."""
    contacts: Contacts = Contacts()
    """The people a customer names."""
    reclassification: Reclassification = Reclassification()
    """What holds when the factory says anew how bad a case is."""
    pause_reasons: tuple[PauseReason, ...] = ()
    """Why a case may wait; in free words, stopping all but the first answer, where left out."""
    authorization: AuthorizationTerms = AuthorizationTerms()
    """How the payer says yes."""
    emergency: Emergency = Emergency()
    """What may happen when nobody can be asked."""
    lifecycle: Lifecycle = Lifecycle()
    """The windows in a case's life."""
    intake: tuple[Intake, ...] = ()
    """What the factory needs to know, by product line."""
    house_terms: HouseTerms = HouseTerms()
    """What holds where there is no agreement."""


def parse_policy(text: str) -> Policy:
    """The policy that a TOML text says.

    *Raises*: DocumentInvalid with every problem: its line, its key and what is allowed there.
    """
    return document_from_toml(Policy, text, drafted_policy_contradictions)


@lru_cache(maxsize=256)
def policy_from_json(text: str) -> Policy:
    """The policy back from its canonical JSON.

    The same text gives the same object, so that what is compiled from it is compiled once.

    *Raises*: DocumentInvalid, problems without lines.
    """
    return document_from_json(Policy, text, policy_contradictions)
