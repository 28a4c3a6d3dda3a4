"""What an invoice asks of Stripe so that it is taxed, and where a payer has to be for it: pure.

*Source*: docs.stripe.com/api/invoices/create#create_invoice-automatic_tax (no negative amounts, no unspecified
behaviour), docs.stripe.com/tax/customer-locations (what an address has to say), 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from portal.errors import RuleBroken
from portal.money import allocate
from portal.payments.rules import InvoiceLine, TaxClass

LONGEST_PRODUCT = 250
US, CANADA = "US", "CA"
LONGEST_WORD = 100


@dataclass(frozen=True)
class Address:
    """Where a payer is."""

    line1: str
    postal_code: str
    city: str
    state: str
    country: str


def less_credits(lines: Sequence[tuple[str, int]]) -> tuple[int, ...]:
    """What each line asks when the credits among them are taken off the charges: of their own tax code first.

    *Shape*: one per line (code, minor), none below zero; they sum to the same.
    *Raises*: RuleBroken for more credits than charges.
    """
    left = [max(minor, 0) for _, minor in lines]
    if sum(minor for _, minor in lines) < 0:
        raise RuleBroken("An invoice that is taxed asks for something.")
    for of_code in (True, False):
        for code in dict.fromkeys(code for code, _ in lines):
            back = _back_of(lines, left, code, of_code=of_code)
            places = [at for at, (each, _) in enumerate(lines) if left[at] and (each == code or not of_code)]
            taken = min(back, sum(left[at] for at in places))
            if taken:
                for at, part in zip(places, allocate(taken, [left[at] for at in places]), strict=True):
                    left[at] -= part
    return tuple(left)


def _back_of(lines: Sequence[tuple[str, int]], left: Sequence[int], code: str, *, of_code: bool) -> int:
    """What is still to be taken off for the credits of a code; on the second round for all that is left of any."""
    if of_code:
        return -sum(min(minor, 0) for each, minor in lines if each == code)
    return sum(left) - sum(minor for _, minor in lines)


def taxed_request(request: dict[str, Any], lines: Sequence[InvoiceLine], status: str, currency: str) -> dict[str, Any]:
    """An invoice's parts so that Stripe reckons its tax; ``status`` is what its payer is to Stripe."""
    return {
        **request,
        "invoice": {**request["invoice"], "automatic_tax": {"enabled": True}},
        "items": taxed_items(lines, request["items"], currency),
        "tax": {"status": status},
    }


def taxed_items(lines: Sequence[InvoiceLine], items: Sequence[dict[str, Any]], currency: str) -> list[dict[str, Any]]:
    """The lines as a taxed invoice takes them: what is asked, by tax class; what asks nothing is left out.

    *Shape*: a line of several classes is several there, at positions such as 3-0 and 3-1.
    """
    parts = [(at, part) for at, line in enumerate(lines) for part in by_class(line)]
    asked = less_credits([(part.code, part.weight_minor) for _, part in parts])
    several = {at for at, line in enumerate(lines) if len(by_class(line)) > 1}
    numbers: dict[int, int] = {}
    found = []
    for (at, part), minor in zip(parts, asked, strict=True):
        numbers[at] = numbers.get(at, -1) + 1
        if minor:
            position = f"{at}-{numbers[at]}" if at in several else str(at)
            found.append(_item(items[at], lines[at], part, (minor, position), currency))
    return found


def _item(
    item: dict[str, Any], line: InvoiceLine, part: TaxClass, asked: tuple[int, str], currency: str
) -> dict[str, Any]:
    minor, position = asked
    words = f"{line.description}, {part.name}" if part.name else line.description
    return {
        "description": words if minor == part.weight_minor else f"{words}, less credits",
        "metadata": {**item["metadata"], "position": position},
        "price_data": price_data(currency, minor, words, part.code),
    }


def by_class(line: InvoiceLine) -> tuple[TaxClass, ...]:
    """A line's amount by its tax classes; sums to it. A class that takes something off has no part."""
    weighing = [each for each in line.classes if each.weight_minor > 0] or [TaxClass("")]
    parts = allocate(abs(line.amount_minor), [each.weight_minor for each in weighing])
    sign = 1 if line.amount_minor >= 0 else -1
    found = tuple(
        TaxClass(each.code, sign * part, each.name) for each, part in zip(weighing, parts, strict=True) if part
    )
    return found if len(found) > 1 else tuple(replace(each, name="") for each in found)


def price_data(currency: str, minor: int, name: str, tax_code: str = "") -> dict[str, Any]:
    """A price without its tax, of a product of a tax class; the account's own class where none is named."""
    return {
        "currency": currency.lower(),
        "unit_amount": minor,
        "tax_behavior": "exclusive",
        "product_data": {"name": name[:LONGEST_PRODUCT], **({"tax_code": tax_code} if tax_code else {})},
    }


def address_problems(address: Address) -> dict[str, str]:
    """What Stripe would not find a payer by, at the field."""
    problems = {}
    if not re.fullmatch(r"[A-Z]{2}", address.country):
        problems["country"] = "Two letters, such as DE or US."
    if address.country == US and not re.fullmatch(r"[0-9]{5}(-[0-9]{4})?", address.postal_code):
        problems["postal_code"] = "Five digits, such as 94107."
    if address.country == CANADA and not (address.postal_code or address.state):
        problems["state"] = "The province, such as ON, or the postal code."
    for name in ("line1", "postal_code", "city", "state"):
        if len(getattr(address, name)) > LONGEST_WORD:
            problems[name] = f"At most {LONGEST_WORD} characters."
    return problems


def payer_request(status: str, address: Address | None) -> dict[str, Any]:
    """What a payer is set to before its invoice is made; an address that Stripe got elsewhere is left as it is."""
    if address is None:
        return {"tax_exempt": status}
    said = {name: value for name, value in vars(address).items() if value}
    return {"tax_exempt": status, "address": said}


def by_position(taxes: Sequence[tuple[str, int]]) -> dict[int, int]:
    """The tax on each of our lines; several lines there may be one of ours, whose position is before the dash."""
    found: dict[int, int] = {}
    for position, minor in taxes:
        place = int(position.split("-")[0])
        found[place] = found.get(place, 0) + minor
    return found
