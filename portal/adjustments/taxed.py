"""The lines of an invoice with the tax on each: what goes back of one is in proportion its price and its tax.

A line and its tax are one amount to the payer. Each part that goes back is divided cumulatively on the original two, so
that many small refunds take back the tax that one large one does, and a refund of everything takes it all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.adjustments.lines import LineLoss
from portal.adjustments.rules.sharing import Line, Part
from portal.adjustments.rules.unused import Payment
from portal.billing.models import InvoiceItem
from portal.billing.reductions.models import LineReduction
from portal.billing.taxed import taxes_by_line


@dataclass(frozen=True)
class TaxedLine:
    """A line that costs something, as its payer is asked for it: with its tax, and what of both went back."""

    item: InvoiceItem
    asked: Payment

    @property
    def whole(self) -> Line:
        """The line as an amount is divided over it."""
        return Line(self.item.id, self.asked.amount_minor, self.asked.gone_minor)

    def of(self, minor: int) -> tuple[int, int]:
        """What of an amount that goes back is the line's price, and what is its tax."""
        tax = min(max(self.asked.tax_of(minor), 0), minor) if self.asked.tax_minor else 0
        return minor - tax, tax


def charged_lines(session: Session, invoice_id: int) -> list[TaxedLine]:
    """The lines of an invoice that cost something, in their order."""
    items = session.scalars(
        select(InvoiceItem)
        .where(InvoiceItem.invoice_id == invoice_id, InvoiceItem.amount_minor > 0)
        .order_by(InvoiceItem.position)
    ).all()
    taxes, gone = taxes_by_line(session, invoice_id), _gone(session, invoice_id)
    return [_taxed(item, taxes.get(item.id, 0), gone.get(item.id, (0, 0))) for item in items]


def _taxed(item: InvoiceItem, tax_minor: int, gone: tuple[int, int]) -> TaxedLine:
    return TaxedLine(item, Payment(item.amount_minor + tax_minor, tax_minor, *gone))


def left_minor(session: Session, invoice_id: int) -> int:
    """What is left of an invoice's lines and their tax."""
    return sum(line.whole.rest_minor for line in charged_lines(session, invoice_id))


def _gone(session: Session, invoice_id: int) -> dict[int, tuple[int, int]]:
    """What has been taken off each line so far, and the tax in it."""
    rows = session.execute(
        select(LineReduction.invoice_item_id, func.sum(LineReduction.amount_minor), func.sum(LineReduction.tax_minor))
        .where(LineReduction.invoice_id == invoice_id)
        .group_by(LineReduction.invoice_item_id)
    ).tuples()
    return {line_id: (int(minor), int(tax)) for line_id, minor, tax in rows if line_id is not None}


def with_tax(loss: LineLoss, tax_minor: int, *, is_unpaid: bool) -> LineLoss:
    """What a line loses with the tax in it: the state's, who need not be paid it or gives it back.

    What somebody bears in the payer's place is paid, and its tax stays due: whoever bears the price bears it.
    """
    whole = loss.amount_minor + tax_minor
    if loss.by_shares or not is_unpaid:
        return replace(loss, amount_minor=whole, tax_minor=tax_minor)
    *others, last = loss.parts
    more = Part(last.party_id, last.amount_minor + tax_minor, last.key)
    return replace(loss, amount_minor=whole, parts=(*others, more), borne_tax_minor=tax_minor)
