"""What the reconciliation page shows: the four books by day, differences, what waits for the bank, fees by kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.errors import NotAllowed, NotFound
from portal.settlement.lines import TRANSFERRED_PARTS
from portal.settlement.reconciling import COUNTED

MOST_DAYS = 62
MOST_DIFFERENCES = 200


@dataclass(frozen=True)
class TiedDay:
    """One day and currency in the four books. A movement and its posting count on the movement's day.

    *Shape*: ``stripe`` against ``journal`` is Stripe's balance against its clearing account; ``approved`` against
    ``sent`` are transfers as statements and as Stripe have them; ``booked`` against ``seen`` is the bank account.
    """

    on: date
    currency: str
    stripe_minor: int
    journal_minor: int
    approved_minor: int
    sent_minor: int
    booked_minor: int
    seen_minor: int

    @property
    def difference_minor(self) -> int:
        """How far the books are apart, every pair counted by its size: zero when all four agree."""
        pairs = (
            (self.stripe_minor, self.journal_minor),
            (self.approved_minor, self.sent_minor),
            (self.booked_minor, self.seen_minor),
        )
        return sum(abs(left - right) for left, right in pairs)


# Every movement of money as one of the six columns has it; a movement and its posting count on the movement's day.
_MOVED = (
    COUNTED
    + f"""
    , moved AS (
        SELECT movement.occurred_at AS at, movement.currency, 'stripe' AS book, movement.net_minor AS minor,
               movement.category AS what, (SELECT min(link.id) FROM link WHERE link.provider_id = movement.provider_id)
                   AS transaction_id, NULL::bigint AS statement_id
        FROM balance_movement movement WHERE movement.manufacturer_id = :own
        UNION ALL
        SELECT counted.at, counted.currency, 'journal', counted.moved_minor, counted.document_type, counted.id, NULL
        FROM counted WHERE counted.manufacturer_id = :own
        UNION ALL
        SELECT movement.occurred_at, movement.currency, side.book,
               CASE side.book WHEN 'sent' THEN -movement.net_minor
                    ELSE coalesce(part.amount_minor, 0) + coalesce(tax.amount_minor, 0) END,
               movement.category, NULL, part.statement_id
        FROM balance_movement movement
        JOIN intent ON intent.provider_object_id = movement.source_object_id AND intent.kind = 'transfer'
        LEFT JOIN {TRANSFERRED_PARTS} part ON part.intent_id = intent.id
        LEFT JOIN disposition_tax tax ON tax.disposition_id = part.disposition_id
        CROSS JOIN (VALUES ('approved'), ('sent')) side (book)
        WHERE movement.manufacturer_id = :own
        UNION ALL
        SELECT journal.occurred_at, posting.currency, side.book,
               CASE side.book WHEN 'booked' THEN posting.amount_minor ELSE coalesce(line.amount_minor, 0) END,
               coalesce(line.reference, journal.description), journal.id, NULL
        FROM posting
        JOIN account ON account.id = posting.account_id AND account.purpose = 'bank'
        JOIN journal_transaction journal ON journal.id = posting.transaction_id
        LEFT JOIN bank_line line ON line.posting_id = posting.id
        CROSS JOIN (VALUES ('booked'), ('seen')) side (book)
        WHERE posting.manufacturer_id = :own
        UNION ALL
        SELECT entry.booked_on::timestamp AT TIME ZONE :zone, entry.currency, 'seen', entry.amount_minor,
               entry.reference, NULL, NULL
        FROM bank_entry entry
        WHERE entry.manufacturer_id = :own
          AND NOT EXISTS (SELECT FROM bank_line line WHERE line.entry_id = entry.id)
    )
    """
)
BOOKS = ("stripe", "journal", "approved", "sent", "booked", "seen")
_DAYS = text(
    _MOVED
    + "SELECT (at AT TIME ZONE :zone)::date, currency, "
    + ", ".join(f"coalesce(sum(minor) FILTER (WHERE book = '{book}'), 0)::bigint" for book in BOOKS)
    + " FROM moved GROUP BY 1, 2 ORDER BY 1 DESC, 2 LIMIT :most"
)
_ONE_DAY = text(
    _MOVED
    + """
    SELECT at, currency, book, minor, what, transaction_id, statement_id FROM moved
    WHERE (at AT TIME ZONE :zone)::date = :on AND currency = :currency AND minor <> 0 ORDER BY at, what, minor
    """
)
_UNTIL = text(
    COUNTED
    + """
    SELECT currency, sum(stripe)::bigint AS stripe_minor, sum(journal)::bigint AS journal_minor FROM (
        SELECT currency, net_minor AS stripe, 0::bigint AS journal FROM balance_movement
        WHERE manufacturer_id = :own AND occurred_at < :until
        UNION ALL
        SELECT currency, 0, moved_minor FROM counted WHERE manufacturer_id = :own AND at < :until
    ) one GROUP BY currency ORDER BY currency
    """
)


def tied_days(session: Session, actor: Actor, *, zone: str) -> list[TiedDay]:
    """The latest days on which something moved, by currency. *Raises*: NotAllowed."""
    _check(actor)
    values = {"own": actor.organisation_id, "zone": zone, "most": MOST_DAYS}
    return [TiedDay(*row) for row in session.execute(_DAYS, values)]


def tied_until(session: Session, manufacturer_id: int, until: datetime) -> dict[str, dict[str, int]]:
    """Stripe's balance and its account here at a moment, by currency: what moved later, on either side, is left out."""
    values = {"own": manufacturer_id, "until": until}
    return {
        row.currency: {"stripe_minor": row.stripe_minor, "journal_minor": row.journal_minor}
        for row in session.execute(_UNTIL, values)
    }


def moves_of_day(session: Session, actor: Actor, on: date, currency: str, *, zone: str) -> Sequence[RowMapping]:
    """What made the figures of a day: each movement by the book that has it. *Raises*: NotAllowed, NotFound."""
    _check(actor)
    values = {"own": actor.organisation_id, "zone": zone, "on": on, "currency": currency}
    found = session.execute(_ONE_DAY, values).mappings().all()
    if not found:
        raise NotFound
    return found


@dataclass(frozen=True)
class ListedDifference:
    """A difference that stands, with who looks after it."""

    id: int
    kind: str
    subject: str
    currency: str
    expected_minor: int
    found_minor: int
    happened_at: datetime
    found_at: datetime
    owner_id: int | None


_DIFFERENCES = text(
    """
    SELECT difference.id, difference.kind, difference.subject, difference.currency, difference.expected_minor,
           difference.found_minor, difference.happened_at, difference.found_at,
           (SELECT owner_id FROM difference_owner taken WHERE taken.difference_id = difference.id
            ORDER BY taken.id DESC LIMIT 1) AS owner_id
    FROM reconciliation_difference difference
    WHERE difference.manufacturer_id = :own
      AND NOT EXISTS (SELECT FROM difference_end ended WHERE ended.difference_id = difference.id)
    ORDER BY difference.happened_at, difference.id LIMIT :most
    """
)


def open_differences(session: Session, actor: Actor) -> list[ListedDifference]:
    """The differences that stand, the oldest first. *Raises*: NotAllowed."""
    _check(actor)
    rows = session.execute(_DIFFERENCES, {"own": actor.organisation_id, "most": MOST_DIFFERENCES}).mappings()
    return [ListedDifference(**row) for row in rows]


def owner_of(session: Session, difference_id: int) -> int | None:
    """The person who looks after a difference."""
    found: int | None = session.scalar(
        text("SELECT owner_id FROM difference_owner WHERE difference_id = :id ORDER BY id DESC LIMIT 1"),
        {"id": difference_id},
    )
    return found


def waiting_for_bank(session: Session, actor: Actor) -> Sequence[RowMapping]:
    """Postings to the bank account that no line of the bank answers to, the oldest first. *Raises*: NotAllowed."""
    _check(actor)
    return (
        session.execute(
            text(
                "SELECT posting.id, posting.currency, posting.amount_minor, journal.description, journal.occurred_at"
                " FROM posting JOIN account ON account.id = posting.account_id AND account.purpose = 'bank'"
                " JOIN journal_transaction journal ON journal.id = posting.transaction_id"
                " WHERE posting.manufacturer_id = :own"
                " AND NOT EXISTS (SELECT FROM bank_line line WHERE line.posting_id = posting.id)"
                " ORDER BY journal.occurred_at, posting.id LIMIT :most"
            ),
            {"own": actor.organisation_id, "most": MOST_DIFFERENCES},
        )
        .mappings()
        .all()
    )


def fees_by_kind(session: Session, actor: Actor) -> Sequence[RowMapping]:
    """What Stripe took, by currency and kind of movement. *Raises*: NotAllowed."""
    _check(actor)
    return (
        session.execute(
            text(
                "SELECT currency, category, count(*) AS movements, sum(amount_minor)::bigint AS amount_minor,"
                " sum(fee_minor)::bigint AS fee_minor FROM balance_movement WHERE manufacturer_id = :own"
                " GROUP BY currency, category ORDER BY currency, category"
            ),
            {"own": actor.organisation_id},
        )
        .mappings()
        .all()
    )


def transaction_of(session: Session, subject: str) -> int | None:
    """The journal transaction that a difference is about, where it names one or a posting of one."""
    kind, _, number = subject.partition(" ")
    if not number.isdigit() or kind not in ("journal", "posting"):
        return None
    if kind == "journal":
        return int(number)
    found: int | None = session.scalar(text("SELECT transaction_id FROM posting WHERE id = :id"), {"id": int(number)})
    return found


def _check(actor: Actor) -> None:
    if actor.side is not Side.MANUFACTURER or not may_handle_finance(actor):
        raise NotAllowed("The books are reconciled by the manufacturer's finance.")
