"""Which form a year goes on, who files it and why none is; boxes, thresholds by year, certifications: by examples."""

from __future__ import annotations

from datetime import date

import pytest

from portal.contracts.blocks import Revenue
from portal.errors import RuleBroken
from portal.taxes.rules import taxpayer as certified
from portal.taxes.rules.identity import TaxIdentity
from portal.taxes.rules.taxpayer import Taxpayer, taxpayer_from, tidy_taxpayer_number
from portal.taxes.rules.year_forms import Payment, box_amounts, by_form, outcome_of, year_of
from portal.taxes.tables import known_forms, known_payment_kinds

US, DE = TaxIdentity("Hudson LLC", "Troy", "US"), TaxIdentity("Kessler", "Kiel", "DE")


def certificate(form: str = "W-9", classification: str = "llc") -> Taxpayer:
    return Taxpayer(form, classification, "Hudson LLC", "EIN", "6789", date(2026, 1, 5))


def paid(minor: int, year: int = 2026, currency: str = "USD", count: int = 1):
    each = minor // count
    amounts = [each] * (count - 1) + [minor - each * (count - 1)]
    return year_of(year, currency, [Payment(date(year, 6, 1), amount) for amount in amounts])


@pytest.mark.parametrize(
    ("year", "operator", "payer", "recipient", "kind", "form", "missing"),
    [
        (paid(200_000), True, US, (US, certificate()), "file", "1099-NEC", 0),
        (paid(199_999), True, US, (US, certificate()), "under", "1099-NEC", 0),
        (paid(60_000, 2025), True, US, (US, certificate()), "file", "1099-NEC", 0),
        (paid(59_999, 2025), True, US, (US, certificate()), "under", "1099-NEC", 0),
        (paid(200_000), True, None, (US, certificate()), "file", "1099-NEC", 0),
        (paid(200_000), True, US, (None, None), "file", "1099-NEC", 3),
        (paid(200_000), True, US, (US, None), "file", "1099-NEC", 2),
        (paid(200_000), True, US, (US, certificate(classification="c_corporation")), "none", "1099-NEC", 0),
        (paid(200_000), True, US, (DE, None), "none", "1099-NEC", 0),
        (paid(200_000), True, US, (DE, certificate("W-8BEN-E")), "none", "1099-NEC", 0),
        (paid(200_000, currency="EUR"), True, US, (US, certificate()), "none", "1099-NEC", 0),
        (paid(200_000), True, DE, (US, certificate()), "none", "1099-NEC", 0),
        (paid(2_000_001, count=201), False, US, (US, certificate()), "file", "1099-K", 0),
        (paid(2_000_000, count=201), False, US, (US, certificate()), "under", "1099-K", 0),
        (paid(2_000_001, count=200), False, US, (US, certificate()), "under", "1099-K", 0),
        (
            paid(9_000_000, count=300), False, US, (US, certificate(classification="s_corporation")),
            "file", "1099-K", 0,
        ),
    ],
)  # fmt: skip
def test_a_year_has_its_form(year, operator, payer, recipient, kind, form, missing):
    found = outcome_of(year, payer, recipient, known_forms(), is_operator=operator)
    assert (found.kind, found.form.code, len(found.missing)) == (kind, form, missing)
    assert all(reason.endswith(".") for reason in found.reasons)
    assert found.filer == ("payer" if operator else "processor")


def test_a_bonus_goes_on_its_own_form_and_a_network_reports_all_kinds_together():
    found = outcome_of(paid(200_000), US, (US, certificate()), known_forms(), is_operator=True, form_code="1099-MISC")
    assert (found.kind, found.form.code, found.form.file_by) == ("file", "1099-MISC", "31 March")
    under = outcome_of(paid(199_999), US, (US, certificate()), known_forms(), is_operator=True, form_code="1099-MISC")
    assert under.kind == "under"
    network = outcome_of(paid(1), US, (US, certificate()), known_forms(), is_operator=False, form_code="1099-MISC")
    assert network.form.code == "1099-K"


@pytest.mark.parametrize(
    ("amount", "earned", "wanted"),
    [
        (1_000, {}, {"1099-NEC": 1_000}),
        (1_000, {"time_and_materials": 700, "subscription": 300}, {"1099-NEC": 1_000}),
        (1_000, {"time_and_materials": 700, "referral": 300}, {"1099-NEC": 700, "1099-MISC": 300}),
        (1_000, {"referral": 50, "goodwill": 50}, {"1099-MISC": 1_000}),
        # Part of a net, and one that came back.
        (501, {"included": 600, "referral": 400}, {"1099-NEC": 301, "1099-MISC": 200}),
        (-100, {"included": 600, "referral": 400}, {"1099-NEC": -60, "1099-MISC": -40}),
        # What is below zero has no part of what was paid; what is not known is for services.
        (1_000, {"included": 900, "goodwill": -200}, {"1099-NEC": 1_000}),
        (1_000, {"a kind of tomorrow": 5}, {"1099-NEC": 1_000}),
        (-1_000, {"included": -900}, {"1099-NEC": -1_000}),
    ],
)
def test_a_payment_is_divided_among_forms_by_what_it_pays(amount, earned, wanted):
    assert by_form(amount, earned, known_payment_kinds()) == wanted


def test_every_kind_of_money_has_a_form_that_is_known_and_a_reason():
    kinds = known_payment_kinds()
    assert {kind.value for kind in Revenue} | {"remedy", "labour_credit", "referral", "material"} <= kinds.keys()
    assert all(each.form in known_forms() and each.because.endswith(".") for each in kinds.values())


def test_payments_count_on_their_own_day_and_what_comes_back_lowers_only_what_was_paid():
    payments = [
        Payment(date(2025, 12, 31), 7), Payment(date(2026, 1, 1), 1_000), Payment(date(2026, 3, 5), 500),
        Payment(date(2026, 12, 31), -200), Payment(date(2027, 1, 1), 9),
    ]  # fmt: skip
    year = year_of(2026, "USD", payments)
    assert (year.paid_minor, year.gross_minor, year.count) == (1_300, 1_500, 2)
    assert (year.months[0], year.months[2], sum(year.months)) == (1_000, 500, 1_500)


def test_boxes_hold_what_the_form_says():
    year = year_of(2026, "USD", [Payment(date(2026, 1, 1), 1_000), Payment(date(2026, 2, 1), -300)])
    held = {code: {box.number: minor for box, minor in box_amounts(form, year)} for code, form in known_forms().items()}
    assert held == {
        "1099-NEC": {"1": 700, "4": None},
        "1099-MISC": {"3": 700, "4": None},
        "1099-K": {"1a": 1_000, "3": None, "5": None},
    }


def test_thresholds_have_a_source_and_a_first_year():
    for form in known_forms().values():
        assert all(limit.source for limit in form.thresholds)
        with pytest.raises(RuleBroken, match="2019"):
            form.threshold_of(2019)


@pytest.mark.parametrize(
    ("form", "number_type", "number", "on", "wrong"),
    [
        ("W-9", "EIN", "12-3456789", date(2026, 1, 1), set()),
        ("W-9", "SSN", "123 45 6789", date(2026, 1, 1), set()),
        ("W-9", "EIN", "12-345678", date(2026, 1, 1), {"number"}),
        ("W-9", "foreign", "20/174/83926", date(2026, 1, 1), {"number_type"}),
        ("W-8BEN-E", "foreign", "20/174/83926", date(2026, 1, 1), set()),
        ("W-8BEN-E", "foreign", "1234", date(2026, 1, 1), {"number"}),
        ("W-8BEN-E", "foreign", "<b>12345", date(2027, 1, 1), {"number", "certified_on"}),
    ],
)
def test_a_certification_is_checked_by_field(form, number_type, number, on, wrong):
    tidy = tidy_taxpayer_number(number)
    assert set(certified.certification_problems(form, number_type, tidy, on, date(2026, 6, 1))) == wrong


def test_a_certification_shows_only_the_end_of_its_number():
    told = {
        "form": "W-9", "classification": "llc", "certified_name": "H", "number_type": "EIN", "last_four": "6789",
        "certified_on": "2026-01-05",
    }  # fmt: skip
    read = taxpayer_from(told)
    assert (read.masked, read.certified_on) == ("EIN •••• 6789", date(2026, 1, 5))
