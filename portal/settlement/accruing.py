"""Unbilled work at a period's end: accrued in the closing period, taken back as the next one begins.

Invariants: one transaction per case, payer and period, so that each amount leads to its case; whatever is billed before
the period is frozen is taken back in it at once, so that no work counts twice; every accrual of a frozen period has
its opposite in the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from portal.billing.unbilled import UnbilledWork, cases_with_unbilled_work, unbilled_work
from portal.db import transaction
from portal.errors import PortalError
from portal.ledger import bulk
from portal.ledger.models import Period
from portal.ledger.rules import Document, Purpose, credit, debit
from portal.settlement.rules import SETTLEMENT_PAIRS

ACCRUED, TAKEN_BACK = "work_accrued", "work_accrual_reversed"
# So many cases are rated in one transaction: a few seconds of work to lose.
AT_ONCE = 250
REVERSED_AT_ONCE = 5_000

log = structlog.get_logger(__name__)


def accrue_unbilled(engine: Engine, period: Period, *, livemode: bool, now: datetime) -> int:
    """Accrue the work that ended in an open period and is on no bill, batch by batch; how many cases were looked at.

    Again, and after a crash, it accrues only what is not accrued yet.
    """
    seen, after = 0, 0
    while True:
        with transaction(engine) as session:
            case_ids = cases_with_unbilled_work(
                session, period.manufacturer_id, before=period.ends_at, after=after, most=AT_ONCE
            )
            if not case_ids:
                return seen
            _accrue(session, period, _not_accrued(session, period.id, case_ids), livemode=livemode, now=now)
        seen, after = seen + len(case_ids), case_ids[-1]


def _accrue(session: Session, period: Period, case_ids: Sequence[int], *, livemode: bool, now: datetime) -> None:
    by_currency: dict[str, list[bulk.Entry]] = {}
    for work in _worth(session, case_ids, before=period.ends_at):
        by_currency.setdefault(work.currency, []).append(_entry(period, work))
    for currency, entries in by_currency.items():
        bulk.post_new(
            session,
            entries,
            manufacturer_id=period.manufacturer_id,
            currency=currency,
            allowed_pairs=SETTLEMENT_PAIRS,
            now=now,
            livemode=livemode,
        )


def _worth(session: Session, case_ids: Sequence[int], *, before: datetime) -> Iterator[UnbilledWork]:
    """One case that cannot be priced leaves the others as they are: it stays on the work list."""
    try:
        yield from list(unbilled_work(session, case_ids, before=before))
    except PortalError:
        for case_id in case_ids:
            try:
                yield from list(unbilled_work(session, [case_id], before=before))
            except PortalError as error:
                log.warning("case_not_accrued", case_id=case_id, error=type(error).__name__)


def _entry(period: Period, work: UnbilledWork) -> bulk.Entry:
    case = Document("support_case", str(work.case_id))
    return bulk.Entry(
        ACCRUED,
        Document("work_accrual", f"{period.id}-{work.case_id}-{work.payer_id}"),
        (
            debit(Purpose.WORK_IN_PROGRESS, work.amount_minor, work.payer_id, case),
            credit(Purpose.ESTIMATED, work.amount_minor, None, case),
        ),
        # The last instant of the period: the next one begins at its end.
        occurred_at=period.ends_at - timedelta(microseconds=1),
        description=f"{work.case_name}: work of {period.label} that is not billed",
    )


def _not_accrued(session: Session, period_id: int, case_ids: Sequence[int]) -> list[int]:
    known = set(session.scalars(_ACCRUED_CASES, {"period_id": period_id, "case_ids": list(case_ids)}))
    return [case_id for case_id in case_ids if case_id not in known]


_ACCRUED_CASES = text(
    """
    SELECT split_part(document_id, '-', 2)::bigint FROM journal_transaction
    WHERE period_id = :period_id AND kind = 'work_accrued'
      AND split_part(document_id, '-', 2)::bigint = ANY (CAST(:case_ids AS bigint[]))
    """
)

# Accrued, and billed since in the same period.
_BILLED_SINCE = text(
    """
    SELECT journal.id FROM journal_transaction journal
    JOIN bill_item item ON item.case_id = split_part(journal.document_id, '-', 2)::bigint
        AND item.period_id = journal.period_id AND item.recorded_at >= journal.recorded_at
    WHERE journal.period_id = :period_id AND journal.kind = 'work_accrued'
      AND NOT EXISTS (SELECT FROM journal_transaction back WHERE back.reverses_id = journal.id)
    GROUP BY journal.id ORDER BY journal.id
    """
)

_TO_TAKE_BACK = text(
    """
    SELECT journal.id FROM journal_transaction journal
    WHERE journal.period_id = :period_id AND journal.kind = 'work_accrued'
      AND NOT EXISTS (SELECT FROM journal_transaction back WHERE back.reverses_id = journal.id)
    ORDER BY journal.id LIMIT :most
    """
)


def take_back_billed(session: Session, period_id: int, *, now: datetime) -> int:
    """Take back what was billed since it was accrued, while its period still takes postings; how many."""
    found = session.scalars(_BILLED_SINCE, {"period_id": period_id}).all()
    return bulk.reverse_all(session, found, kind=TAKEN_BACK, occurred_at=now, now=now)


def reverse_accruals(engine: Engine, period: Period, *, now: datetime) -> int:
    """Take back, in the open period, what a frozen one accrued, batch by batch; how many."""
    done = 0
    while True:
        with transaction(engine) as session:
            found = session.scalars(_TO_TAKE_BACK, {"period_id": period.id, "most": REVERSED_AT_ONCE}).all()
            done += bulk.reverse_all(session, found, kind=TAKEN_BACK, occurred_at=period.ends_at, now=now)
        if len(found) < REVERSED_AT_ONCE:
            return done
