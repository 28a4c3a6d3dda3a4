"""Tasks that bill: cases as they close or change, shares as resolvers become known, invoices, cash."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing import actions, queries
from portal.billing.actions.batch import BILLED_AT_ONCE, bill_closed
from portal.billing.supplements import actions as supplements
from portal.billing.supplements import claims
from portal.cases import actions as cases
from portal.cases.models import CaseKnownIssue
from portal.db import transaction
from portal.entitlement import actions as entitlement
from portal.jobs import enqueue_many
from portal.ledger.models import Period
from portal.worker.registry import Edges, task


@task("bill_cut", own_transactions=True)
def bill_cut(edges: Edges, now: datetime, *, case_id: int) -> None:
    with transaction(edges.engine) as session:
        bill_closed(session, [case_id], now=now, livemode=edges.settings.livemode)


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
