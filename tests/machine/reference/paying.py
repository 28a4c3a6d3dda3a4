"""Invoices, and what cash makes payable."""

from __future__ import annotations

from collections import Counter

from tests.machine.reference.dividing import by_ranking, card_fee
from tests.machine.reference.facts import CUSTOMER, NOBODY, PARTIES, Case, Invoice, Pack, Receipt
from tests.machine.reference.model import Model, bills


def to_invoice(model: Model) -> list[tuple[str, Case | Pack, int]]:
    """The lines of the next invoice: credits, packs, work; nothing where nobody would owe anything."""
    on_invoices = {id(row) for invoice in model.invoices for _, row, _ in invoice.lines}
    lines: list[tuple[str, Case | Pack, int]] = []
    lines += [("case", case, -case.to_credit) for case in model.cases if case.to_credit]
    lines += [("pack", pack, pack.price) for pack in model.packs if pack.on_invoice and id(pack) not in on_invoices]
    work = [case for case in model.cases if case.to_charge]
    lines += [("case", case, case.to_charge) for case in sorted(work, key=lambda case: case.item)]
    return lines if sum(amount for _, _, amount in lines) > 0 else []


def invoice(model: Model, number: int) -> None:
    """What is owed becomes an invoice."""
    lines = to_invoice(model)
    made = Invoice(number, lines, [0] * len(lines), [0] * len(lines))
    for kind, row, amount in lines:
        if kind == "case" and isinstance(row, Case):
            if amount < 0:
                row.to_credit = 0
            else:
                row.charged, row.to_charge = amount, 0
    model.invoices.append(made)
    model.move(made.total, "receivable", "receivable_unbilled", CUSTOMER, CUSTOMER)


def pay(model: Model, invoice: Invoice, receipt: Receipt) -> None:
    """Cash makes shares payable."""
    invoice.receipts.append(receipt)
    fee = card_fee(receipt.amount) if receipt.by_card else 0
    place = "stripe_clearing" if receipt.by_card else "bank"
    model.move(receipt.amount - fee, place, "receivable", NOBODY, CUSTOMER)
    model.move(fee, "fees", "receivable", NOBODY, CUSTOMER)
    fund_connected(model, [invoice])


def fund_connected(model: Model, invoices: list[Invoice], *, needs_cash: bool = False) -> None:
    if needs_cash and not any(invoice.receipts for invoice in invoices):
        return
    found = list(invoices)
    for invoice in found:
        cases = [row for _, row, _ in invoice.lines if isinstance(row, Case)]
        found += [other for other in model.invoices if other not in found and any(bills(other, c) for c in cases)]
    funded = _funding(model, sorted(found, key=lambda invoice: invoice.id))
    for case in (case for case in model.cases if any(bills(invoice, case) for invoice in found)):
        apply(model, case, by_ranking(funded.get(case.id, 0), case.shares) if case.amount else [0, 0, 0])


def _funding(model: Model, invoices: list[Invoice]) -> dict[int, int]:
    """How much of each case is paid: an invoice's cash, with what the cases it credits were paid too much."""
    funded: dict[int, int] = {}
    too_much: Counter[int] = Counter()
    for invoice in invoices:
        nets: dict[tuple[str, int], int] = {}
        for (kind, row, amount), lowered in zip(invoice.lines, invoice.lowered, strict=True):
            nets[kind, row.id] = nets.get((kind, row.id), 0) + amount - lowered
        pool = sum(receipt.amount for receipt in invoice.receipts)
        for (_, number), net in nets.items():
            if net < 0:
                pool += too_much.pop(number, 0)
        owing = [(key, net) for key, net in nets.items() if net > 0]
        parts = by_ranking(min(pool, sum(net for _, net in owing)), [net for _, net in owing])
        for ((kind, number), _), part in zip(owing, parts, strict=True):
            if kind == "case":
                owed = next(case.amount for case in model.cases if case.id == number)
                reached = funded.get(number, 0) + part
                funded[number] = min(reached, owed)
                too_much[number] += reached - funded[number]
    return funded


def apply(model: Model, case: Case, parts: list[int]) -> None:
    for party, now, before in zip(PARTIES, parts, case.applied, strict=True):
        model.move(now - before, "payable_accrued", "payable", party, party)
    case.applied = parts
