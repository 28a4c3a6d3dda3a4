"""From a statement line back to what earned it: share, bill item, lines, segments, time entries and their notes.

Readers see what their scope shows them: row security applies to every step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.billing.models import BillItem, BillLine, BillSegment, PlanSale, PlanShare, Share
from portal.billing.packs.models import PackSale, PackShare
from portal.billing.packs.reading import may_read_sold_pack
from portal.billing.plan_reading import may_read_month
from portal.ledger.models import Period, Posting
from portal.metering.models import TimeEntry
from portal.settlement import queries
from portal.settlement.models import Statement, StatementLine
from portal.settlement.rules import csv_cell

CSV_PAGE = 1000
CSV_HEAD = (
    "statement", "content_sha256", "position", "kind", "case", "description", "occurred_at", "currency", "amount_minor",
)  # fmt: skip


@dataclass(frozen=True)
class Worked:
    """A piece of a time entry on a bill line."""

    segment: BillSegment
    entry: TimeEntry


@dataclass(frozen=True)
class BilledLine:
    """A bill line with the pieces of work it bills."""

    line: BillLine
    worked: tuple[Worked, ...]


@dataclass(frozen=True)
class Adjusted:
    """A line of an earlier statement that a later one adjusts."""

    line: StatementLine
    statement: Statement


@dataclass(frozen=True)
class Origin:
    """What a statement line comes from: its share of a bill, a plan's month or a pack, an earlier statement.

    *Shape*: ``contested`` is the one line of the earlier statement that was held and came back; ``of_period`` the
    closed period that an adjustment is of, and ``adjusted`` the lines of earlier statements about the same share.
    """

    line: StatementLine
    share: Share | None
    item: BillItem | None
    billed: tuple[BilledLine, ...]
    earlier: Statement | None
    contested: StatementLine | None = None
    plan_share: PlanShare | None = None
    pack_share: PackShare | None = None
    opens_sale: bool = False
    of_period: Period | None = None
    adjusted: tuple[Adjusted, ...] = ()


def line_origin(session: Session, actor: Actor, line_id: int) -> Origin:
    """The chain behind a statement line, as far as the actor sees it. *Raises*: NotAllowed, NotFound."""
    line = queries.line_seen(session, actor, line_id)
    share = session.get(Share, line.share_id) if line.share_id is not None else None
    item = session.get(BillItem, share.bill_item_id) if share is not None else None
    earlier = _earlier(session, line)
    contested = queries.line_behind(session, line) if earlier is not None else None
    paid = _share_of_sale(session, line)
    return Origin(
        line,
        share,
        item,
        _billed(session, item),
        earlier,
        contested,
        paid if isinstance(paid, PlanShare) else None,
        paid if isinstance(paid, PackShare) else None,
        _opens_sale(session, actor, paid),
        _of_period(session, line),
        _adjusted(session, line, share),
    )


def _of_period(session: Session, line: StatementLine) -> Period | None:
    """The closed period that an adjustment is of; what was carried or held has only waited."""
    if line.origin_period_id is None or line.kind in ("carried", "released"):
        return None
    return session.get(Period, line.origin_period_id)


def _adjusted(session: Session, line: StatementLine, share: Share | None) -> tuple[Adjusted, ...]:
    """Lines of standing earlier statements that paid the share which an adjustment takes back, or is about."""
    if share is None or line.origin_period_id is None:
        return ()
    rows = session.execute(
        select(StatementLine, Statement)
        .join(Statement, Statement.id == StatementLine.statement_id)
        .where(
            StatementLine.share_id.in_({share.id, share.reverses_id} - {None}),
            StatementLine.party_id == line.party_id,
            StatementLine.statement_id < line.statement_id,
            queries.stands(),
        )
        .order_by(StatementLine.id)
    )
    return tuple(Adjusted(*row) for row in rows.tuples())


def _share_of_sale(session: Session, line: StatementLine) -> PlanShare | PackShare | None:
    """The share of a plan's month or of a pack that a line pays."""
    if line.kind not in ("plan", "pack"):
        return None
    posting = session.get_one(Posting, line.posting_id)
    if line.kind == "plan":
        return session.get(PlanShare, int(posting.document_id))
    return session.get(PackShare, int(posting.document_id))


def _opens_sale(session: Session, actor: Actor, paid: PlanShare | PackShare | None) -> bool:
    """Whether the actor may open the sale; one who only has a share of it may not."""
    if isinstance(paid, PlanShare):
        month = session.get(PlanSale, paid.plan_sale_id)
        return month is not None and may_read_month(actor, month)
    pack = session.get(PackSale, paid.pack_sale_id) if paid is not None else None
    return pack is not None and may_read_sold_pack(actor, pack)


def _billed(session: Session, item: BillItem | None) -> tuple[BilledLine, ...]:
    if item is None:
        return ()
    lines = session.scalars(select(BillLine).where(BillLine.bill_item_id == item.id).order_by(BillLine.position)).all()
    worked: dict[int, list[Worked]] = {}
    rows = session.execute(
        select(BillSegment, TimeEntry)
        .join(TimeEntry, TimeEntry.id == BillSegment.entry_id)
        .where(BillSegment.line_id.in_([line.id for line in lines]))
        .order_by(BillSegment.started_at, BillSegment.id)
    )
    for segment, entry in rows:
        worked.setdefault(segment.line_id, []).append(Worked(segment, entry))
    return tuple(BilledLine(line, tuple(worked.get(line.id, ()))) for line in lines)


def _earlier(session: Session, line: StatementLine) -> Statement | None:
    """The statement from which an amount was carried or released."""
    if line.kind not in ("carried", "released"):
        return None
    return queries.statement_behind(session, line)


def lines_of_entry(session: Session, actor: Actor, entry_id: int) -> Sequence[StatementLine]:
    """The other way: every statement line the actor sees that a time entry earned. *Raises*: NotAllowed."""
    queries.check_reader(actor)
    own = actor.organisation_id
    return session.scalars(
        select(StatementLine)
        .join(Share, Share.id == StatementLine.share_id)
        .where(
            Share.bill_item_id.in_(
                select(BillLine.bill_item_id)
                .join(BillSegment, BillSegment.line_id == BillLine.id)
                .where(BillSegment.entry_id == entry_id)
            ),
            (StatementLine.manufacturer_id == own) | (StatementLine.party_id == own),
        )
        .order_by(StatementLine.id)
    ).all()


def statement_csv(session: Session, actor: Actor, statement_id: int) -> Iterator[str]:
    """A statement as CSV, row by row; amounts in minor units, no cell is a formula. *Raises*: NotAllowed, NotFound."""
    statement = queries.statement_seen(session, actor, statement_id)
    return _csv_rows(session, actor, statement)


def _csv_rows(session: Session, actor: Actor, statement: Statement) -> Iterator[str]:
    yield _csv_row(CSV_HEAD)
    after = 0
    while page := queries.lines(session, actor, statement.id, after=after, most=CSV_PAGE):
        for line in page:
            yield _csv_row(
                (
                    statement.name, statement.content_sha256, line.position, line.kind, line.case_name,
                    line.description, _instant(line.occurred_at), statement.currency, line.amount_minor,
                )
            )  # fmt: skip
        after = page[-1].position


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _csv_row(cells: Sequence[object]) -> str:
    return ",".join('"' + csv_cell(cell).replace('"', '""') + '"' for cell in cells) + "\r\n"
