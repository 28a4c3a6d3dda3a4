"""Sums become tables: which row stands first, what each figure leads to, and what the chart leaves to the table."""

from __future__ import annotations

import pytest

from portal.access import Actor, Role, Side
from portal.contracts.targets import Clock
from portal.money import Money
from portal.reporting.rules import reports_for, tables
from portal.reporting.rules.values import Cell, Group, Names

FACTORY, KESSLER = "1", "2"
NAMES = Names({1: "Nordlicht", 2: "Kessler"}, {7: "Doors", 8: "Servers"})


def words(table) -> list[list[object]]:
    return [[cell.value for cell in row] for row in table.rows]


def bars(table) -> dict[str, tuple[int, ...]]:
    return {series.name: series.values for series in table.chart.series}


def test_causes_stand_by_their_cases_and_name_who_resolved_them():
    groups = [
        Group(("wiring", "integrator", FACTORY, KESSLER), "Wiring", 1),
        Group(("wiring", "jointly", FACTORY, KESSLER), "Wiring", 2),
        Group(("defect", "manufacturer", FACTORY, KESSLER), "Defect", 4),
        Group(("none", "none", FACTORY, KESSLER), "No cause", 1),
    ]
    table = tables.resolutions(groups, NAMES)
    assert words(table) == [
        ["Defect", "Nordlicht", 4],
        ["Wiring", "Kessler and Nordlicht", 2],
        ["No cause", "Nobody", 1],
        ["Wiring", "Kessler", 1],
    ]
    assert table.chart.labels == ("Defect", "Wiring", "No cause")
    assert bars(table) == {
        "Integrator": (0, 1, 0),
        "Manufacturer": (4, 0, 0),
        "Jointly": (0, 2, 0),
        "Nobody": (0, 0, 1),
    }


def test_a_chart_has_no_more_bars_than_can_be_read():
    groups = [Group((f"c{number}", "integrator", FACTORY, KESSLER), f"Cause {number}", 1) for number in range(20)]
    table = tables.resolutions(groups, NAMES)
    assert (len(table.rows), len(table.chart.labels)) == (20, tables.MOST_BARS)


def test_custody_is_shown_whole_and_by_case():
    table = tables.custody([Group((KESSLER,), "", 2, seconds=7_201), Group((FACTORY,), "", 1, seconds=9_000)], NAMES)
    assert words(table) == [["Nordlicht", 1, 9_000, 9_000], ["Kessler", 2, 7_201, 3_600]]


def test_hand_overs_are_parts_of_all_and_the_last_row_stands_for_more():
    table = tables.hand_overs([Group(("4",), "", 1), Group(("0",), "", 5), Group(("1",), "", 2)], NAMES)
    assert words(table) == [["None", 5, 6_250], ["1", 2, 2_500], ["4 or more", 1, 1_250]]


def test_a_promise_is_kept_missed_or_both_and_each_leads_to_its_cases():
    groups = [
        Group(("resolution", "2", "missed"), "", 1),
        Group(("response", "2", "met"), "", 3),
        Group(("response", "2", "missed"), "", 1),
        Group(("response", "1", "met"), "", 2),
    ]
    table = tables.service_levels(groups, NAMES)
    assert words(table) == [
        ["Response", "Severity 1", 2, 0, 10_000],
        ["Response", "Severity 2", 3, 1, 7_500],
        ["Resolution", "Severity 2", 0, 1, 0],
    ]
    assert table.rows[0][2:4] == (Cell(2, groups[3].key), Cell(0, None))
    assert table.rows[2][2:4] == (Cell(0, None), Cell(1, groups[0].key))


def test_every_promise_that_a_document_can_make_has_its_row():
    table = tables.service_levels([Group((clock.value, "3", "met"), "", 1) for clock in reversed(Clock)], NAMES)
    assert [row[0] for row in words(table)] == list(tables.CLOCKS.values())


def test_who_needs_training_most_stands_first():
    valid, expired, none = (("11", KESSLER, "7", state) for state in ("valid", "expired", "none"))
    groups = [
        Group(("escalated", *valid), "Tom", 9),
        Group(("escalated", *expired), "Tia", 1),
        Group(("how_to", *none), "Jo", 0, seconds=600),
        Group(("escalated", "12", KESSLER, "8", "none"), "Kim", 2),
    ]
    table = tables.training(groups, NAMES)
    assert words(table) == [
        ["Kim", "Kessler", "Servers", "No certificate", 2, 0],
        ["Jo", "Kessler", "Doors", "No certificate", 0, 600],
        ["Tia", "Kessler", "Doors", "Certificate expired", 1, 0],
        ["Tom", "Kessler", "Doors", "Certificate valid", 9, 0],
    ]
    assert table.chart.labels == ("Doors", "Servers")
    assert bars(table) == {"No certificate": (0, 2), "Certificate expired": (1, 0), "Certificate valid": (9, 0)}


def test_revenue_stands_by_currency_and_the_chart_shows_the_one_with_most_cases():
    groups = [
        Group((FACTORY, "time_and_materials", "principal", "EUR"), "", 3, amount_minor=5_000),
        Group((KESSLER, "time_and_materials", "principal", "EUR"), "", 3, amount_minor=9_000),
        Group((FACTORY, "service_fee", "agent", "USD"), "", 1, amount_minor=70_000),
        Group(("0", "bonus", "agent", "EUR"), "", 1, amount_minor=100),
    ]
    table = tables.revenue(groups, NAMES)
    assert words(table) == [
        ["Kessler", "Time and materials", 3, Money(9_000, "EUR"), Money(14_000, "EUR"), "Principal"],
        ["Nordlicht", "Time and materials", 3, Money(5_000, "EUR"), Money(14_000, "EUR"), "Principal"],
        ["Not decided yet", "Bonus", 1, Money(100, "EUR"), Money(100, "EUR"), "Agent"],
        ["Nordlicht", "Service fee", 1, Money(70_000, "USD"), Money(70_000, "USD"), "Agent"],
    ]
    assert (table.chart.title, table.chart.labels) == (
        "Revenue in EUR, by party",
        ("Kessler", "Nordlicht", "Not decided yet"),
    )


@pytest.mark.parametrize(
    "lay_out",
    [
        tables.resolutions,
        tables.custody,
        tables.hand_overs,
        tables.service_levels,
        tables.training,
        tables.revenue,
    ],
)
def test_a_month_without_anything_has_neither_rows_nor_chart(lay_out):
    table = lay_out([], NAMES)
    assert (table.rows, table.chart) == ((), None)


def test_what_an_actor_may_not_know_reads_as_a_dash():
    assert words(tables.custody([Group(("9",), "", 1, seconds=60)], NAMES))[0][0] == "–"
    assert NAMES.product_line("9") == "–"


def actor(side: Side, *roles: Role) -> Actor:
    return Actor(1, 1, side, frozenset(roles))


ALL = ["resolutions", "custody", "hand-overs", "service-levels", "training", "revenue"]


@pytest.mark.parametrize(
    ("who", "codes"),
    [
        (actor(Side.MANUFACTURER, Role.SUPPORT_LEAD), ALL),
        (actor(Side.INTEGRATOR, Role.FINANCE), [code for code in ALL if code != "training"]),
        (actor(Side.CUSTOMER, Role.FINANCE), ["custody", "hand-overs", "service-levels"]),
        (actor(Side.MANUFACTURER, Role.ENGINEER), []),
    ],
)
def test_reports_are_for_those_who_answer_for_people_or_money(who, codes):
    assert [report.code for report in reports_for(who)] == codes
