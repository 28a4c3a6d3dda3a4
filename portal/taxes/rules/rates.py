"""Rates of tax by country and day, as read from the data file.

Invariants: a country's rates are in the order of their days; a country without rates levies no value added tax.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from portal.errors import RuleBroken


@dataclass(frozen=True)
class Country:
    """What has to be known of a country to tax a service in it.

    *Units*: rates in basis points, each from its day on. ``union`` is the union whose rules hold across borders.
    """

    code: str
    name: str
    union: str
    number_pattern: str
    number_example: str
    self_billing_word: str
    small_business_words: str
    source: str
    rates: tuple[tuple[date, int], ...] = ()

    @property
    def levies_tax(self) -> bool:
        """Whether the country has a value added tax."""
        return bool(self.rates)

    def rate_bp_on(self, day: date) -> int:
        """The rate of a day. *Raises*: RuleBroken before the first that is known."""
        holds = [rate for begins, rate in self.rates if begins <= day]
        if not holds:
            raise RuleBroken(f"No tax rate of {self.name} is known for {day.isoformat()}.")
        return holds[-1]

    def takes_number(self, number: str) -> bool:
        """Whether a registration number has the country's shape."""
        return bool(self.number_pattern) and re.fullmatch(self.number_pattern, number) is not None


@dataclass(frozen=True)
class Rates:
    """The countries that are known, by code."""

    countries: Mapping[str, Country]

    def country(self, code: str) -> Country:
        """A country. *Raises*: RuleBroken for one that the data file does not have."""
        found = self.countries.get(code)
        if found is None:
            raise RuleBroken(f"The tax rates of {code} are not known here.")
        return found


def rates_from(document: Mapping[str, Any]) -> Rates:
    """The rates of a parsed data file. *Raises*: KeyError for a country that lacks something."""
    return Rates({row["code"]: _country(row) for row in document["country"]})


def _country(row: Mapping[str, Any]) -> Country:
    rates = sorted((each["from"], int(each["rate_bp"])) for each in row.get("rate", ()))
    named = {name: str(value) for name, value in row.items() if name != "rate"}
    return Country(**named, rates=tuple(rates))


def tidy_number(text: str) -> str:
    """A registration number without the blanks, dots and dashes that people write into it."""
    return re.sub(r"[\s.\-/]", "", text).upper()
