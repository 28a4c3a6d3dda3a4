"""Agreements by day, tax that goes with money, and what is kept of an invoice: pure."""

from __future__ import annotations

from datetime import date

import pytest

from portal.ledger.rules import Document, check_legs
from portal.settlement.selfbilling import rules
from portal.settlement.selfbilling.rules import Billing, Company, Corrected, Line

START, END = date(2026, 1, 1), date(2027, 1, 1)


@pytest.mark.parametrize(
    ("accepted", "ended_on", "day", "state"),
    [
        (False, None, START, "offered"),
        (True, None, date(2025, 12, 31), "waiting"),
        (True, None, START, "in_force"),
        (True, None, date(2026, 12, 31), "in_force"),
        (True, None, END, "expired"),
        (False, None, END, "expired"),
        (True, date(2026, 5, 1), date(2026, 4, 30), "in_force"),
        (True, date(2026, 5, 1), date(2026, 5, 1), "ended"),
    ],
)
def test_an_agreement_stands_by_the_day(accepted, ended_on, day, state):
    assert rules.state_of(START, END, is_accepted=accepted, ended_on=ended_on, day=day) == state


@pytest.mark.parametrize(
    ("left", "due"), [(31, None), (30, 30), (8, 30), (7, 7), (2, 7), (1, 1), (0, None), (-5, None)]
)
def test_the_last_reminder_whose_day_has_come_is_due(left, due):
    assert rules.days_to_mail(date.fromordinal(END.toordinal()), date.fromordinal(END.toordinal() - left)) == due


@pytest.mark.parametrize(
    ("kind", "amount", "owed", "stays", "moves"),
    [
        ("transferred", 10_000, 1_900, 0, 1_900),
        ("transferred", 10_000, 1_900, 2_500, 1_520),
        ("transferred", 10_000, 1_900, -50, 1_900),
        ("transferred", 10_000, -300, 0, -300),
        ("transferred", 100, -300, 0, 0),
        ("transferred", -500, -95, 0, 0),
        ("invoiced", -500, -95, 0, -95),
        ("invoiced", -500, 95, 0, 0),
        ("held", 500, 95, 0, 0),
        ("carried", 500, 95, 0, 0),
    ],
)
def test_tax_goes_with_what_is_paid(kind, amount, owed, stays, moves):
    assert rules.tax_to_move(kind, amount, owed, stays, "EUR") == moves


@pytest.mark.parametrize(
    ("kind", "amount", "owed", "stays", "moves"),
    [
        # Five percent of 100.010 dinars is 5.001, with which 105.011 cannot be paid.
        ("transferred", 100_010, 5_001, 0, 5_000),
        ("transferred", 100_010, 5_001, 50_000, 3_330),
        ("transferred", 100_010, 9, 0, 0),
        ("transferred", 100_010, -5_001, 0, -5_000),
        ("invoiced", -500, -95, 0, -90),
    ],
)
def test_tax_goes_as_far_as_it_can_be_paid_with_its_share(kind, amount, owed, stays, moves):
    found = rules.tax_to_move(kind, amount, owed, stays, "BHD")
    assert found == moves
    assert (amount + found) % 10 == 0


def test_what_is_not_paid_now_is_held_or_carried():
    assert rules.stays_unpaid({"transferred": 5, "held": 7, "carried": 11}, 13) == 31
    assert rules.stays_unpaid({"carried": -11}, 0) == 0


@pytest.mark.parametrize("minor", [1_900, -1_900])
def test_tax_legs_make_transactions_of_their_own_accounts(minor):
    check_legs(rules.tax_legs(minor, 7), rules.TAX_PAIRS)
    for kind in ("transferred", "invoiced"):
        check_legs(rules.tax_moved_legs(kind, minor, 7, Document("disposition", "1")), rules.TAX_PAIRS)


def billing(**other) -> Billing:
    said = {
        "basis": rules.SELF_BILLED,
        "supply_from": "2026-03-01",
        "supply_to": "2026-03-31",
        "supplier": Company("Kessler", "Kiel", "DE123456789"),
        "customer": Company("Nordlicht", "Kiel", "DE987654321"),
        "lines": (Line("Time and materials", 2, 12_500),),
        "net_minor": 12_500,
        "treatment": "domestic",
        "rate_bp": 1900,
        "tax_minor": 2_375,
        "words": ("Self-billing",),
        "reasons": ("Both are in Germany.",),
        "agreement_id": 1,
    }
    return Billing(**{**said, **other})


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (billing(), "invoice"),
        (billing(net_minor=-5, corrects=(Corrected(3, "NOR-SB1", "2026-04-12"),)), "credit_note"),
    ],
)
def test_what_was_approved_is_read_back_as_it_was(made, kind):
    kept = made.as_json()
    assert rules.billing_of_plan({"billing": kept}) == made
    assert made.kind == kind
    assert ("corrects" in kept) is (kind == "credit_note")
    assert made.gross_minor == made.net_minor + made.tax_minor


def test_a_plan_without_an_invoice_has_none():
    assert rules.billing_of_plan({"parts": []}) is None


def test_lines_are_called_by_their_revenue():
    assert rules.kind_words("share", "time_and_materials") == "Time and materials"
    assert rules.kind_words("correction", "time_and_materials") == "Correction: time and materials"
    assert rules.kind_words("plan", "") == "Plans"
    assert rules.kind_words("new_kind", "") == "New kind"
    assert rules.document_name("NOR", "credit_note", 3) == "NOR-SC3"


def test_the_agreement_names_both_and_its_days():
    said = rules.agreement_text("Nordlicht", "Kessler", START, END)
    assert all(word in said for word in ("Nordlicht", "Kessler", "2026-01-01", "2027-01-01"))
