"""The hash chain over the transactions of frozen periods: tampering with any of them shows.

Invariants: only a period that takes no more postings is chained, in order of transaction ids; a block's hash covers the
hash before it. Chaining goes block by block, each call safe to repeat, so a close that stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from portal.errors import RuleBroken
from portal.ledger.models import ChainBlock, Period

GENESIS = "0" * 64
BLOCK_SIZE = 5_000

# The text that is hashed is made by PostgreSQL alone, from columns whose text never depends on a setting.
_HASH = """
    SELECT count(*) AS transactions, min(one.id) AS first_id, max(one.id) AS last_id,
           encode(sha256(convert_to(CAST(:previous AS text) || string_agg(one.line, chr(10) ORDER BY one.id), 'UTF8')),
                  'hex') AS sha256
    FROM (
        SELECT journal.id, jsonb_build_array(
            journal.id, journal.manufacturer_id, journal.currency, journal.period_id, journal.kind,
            journal.document_type, journal.document_id, journal.reverses_id, journal.origin_period_id,
            journal.description, journal.person_id, journal.livemode,
            extract(epoch FROM journal.occurred_at), extract(epoch FROM journal.recorded_at),
            (SELECT jsonb_agg(jsonb_build_array(leg.id, leg.account_id, leg.party_id, leg.amount_minor, leg.currency,
                                                leg.document_type, leg.document_id) ORDER BY leg.id)
             FROM posting leg WHERE leg.transaction_id = journal.id)
        )::text AS line
        FROM journal_transaction journal
        WHERE journal.period_id = :period_id AND journal.id > :after {upto}
        ORDER BY journal.id
        LIMIT :most
    ) one
"""
_NEXT_BLOCK = text(_HASH.format(upto=""))
_SAME_BLOCK = text(_HASH.format(upto="AND journal.id <= :upto"))


def chain_period(
    session: Session, period_id: int, *, now: datetime, block_size: int = BLOCK_SIZE, most_blocks: int | None = None
) -> str | None:
    """Chain what is not chained yet of a frozen period; the chain's head, or None after ``most_blocks`` of more.

    *Raises*: RuleBroken while the period is open.
    """
    period = session.get(Period, period_id, with_for_update={"key_share": True}, populate_existing=True)
    if period is None or period.state == "open":
        raise RuleBroken("Only a period that takes no more postings is chained.")
    head = _head(session, period.manufacturer_id)
    after: int = session.scalar(
        text("SELECT coalesce(max(last_transaction_id), 0) FROM chain_block WHERE period_id = :id"), {"id": period_id}
    )
    made = 0
    while made != most_blocks:
        previous = head.sha256 if head else GENESIS
        values = {"previous": previous, "period_id": period_id, "after": after, "most": block_size}
        found = session.execute(_NEXT_BLOCK, values).one()
        if not found.transactions:
            return previous
        head = ChainBlock(
            manufacturer_id=period.manufacturer_id,
            period_id=period_id,
            position=head.position + 1 if head else 1,
            first_transaction_id=found.first_id,
            last_transaction_id=found.last_id,
            transaction_count=found.transactions,
            previous_sha256=previous,
            sha256=found.sha256,
            chained_at=now,
        )
        session.add(head)
        session.flush()
        after, made = found.last_id, made + 1
    return None


def chain_head(session: Session, manufacturer_id: int) -> str:
    """The hash of a manufacturer's last block; zeros before the first."""
    head = _head(session, manufacturer_id)
    return head.sha256 if head else GENESIS


def _head(session: Session, manufacturer_id: int) -> ChainBlock | None:
    return (
        session.query(ChainBlock)
        .filter_by(manufacturer_id=manufacturer_id)
        .order_by(ChainBlock.position.desc())
        .limit(1)
        .one_or_none()
    )


@dataclass(frozen=True)
class BrokenBlock:
    """A block that is not what was chained."""

    manufacturer_id: int
    position: int
    what: str


def broken_blocks(session: Session) -> Iterator[BrokenBlock]:
    """Every block whose transactions, count or predecessor differ from what was chained."""
    expected: dict[int, tuple[int, str]] = {}
    for block in session.query(ChainBlock).order_by(ChainBlock.manufacturer_id, ChainBlock.position):
        position, previous = expected.get(block.manufacturer_id, (1, GENESIS))
        if (block.position, block.previous_sha256) != (position, previous):
            yield BrokenBlock(block.manufacturer_id, block.position, "does not follow the block before it")
        found = _again(session, block)
        if (found.transactions, found.first_id, found.sha256) != (
            block.transaction_count,
            block.first_transaction_id,
            block.sha256,
        ):
            yield BrokenBlock(block.manufacturer_id, block.position, "has other transactions than were chained")
        expected[block.manufacturer_id] = (block.position + 1, block.sha256)


def _again(session: Session, block: ChainBlock) -> Row[tuple[int, int, int, str]]:
    values = {
        "previous": block.previous_sha256,
        "period_id": block.period_id,
        "after": block.first_transaction_id - 1,
        "upto": block.last_transaction_id,
        "most": block.transaction_count + 1,
    }
    return session.execute(_SAME_BLOCK, values).one()
