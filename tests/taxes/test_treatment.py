"""How a service between two businesses is taxed, by examples; rates by day; the shape of numbers."""

from __future__ import annotations

from datetime import date

import pytest

from portal.errors import RuleBroken
from portal.taxes.rules import identity
from portal.taxes.rules.identity import Registration, TaxIdentity, identity_from
from portal.taxes.rules.rates import tidy_number
from portal.taxes.rules.treatment import REVERSE_CHARGE_WORDS, TREATMENTS, tax_minor, treatment_of
from portal.taxes.tables import known_rates

FROM = date(2020, 1, 1)
NUMBERS = {"DE": "DE123456789", "AT": "ATU12345678"}


def company(country: str, *registered: str, small: bool = False, until: date | None = None) -> TaxIdentity:
    held = tuple(Registration(code, NUMBERS[code], FROM, until) for code in registered)
    return TaxIdentity("Kessler GmbH", "Hafen 1, Kiel", country, is_small_business=small, registrations=held)


DE, AT, US = company("DE", "DE"), company("AT", "AT"), company("US")
MARCH = date(2026, 3, 31)


@pytest.mark.parametrize(
    ("supplier", "customer", "on", "kind", "rate_bp"),
    [
        (DE, DE, MARCH, "domestic", 1900),
        (DE, DE, date(2020, 6, 30), "domestic", 1900),
        (DE, DE, date(2020, 7, 1), "domestic", 1600),
        (DE, DE, date(2020, 12, 31), "domestic", 1600),
        (DE, DE, date(2021, 1, 1), "domestic", 1900),
        (AT, AT, MARCH, "domestic", 2000),
        (AT, DE, MARCH, "reverse_charge", 0),
        (DE, AT, MARCH, "reverse_charge", 0),
        (company("AT"), DE, MARCH, "reverse_charge", 0),
        (US, DE, MARCH, "reverse_charge", 0),
        (AT, company("DE"), MARCH, "domestic", 2000),
        (AT, company("DE", "DE", until=MARCH), MARCH, "domestic", 2000),
        (company("AT"), company("DE"), MARCH, "unregistered", 0),
        (US, company("DE"), MARCH, "outside_scope", 0),
        (DE, US, MARCH, "outside_scope", 0),
        (US, US, MARCH, "outside_scope", 0),
        (company("DE"), DE, MARCH, "unregistered", 0),
        (company("DE", "AT"), DE, MARCH, "unregistered", 0),
        (company("DE", "DE", small=True), DE, MARCH, "exempt", 0),
        (company("DE", "DE", small=True), AT, MARCH, "reverse_charge", 0),
        (company("DE", "DE", until=MARCH), DE, MARCH, "unregistered", 0),
        (company("DE", "DE", until=date(2026, 4, 1)), DE, MARCH, "domestic", 1900),
    ],
)
def test_a_supply_is_taxed_by_both_companies_and_the_day(supplier, customer, on, kind, rate_bp):
    taxed = treatment_of(supplier, customer, on, known_rates())
    assert (taxed.kind, taxed.rate_bp) == (kind, rate_bp)
    assert taxed.kind in TREATMENTS
    assert taxed.reasons
    # What is not charged has to say why on the invoice; what is charged says its rate.
    assert bool(taxed.words) is (rate_bp == 0)


def test_words_say_who_accounts_for_the_tax():
    assert treatment_of(AT, DE, MARCH, known_rates()).words == (REVERSE_CHARGE_WORDS,)
    exempt = treatment_of(company("DE", small=True), DE, MARCH, known_rates())
    assert "§ 19 UStG" in exempt.words[0]


@pytest.mark.parametrize(
    ("net", "rate_bp", "tax"),
    [
        (10_000, 1900, 1900),
        (1, 1900, 0),
        (3, 1900, 1),
        (-10_000, 1900, -1900),
        (-3, 1900, -1),
        (50, 100, 1),
        (0, 1900, 0),
    ],
)
def test_tax_is_rounded_once_and_a_credit_takes_back_what_was_charged(net, rate_bp, tax):
    assert tax_minor(net, rate_bp) == tax
    assert tax_minor(-net, rate_bp) == -tax


def test_unknown_countries_and_days_are_refused():
    with pytest.raises(RuleBroken, match="FR"):
        treatment_of(company("FR"), DE, MARCH, known_rates())
    with pytest.raises(RuleBroken, match="1990"):
        known_rates().country("DE").rate_bp_on(date(1990, 1, 1))


@pytest.mark.parametrize(
    ("country", "typed", "fits"),
    [
        ("DE", "de 123 456 789", True),
        ("DE", "DE-123.456/789", True),
        ("DE", "DE12345678", False),
        ("DE", "123456789", False),
        ("AT", "ATU12345678", True),
        ("AT", "AT12345678", False),
        ("US", "12-3456789", False),
        ("DE", "DE123456789\n;", False),
    ],
)
def test_a_number_has_its_countrys_shape(country, typed, fits):
    assert known_rates().country(country).takes_number(tidy_number(typed)) is fits


def test_an_identity_is_read_as_the_database_tells_it():
    told = {
        "legal_name": "K", "address": "A", "country": "DE", "is_small_business": True,
        "registrations": [
            {"country": "DE", "number": "DE1", "valid_from": "2020-01-01", "valid_to": "2021-01-01"},
            {"country": "DE", "number": "DE2", "valid_from": "2021-01-01", "valid_to": None},
        ],
    }  # fmt: skip
    read = identity_from(told)
    assert read.is_small_business
    assert [read.number_on(date(year, 6, 1)) for year in (2019, 2020, 2021)] == ["", "DE1", "DE2"]
    assert read.number_on(date(2021, 6, 1), "AT") == ""


def test_an_invoice_needs_a_name_and_an_address():
    assert identity.detail_problems("K", "A") == {}
    assert set(identity.detail_problems("", "x" * 501)) == {"legal_name", "address"}
