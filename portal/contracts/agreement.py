"""The agreement: what a manufacturer and an integrator signed about shares, resolving and settling, as a frozen value.

It never changes what a customer pays, except within the resale ceiling. Causes, corrective actions and bands are the
policy's words; `agreement_against_policy` says which of them the policy does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from pydantic import Field

from portal.contracts.agreement_checks import agreement_contradictions, policy_word_problems
from portal.contracts.blocks import (
    BasisPoints,
    Block,
    Code,
    Currency,
    Days,
    DecimalText,
    Label,
    OrganisationCode,
    ResolutionRow,
    ShareRow,
    Weights,
    ZoneName,
)
from portal.contracts.calendar_blocks import CalendarBlock
from portal.contracts.canonical import canonical_json, sha256
from portal.contracts.owing import Owing
from portal.contracts.policy import Policy
from portal.contracts.rates import RateRow
from portal.contracts.reading import Problem, document_from_json, document_from_toml, problems_of
from portal.contracts.terms import HALF_EACH, Confirmation, Ladder

__all__ = [
    "Agreement",
    "Problem",
    "agreement_against_policy",
    "agreement_from_json",
    "canonical_json",
    "parse_agreement",
    "sha256",
]


class FurtherParty(Block):
    """A party beside the two companies and the operator, such as a distributor."""

    code: Code
    """The name tranches use."""
    organisation: OrganisationCode
    """Its organisation code."""


class Parties(Block):
    """Who is meant, by organisation code."""

    manufacturer: OrganisationCode
    """The manufacturer."""
    integrator: OrganisationCode
    """The integrator."""
    further: tuple[FurtherParty, ...] = ()
    """Other parties that tranches name."""


class Resale(Block):
    """What the integrator may ask its customer for what it resells; there is no minimum."""

    ceiling_bp: int | None = Field(default=None, ge=10_000, le=100_000)
    """The most, in basis points of the policy's price; no ceiling where left out."""
    recommended_bp: int | None = Field(default=None, ge=1, le=100_000)
    """A recommendation that binds nobody."""


class Selling(Block):
    """What selling a pack earns by itself, and who bears what a promotion code takes off."""

    commission_bp: BasisPoints = 0
    """The seller's part of a pack's price at the sale, in basis points; what is left is shared as the pack is used."""
    discounts_borne_by: Code = "shares"
    """The party that bears what a promotion code takes off, or `seller`; `shares` means each party by its share. The
    others' shares are then those of the price without the code; what is more than the bearer's share is taken off the
    others' in proportion."""


class Settlement(Block):
    """How and when shares are paid."""

    period: Literal["month"] = "month"
    """The period of a statement."""
    zone: ZoneName | None = None
    """IANA zone in which the period begins and ends; the agreement's where left out."""
    review_days: Days = 10
    """Calendar days in which a party may contest lines."""
    minimum_payout: DecimalText = "0"
    """A smaller net is carried to the next period."""
    carry_limit: DecimalText | None = None
    """A smaller net that the party owes is carried, any other is invoiced; the minimum payout where left out."""
    payment_days: Days = 30
    """Days in which a party pays the invoice of a net that it owes."""
    reserve_bp: BasisPoints = 0
    """Part of each payout kept back until the next period."""
    stripe_fees_borne_by: Code = "operator"
    """The party that bears the provider's fees."""
    refunds_borne_by: Code = "shares"
    """The party that bears what a payer gets back; `shares` means each party by its share."""
    refund_order: Literal["reversal_first", "refund_first"] = "reversal_first"
    """Whether shares that were paid out are taken back before or after the payer gets its money."""
    clawback_days: int = Field(default=180, ge=0, le=3_650)
    """How many days after a payment a party's share of it may be taken back; later the manufacturer bears it."""
    chargebacks_borne_by: Code = "shares"
    """The party that bears a payment that the payer's bank took back; `shares` means each by its share."""
    chargeback_fees_borne_by: Code = "operator"
    """The party that bears the provider's fee of a chargeback."""
    goodwill_borne_by: Code = "manufacturer"
    """The party that bears what is given up without an obligation, where nobody else is named."""
    remedies_borne_by: Code = "manufacturer"
    """The party that bears what is given back for broken promises; both companies sign who does."""


class Permissions(Block):
    """What one side lets the other see or take."""

    technician_sees_resale_price: bool = False
    """Whether the integrator's technicians see what their company asks the customer."""
    bulk_export: bool = False
    """Whether the manufacturer may export the integrator's customers in bulk."""


class Agreement(Block):
    """The signed document between a manufacturer and an integrator."""

    schema_version: Literal[1] = 1
    """The version of this document language."""
    title: Label
    """What people read."""
    currency: Currency
    """ISO 4217 code of every amount."""
    zone: ZoneName
    """IANA zone of calendars that name none."""
    calendars: tuple[CalendarBlock, ...] = ()
    """Named calendars; "always" need not be written."""
    parties: Parties
    """Who is meant."""
    party_order: tuple[Code, ...] = ("integrator", "manufacturer", "operator")
    """Decides who gets the remainder of a split."""
    shares: tuple[ShareRow, ...] = ()
    """Shares by revenue kind; a kind that is not stated follows the policy's house terms."""
    intercompany: tuple[RateRow, ...] = ()
    """Net buy prices where the integrator pays, first match wins; such items carry no integrator share."""
    resolution: tuple[ResolutionRow, ...] = ()
    """Weights by cause and last corrective action, first match wins."""
    fallback: Weights = HALF_EACH
    """The split when a challenge ends without agreement."""
    confirmation: Confirmation = Confirmation()
    """When silence counts as a yes."""
    challenge: Ladder = Ladder()
    """How a challenge ends."""
    resale: Resale = Resale()
    """What the integrator may ask its customer."""
    selling: Selling = Selling()
    """What selling a pack earns by itself, and who bears what a promotion code takes off."""
    owing: Owing = Owing()
    """What the companies owe each other beside shares."""
    settlement: Settlement = Settlement()
    """How and when shares are paid."""
    permissions: Permissions = Permissions()
    """What one side lets the other see or take."""


def parse_agreement(text: str) -> Agreement:
    """The agreement that a TOML text says.

    *Raises*: DocumentInvalid with every problem: its line, its key and what is allowed there.
    """
    return document_from_toml(Agreement, text, agreement_contradictions)


@lru_cache(maxsize=256)
def agreement_from_json(text: str) -> Agreement:
    """The agreement back from its canonical JSON.

    The same text gives the same object, so that what is compiled from it is compiled once.

    *Raises*: DocumentInvalid, problems without lines.
    """
    return document_from_json(Agreement, text, agreement_contradictions)


def agreement_against_policy(agreement: Agreement, policy: Policy, text: str | None = None) -> Sequence[Problem]:
    """What in the agreement does not fit the policy: another currency, causes, actions and bands it does not know.

    *Shape*: empty when they fit; with ``text`` the problems carry its lines.
    """
    return problems_of(policy_word_problems(agreement, policy), text)
