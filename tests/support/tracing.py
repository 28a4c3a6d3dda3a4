"""Following money through the rows, both ways: from a statement line to the minutes behind it, and from them forth.

Each step is summed and compared; what is returned is what was reached, so that a caller can compare the whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.billing.models import BillItem, BillItemReversal, CashApplication, InvoiceItem, Share
from portal.metering.models import TimeApproval, TimeEntry, TimeReversal
from portal.payments.models import CashReceipt
from portal.settlement import queries
from portal.settlement.models import Statement, StatementLine
from portal.settlement.origins import BilledLine, Origin, line_origin, lines_of_entry


@dataclass(frozen=True)
class Trace:
    """A share that a statement pays, and the time entries it comes from."""

    line_id: int
    share_id: int
    item_id: int
    amount_minor: int
    entry_ids: frozenset[int]


def followed_back(session: Session, actor: Actor, statement: Statement) -> list[Trace]:
    """Every line of a statement down to its time entries; what was carried or released, through the earlier one."""
    lines = queries.lines(session, actor, statement.id)
    assert sum(line.amount_minor for line in lines) == statement.net_minor
    return [trace for line in lines for trace in _traces(session, actor, line)]


def followed_forth(session: Session, actor: Actor, entry_ids: Iterable[int]) -> set[int]:
    """The ids of every statement line that the entries earned."""
    return {line.id for entry_id in entry_ids for line in lines_of_entry(session, actor, entry_id)}


def standing_items(session: Session) -> list[BillItem]:
    """Every bill item that stands."""
    gone = select(BillItemReversal.bill_item_id)
    return list(session.scalars(select(BillItem).where(BillItem.id.not_in(gone)).order_by(BillItem.id)))


def standing_entries(session: Session) -> set[int]:
    """Every time entry that was not taken back."""
    gone = select(TimeReversal.entry_id)
    return set(session.scalars(select(TimeEntry.id).where(TimeEntry.id.not_in(gone))))


def _traces(session: Session, actor: Actor, line: StatementLine) -> list[Trace]:
    origin = line_origin(session, actor, line.id)
    if origin.contested is not None:
        assert origin.contested.amount_minor == line.amount_minor
        return _traces(session, actor, origin.contested)
    if origin.earlier is not None:
        return followed_back(session, actor, origin.earlier)
    if origin.plan_share is not None:
        # Nobody worked for what was left of a plan's month: the line ends at the month.
        assert (origin.plan_share.amount_minor, origin.plan_share.party_id) == (line.amount_minor, line.party_id)
        return []
    assert origin.share is not None, f"line {line.id} ({line.kind}) comes from nowhere"
    assert origin.item is not None
    _check_share(session, line, origin.share, origin.item)
    _check_lines(origin)
    entries = [worked.entry for billed in origin.billed for worked in billed.worked]
    assert entries, f"line {line.id} was earned by no work"
    for entry in entries:
        assert entry.note.strip()
        assert session.scalar(select(TimeApproval.id).where(TimeApproval.entry_id == entry.id)) is not None
    return [
        Trace(line.id, origin.share.id, origin.item.id, line.amount_minor, frozenset(entry.id for entry in entries))
    ]


def _check_share(session: Session, line: StatementLine, share: Share, item: BillItem) -> None:
    """The line is what the share earned: by use at once, by cash as far as the invoice was paid."""
    assert share.party_id == line.party_id
    if share.funding == "use":
        assert share.amount_minor == line.amount_minor
    else:
        applied = session.scalar(
            select(func.sum(CashApplication.amount_minor)).where(CashApplication.share_id == share.id)
        )
        assert applied == line.amount_minor
        invoiced = session.scalars(select(InvoiceItem).where(InvoiceItem.bill_item_id == item.id)).one()
        received = session.scalar(
            select(func.sum(CashReceipt.amount_minor)).where(CashReceipt.invoice_id == invoiced.invoice_id)
        )
        billed = session.scalar(
            select(func.sum(InvoiceItem.amount_minor)).where(InvoiceItem.invoice_id == invoiced.invoice_id)
        )
        assert (invoiced.amount_minor, received) == (item.amount_minor, billed)
    shared = session.scalar(select(func.sum(Share.amount_minor)).where(Share.bill_item_id == item.id))
    assert shared == item.amount_minor + item.use_minor


def _check_lines(origin: Origin) -> None:
    """The item is the sum of what its payer bears; every second billed lies in a piece of a time entry."""
    assert origin.item is not None
    assert sum(each.line.amount_minor for each in origin.billed if each.line.bearer == "payer") == (
        origin.item.amount_minor
    )
    for each in origin.billed:
        _check_pieces(each)


def _check_pieces(each: BilledLine) -> None:
    assert sum(piece.segment.billed_seconds for piece in each.worked) == each.line.seconds
    for piece in each.worked:
        assert piece.entry.started_at <= piece.segment.started_at <= piece.segment.ended_at <= piece.entry.ended_at
