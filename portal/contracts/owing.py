"""What companies owe each other beside shares: labour credits under warranty, bonuses for a sale, replaced parts.

Pure. Tables of the agreement, first match wins; each answer says how it comes about. A claim that comes too late is
refused with its date, and what no row is for is owed nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Self

from pydantic import Field, model_validator

from portal.contracts.blocks import (
    WHOLE_BP,
    BasisPoints,
    Block,
    Code,
    Company,
    DecimalText,
    ProductLineCode,
    SomeDays,
    SomeMinutes,
)
from portal.contracts.rates import only_one
from portal.errors import Invalid
from portal.money import Money, minor_digits, round_half_up

MOST_TRIPS = 100


class Disposition(StrEnum):
    """What became of the part that was taken out."""

    RETURNED = "returned"
    KEPT = "kept"
    SCRAPPED = "scrapped"
    LOST = "lost"


class OwingRow(Block):
    """For which cases a row is; conditions left out hold always."""

    product_lines: tuple[ProductLineCode, ...] = ()
    """Product lines this row is for; any where left out."""
    causes: tuple[Code, ...] = ()
    """Causes this row is for; any where left out."""
    in_warranty: bool | None = None
    """Only for systems under warranty (true) or no longer under it (false); both where left out."""

    def fits(self, about: Claimed) -> bool:
        """Whether the row is for such a case."""
        by_line = not self.product_lines or about.product_line in self.product_lines
        by_cause = not self.causes or about.cause in self.causes
        return by_line and by_cause and self.in_warranty in (None, about.in_warranty)


class LabourCredit(OwingRow):
    """What the manufacturer owes the integrator for its work on a case; the first row that fits decides."""

    amount: DecimalText | None = None
    """A flat sum; either this or minutes."""
    minutes: SomeMinutes | None = None
    """The time that such a case is worth, whatever it took; either this or amount."""
    per_hour: DecimalText | None = None
    """What an hour of it is credited with; belongs to minutes."""
    per_trip: DecimalText = "0"
    """What each trip to the site is credited with."""
    most_trips: int = Field(default=1, ge=0, le=MOST_TRIPS)
    """Trips that are credited at most."""
    most: DecimalText | None = None
    """The most that one claim comes to; no limit where left out."""
    claim_days: SomeDays = 60
    """Days after the resolution in which it is claimed."""

    @model_validator(mode="after")
    def _one_sum(self) -> Self:
        only_one(self, ("amount", "minutes"))
        if (self.minutes is None) != (self.per_hour is None):
            raise ValueError("per_hour belongs to minutes")
        return self


class Referral(OwingRow):
    """What the manufacturer owes the employer of a technician whose case led to a sale; the person is noted."""

    amount: DecimalText | None = None
    """A flat sum; either this or part_bp."""
    part_bp: BasisPoints | None = None
    """A part of the sale in basis points; either this or amount."""
    most: DecimalText | None = None
    """The most of one sale; no limit where left out."""
    claim_days: SomeDays = 365
    """Days after the case was opened in which the sale has to have come."""

    @model_validator(mode="after")
    def _one_sum(self) -> Self:
        only_one(self, ("amount", "part_bp"))
        return self


class MaterialRow(OwingRow):
    """Who bears a part that was replaced; the first row that fits decides."""

    dispositions: tuple[Disposition, ...] = ()
    """What became of the old part: returned, kept, scrapped, lost; any where left out."""
    borne_by: Company
    """manufacturer or integrator."""


class Owing(Block):
    """What is owed beside shares."""

    labour: tuple[LabourCredit, ...] = ()
    """Credits for the integrator's work, first match wins."""
    referrals: tuple[Referral, ...] = ()
    """Bonuses for a sale that a case led to, first match wins."""
    materials: tuple[MaterialRow, ...] = ()
    """Who bears replaced parts, first match wins."""


@dataclass(frozen=True)
class Claimed:
    """A case as these tables look at it; ``days`` since what the row counts from."""

    product_line: str
    cause: str = ""
    in_warranty: bool = False
    days: int = 0


@dataclass(frozen=True)
class Owed:
    """Who owes whom how much, and why; the debtor and the creditor may be one, then nothing moves."""

    amount_minor: int
    debtor: Company
    creditor: Company
    sentences: tuple[str, ...]


def labour_credit(owing: Owing, currency: str, about: Claimed, *, trips: int) -> Owed:
    """The credit for the integrator's work. *Raises*: Invalid where none is owed or it comes too late."""
    row = next((each for each in owing.labour if each.fits(about)), None)
    if row is None:
        raise _nothing("cause", "The agreement credits no labour for such a case.")
    _in_time(about, row.claim_days)
    if not 0 <= trips <= MOST_TRIPS:
        raise Invalid("Check the trips.", {"trips": f"0 to {MOST_TRIPS} trips."})
    if row.amount is not None:
        exact, said = _minor(row.amount, currency), ["A flat sum for such a case."]
    else:
        exact = _minor(row.per_hour or "0", currency) * (row.minutes or 0) / 60
        said = [f"{row.minutes} minutes for such a case at {row.per_hour} an hour."]
    credited = min(trips, row.most_trips)
    if credited and Fraction(row.per_trip):
        exact += _minor(row.per_trip, currency) * credited
        said.append(f"{credited} of {trips} trips at {row.per_trip}.")
    return _limited(exact, row.most, currency, said)


def referral_bonus(owing: Owing, currency: str, about: Claimed, *, sale_minor: int) -> Owed:
    """The bonus for a sale that the case led to. *Raises*: Invalid where none is owed or it comes too late."""
    row = next((each for each in owing.referrals if each.fits(about)), None)
    if row is None:
        raise _nothing("sale", "The agreement gives no bonus for such a sale.")
    _in_time(about, row.claim_days)
    if sale_minor <= 0:
        raise Invalid("Check the sale.", {"sale": "The sale has an amount above zero."})
    if row.amount is not None:
        return _limited(_minor(row.amount, currency), row.most, currency, ["A flat bonus for the sale."])
    part = Fraction(sale_minor * (row.part_bp or 0), WHOLE_BP)
    return _limited(
        part, row.most, currency, [f"{Fraction(row.part_bp or 0, 100)} % of {Money(sale_minor, currency)}."]
    )


def material_owed(
    owing: Owing, currency: str, about: Claimed, *, supplier: Company, disposition: Disposition, price_minor: int
) -> Owed:
    """What a replaced part makes whoever bears it owe its supplier. *Raises*: Invalid."""
    rows = [each for each in owing.materials if not each.dispositions or disposition in each.dispositions]
    row = next((each for each in rows if each.fits(about)), None)
    if row is None:
        raise _nothing("disposition", "The agreement does not say who bears such a part.")
    if price_minor < 0:
        raise Invalid("Check the price.", {"price": "A price is not below zero."})
    said = f"The part was {disposition.value}: the {row.borne_by} bears it."
    return Owed(price_minor if row.borne_by != supplier else 0, row.borne_by, supplier, (said,))


def _limited(exact: Fraction, most: str | None, currency: str, said: Sequence[str]) -> Owed:
    minor = round_half_up(exact)
    sentences = list(said)
    if most is not None and exact > _minor(most, currency):
        minor = round_half_up(_minor(most, currency))
        sentences.append(f"At most {most}.")
    return Owed(minor, Company.MANUFACTURER, Company.INTEGRATOR, tuple(sentences))


def _in_time(about: Claimed, claim_days: int) -> None:
    if about.days > claim_days:
        sentence = f"It comes too late: {about.days} days after, and the agreement gives {claim_days}."
        raise Invalid(sentence, {"kind": sentence})


def _nothing(field: str, sentence: str) -> Invalid:
    return Invalid(sentence, {field: sentence})


def _minor(text: str, currency: str) -> Fraction:
    scale: int = 10 ** minor_digits(currency)
    return Fraction(text) * scale
