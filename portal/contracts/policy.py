"""The policy: what the manufacturer offers its customers, as one frozen value.

One schema for reading TOML, for the canonical JSON that is signed, and for the value that rating and entitlement use.
A policy that contradicts itself cannot be made by `parse_policy` or `policy_from_json`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from pydantic import Field

from portal.contracts.blocks import Block, Currency, Label, RateRow, ZoneName
from portal.contracts.calendar_blocks import CalendarBlock
from portal.contracts.canonical import canonical_json, sha256
from portal.contracts.entry import Contacts, EntryRow
from portal.contracts.lifecycle import Lifecycle
from portal.contracts.policy_checks import policy_contradictions
from portal.contracts.reading import Problem, document_from_json, document_from_toml
from portal.contracts.targets import PauseReason
from portal.contracts.terms import (
    AuthorizationTerms,
    Band,
    BillTo,
    Cause,
    CorrectiveAction,
    Emergency,
    HouseTerms,
    Intake,
    Minimum,
    Plan,
    Rounding,
    TaskClassTerms,
    Warranty,
)

__all__ = ["Policy", "Problem", "canonical_json", "parse_policy", "policy_from_json", "sha256"]


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
    calendars: tuple[CalendarBlock, ...] = Field(min_length=1)
    """Named calendars."""
    bands: tuple[Band, ...] = Field(min_length=1)
    """Price bands, first match wins; the last has no calendar and takes all other time."""
    rates: tuple[RateRow, ...] = Field(min_length=1)
    """Prices of an hour, first match wins; together they price every mode, band and task class."""
    rounding: Rounding = Rounding()
    """How metered time becomes billable minutes."""
    minimums: tuple[Minimum, ...] = ()
    """The least that is billed."""
    warranty: tuple[Warranty, ...] = ()
    """What warranty covers."""
    causes: tuple[Cause, ...] = Field(min_length=1)
    """What can turn out to be wrong."""
    corrective_actions: tuple[CorrectiveAction, ...] = Field(min_length=1)
    """What can be done last to make it work."""
    task_classes: tuple[TaskClassTerms, ...] = ()
    """What the task classes mean here."""
    bill_to: tuple[BillTo, ...] = Field(min_length=1)
    """Who pays, first match wins; the last row has no condition."""
    plans: tuple[Plan, ...] = Field(min_length=1)
    """What a customer can choose, the complimentary plan among them."""
    entry: tuple[EntryRow, ...] = ()
    """What becomes of those who ask, first match wins; who asks like no row is served as the plan's may_open says."""
    contacts: Contacts = Contacts()
    """The people a customer names."""
    pause_reasons: tuple[PauseReason, ...] = ()
    """Why a case may wait; in free words, stopping all but the first answer, where left out."""
    authorization: AuthorizationTerms
    """How the payer says yes."""
    emergency: Emergency
    """What may happen when nobody can be asked."""
    lifecycle: Lifecycle = Lifecycle()
    """The windows in a case's life."""
    intake: tuple[Intake, ...] = ()
    """What the factory needs to know, by product line."""
    house_terms: HouseTerms
    """What holds where there is no agreement."""


def parse_policy(text: str) -> Policy:
    """The policy that a TOML text says.

    *Raises*: DocumentInvalid with every problem: its line, its key and what is allowed there.
    """
    return document_from_toml(Policy, text, policy_contradictions)


@lru_cache(maxsize=256)
def policy_from_json(text: str) -> Policy:
    """The policy back from its canonical JSON.

    The same text gives the same object, so that what is compiled from it is compiled once.

    *Raises*: DocumentInvalid, problems without lines.
    """
    return document_from_json(Policy, text, policy_contradictions)
