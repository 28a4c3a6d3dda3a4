"""The tax on a share beside the lines of its statement, on paper and as CSV: never one of the lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.settlement.models import Statement
from portal.settlement.rules import csv_cell
from portal.settlement.selfbilling import queries
from portal.settlement.selfbilling.billing import shown_billing
from portal.settlement.selfbilling.printing import totals
from portal.taxes.rules.treatment import TREATMENTS


def tax_on_paper(session: Session, statement: Statement, now: datetime) -> dict[str, Any]:
    """What the PDF of a statement says beside its net: totals and the words of its invoice."""
    billing = shown_billing(session, statement, now).billing
    if billing is None:
        return {}
    made = queries.document_of(session, statement.id)
    invoice = made.name if made else billing.invoice_number
    named = (f"Invoice {invoice}",) if invoice else ()
    words = (*named, TREATMENTS[billing.treatment], *billing.words)
    return {"totals": totals(billing.as_json(), statement.currency), "words": words}


def tax_rows(session: Session, statement: Statement, now: datetime) -> Iterator[str]:
    """The rows that follow a statement's lines in its CSV, of the kind tax and without a position; none without tax."""
    billing = shown_billing(session, statement, now).billing
    if billing is None:
        return
    words = "; ".join((TREATMENTS[billing.treatment], *billing.words))
    cells = (
        statement.name, statement.content_sha256, "", "tax", "", words, "", statement.currency, billing.tax_minor,
    )  # fmt: skip
    yield ",".join('"' + csv_cell(cell).replace('"', '""') + '"' for cell in cells) + "\r\n"
