"""What cash makes payable: from a payer's invoices to the cuts they bill, and from a cut to its shares.

Cash is divided cumulatively at both steps, so that a later receipt never takes back what an earlier one made payable
and the last one leaves nothing over. When an item is billed again for less, what was paid too much funds the invoice
that carries the credit, and not before it was really paid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portal.money import allocate_cumulative

ORIGINAL, DECIDED = "original", "decided"


@dataclass(frozen=True)
class InvoiceCash:
    """An invoice: its cash so far, and its net per cut, credits negative, in the order of the invoice."""

    invoice_id: int
    cash_minor: int
    net_by_cut: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ShareCash:
    """A share row as cash sees it. ``applied_minor`` is what receipts have made payable of it so far."""

    share_id: int
    kind: str
    party_id: int | None
    amount_minor: int
    applied_minor: int
    reverses_id: int | None = None


def pack_line(pack_sale_id: int) -> int:
    """The number that a pack's line of an invoice has among cuts: no cut has it, nor a plan's month or a supplement."""
    return -3 * pack_sale_id - 1


def pack_sale_of(line_id: int) -> int | None:
    """The pack sale whose line has this number among cuts; None for all other lines."""
    sale_id, rest = divmod(-line_id - 1, 3)
    return sale_id if line_id < 0 and not rest else None


def plan_sale_of(line_id: int) -> int | None:
    """The plan sale whose line has this number among cuts; None for all other lines."""
    return -line_id // 3 if line_id < 0 and line_id % 3 == 0 else None


def months_owed(invoices: Sequence[InvoiceCash]) -> dict[int, int]:
    """What the lines of plans' months come to, less what went back of those that were given up, by their number.

    What was paid beyond it settles the invoice that carries the credit, once it was really paid.
    """
    found: dict[int, int] = {}
    for line, net in (each for invoice in invoices for each in invoice.net_by_cut):
        if plan_sale_of(line) is not None:
            found[line] = found.get(line, 0) + net
    return {line: max(minor, 0) for line, minor in found.items()}


def shares_paid(paid_minor: int, amounts_minor: Sequence[int]) -> tuple[int, ...]:
    """How much of each share is payable when so much of what they come to is paid; never less for more.

    *Shape*: one for each share, all of it once all is paid. A share that takes something back has no part.
    """
    weights = [max(minor, 0) for minor in amounts_minor]
    paid = min(max(paid_minor, 0), sum(weights))
    return allocate_cumulative(paid, weights) if paid else (0,) * len(weights)


def parts_paid(paid_minor: int, shares: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """How much of each share, as (party, amount), is payable when so much of what they come to is paid.

    Divided among the parties first and then among each one's shares, as what goes back is taken off parties: what was
    credited of a line and what is paid of its rest come to what each party has of it, to the last cent.

    *Shape*: as ``shares_paid``.
    """
    of_party: dict[int, list[int]] = {}
    for party, minor in shares:
        of_party.setdefault(party, []).append(minor)
    reached = shares_paid(paid_minor, [sum(amounts) for amounts in of_party.values()])
    parts = {
        party: iter(shares_paid(minor, amounts))
        for (party, amounts), minor in zip(of_party.items(), reached, strict=True)
    }
    return tuple(next(parts[party]) for party, _ in shares)


def base_paid(cash_minor: int, base_minor: int, tax_minor: int) -> int:
    """What of an invoice's cash pays for what it charges; the rest is its tax, which is nobody's share.

    *Shape*: in proportion and cumulatively, so that part payments leave no remainder: never less for more cash, all of
    the charge once all is paid, and what is paid beyond both.
    """
    due = base_minor + tax_minor
    if cash_minor <= 0 or base_minor <= 0 or tax_minor <= 0:
        return cash_minor
    within = min(cash_minor, due)
    return allocate_cumulative(within, [base_minor, tax_minor])[0] + cash_minor - within


def cut_funding(invoices: Sequence[InvoiceCash], owed_by_cut: Mapping[int, int]) -> dict[int, int]:
    """How much of each cut's live item is paid, given a payer's invoices in the order issued.

    *Shape*: per cut, never more than is owed for it; ``owed_by_cut`` are the live items' amounts.
    """
    funded: dict[int, int] = {}
    excess: dict[int, int] = {}
    for invoice in invoices:
        credited = [cut for cut, net in invoice.net_by_cut if net < 0]
        pool = invoice.cash_minor + sum(excess.pop(cut, 0) for cut in credited)
        charged = [(cut, net) for cut, net in invoice.net_by_cut if net > 0]
        given = allocate_cumulative(min(pool, sum(net for _, net in charged)), [net for _, net in charged])
        for (cut, _), part in zip(charged, given, strict=True):
            reached = funded.get(cut, 0) + part
            funded[cut] = min(reached, owed_by_cut.get(cut, 0))
            excess[cut] = excess.get(cut, 0) + reached - funded[cut]
    return funded


def leaf_targets(rows: Sequence[ShareCash], funded_minor: int) -> dict[int, int]:
    """How much of each share row of one bill item should have been made payable when so much of it is paid.

    *Shape*: a row per share. A share that was reversed keeps what it had and its reversal takes that back; the decided
    ones divide what the undetermined one would have by now. Of an item that was reversed nothing remains.
    """
    applied = {row.share_id: row.applied_minor for row in rows}
    reversals = {row.reverses_id: row.share_id for row in rows if row.reverses_id is not None}
    originals = [row for row in rows if row.kind == ORIGINAL]
    decided = [row for row in rows if row.kind == DECIDED and row.share_id not in reversals]
    targets: dict[int, int] = {}
    if decided or any(row.share_id not in reversals for row in originals):
        parts = dict(
            zip(
                (row.share_id for row in originals),
                allocate_cumulative(funded_minor, [row.amount_minor for row in originals]),
                strict=True,
            )
        )
        replaced = sum(part for share_id, part in parts.items() if share_id in reversals)
        targets = {share_id: part for share_id, part in parts.items() if share_id not in reversals}
        if decided:
            stand_ins = allocate_cumulative(replaced, [row.amount_minor for row in decided])
            targets.update({row.share_id: part for row, part in zip(decided, stand_ins, strict=True)})
    for taken_back, reversal in reversals.items():
        targets[taken_back] = applied[taken_back]
        targets[reversal] = -applied[taken_back]
    return targets
