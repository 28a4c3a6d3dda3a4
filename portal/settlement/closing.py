"""Closing a period: one job made of short transactions, each of which may be repeated.

Bills and accruals first, while the period still takes postings; then it is frozen and the next one opened, in one
short exclusive transaction; then the accruals' opposites, the chain, the statements, the payers' invoices and the
manifest. A close that was interrupted goes on where the rows say it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from portal.adjustments.actions.recovering import net_owed
from portal.billing.actions import (
    bill_case,
    cut_period_end,
    debtors_to_invoice,
    earn_packs,
    earn_plans,
    gather_invoices,
    sell_ahead,
)
from portal.billing.actions.batch import BILLED_AT_ONCE, bill_plain
from portal.db import transaction
from portal.entitlement.actions import end_grants
from portal.errors import Conflict, NotFound, PortalError, RuleBroken
from portal.jobs import enqueue
from portal.ledger import actions as ledger
from portal.ledger.chain import chain_period
from portal.ledger.models import Period
from portal.settlement import queries, rules
from portal.settlement.accruing import accrue_unbilled, reverse_accruals, take_back_billed
from portal.settlement.lines import LOOK_UP, MAKE_STATEMENTS, PARTIES
from portal.settlement.manifest import keep_manifest
from portal.settlement.models import Statement
from portal.settlement.releasing import release_held

Result = TypeVar("Result")

# Time to approve the month's last work before the month is closed without it.
CLOSE_AFTER = timedelta(days=2)
# What one transaction of a long step does: some seconds of work, which is what a crash costs.
BLOCKS_AT_ONCE, DEBTORS_AT_ONCE, LINES_AT_ONCE = 20, 20, 20_000
OPEN, CLOSING, SOFT_CLOSED, HARD_CLOSED = "open", "closing", "soft_closed", "hard_closed"

log = structlog.get_logger(__name__)


def close_period(
    engine: Engine,
    manufacturer_id: int,
    period_id: int,
    *,
    livemode: bool,
    now: datetime,
    automatic_tax: bool = False,
    begins: Callable[[str], None] = lambda step: None,
) -> str:
    """Close a period as far as its statements; its state afterwards. Again, and after a crash, is harmless.

    ``begins`` is told each step by name. *Raises*: NotFound, RuleBroken before the period's end.
    """
    begins("bill")
    with transaction(engine) as session:
        period = _period(session, manufacturer_id, period_id)
        was_open = period.state == OPEN
        if was_open:
            sell_ahead(session, manufacturer_id, now=now, livemode=livemode)
            begin_cuts(session, manufacturer_id, period_id, now=now)
        waiting = cases_to_bill(session, manufacturer_id) if was_open else []
    _bill_waiting(engine, waiting, livemode=livemode, now=now)
    begins("accrue")
    if was_open:
        accrue_unbilled(engine, period, livemode=livemode, now=now)
    begins("freeze")
    while _hours_ended(engine, now=now):
        pass
    with transaction(engine) as session:
        freeze_period(session, manufacturer_id, period_id, livemode=livemode, now=now)
    reverse_accruals(engine, period, now=now)
    begins("chain")
    while not _in_one(engine, chain_some, manufacturer_id, period_id, now=now):
        pass
    begins("statements")
    for parties in rules.some_at_once(
        _in_one(engine, parties_left, manufacturer_id, period_id, now=now), LINES_AT_ONCE
    ):
        with transaction(engine) as session:
            make_statements(session, manufacturer_id, period_id, now=now, only=parties)
    begins("invoices")
    invoice_debtors(engine, period_id, livemode=livemode, now=now, automatic_tax=automatic_tax)
    begins("manifest")
    with transaction(engine) as session:
        return finish_close(session, manufacturer_id, period_id, now=now).state


def _hours_ended(engine: Engine, *, now: datetime) -> int:
    """End some of the hours whose time is over, so that what expired is earned in the month that is closed."""
    with transaction(engine) as session:
        return end_grants(session, now)


def _in_one(
    engine: Engine, step: Callable[..., Result], manufacturer_id: int, period_id: int, *, now: datetime
) -> Result:
    """A step of a close in a transaction of its own."""
    with transaction(engine) as session:
        return step(session, manufacturer_id, period_id, now=now)


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
    """Bring held amounts back, net claw-backs, earn plans that are over, then freeze and open the next period."""
    period = _period(session, manufacturer_id, period_id)
    if period.state != OPEN:
        return
    release_held(session, manufacturer_id, livemode=livemode, now=now)
    net_owed(session, manufacturer_id, livemode=livemode, now=now)
    earn_plans(session, manufacturer_id, now=now, livemode=livemode)
    earn_packs(session, manufacturer_id, now=now, livemode=livemode)
    take_back_billed(session, period_id, now=now)
    closing, _ = ledger.begin_close(session, manufacturer_id=manufacturer_id, now=now)
    if closing.id != period_id:
        raise Conflict("Another period is the open one.")


def chain_some(session: Session, manufacturer_id: int, period_id: int, *, now: datetime) -> bool:
    """Chain some blocks of the frozen period's transactions; whether all are chained."""
    if _period(session, manufacturer_id, period_id).state != CLOSING:
        return True
    return chain_period(session, period_id, now=now, most_blocks=BLOCKS_AT_ONCE) is not None


def parties_left(session: Session, manufacturer_id: int, period_id: int, *, now: datetime) -> Sequence[tuple[int, int]]:
    """The parties of a frozen period with something payable that is on no statement yet, by id, with how many lines."""
    if _period(session, manufacturer_id, period_id).state != CLOSING:
        return ()
    session.execute(LOOK_UP)
    values = {"manufacturer_id": manufacturer_id, "period_id": period_id, "only": None}
    return [(row.party_id, row.line_count) for row in session.execute(PARTIES, values)]


def make_statements(
    session: Session, manufacturer_id: int, period_id: int, *, now: datetime, only: Sequence[int] | None = None
) -> None:
    """A statement per party and currency over every payable posting that is on none yet; of some parties, or of all."""
    period = _period(session, manufacturer_id, period_id)
    if period.state == CLOSING:
        add_statements(session, period, now=now, only=only)


def add_statements(session: Session, period: Period, *, now: datetime, only: Sequence[int] | None = None) -> None:
    """The statements of what is on none that stands, by the terms in force now."""
    values = {
        "manufacturer_id": period.manufacturer_id,
        "period_id": period.id,
        "only": None if only is None else list(only),
    }
    session.execute(LOOK_UP)
    parties = [row.party_id for row in session.execute(PARTIES, values)] if only is None else sorted(only)
    days = {
        party: queries.party_terms(session, period.manufacturer_id, party, "", period.ends_at).review_days
        for party in parties
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


def tell_parties(session: Session, period_id: int) -> int:
    """Have each party of a period's standing statements told; how many."""
    standing = select(Statement.id).where(Statement.period_id == period_id, queries.stands()).order_by(Statement.id)
    told = session.scalars(standing).all()
    for statement_id in told:
        enqueue(session, "notify_statement", statement_id=statement_id)
    return len(told)


def invoice_debtors(
    engine: Engine, period_id: int, *, livemode: bool, now: datetime, automatic_tax: bool = False
) -> None:
    """Invoice what was billed, some debtors to a transaction: an interrupted close goes on with the next."""
    with transaction(engine) as session:
        debtors = debtors_to_invoice(session, period_id)
    for first in range(0, len(debtors), DEBTORS_AT_ONCE):
        with transaction(engine) as session:
            some = debtors[first : first + DEBTORS_AT_ONCE]
            gather_invoices(
                session, period_id, now=now, livemode=livemode, debtor_ids=some, automatic_tax=automatic_tax
            )


def finish_close(session: Session, manufacturer_id: int, period_id: int, *, now: datetime) -> Period:
    """Keep what was frozen, open the review, and tell the parties."""
    period = _period(session, manufacturer_id, period_id)
    if period.state != CLOSING:
        return period
    keep_manifest(session, period, kind="soft", person_id=None, now=now)
    tell_parties(session, period_id)
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
    keep_manifest(session, period, kind="hard", person_id=person_id, now=now)
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
