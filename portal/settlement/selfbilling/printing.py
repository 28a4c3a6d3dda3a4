"""A self-billed document as PDF and CSV: only what was issued, under its content's hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from babel.dates import format_date

from portal.errors import RuleBroken
from portal.settlement.printing import LETTER_TERRITORIES, Reader, number_style, typeset
from portal.settlement.rules import content_hash, csv_cell
from portal.settlement.selfbilling.models import SelfBilledDocument
from portal.taxes.rules.treatment import TREATMENTS

HEADS = ("What", "Statement lines", "Amount")
CSV_HEAD = (
    "document", "content_sha256", "kind", "issued_on", "supply_from", "supply_to", "supplier", "supplier_number",
    "customer", "customer_number", "row", "what", "currency", "amount_minor",
)  # fmt: skip


def is_whole(document: SelfBilledDocument) -> bool:
    """Whether the document still says what its hash was made of."""
    return content_hash(document.content) == document.content_sha256


def document_pdf(document: SelfBilledDocument, reader: Reader) -> bytes:
    """The document on paper. *Raises*: RuleBroken when it is not what was issued, or cannot be set."""
    if not is_whole(document):
        raise RuleBroken("This document is not what was issued; its content has another hash.")
    return typeset(said_on_paper(document, reader), "self_billed")


def said_on_paper(document: SelfBilledDocument, reader: Reader) -> dict[str, Any]:
    """What the PDF says."""
    said = document.content
    return {
        "title": f"{said['title']} {said['name']}",
        "author": said["customer"]["name"],
        "sha256": document.content_sha256,
        "paper": "us-letter" if reader.locale.territory in LETTER_TERRITORIES else "a4",
        "number": number_style(document.currency, reader.locale),
        "supplier": _company(said["supplier"]),
        "customer": _company(said["customer"]),
        "facts": _facts(document, reader),
        "words": said["words"],
        "heads": HEADS,
        "lines": [(line["what"], str(line["count"]), line["amount_minor"]) for line in said["lines"]],
        "net": document.net_minor,
        "totals": totals(said, document.currency),
    }


def _company(said: Mapping[str, str]) -> list[str]:
    lines = [said["name"], *said["address"].splitlines()]
    return [*lines, f"Tax number {said['number']}" if said["number"] else "No registration for tax"]


def _facts(document: SelfBilledDocument, reader: Reader) -> list[tuple[str, str]]:
    said = document.content
    corrects = ", ".join(f"{each['name']} of {_day(each['issued_on'], reader)}" for each in said.get("corrects", ()))
    return [
        ("Number", said["name"]),
        ("Issued", _day(said["issued_on"], reader)),
        ("Supply", f"{_day(said['supply_from'], reader)} to {_day(said['supply_to'], reader)}"),
        ("Statement", said["statement"]),
        ("Currency", document.currency),
        ("Tax", TREATMENTS[said["treatment"]]),
        *([("Corrects", corrects)] if corrects else []),
    ]


def totals(said: Mapping[str, Any], currency: str) -> list[tuple[str, int]]:
    """Net, tax and gross with their names."""
    rate = f"Tax, {percent(said['rate_bp'])}" if said["rate_bp"] else "Tax"
    net, tax = int(said["net_minor"]), int(said["tax_minor"])
    return [(f"Net, {currency}", net), (rate, tax), (f"Gross, {currency}", net + tax)]


def percent(rate_bp: int) -> str:
    """A rate as it is written on invoices, such as 19 % or 5.5 %."""
    whole, rest = divmod(rate_bp, 100)
    return f"{whole}.{rest:02d}".rstrip("0") + " %" if rest else f"{whole} %"


def _day(iso: str, reader: Reader) -> str:
    return format_date(date.fromisoformat(iso), format="medium", locale=reader.locale)


def document_csv(document: SelfBilledDocument) -> str:
    """The document as CSV: its lines, then net, tax and gross; amounts in minor units, no cell is a formula."""
    said = document.content
    head = (
        said["name"], document.content_sha256, document.kind, said["issued_on"], said["supply_from"],
        said["supply_to"], said["supplier"]["name"], said["supplier"]["number"], said["customer"]["name"],
        said["customer"]["number"],
    )  # fmt: skip
    rows: list[tuple[str, str, int]] = [("line", line["what"], line["amount_minor"]) for line in said["lines"]]
    rows += [
        ("net", "", document.net_minor),
        ("tax", "; ".join((TREATMENTS[said["treatment"]], *said["words"])), document.tax_minor),
        ("gross", "", document.gross_minor),
    ]
    body = [_csv_row((*head, row, what, document.currency, minor)) for row, what, minor in rows]
    return "".join([_csv_row(CSV_HEAD), *body])


def _csv_row(cells: Sequence[object]) -> str:
    return ",".join('"' + csv_cell(cell).replace('"', '""') + '"' for cell in cells) + "\r\n"
