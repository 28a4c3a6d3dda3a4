"""Closing a period: one job made of short transactions, each of which may be repeated.

Bills first, while the period still takes postings; then it is frozen and the next one opened, in one short exclusive
transaction; then the chain, the statements, the payers' invoices and the manifest. A close that was interrupted goes on
where the rows say it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Engine, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.billing.actions import bill_case, cut_period_end, earn_plans, gather_invoices
from portal.billing.actions.batch import BILLED_AT_ONCE, bill_plain
from portal.db import transaction
from portal.errors import Conflict, NotFound, PortalError, RuleBroken
from portal.jobs import enqueue
from portal.ledger import actions as ledger
from portal.ledger.chain import chain_head, chain_period
from portal.ledger.models import Period
from portal.ledger.queries import period_balances
from portal.settlement import queries, rules
from portal.settlement.disposing import release_held
from portal.settlement.lines import MAKE_STATEMENTS, PARTIES
from portal.settlement.models import CloseManifest, Statement

# Time to approve the month's last work before the month is closed without it.
CLOSE_AFTER = timedelta(days=2)
OPEN, CLOSING, SOFT_CLOSED, HARD_CLOSED = "open", "closing", "soft_closed", "hard_closed"

log = structlog.get_logger(__name__)


def close_period(engine: Engine, manufacturer_id: int, period_id: int, *, livemode: bool, now: datetime) -> str:
    """Close a period as far as its statements; its state afterwards. Again, and after a crash, is harmless.

    *Raises*: NotFound, RuleBroken before the period's end.
    """
    with transaction(engine) as session:
        if _period(session, manufacturer_id, period_id).state == OPEN:
            begin_cuts(session, manufacturer_id, period_id, now=now)
            waiting = cases_to_bill(session, manufacturer_id)
        else:
            waiting = []
    _bill_waiting(engine, waiting, livemode=livemode, now=now)
    for step in (freeze_period, chain_closing, make_statements):
        with transaction(engine) as session:
            step(session, manufacturer_id, period_id, livemode=livemode, now=now)
    with transaction(engine) as session:
        gather_invoices(session, period_id, now=now, livemode=livemode)
    with transaction(engine) as session:
        return finish_close(session, manufacturer_id, period_id, now=now).state


def begin_cuts(session: Session, manufacturer_id: int, period_id: int, *, now: datetime) -> int:
    """Cut the running cases whose approved work is old enough; how many. *Raises*: NotFound, RuleBroken too early."""
    period = _period(session, manufacturer_id, period_id)
    if now < period.ends_at:
        raise RuleBroken(f"The period {period.label} has not ended yet.")
    return cut_period_end(session, manufacturer_id, cut_at=period.ends_at, now=now)


def cases_to_bill(session: Session, manufacturer_id: int) -> Sequence[int]:
    """Cases with a cut that has no bill item yet."""
    return session.scalars(_UNBILLED, {"manufacturer_id": manufacturer_id}).all()


_UNBILLED = text(
    """
    SELECT DISTINCT cut.case_id FROM billing_cut cut
    WHERE cut.manufacturer_id = :manufacturer_id
      AND NOT EXISTS (SELECT FROM bill_item item WHERE item.cut_id = cut.id)
    ORDER BY cut.case_id
    """
)


def _bill_waiting(engine: Engine, case_ids: Sequence[int], *, livemode: bool, now: datetime) -> None:
    """Bill what waits: the plain cases many at a time, every other by itself."""
    done: set[int] = set()
    for start in range(0, len(case_ids), BILLED_AT_ONCE):
        some = case_ids[start : start + BILLED_AT_ONCE]
        try:
            with transaction(engine) as session:
                done |= bill_plain(session, some, now=now, livemode=livemode)
        except PortalError as error:
            # One case that cannot be billed undoes them all; by themselves the others can.
            log.warning("cases_not_billed_together", first_case_id=some[0], error=type(error).__name__)
    for case_id in case_ids:
        if case_id not in done:
            _bill_one(engine, case_id, livemode=livemode, now=now)


def _bill_one(engine: Engine, case_id: int, *, livemode: bool, now: datetime) -> None:
    """Bill one case; one that cannot be billed stays on the work list and does not stop the close."""
    try:
        with transaction(engine) as session:
            bill_case(session, case_id, now=now, livemode=livemode)
    except PortalError as error:
        log.warning("case_not_billed", case_id=case_id, error=type(error).__name__)


def freeze_period(session: Session, manufacturer_id: int, period_id: int, *, livemode: bool, now: datetime) -> None:
    """Bring held amounts back, earn plans that are over, then stop postings into the period and open the next."""
    period = _period(session, manufacturer_id, period_id)
    if period.state != OPEN:
        return
    release_held(session, manufacturer_id, livemode=livemode, now=now)
    earn_plans(session, manufacturer_id, now=now, livemode=livemode)
    closing, _ = ledger.begin_close(session, manufacturer_id=manufacturer_id, now=now)
    if closing.id != period_id:
        raise Conflict("Another period is the open one.")


def chain_closing(session: Session, manufacturer_id: int, period_id: int, *, livemode: bool, now: datetime) -> None:
    """Chain the frozen period's transactions."""
    if _period(session, manufacturer_id, period_id).state == CLOSING:
        chain_period(session, period_id, now=now)


def make_statements(session: Session, manufacturer_id: int, period_id: int, *, livemode: bool, now: datetime) -> None:
    """A statement per party and currency over every payable posting that is on none yet, all at once."""
    period = _period(session, manufacturer_id, period_id)
    if period.state != CLOSING:
        return
    values = {"manufacturer_id": manufacturer_id, "period_id": period_id}
    parties = sorted(session.scalars(PARTIES, values))
    days = {
        party: queries.party_terms(session, manufacturer_id, party, "", period.ends_at).review_days for party in parties
    }
    session.execute(
        MAKE_STATEMENTS,
        {
            **values,
            "now": now,
            "review_until": rules.review_ends(now, rules.REVIEW_DAYS),
            "parties": parties,
            "untils": [rules.review_ends(now, days[party]) for party in parties],
        },
    )


def finish_close(session: Session, manufacturer_id: int, period_id: int, *, now: datetime) -> Period:
    """Keep what was frozen, open the review, and tell the parties."""
    period = _period(session, manufacturer_id, period_id)
    if period.state != CLOSING:
        return period
    _keep_manifest(session, period, kind="soft", person_id=None, now=now)
    for statement_id in session.scalars(select(Statement.id).where(Statement.period_id == period_id)).all():
        enqueue(session, "notify_statement", statement_id=statement_id)
    return ledger.soft_close(session, period_id, now=now)


def hard_close(session: Session, period_id: int, *, person_id: int, now: datetime) -> Period:
    """End a period for good, signed by a person. *Raises*: NotFound, Conflict while a statement is not settled."""
    period = session.get(Period, period_id, with_for_update=True, populate_existing=True)
    if period is None:
        raise NotFound
    if period.state == HARD_CLOSED:
        return period
    if open_names := queries.unsettled_statements(session, period_id):
        raise Conflict(f"Not settled yet: {', '.join(open_names)}.")
    _keep_manifest(session, period, kind="hard", person_id=person_id, now=now)
    return ledger.hard_close(session, period_id, now=now)


def periods_to_close(session: Session, now: datetime) -> Sequence[Period]:
    """Periods whose close is due, or was begun and not finished."""
    ended = (Period.state == OPEN) & (Period.ends_at <= now - CLOSE_AFTER)
    return session.scalars(select(Period).where(ended | (Period.state == CLOSING)).order_by(Period.id)).all()


def _period(session: Session, manufacturer_id: int, period_id: int) -> Period:
    """The period as it is now, held against a second close of it until this transaction ends."""
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
    session.execute(lock, {"key": f"close:{period_id}"})
    period = session.get(Period, period_id, populate_existing=True)
    if period is None or period.manufacturer_id != manufacturer_id:
        raise NotFound
    return period


def _keep_manifest(session: Session, period: Period, *, kind: str, person_id: int | None, now: datetime) -> None:
    content = _manifest(session, period)
    session.execute(
        insert(CloseManifest)
        .values(
            manufacturer_id=period.manufacturer_id,
            period_id=period.id,
            kind=kind,
            content=content,
            sha256=rules.content_hash(content),
            chain_head=chain_head(session, period.manufacturer_id),
            signed_by=person_id,
            made_at=now,
        )
        .on_conflict_do_nothing()
    )


_COUNTS = text(
    """
    SELECT (SELECT count(*) FROM journal_transaction WHERE period_id = :period_id) AS transactions,
           (SELECT count(*) FROM posting WHERE period_id = :period_id) AS postings,
           (SELECT count(*) FROM billing_cut cut WHERE cut.manufacturer_id = :manufacturer_id
                AND NOT EXISTS (SELECT FROM bill_item item WHERE item.cut_id = cut.id)) AS cuts_without_item
    """
)


def _manifest(session: Session, period: Period) -> dict[str, Any]:
    """Counts, balances, statements and what was left open."""
    counts = session.execute(_COUNTS, {"period_id": period.id, "manufacturer_id": period.manufacturer_id}).one()
    statements = session.scalars(
        select(Statement).where(Statement.period_id == period.id).order_by(Statement.number)
    ).all()
    used = text("SELECT DISTINCT currency FROM posting WHERE period_id = :period_id ORDER BY currency")
    currencies = session.scalars(used, {"period_id": period.id}).all()
    return {
        "period": period.label,
        **dict(counts._mapping),
        "balances": {
            currency: {
                row.code: row.closing_minor for row in period_balances(session, currency=currency, period_id=period.id)
            }
            for currency in currencies
        },
        "statements": [
            {"name": one.name, "party_id": one.party_id, "net_minor": one.net_minor, "sha256": one.content_sha256}
            for one in statements
        ],
    }
