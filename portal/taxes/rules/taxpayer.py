"""A taxpayer's certification and the shape of its number: pure. The number itself is never part of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

W9, W8 = "W-9", "W-8BEN-E"
CERTIFICATES = {W9: "W-9, for taxpayers of the US", W8: "W-8BEN-E, for foreign entities"}
CLASSES = {
    "individual": "Individual or sole proprietor",
    "partnership": "Partnership",
    "c_corporation": "C corporation",
    "s_corporation": "S corporation",
    "llc": "Limited liability company",
    "other": "Other",
}
CORPORATIONS = frozenset({"c_corporation", "s_corporation"})
NUMBERS = {"EIN": "Employer identification number", "SSN": "Social security number", "foreign": "Foreign tax number"}
LONGEST_NUMBER, SHOWN_DIGITS = 30, 4


@dataclass(frozen=True)
class Taxpayer:
    """What is shown of a certification: all but the number, of which the last four characters."""

    form: str
    classification: str
    certified_name: str
    number_type: str
    last_four: str
    certified_on: date

    @property
    def masked(self) -> str:
        """The number as finance may see it."""
        return f"{self.number_type} •••• {self.last_four}"


def taxpayer_from(known: Mapping[str, Any]) -> Taxpayer:
    """The certification as the database tells it, in JSON."""
    return Taxpayer(**{**known, "certified_on": date.fromisoformat(known["certified_on"])})


def tidy_taxpayer_number(text: str) -> str:
    """The number without the dashes and blanks that people write into it."""
    return re.sub(r"[\s-]", "", text).upper()


def certification_problems(form: str, number_type: str, number: str, certified_on: date, today: date) -> dict[str, str]:
    """What is wrong with a certification, by field; ``number`` is tidy."""
    problems = {}
    if (form == W8) != (number_type == "foreign"):
        problems["number_type"] = "A W-9 has a number of the US, a W-8BEN-E a foreign one."
    if number_type in ("EIN", "SSN") and not re.fullmatch(r"[0-9]{9}", number):
        problems["number"] = "It has nine digits, such as 12-3456789."
    elif not re.fullmatch(rf"[0-9A-Z./]{{{SHOWN_DIGITS + 1},{LONGEST_NUMBER}}}", number):
        problems["number"] = "Letters and digits, as your tax office writes it."
    if certified_on > today:
        problems["certified_on"] = "It cannot be signed in the future."
    return problems
