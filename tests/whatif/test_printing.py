"""A comparison in words: what stands on each line, whose it is, and what is left to JSON."""

from typing import Any

from portal.whatif.printing import ROWS_AT_MOST, as_table

NAMES = {1: "Nordlicht", 2: "Kessler"}
NOTHING: dict[str, Any] = {
    "compared": 0,
    "changed": 0,
    "refused": 0,
    "currency": "",
    "total": {"signed": 0, "draft": 0},
    "use": {"signed": 0, "draft": 0},
    **{part: [] for part in ("parties", "plans", "months", "customers", "lines", "cases", "warnings")},
}


def sums(signed: int, draft: int, **more: Any) -> dict[str, Any]:
    return {"signed": signed, "draft": draft, **more}


def lines(**more: Any) -> list[str]:
    """The lines, each with single blanks between its words."""
    return [" ".join(line.split()) for line in as_table({**NOTHING, "currency": "EUR", **more}, NAMES).splitlines()]


def test_a_comparison_of_nothing_is_short():
    assert [" ".join(line.split()) for line in as_table(NOTHING, {}).splitlines()] == [
        "0 cases compared, 0 come out otherwise, 0 left out.",
        "",
        "signed draft change",
        "Bills 0 0 0",
        "Included time at its use 0 0 0",
    ]


def test_each_party_and_line_stands_with_its_change():
    said = lines(
        compared=1_200,
        total=sums(10_000, 12_500),
        parties=[sums(100, 50, id=1), sums(1, 1, id=None), sums(0, 7, id=9)],
        plans=[sums(0, 100, plan="assured")],
        lines=[sums(0, 100, kind="billed", mode="on_site", task_class="", band="after_hours")],
    )
    assert said[0].startswith("1,200 cases compared")
    assert "Bills 100.00 EUR 125.00 EUR 25.00 EUR" in said
    assert "Nordlicht 1.00 EUR 0.50 EUR -0.50 EUR" in said
    assert "not decided yet 0.01 EUR 0.01 EUR 0.00 EUR" in said
    assert "9 0.00 EUR 0.07 EUR 0.07 EUR" in said
    assert "billed, on site, after hours 0.00 EUR 1.00 EUR 1.00 EUR" in said


def test_sales_with_a_code_stand_by_currency_and_what_is_not_recomputed_with_its_sum():
    said = lines(
        discounts=[sums(100, 50, id=1, currency="EUR"), sums(200, 250, id=2, currency="USD")],
        not_recomputed=[{"what": "Packs sold", "count": 1, "currency": "USD", "amount": 90_000}],
    )
    assert said[said.index("Sales with a promotion code, EUR") + 1] == "Nordlicht 1.00 EUR 0.50 EUR -0.50 EUR"
    assert said[said.index("Sales with a promotion code, USD") + 1] == "Kessler 2.00 USD 2.50 USD 0.50 USD"
    assert said[said.index("Not recomputed") + 1] == "900.00 USD: Packs sold"


def test_a_terminal_shows_the_rows_that_change_most_and_counts_the_others():
    said = lines(cases=[sums(0, number, name=f"NOR-{number}") for number in range(ROWS_AT_MOST + 1_000)])
    assert sum(line.startswith("NOR-") for line in said) == ROWS_AT_MOST
    assert "and 1,000 more" in said


def test_a_warning_names_whom_it_is_about_if_anybody():
    said = lines(
        warnings=[
            {"id": 2, "sentence": "Gets nothing any more."},
            {"id": 5, "sentence": "Pays twice as much."},
            {"id": None, "sentence": "More work costs less."},
        ]
    )
    assert said[-3:] == ["Kessler: Gets nothing any more.", "5: Pays twice as much.", "More work costs less."]
