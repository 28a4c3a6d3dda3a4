"""CSV files: what a spreadsheet would calculate stays text, numbers stay numbers."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from portal.money import Money
from portal.web.exports import csv_response, csv_text, money_cells


@pytest.mark.parametrize("hostile", ["=1+1", "+49 30", "-2", "@SUM(A1)", "\t=1", "\r=1", "  =HYPERLINK(0)", "\n-1"])
def test_words_that_would_calculate_are_text(hostile):
    assert csv_text(hostile) == f"'{hostile}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Door 4", "Door 4"),
        (-5, "-5"),
        (Decimal("-212.50"), "-212.50"),
        (None, ""),
        ("a\x00b", "ab"),
        (datetime(2026, 3, 10, tzinfo=UTC), "2026-03-10T00:00:00+00:00"),
    ],
)
def test_everything_else_is_as_it_is(value, text):
    assert csv_text(value) == text


def test_a_float_is_refused():
    with pytest.raises(TypeError):
        csv_text(0.1)


def test_amounts_are_exact_with_their_currency():
    assert money_cells(Money(-21250, "EUR")) == (Decimal("-212.50"), "EUR")
    assert money_cells(Money(5, "JPY")) == (Decimal(5), "JPY")
    assert money_cells(None) == (None, "")


def test_the_file_is_a_download_with_a_tame_name():
    answer = csv_response('a/b"\r\nX: y', ["=Head", "Note"], [["one, two", 'said "no"\nthen']])
    assert answer.headers["Content-Disposition"] == 'attachment; filename="a-b-X-y.csv"'
    assert answer.data.decode("utf-8-sig") == '\'=Head,Note\r\n"one, two","said ""no""\nthen"\r\n'
