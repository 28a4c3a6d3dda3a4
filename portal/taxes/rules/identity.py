"""Who a company is for tax: name, address, country and the registrations it holds on a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

LONGEST_NAME, LONGEST_ADDRESS, LONGEST_NUMBER = 200, 500, 40


@dataclass(frozen=True)
class Registration:
    """A number under which a company is registered for tax in a country; ``valid_to`` is the first day without it."""

    country: str
    number: str
    valid_from: date
    valid_to: date | None = None

    def holds_on(self, day: date) -> bool:
        """Whether it is valid on a day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


@dataclass(frozen=True)
class TaxIdentity:
    """What a company says of itself for invoices; ``address`` has its lines."""

    legal_name: str
    address: str
    country: str
    is_small_business: bool = False
    registrations: tuple[Registration, ...] = ()

    def number_on(self, day: date, country: str = "") -> str:
        """The number under which it is registered in a country, its own where none is named; empty without one."""
        wanted = country or self.country
        holding = [one.number for one in self.registrations if one.country == wanted and one.holds_on(day)]
        return holding[-1] if holding else ""


def identity_from(known: Mapping[str, Any]) -> TaxIdentity:
    """The identity as the database tells it, in JSON."""
    registrations = tuple(
        Registration(
            row["country"],
            row["number"],
            date.fromisoformat(row["valid_from"]),
            date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
        )
        for row in known["registrations"]
    )
    return TaxIdentity(
        known["legal_name"],
        known["address"],
        known["country"],
        is_small_business=known["is_small_business"],
        registrations=registrations,
    )


def detail_problems(legal_name: str, address: str) -> dict[str, str]:
    """What is wrong with the name and address of an invoice's party, by field."""
    problems = {}
    if not 1 <= len(legal_name) <= LONGEST_NAME:
        problems["legal_name"] = f"The name as it is registered, 1 to {LONGEST_NAME} characters."
    if not 1 <= len(address) <= LONGEST_ADDRESS:
        problems["address"] = f"Street, postal code and place, 1 to {LONGEST_ADDRESS} characters."
    return problems
