"""Reports over a month: a table whose figures open the cases behind them, its chart, and both as files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from portal.errors import NotFound
from portal.lazily import lazily
from portal.money import Money
from portal.reporting import queries
from portal.reporting.rules import Cell, Kind, Month, Report, Table, may_see_reports, month_of, reports_for
from portal.web import paging
from portal.web.exports import CsvValue, csv_response, money_cells
from portal.web.gate import current_actor, current_now, current_zone, open_to, report_session

if TYPE_CHECKING:
    from portal.web import charts
else:
    charts = lazily("portal.web.charts")

blueprint = Blueprint("reporting", __name__)

# How a column's head is aligned.
HEADS = {Kind.TEXT: "", Kind.COUNT: "number", Kind.SECONDS: "number", Kind.SHARE: "number", Kind.MONEY: "money"}
STATES = {
    "open": "Open",
    "offered": "Offered",
    "waiting": "Waiting for an answer",
    "resolved": "Resolved",
    "closed": "Closed",
}


@dataclass(frozen=True)
class Asked:
    """The report and month that the address names."""

    report: Report
    month: Month

    @property
    def address(self) -> dict[str, str]:
        """The same as arguments of an address."""
        return {"report": self.report.code, "month": self.month.label}

    def table(self) -> Table:
        """The report's table."""
        return queries.table(report_session(), current_actor(), self.report, self.month, current_now())


@blueprint.get("/reports")
@open_to(may_see_reports)
def reports() -> ResponseReturnValue:
    asked = _asked()
    table = asked.table()
    return render_template(
        "reporting/reports.html",
        report=asked.report,
        month=asked.month,
        address=asked.address,
        table=table,
        heads=[(column.label, HEADS[column.kind]) for column in table.columns],
        reports=reports_for(current_actor()),
    )


@blueprint.get("/reports.csv")
@open_to(may_see_reports)
def export() -> ResponseReturnValue:
    asked = _asked()
    table = asked.table()
    head: list[str] = []
    for column in table.columns:
        head.extend(_heads(column.label, column.kind))
    kinds = [column.kind for column in table.columns]
    rows = [_csv_row(row, kinds) for row in table.rows]
    return csv_response(f"{asked.report.code}-{asked.month.label}", head, rows)


@blueprint.get("/reports/chart.svg")
@open_to(may_see_reports)
def chart() -> ResponseReturnValue:
    drawn = _asked().table().chart
    if drawn is None:
        raise NotFound
    return charts.svg_response(drawn)


@blueprint.get("/reports/cases")
@open_to(may_see_reports)
def cases_behind() -> ResponseReturnValue:
    asked, key = _asked(), request.args.get("key", "")
    if asked.report.code == "revenue" and queries.sale_kind(key):
        return _sales_behind(asked, key)
    after = paging.key_from(request.args.get("after"), 1)
    before_id = after[0] if after and isinstance(after[0], int) else None
    rows = queries.cases_behind(
        report_session(),
        current_actor(),
        asked.report,
        asked.month,
        key.replace("\x00", ""),
        now=current_now(),
        before_id=before_id,
        limit=paging.PAGE_SIZE + 1,
    )
    currency = key.rsplit("~", 1)[-1] if asked.report.code == "revenue" else ""
    return render_template(
        "reporting/cases.html",
        report=asked.report,
        month=asked.month,
        address=asked.address,
        key=key,
        page=paging.page_of(rows, lambda row: (row.id,)),
        states=STATES,
        amount=lambda row: Money(row.amount_minor, currency),
    )


def _sales_behind(asked: Asked, key: str) -> ResponseReturnValue:
    """The packs and months behind a figure that no case earned."""
    plain = key.replace("\x00", "")
    sales = queries.sales_behind(report_session(), current_actor(), asked.report, asked.month, plain, now=current_now())
    return render_template(
        "reporting/sales.html",
        report=asked.report,
        month=asked.month,
        address=asked.address,
        sales=sales,
        amount=lambda row: Money(row.amount_minor, key.rsplit("~", 1)[-1]),
    )


def _asked() -> Asked:
    report = queries.report_named(current_actor(), request.args.get("report"))
    return Asked(report, month_of(request.args.get("month"), current_zone(), current_now()))


def _heads(label: str, kind: Kind) -> tuple[str, ...]:
    units = {Kind.SECONDS: "seconds", Kind.SHARE: "basis points"}
    if kind is Kind.MONEY:
        return label, "Currency"
    return (f"{label} ({units[kind]})" if kind in units else label,)


def _csv_row(row: tuple[Cell, ...], kinds: list[Kind]) -> list[CsvValue]:
    cells: list[CsvValue] = []
    for cell, kind in zip(row, kinds, strict=True):
        if kind is Kind.MONEY and isinstance(cell.value, Money):
            cells.extend(money_cells(cell.value))
        elif not isinstance(cell.value, Money):
            cells.append(cell.value)
    return cells
