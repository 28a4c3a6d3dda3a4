"""Deferred revenue in the browser: the roll-forward by month, each figure opened, and the table as a file.

Its pages stand among the ledger's, whose readers read them too.
"""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.billing.deferred.reading import FigurePart, RollForward, parts_of_figure, roll_forward
from portal.billing.deferred.rolling import COLUMNS
from portal.ledger import queries
from portal.money import Money
from portal.settlement.documents import SHOWN
from portal.web.exports import CsvValue, csv_response, money_cells
from portal.web.gate import current_actor, current_session, open_to

blueprint = Blueprint("deferred", __name__)

KIND_WORDS = {"hours": "Packs of hours", "incidents": "Packs of incidents", "plan": "Plans"}
COLUMN_WORDS = {
    "sold": "Sold",
    "used": "Used",
    "commission": "Earned by the sale",
    "expired": "Expired",
    "refunded": "Refunded",
}
FACT_WORDS = {
    "plan_sale": "Month of a plan",
    "pack_sale": "Pack",
    "bill_item": "Use by bill item",
    "plan_earning": "What a month left over",
    "pack_earning": "What a pack earned beside its use",
    "adjustment": "Adjustment",
    "chargeback": "Chargeback",
}
HEAD = ("Month", "Kind", "Opening", *COLUMN_WORDS.values(), "Closing", "Currency")


@blueprint.get("/ledger/deferred")
@open_to(queries.may_read_ledger)
def months() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = roll_forward(session, actor)
    if request.args.get("format") == "csv":
        return csv_response("deferred-revenue", HEAD, _cells(found))
    return render_template(
        "ledger/deferred.html",
        months=_by_month(found),
        untied=found.untied,
        kinds=KIND_WORDS,
        columns=COLUMN_WORDS,
    )


@blueprint.get("/ledger/deferred/<month>/<currency>/<sold_as>")
@open_to(queries.may_read_ledger)
def figure(month: str, currency: str, sold_as: str) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    column = request.args.get("column", "")
    parts = parts_of_figure(session, actor, month=month, currency=currency, kind=sold_as, column=column)
    return render_template(
        "ledger/deferred_figure.html",
        month=month,
        currency=currency,
        kind=KIND_WORDS[sold_as],
        column=COLUMN_WORDS.get(column, "All that moved"),
        parts=parts,
        total=Money(sum(part.amount_minor for part in parts), currency),
        facts=FACT_WORDS,
        source=_source,
    )


def _source(part: FigurePart) -> str:
    """The page of the fact, or of its transaction where it has none of its own."""
    if part.fact in SHOWN:
        return url_for("ledger.document", source_type=part.fact, source_id=part.fact_id)
    return url_for("ledger.transaction", transaction_id=part.transaction_id)


def _by_month(found: RollForward) -> list[dict[str, object]]:
    """The rows by month and currency, each with what the ledger holds against what they come to.

    ``before`` is the month whose closing is this one's opening, in the same currency.
    """
    groups: dict[tuple[str, str], list[object]] = {}
    closing: dict[tuple[str, str], int] = {}
    for row in found.rows:
        key = (row.month, row.currency)
        groups.setdefault(key, []).append(row)
        closing[key] = closing.get(key, 0) + row.closing_minor
    return [
        {
            "month": month,
            "currency": currency,
            "before": next((each for each, other in groups if other == currency and each < month), month),
            "rows": rows,
            "closing": Money(closing[month, currency], currency),
            "held": Money(found.held.get((month, currency), 0), currency),
        }
        for (month, currency), rows in groups.items()
    ]


def _cells(found: RollForward) -> Iterator[list[CsvValue]]:
    for row in found.rows:
        figures = [row.opening_minor, *(row.moved[column] for column in COLUMNS), row.closing_minor]
        amounts: list[CsvValue] = [money_cells(Money(minor, row.currency))[0] for minor in figures]
        yield [row.month, KIND_WORDS[row.kind], *amounts, row.currency]
