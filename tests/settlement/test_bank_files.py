"""Files of banks read into lines, and lines matched with what is booked: pure."""

from __future__ import annotations

from datetime import date

import pytest

from portal.errors import Invalid
from portal.settlement import bank_files
from portal.settlement.bank_files import BankEntry, Booked, matched, read_bank_file

CAMT = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>
<Ntry><Amt Ccy="EUR">1250.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
  <BookgDt><Dt>2026-03-12</Dt></BookgDt><AcctSvcrRef>B1</AcctSvcrRef>
  <NtryDtls><TxDtls><RmtInf><Ustrd>STRIPE payout</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">4.90</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>
  <BookgDt><DtTm>2026-03-31T23:10:00</DtTm></BookgDt><NtryRef>7</NtryRef><AddtlNtryInf>Charges</AddtlNtryInf></Ntry>
<Ntry><Amt Ccy="EUR">9.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>PDNG</Sts></Ntry>
</Stmt></BkToCstmrStmt></Document>"""
ENGLISH = """Date,Amount,Currency,Reference,Description
2026-03-12,1250.50,EUR,B1,STRIPE payout

2026-03-31,-4.90,EUR,7,Charges
"""
GERMAN = """Buchungstag;Betrag;Währung;Referenz;Verwendungszweck
12.03.2026;1.250,50;EUR;B1;STRIPE payout
31.03.2026;\u22124,90;eur;7;Charges
"""
READ = [
    BankEntry(date(2026, 3, 12), "EUR", 125_050, "B1", "STRIPE payout"),
    BankEntry(date(2026, 3, 31), "EUR", -490, "7", "Charges"),
]


@pytest.mark.parametrize("raw", [CAMT.encode(), ENGLISH.encode(), b"\xef\xbb\xbf" + ENGLISH.encode(), GERMAN.encode()])
def test_a_file_is_read_however_the_bank_writes_it(raw):
    assert read_bank_file(raw) == READ


@pytest.mark.parametrize(
    ("written", "currency", "minor"),
    [
        ("1.250,50", "EUR", 125_050),
        ("1250,5", "EUR", 125_050),
        ("-1.250.000,00", "EUR", -125_000_000),
        # A point all the same: what was read as a hundred times as much.
        ("1250.50", "EUR", 125_050),
        ("1,250.50", "EUR", 125_050),
        ("4.9", "EUR", 490),
        ("12", "EUR", 1_200),
        ("123", "EUR", 12_300),
        # Three digits after a point are thousands where the currency has no three decimals.
        ("1.250", "EUR", 125_000),
        ("1.250.000", "EUR", 125_000_000),
        ("1.250", "JPY", 1_250),
        ("1,250", "KWD", 1_250),
        ("1.250,500", "KWD", 1_250_500),
    ],
)
def test_an_amount_beside_semicolons_is_read_as_it_is_written(written, currency, minor):
    head = "Buchungstag;Betrag;Währung;Referenz"
    (entry,) = read_bank_file(f"{head}\n12.03.26;{written};{currency};B1".encode())
    assert (entry.booked_on, entry.amount_minor) == (date(2026, 3, 12), minor)


@pytest.mark.parametrize(("written", "currency"), [("1.250", "KWD"), ("1,250", "EUR"), ("1,2,3", "EUR")])
def test_an_amount_that_may_be_two_is_refused(written, currency):
    raw = f"Buchungstag;Betrag;Währung;Referenz\n12.03.2026;{written};{currency};B1"
    with pytest.raises(Invalid, match="Line 2: write the amount"):
        read_bank_file(raw.encode())


def test_an_old_encoding_is_read_too():
    assert read_bank_file(GERMAN.replace("\u2212", "-").encode("cp1252")) == READ


def test_equal_lines_of_one_file_are_told_apart():
    twice = ENGLISH + "2026-03-31,-4.90,EUR,7,Charges\n"
    assert [entry.nth for entry in read_bank_file(twice.encode())] == [1, 1, 2]


HEAD = "date,amount,currency,reference\n"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"\x81\x8d", "neither text nor camt"),
        (b"", "missing: date, amount, currency, reference"),
        (b"date,amount\n", "missing: currency, reference"),
        (HEAD.encode(), "no booked line"),
        ((HEAD + "soon,1.00,EUR,a\n").encode(), "Line 2: write the day"),
        ((HEAD + "2026-03-12,1x,EUR,a\n").encode(), "Line 2: write the amount"),
        ((HEAD + "2026-03-12,1.00,EUR,\n").encode(), "Line 2: a line needs a reference"),
        ((HEAD + "2026-03-12,1.00\n").encode(), "Line 2: a line needs a reference"),
        (b"<a></b>", "not whole"),
        (b"<a/>", "no camt.053"),
        (b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "no document type"),
        (CAMT.replace('<Amt Ccy="EUR">4.90</Amt>', "").encode(), "Entry 2 has no amount"),
        (CAMT.replace("<BookgDt><Dt>2026-03-12</Dt></BookgDt>", "").encode(), "Entry 1: write the day"),
    ],
)
def test_what_is_wrong_is_said_by_line(raw, says):
    with pytest.raises(Invalid, match=says) as refused:
        read_bank_file(raw)
    assert "file" in refused.value.fields


def test_a_file_has_an_end():
    lines = "".join(f"2026-03-12,1.00,EUR,{number}\n" for number in range(bank_files.MOST_LINES + 1))
    with pytest.raises(Invalid, match="more than 20000 lines"):
        read_bank_file((HEAD + lines).encode())


def booked(posting_id, minor, day, currency="EUR"):
    return Booked(posting_id, currency, minor, date(2026, 3, day))


def test_a_line_answers_to_the_nearest_posting_of_its_amount():
    lines = [(1, READ[0]), (2, BankEntry(date(2026, 3, 14), "EUR", 125_050, "B2"))]
    postings = [booked(7, 125_050, 15), booked(8, 125_050, 11), booked(9, 125_050, 12, "USD"), booked(6, 1, 12)]
    assert matched(lines, postings) == {1: 8, 2: 7}
    assert matched(lines, [booked(7, 125_050, 24)]) == {2: 7}
    assert matched(lines, [booked(7, 125_050, 25)]) == {}
    assert matched(lines, [booked(5, 125_050, 12), booked(4, 125_050, 12)]) == {1: 4, 2: 5}
