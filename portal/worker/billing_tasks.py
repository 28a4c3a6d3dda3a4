"""Tasks that bill: cases as they close or change, shares as resolvers become known, invoices, cash."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing import actions, queries
from portal.billing.actions.batch import BILLED_AT_ONCE, bill_closed, bill_plain
from portal.billing.supplements import actions as supplements
from portal.billing.supplements import claims
from portal.cases import actions as cases
from portal.cases.models import CaseKnownIssue
from portal.db import transaction
from portal.entitlement import actions as entitlement
from portal.jobs import enqueue_many, forget_jobs, jobs_in_line
from portal.ledger.models import Period
from portal.worker.registry import Edges, task

log = structlog.get_logger(__name__)


@task("bill_cut", own_transactions=True)
def bill_cut(edges: Edges, now: datetime, *, case_id: int) -> None:
    """The case; where others wait in line, those too that can be billed together with it: their jobs are done then."""
    livemode = edges.settings.livemode
    with transaction(edges.engine) as session:
        line = jobs_in_line(session, "bill_cut", now=now, most=BILLED_AT_ONCE - 1)
        if not line:
            bill_closed(session, [case_id], now=now, livemode=livemode)
            return
        waiting = {number: ids["case_id"] for number, ids in line.items()}
        done = _bill_together(session, [case_id, *waiting.values()], now=now, livemode=livemode)
        forget_jobs(session, [number for number, waiting_id in waiting.items() if waiting_id in done])
    if case_id not in done:
        with transaction(edges.engine) as session:
            bill_closed(session, [case_id], now=now, livemode=livemode)


def _bill_together(session: Session, case_ids: Sequence[int], *, now: datetime, livemode: bool) -> set[int]:
    """The cases that were billed together; none where one of them could not be: its own job then says why."""
    try:
        with session.begin_nested():
            return bill_plain(session, case_ids, now=now, livemode=livemode)
    except Exception as error:  # noqa: BLE001  whatever is wrong with one case keeps no other from being billed
        log.warning("billed_one_by_one", cases=len(case_ids), error=type(error).__name__)
        return set()


@task("bill_cuts", own_transactions=True)
def bill_cuts(edges: Edges, now: datetime, *, first_id: int, last_id: int) -> None:
    """The cuts of an import, many at a time; those that another job billed meanwhile are left out."""
    with transaction(edges.engine) as session:
        case_ids = queries.cases_of_cuts(session, first_id, last_id)
    for start in range(0, len(case_ids), BILLED_AT_ONCE):
        with transaction(edges.engine) as session:
            some = case_ids[start : start + BILLED_AT_ONCE]
            bill_closed(session, some, now=now, livemode=edges.settings.livemode)


@task("rebill", own_transactions=True)
def rebill(edges: Edges, now: datetime, *, case_id: int) -> None:
    with transaction(edges.engine) as session:
        reason = "what the case is billed from changed"
        actions.rebill_case(session, case_id, reason=reason, now=now, livemode=edges.settings.livemode)


@task("rebill_known_issue")
def rebill_known_issue(session: Session, now: datetime, *, known_issue_id: int) -> None:
    linked = session.scalars(
        select(CaseKnownIssue.case_id).where(CaseKnownIssue.known_issue_id == known_issue_id).distinct()
    )
    enqueue_many(session, "rebill", [{"case_id": case_id} for case_id in linked])


@task("settle_shares")
def settle_shares(session: Session, now: datetime, *, case_id: int) -> None:
    if actions.decide_shares(session, case_id, now=now):
        enqueue_many(session, "redivide_losses", [{"case_id": case_id}])


@task("settle_claim", own_transactions=True)
def settle_claim(edges: Edges, now: datetime, *, claim_id: int) -> None:
    with transaction(edges.engine) as session:
        claims.settle_claim(session, claim_id, now=now, livemode=edges.settings.livemode)


@task("settle_remedy", own_transactions=True)
def settle_remedy(edges: Edges, now: datetime, *, remedy_id: int) -> None:
    with transaction(edges.engine) as session:
        supplements.settle_remedy(session, remedy_id, now=now, livemode=edges.settings.livemode)


@task("reserve_case_hours")
def reserve_case_hours(session: Session, now: datetime, *, case_id: int) -> None:
    actions.reserve_anew(session, case_id, now=now)


@task("time_changed")
def time_changed(session: Session, now: datetime, *, case_id: int) -> None:
    if actions.reserve_hours(session, case_id, now=now):
        cases.use_standing(session, case_id, now=now)
        cases.ask_beyond_limit(session, case_id, now=now)
    worked_from = actions.first_unauthorized(session, case_id)
    if worked_from is not None:
        cases.use_standing(session, case_id, now=now, worked_from=worked_from)
    enqueue_many(session, "rebill", [{"case_id": case_id}])


@task("apply_cash")
def apply_cash(session: Session, now: datetime, *, receipt_id: int) -> None:
    actions.apply_cash(session, receipt_id, now=now)


@task("open_grants", own_transactions=True)
def open_grants(edges: Edges, now: datetime, *, plan_choice_id: int) -> None:
    with transaction(edges.engine) as session:
        actions.open_choice(session, plan_choice_id, now=now, livemode=edges.settings.livemode)


@task("open_monthly_grants", own_transactions=True, every="3 * * * *")
def open_monthly_grants(edges: Edges, now: datetime) -> None:
    with transaction(edges.engine) as session:
        actions.open_month(session, now=now, livemode=edges.settings.livemode)


@task("sell_late_months", own_transactions=True)
def sell_late_months(edges: Edges, now: datetime, *, site_id: int) -> None:
    with transaction(edges.engine) as session:
        actions.sell_late(session, site_id, now=now, livemode=edges.settings.livemode)


@task("end_grants", own_transactions=True, every="8 * * * *")
def end_grants(edges: Edges, now: datetime) -> None:
    """What is over expires or lives on; what an ended pack earns of it is then the parties'."""
    while True:
        with transaction(edges.engine) as session:
            if not entitlement.end_grants(session, now):
                break
    with transaction(edges.engine) as session:
        makers = session.scalars(select(Period.manufacturer_id).where(Period.state == "open")).all()
    for manufacturer_id in makers:
        with transaction(edges.engine) as session:
            actions.earn_packs(session, manufacturer_id, now=now, livemode=edges.settings.livemode)


@task("sweep_billing", every="*/15 * * * *")
def sweep_billing(session: Session, now: datetime) -> None:
    enqueue_many(session, "bill_cut", [{"case_id": case_id} for case_id in queries.cases_to_bill(session, now)])
    enqueue_many(
        session, "reserve_case_hours", [{"case_id": case_id} for case_id in queries.cases_to_prepay(session, now)]
    )
    enqueue_many(
        session, "apply_cash", [{"receipt_id": receipt} for receipt in queries.receipts_to_apply(session, now)]
    )
