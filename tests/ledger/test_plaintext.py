"""What a journal's text says, line by line, and the rows that accounting programs import."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from portal.ledger.plaintext import SYNTAXES, Balance, Heading, JournalEntry, JournalLeg
from portal.ledger.shapes import SHAPES, rows

MARCH = Heading("NOR", "2026-03", "Europe/Berlin", date(2026, 3, 1), date(2026, 4, 1), "hard_closed", "block 7")
BALANCES = (
    Balance("Assets:Bank", "EUR", 500, 1_500),
    Balance("Income:Fees", "EUR", -500, -1_500),
    Balance("Assets:Bank", "JPY", 0, 0),
)
IN_TWO = (Balance("Assets:Bank", "EUR", 1, 1), Balance("Assets:Bank", "USD", 2, 2))
SALE = JournalEntry(
    41,
    "EUR",
    "sale",
    "invoice:7",
    'A "new" lock;\nfitted',
    datetime(2026, 3, 10, 9, 0, tzinfo=UTC),
    None,
    (JournalLeg("Assets:Bank", 1_000, "invoice:7"), JournalLeg("Income:Fees", -1_000, "invoice:7")),
)
REVERSAL = JournalEntry(
    42,
    "EUR",
    "sale_reversal",
    "invoice:7",
    "",
    datetime(2026, 3, 11, 9, 0, tzinfo=UTC),
    41,
    (JournalLeg("Income:Fees", 1_000, "share 3, part"), JournalLeg("Assets:Bank", -1_000, "invoice:7")),
)


def begun(syntax: str) -> str:
    return "".join(SYNTAXES[syntax].begin(MARCH, BALANCES))


def test_beancount_opens_each_account_with_what_it_brought_along():
    assert begun("beancount").splitlines() == [
        "; Journal of NOR, 2026-03, hard-closed",
        "; 2026-03-01 to 2026-03-31, Europe/Berlin; amounts in minor units",
        "; An entry is dated when it happened, moved into this period where that was before or after it.",
        "; Chained: block 7",
        "",
        'option "title" "NOR 2026-03"',
        'plugin "beancount.plugins.noduplicates"',
        'plugin "beancount.plugins.check_commodity"',
        "",
        "2026-02-28 commodity EURCENT",
        "2026-02-28 commodity JPY",
        "2026-02-28 open Assets:Bank EURCENT,JPY",
        "2026-02-28 open Income:Fees EURCENT",
        "",
        '2026-02-28 * "Brought along" ^opening-EUR',
        "  Assets:Bank  500 EURCENT",
        "  Income:Fees  -500 EURCENT",
        "",
        "2026-03-01 balance Assets:Bank 500 EURCENT",
        "2026-03-01 balance Income:Fees -500 EURCENT",
        "2026-03-01 balance Assets:Bank 0 JPY",
    ]


def test_hledger_asserts_what_was_brought_along_where_it_stands():
    assert begun("hledger").splitlines()[5:] == [
        "commodity 1. EURCENT",
        "commodity 1. JPY",
        "account Assets:Bank",
        "account Income:Fees",
        "",
        "2026-02-28 * (opening-EUR) Brought along",
        "  Assets:Bank  500 EURCENT = 500 EURCENT",
        "  Income:Fees  -500 EURCENT = -500 EURCENT",
    ]


@pytest.mark.parametrize(
    ("syntax", "lines"),
    [
        (
            "beancount",
            [
                "",
                '2026-03-10 * "A \\"new\\" lock; fitted" ^T41',
                '  kind: "sale"',
                '  document: "invoice:7"',
                '  occurred: "2026-03-10T09:00:00+00:00"',
                "  Assets:Bank  1000 EURCENT",
                "  Income:Fees  -1000 EURCENT",
            ],
        ),
        (
            "hledger",
            [
                "",
                '2026-03-10 * (T41) A "new" lock, fitted'
                "  ; kind:sale, document:invoice-7, occurred:2026-03-10T09:00:00+00:00",
                "    Assets:Bank  1000 EURCENT",
                "    Income:Fees  -1000 EURCENT",
            ],
        ),
    ],
)
def test_words_that_people_wrote_stay_within_their_line(syntax, lines):
    assert SYNTAXES[syntax].entry(MARCH, SALE).splitlines() == lines


@pytest.mark.parametrize(
    ("syntax", "said"),
    [
        ("beancount", ['"sale_reversal" ^T42', '  reverses: "T41"', '    document: "share 3, part"']),
        ("hledger", ["(T42) sale_reversal  ;", "reverses:T41", "1000 EURCENT  ; document:share-3-part"]),
    ],
)
def test_a_reversal_names_what_it_reverses_and_documents_of_single_legs(syntax, said):
    text = SYNTAXES[syntax].entry(MARCH, REVERSAL)
    assert [words for words in said if words not in text] == []


@pytest.mark.parametrize(
    ("syntax", "lines"),
    [
        (
            "beancount",
            [
                "",
                "2026-04-01 balance Assets:Bank 1500 EURCENT",
                "2026-04-01 balance Income:Fees -1500 EURCENT",
                "2026-04-01 balance Assets:Bank 0 JPY",
            ],
        ),
        (
            "hledger",
            [
                "",
                "2026-03-31 * (closing-EUR) Held in the end",
                "    Assets:Bank  0 EURCENT = 1500 EURCENT",
                "    Income:Fees  0 EURCENT = -1500 EURCENT",
                "",
                "2026-03-31 * (closing-JPY) Held in the end",
                "    Assets:Bank  0 JPY = 0 JPY",
            ],
        ),
    ],
)
def test_every_account_says_what_it_holds_in_the_end(syntax, lines):
    assert "".join(SYNTAXES[syntax].end(MARCH, BALANCES)).splitlines() == lines


def test_a_month_that_is_not_chained_says_nothing_of_a_block():
    open_month = Heading("NOR", "2026-03", "Europe/Berlin", date(2026, 3, 1), date(2026, 4, 1), "open")
    assert "Chained" not in "".join(SYNTAXES["beancount"].begin(open_month, ()))


def test_what_was_brought_along_is_an_entry_for_each_currency():
    said = "".join(SYNTAXES["hledger"].begin(MARCH, IN_TWO)).splitlines()
    assert said[-5:] == [
        "2026-02-28 * (opening-EUR) Brought along",
        "  Assets:Bank  1 EURCENT = 1 EURCENT",
        "",
        "2026-02-28 * (opening-USD) Brought along",
        "  Assets:Bank  2 USDCENT = 2 USDCENT",
    ]


def test_xero_takes_credits_below_zero():
    told = 'T41 A "new" lock;\nfitted'
    assert list(rows(SHAPES["xero"], MARCH, [SALE, REVERSAL], "EUR"))[:2] == [
        (told, "2026-03-10", "invoice:7", "Assets:Bank", "Tax Exempt", Decimal("10.00")),
        (told, "2026-03-10", "invoice:7", "Income:Fees", "Tax Exempt", Decimal("-10.00")),
    ]


def test_quickbooks_takes_debits_and_credits_in_columns_of_their_own():
    ten = Decimal("10.00")
    assert list(rows(SHAPES["quickbooks"], MARCH, [REVERSAL], "EUR")) == [
        ("T42", "2026-03-11", "EUR", "Income:Fees", ten, None, "share 3, part", "sale reversal"),
        ("T42", "2026-03-11", "EUR", "Assets:Bank", None, ten, "invoice:7", "sale reversal"),
    ]


def test_a_table_holds_one_currency():
    assert list(rows(SHAPES["xero"], MARCH, [SALE], "USD")) == []
