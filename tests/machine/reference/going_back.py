"""Refunds and chargebacks: who loses what, and what is taken back of what was paid out."""

from __future__ import annotations

from collections import Counter

from tests.machine.reference.dividing import by_ranking
from tests.machine.reference.facts import (
    CLAW_BACK_SECONDS,
    CUSTOMER,
    DISPUTE_FEE,
    FACTORY,
    INTEGRATOR,
    NOBODY,
    PARTIES,
    Case,
    Debt,
    Invoice,
    Loss,
    Pack,
    Receipt,
)
from tests.machine.reference.model import Model
from tests.machine.reference.paying import fund_connected


def may_go_back(invoice: Invoice) -> bool:
    """Whether nothing on the invoice was corrected, which the machine leaves out."""
    return all(amount > 0 and (not isinstance(row, Case) or row.charged == amount) for _, row, amount in invoice.lines)


def loss(model: Model, invoice: Invoice, amount: int, *, is_late: bool) -> Loss:
    """Who loses what: lines by what they cost, shares by what they were, packs by the factory alone."""
    lines, costs = invoice.charged, [invoice.lines[at][2] for at in invoice.charged]
    before = [invoice.reduced[at] for at in lines]
    reached = by_ranking(sum(before) + amount, costs)
    parts = [now - then for now, then in zip(reached, before, strict=True)]
    loss = Loss(invoice, dict(zip(lines, parts, strict=True)), {}, Counter())
    for at, minor in loss.by_line.items():
        row = invoice.lines[at][1]
        if isinstance(row, Pack):
            loss.by_party[FACTORY] += minor
            continue
        left = by_ranking(row.amount - sum(row.taken) - minor, row.shares)
        parts = [share - keeps - gone for share, keeps, gone in zip(row.shares, left, row.taken, strict=True)]
        loss.by_share[at] = parts
        for party, part in zip(PARTIES, parts, strict=True):
            loss.by_party[FACTORY if is_late and part > 0 else party] += part
    return loss


def _book_loss(model: Model, loss: Loss, sign: int) -> None:
    for at, minor in loss.by_line.items():
        loss.invoice.reduced[at] += sign * minor
    for at, parts in loss.by_share.items():
        row = loss.invoice.lines[at][1]
        if isinstance(row, Case):
            row.taken = [gone + sign * part for gone, part in zip(row.taken, parts, strict=True)]


def refund(
    model: Model, invoice: Invoice, receipt: Receipt, amount: int, now: float, *, is_refused: bool = False
) -> None:
    """Shares are taken back, what was paid out comes back from a transfer or is owed, the payer gets its money.

    Where Stripe refuses, the parties have coming again what they lost, also what had come back from a transfer.
    """
    gone = loss(model, invoice, amount, is_late=now > receipt.paid_at + CLAW_BACK_SECONDS)
    _book_loss(model, gone, 1)
    had = model.payable(INTEGRATOR)
    for party, minor in gone.by_party.items():
        model.move(minor, "payable", "refunds_promised", party, CUSTOMER)
    _claw_back(model, gone.by_party[INTEGRATOR], had)
    if is_refused:
        _book_loss(model, gone, -1)
        for party, minor in gone.by_party.items():
            model.move(minor, "refunds_promised", "payable", CUSTOMER, party)
        return
    receipt.refunded += amount
    model.move(amount, "refunds_promised", "stripe_clearing", CUSTOMER)


def creditable(model: Model) -> list[Invoice]:
    """Invoices of which something is open, none of it of work that was corrected."""
    return [invoice for invoice in model.invoices if invoice.open > 1 and may_go_back(invoice)]


def credit(model: Model, invoice: Invoice, amount: int) -> None:
    """So much less is owed: of work nobody gets its share, a pack's part the factory pays in its buyer's place."""
    gone = loss(model, invoice, amount, is_late=False)
    _book_loss(model, gone, 1)
    for at, parts in gone.by_share.items():
        invoice.lowered[at] += gone.by_line[at]
        for party, part in zip(PARTIES, parts, strict=True):
            model.move(part, "payable_accrued", "receivable", party, CUSTOMER)
    borne = sum(minor for at, minor in gone.by_line.items() if at not in gone.by_share)
    if borne:
        invoice.receipts.append(Receipt(0, borne, by_card=False))
        model.move(borne, "payable", "receivable", FACTORY, CUSTOMER)
        fund_connected(model, [invoice])


def _claw_back(model: Model, lost: int, had: int) -> None:
    short = lost - min(max(had, 0), lost)
    if short <= 0:
        return
    for transfer in reversed(model.transfers):
        if transfer.amount - transfer.back >= short:
            transfer.back += short
            model.move(short, "stripe_clearing", "payable", NOBODY, INTEGRATOR)
            return
    model.debts.append(Debt(short))
    model.move(short, "receivable_party", "payable", INTEGRATOR, INTEGRATOR)


def charge_back(model: Model, invoice: Invoice, receipt: Receipt, now: float) -> None:
    """The bank takes a payment and Stripe its fee; the shares are held."""
    amount = receipt.amount - receipt.refunded
    receipt.dispute = "open"
    model.move(amount, "disputed", "stripe_clearing", CUSTOMER)
    model.move(DISPUTE_FEE, "fees", "stripe_clearing")
    is_late = now > receipt.paid_at + CLAW_BACK_SECONDS
    gone = loss(model, invoice, min(amount, invoice.rest), is_late=is_late)
    _book_loss(model, gone, 1)
    for party, minor in gone.by_party.items():
        model.move(minor, "payable", "held", party, party)
    model.disputes[receipt.id] = gone


def end_dispute(model: Model, receipt: Receipt, *, won: bool) -> None:
    """The bank gives the payment back, or keeps it."""
    loss = model.disputes.pop(receipt.id)
    amount = receipt.amount - receipt.refunded
    if won:
        receipt.dispute = "won"
        model.move(amount, "stripe_clearing", "disputed", NOBODY, CUSTOMER)
        _book_loss(model, loss, -1)
        for party, minor in loss.by_party.items():
            model.move(-minor, "payable", "held", party, party)
        return
    receipt.dispute = "lost"
    for party, minor in loss.by_party.items():
        model.move(minor, "held", "disputed", party, CUSTOMER)
    model.move(amount - sum(loss.by_party.values()), "payable", "disputed", FACTORY, CUSTOMER)
    lost = loss.by_party[INTEGRATOR]
    _claw_back(model, lost, model.payable(INTEGRATOR) + lost)


def refundable(model: Model) -> list[tuple[Invoice, Receipt]]:
    """Card payments of which something is left, on invoices of which no payment is disputed."""
    return [
        (invoice, receipt)
        for invoice in model.invoices
        if may_go_back(invoice) and not any(each.dispute == "open" for each in invoice.receipts)
        for receipt in invoice.receipts
        if receipt.by_card and receipt.dispute != "lost" and min(receipt.amount - receipt.refunded, invoice.rest) > 0
    ]
