"""How a service from one business to another is taxed: pure.

*Source*: Directive 2006/112/EC, articles 44 and 196 (place of services between businesses, reverse charge), 226 (words
on invoices), 282 to 292 (small businesses).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from portal.money import round_half_up
from portal.taxes.rules.identity import TaxIdentity
from portal.taxes.rules.rates import Country, Rates

DOMESTIC, REVERSE_CHARGE, OUTSIDE, EXEMPT, UNREGISTERED = (
    "domestic", "reverse_charge", "outside_scope", "exempt", "unregistered",
)  # fmt: skip
TREATMENTS = {
    DOMESTIC: "Domestic rate",
    REVERSE_CHARGE: "Reverse charge",
    OUTSIDE: "Outside the scope",
    EXEMPT: "Exempt small business",
    UNREGISTERED: "Not registered",
}
REVERSE_CHARGE_WORDS = "Reverse charge: the customer accounts for the tax"
FULL_BP = 10_000


@dataclass(frozen=True)
class Treatment:
    """The tax of a supply: its rate, the words the invoice has to carry, and why.

    *Units*: ``rate_bp`` in basis points of the net; zero wherever the supplier charges nothing.
    """

    kind: str
    rate_bp: int
    words: tuple[str, ...]
    reasons: tuple[str, ...]


def treatment_of(supplier: TaxIdentity, customer: TaxIdentity, on: date, rates: Rates) -> Treatment:
    """How a service of ``supplier`` to ``customer`` on a day is taxed.

    *Raises*: RuleBroken for a country or a day that the rates do not know.
    """
    here, there = rates.country(supplier.country), rates.country(customer.country)
    if here.code == there.code:
        return _within(supplier, here, on)
    if there.levies_tax and customer.number_on(on):
        return _reversed(supplier, customer, there, on)
    if here.levies_tax and there.levies_tax and here.union == there.union:
        unproven = f"The customer has no registration in {there.name} on {on.isoformat()}, so nobody accounts for it."
        taxed = _within(supplier, here, on)
        return Treatment(taxed.kind, taxed.rate_bp, taxed.words, (unproven, *taxed.reasons))
    return _outside(here, there)


def tax_minor(net_minor: int, rate_bp: int) -> int:
    """The tax on a net, rounded once, half up and away from zero: a credit note takes back what the invoice charged."""
    size = round_half_up(Fraction(abs(net_minor) * rate_bp, FULL_BP))
    return size if net_minor >= 0 else -size


def _within(supplier: TaxIdentity, here: Country, on: date) -> Treatment:
    if not here.levies_tax:
        return Treatment(OUTSIDE, 0, ("No tax is charged",), (f"{here.name} has no value added tax.",))
    if supplier.is_small_business:
        return Treatment(EXEMPT, 0, (here.small_business_words,), ("The supplier says it is a small business.",))
    number = supplier.number_on(on)
    if not number:
        why = f"The supplier has no registration in {here.name} on {on.isoformat()}, so it may charge no tax."
        return Treatment(UNREGISTERED, 0, ("No tax is charged: the supplier is not registered",), (why,))
    why = f"Both are in {here.name}; the supplier is registered there as {number}; the rate of {on.isoformat()} holds."
    return Treatment(DOMESTIC, here.rate_bp_on(on), (), (why,))


def _reversed(supplier: TaxIdentity, customer: TaxIdentity, there: Country, on: date) -> Treatment:
    reasons: tuple[str, ...] = (
        f"The service is taxed where the customer is: {there.name} (article 44).",
        f"The customer is registered there as {customer.number_on(on)}, so it accounts for the tax (article 196).",
    )
    if not supplier.number_on(on):
        reasons += (f"The supplier has no registration of its own on {on.isoformat()}.",)
    return Treatment(REVERSE_CHARGE, 0, (REVERSE_CHARGE_WORDS,), reasons)


def _outside(here: Country, there: Country) -> Treatment:
    why = f"The service is taxed where the customer is, in {there.name}; the supplier in {here.name} charges nothing."
    return Treatment(OUTSIDE, 0, (f"Outside the scope of tax in {here.name}",), (why,))
