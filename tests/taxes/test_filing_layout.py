"""How parties and amounts stand in the columns of a filing file: names, addresses and phones by examples."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date

import pytest

from portal.taxes.rules import filing_layout as layout
from portal.taxes.rules.filing_layout import Name, Party, Place, Return, rows_of
from portal.taxes.rules.identity import TaxIdentity
from portal.taxes.rules.taxpayer import Taxpayer
from portal.taxes.tables import known_forms, known_layouts
from portal.web.exports import csv_pieces

HUDSON = TaxIdentity("Hudson LLC", "11 Ferry Street\nTroy, NY 12180", "US")
CERTIFIED = Taxpayer("W-9", "llc", "Hudson LLC", "EIN", "6789", date(2026, 1, 5))
TROY = Place("11 Ferry Street", "", "Troy", "NY", "12180")


@pytest.mark.parametrize(
    ("name", "classification", "number_type", "wanted"),
    [
        ("Hudson LLC", "llc", "EIN", Name("B", "Hudson LLC")),
        ("A" * 40, "llc", "EIN", Name("B", "A" * 40)),
        ("A" * 41, "llc", "EIN", layout.NAME_LENGTH),
        ("Hudson " * 10, "llc", "EIN", Name("B", "Hudson Hudson Hudson Hudson Hudson", " ".join(["Hudson"] * 5))),
        ("Hudson " * 20, "partnership", "EIN", layout.NAME_LENGTH),
        ("   ", "llc", "EIN", layout.NAME_LENGTH),
        ("Sara Lee", "individual", "SSN", Name("I", first="Sara", last="Lee")),
        ("Sara Ann van Lee", "individual", "SSN", Name("I", first="Sara", middle="Ann van", last="Lee")),
        ("Tom Ruiz, Jr.", "individual", "SSN", Name("I", first="Tom", last="Ruiz", suffix="Jr.")),
        ("Tom Iv", "individual", "SSN", Name("I", first="Tom", last="Iv")),
        ("Sara", "individual", "SSN", layout.NAME_PARTS),
        ("Sara " + "L" * 41, "individual", "SSN", layout.NAME_LENGTH),
        # A sole proprietor under an employer's number, and a company of one under its owner's, are businesses.
        ("Lee Repairs", "individual", "EIN", Name("B", "Lee Repairs")),
        ("Sara Lee", "llc", "SSN", Name("B", "Sara Lee")),
    ],
)  # fmt: skip
def test_a_name_is_a_business_or_a_person_in_parts(name, classification, number_type, wanted):
    said = replace(CERTIFIED, certified_name=name, classification=classification, number_type=number_type)
    assert layout.name_of(said) == ((None, wanted) if isinstance(wanted, str) else (wanted, ""))


@pytest.mark.parametrize(
    ("address", "country", "wanted"),
    [
        ("11 Ferry Street\nTroy, NY 12180", "US", TROY),
        (" 11 Ferry Street,\r\n\r\nTroy NY 12180\nUnited States\n", "US", TROY),
        ("11 Ferry Street, Troy, NY 12180", "US", TROY),
        ("11 Ferry Street\nTroy, ny, 12180-1234\nU.S.A.", "US", replace(TROY, zip="121801234")),
        ("11 Ferry Street\nSuite 4\nTroy, NY 12180", "US", replace(TROY, street_2="Suite 4")),
        ("11 Ferry Street, Suite 4, Troy, NY 12180", "US", replace(TROY, street_1="11 Ferry Street, Suite 4")),
        ("1 Main St\nSt. Louis, MO 63101", "US", Place("1 Main St", "", "St. Louis", "MO", "63101")),
        ("1 Main St\nSan Juan PR 00901", "US", Place("1 Main St", "", "San Juan", "PR", "00901")),
        ("Care of A\nHouse B\n1 Main St\nTroy, NY 12180", "US", layout.ADDRESS_LENGTH),
        ("1" * 41 + "\nTroy, NY 12180", "US", layout.ADDRESS_LENGTH),
        ("1 Main St\n" + "T" * 41 + ", NY 12180", "US", layout.ADDRESS_LENGTH),
        ("11 Ferry Street\nTroy, XX 12180", "US", layout.ADDRESS_SHAPE),
        ("11 Ferry Street\nTroy, NY 1218", "US", layout.ADDRESS_SHAPE),
        ("11 Ferry Street\nTroy, NY 121800", "US", layout.ADDRESS_SHAPE),
        ("Troy, NY 12180", "US", layout.ADDRESS_SHAPE),
        ("NY 12180", "US", layout.ADDRESS_SHAPE),
        ("United States", "US", layout.ADDRESS_SHAPE),
        ("", "US", layout.ADDRESS_SHAPE),
        ("11 Ferry Street\nTroy, NY 12180", "DE", layout.ADDRESS_SHAPE),
    ],
)  # fmt: skip
def test_an_address_is_divided_or_said_to_be_missing(address, country, wanted):
    said = replace(HUDSON, address=address, country=country)
    assert layout.place_of(said) == ((None, wanted) if isinstance(wanted, str) else (wanted, ""))


@pytest.mark.parametrize(
    ("phone", "digits", "is_taken"),
    [
        ("518-555-0100", "5185550100", True),
        ("+1 (518) 555.0100", "5185550100", True),
        ("1 518 555 0100", "5185550100", True),
        ("", "", True),
        ("+49 431 5550100", "", True),
        ("+5185550100", "", True),
        ("118-555-0100", "", True),
        ("=1+1", "", False),
        ("12345", "", False),
        ("1" * 31, "", False),
        ("٥١٨-555-0100", "", False),
    ],
)  # fmt: skip
def test_a_phone_has_ten_digits_where_the_file_names_it(phone, digits, is_taken):
    assert layout.phone_digits(phone) == digits
    assert (layout.phone_problem(phone) == "") is is_taken


@pytest.mark.parametrize(
    ("identity", "taxpayer", "phone", "missing"),
    [
        (HUDSON, CERTIFIED, "518-555-0100", ()),
        (None, None, "", (layout.PAYER_NUMBER, layout.PAYER_DETAILS, layout.PAYER_PHONE)),
        (HUDSON, replace(CERTIFIED, form="W-8BEN-E"), "518-555-0100", (layout.PAYER_NUMBER,)),
        (HUDSON, CERTIFIED, "+49 431 5550100", (layout.PAYER_PHONE,)),
        (replace(HUDSON, address="Troy"), CERTIFIED, "518-555-0100", (layout.ADDRESS_SHAPE,)),
        (
            replace(HUDSON, address="Troy"), replace(CERTIFIED, certified_name="A" * 41), "518-555-0100",
            (layout.NAME_LENGTH, layout.ADDRESS_SHAPE),
        ),
    ],
)  # fmt: skip
def test_a_payer_lacks_what_the_file_has_to_name(identity, taxpayer, phone, missing):
    read = layout.read_payer(identity, taxpayer, phone)
    assert read.missing == missing
    assert (read.party is None) is bool(missing)


def test_a_recipient_is_read_once_the_form_has_what_it_needs():
    assert layout.read_recipient(HUDSON, CERTIFIED).party == Party("EIN", Name("B", "Hudson LLC"), TROY)
    assert layout.read_recipient(None, CERTIFIED) == layout.read_recipient(HUDSON, None) == layout.Read(None)


def test_a_row_has_a_column_for_each_box_of_its_form_and_a_cell_cannot_calculate():
    payer = Party("EIN", Name("B", "Payer"), TROY, "5185550100")
    hostile = Party("SSN", Name("B", '=HYPERLINK("x")'), replace(TROY, street_1="@SUM(1)"))
    held = {"1": "1.00", "3": "3.00", "4": "4.00"}
    for form, paid_in in (("1099-NEC", "Box 1"), ("1099-MISC", "Box 3")):
        columns = known_layouts().by_form[form]
        rows = rows_of(columns, payer, "987654321", [Return(2025, "7", hostile, "012345678", held)] * 2)
        first, second = csv.DictReader(io.StringIO("".join(csv_pieces(columns.head, rows))))
        assert first == second
        assert (first["Form Type"], first["Tax Year"], first["Payer Phone Type"]) == (form, "2025", "D")
        assert (first["Recipient TIN Type"], first["Recipient Taxpayer ID Number"]) == ("SSN", "012345678")
        assert first["Recipient Business or Entity Name Line 1"] == '\'=HYPERLINK("x")'
        assert first["Recipient Address Line 1"] == "'@SUM(1)"
        boxes = {heading[:5]: cell for heading, cell in first.items() if heading.startswith("Box") and cell != "N"}
        assert {box: cell for box, cell in boxes.items() if cell} == {
            paid_in: f"{paid_in[-1]}.00", "Box 4": "4.00",
        }  # fmt: skip


def test_each_form_that_a_payer_files_has_its_columns_and_each_box_its_own():
    layouts = known_layouts()
    filed = {code: form for code, form in known_forms().items() if form.filer == "payer"}
    assert layouts.by_form.keys() == filed.keys()
    assert (layouts.returns_in_file, layouts.last_year_compared) == (100, 2025)
    for code, form in filed.items():
        head = layouts.by_form[code].head
        assert len(head) == len(set(head))
        assert {f"box {box.number}" for box in form.boxes} <= {holds for _, holds in layouts.by_form[code].columns}
