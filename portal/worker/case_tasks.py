"""Tasks of cases and of what a customer has bought: what happens at a date, and what another company's act sets off."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from portal.billing.models import BillItem, BillItemReversal
from portal.cases import actions
from portal.cases.actions import authorizing, closing, notes, opening, promising, reclassifying, resolution, waiting
from portal.cases.models import Resolution, ResolutionAnswer
from portal.db import transaction
from portal.entitlement.queries import request_ids_waiting_for
from portal.jobs import enqueue_many
from portal.notifications.queries import second_notice_delivered_at
from portal.worker.registry import Edges, task

# Silence is answered within days; what is older was answered in another way.
SILENCE_LASTS_AT_MOST = timedelta(days=120)
SWEEP_AT_MOST = 500


@task("close_case")
def close_case(session: Session, now: datetime, *, case_id: int) -> None:
    closing.close_case(session, case_id, now=now)


@task("close_due", every="*/10 * * * *")
def close_due(session: Session, now: datetime) -> None:
    closing.close_due(session, now=now)


@task("restart_clocks")
def restart_clocks(session: Session, now: datetime, *, case_id: int) -> None:
    resolution.restart_clocks(session, case_id, now=now)


@task("record_coverage")
def record_coverage(session: Session, now: datetime, *, case_id: int) -> None:
    opening.record_coverage(session, case_id, now=now)


@task("begin_emergency")
def begin_emergency(session: Session, now: datetime, *, request_id: int) -> None:
    actions.begin_emergency(session, request_id, now=now)


@task("answer_by_orders")
def answer_by_orders(session: Session, now: datetime, *, payer_id: int) -> None:
    waiting = request_ids_waiting_for(session, payer_id)
    enqueue_many(session, "take_from_order", [{"request_id": each} for each in waiting])


@task("take_from_order")
def take_from_order(session: Session, now: datetime, *, request_id: int) -> None:
    authorizing.by_purchase_order(session, request_id, now=now)


@task("billable_begins")
def billable_begins(session: Session, now: datetime, *, case_id: int) -> None:
    actions.billable_begins(session, case_id, now=now)


@task("climb_ladder")
def climb_ladder(session: Session, now: datetime, *, challenge_id: int) -> None:
    actions.climb_ladder(session, challenge_id, now=now)


@task("climb_due", every="35 * * * *")
def climb_due(session: Session, now: datetime) -> None:
    actions.climb_due(session, now=now)


@task("watch_case")
def watch_case(session: Session, now: datetime, *, case_id: int) -> None:
    promising.watch_case(session, case_id, now=now)


@task("sweep_promises", every="*/15 * * * *")
def sweep_promises(session: Session, now: datetime) -> None:
    enqueue_many(session, "watch_case", [{"case_id": each} for each in promising.cases_to_watch(session, now=now)])


@task("decide_severity")
def decide_severity(session: Session, now: datetime, *, severity_challenge_id: int) -> None:
    reclassifying.decide_severity(session, severity_challenge_id, now=now)


@task("watch_question")
def watch_question(session: Session, now: datetime, *, case_id: int) -> None:
    waiting.watch_question(session, case_id, now=now)


@task("remind_of_closing")
def remind_of_closing(session: Session, now: datetime, *, case_id: int) -> None:
    waiting.remind_of_closing(session, case_id, now=now)


@task("sweep_questions", every="50 4 * * *")
def sweep_questions(session: Session, now: datetime) -> None:
    enqueue_many(
        session, "watch_question", [{"case_id": each} for each in waiting.questions_to_watch(session, now=now)]
    )


@task("answer_silence")
def answer_silence(session: Session, now: datetime, *, resolution_id: int) -> None:
    said = session.get_one(Resolution, resolution_id)
    resolution.answer_silence(
        session,
        resolution_id,
        second_notice_delivered_at=second_notice_delivered_at(
            session, case_id=said.case_id, resolution_id=resolution_id
        ),
        amount_minor=_worth_minor(session, said.case_id),
        now=now,
    )


@task("sweep_silence", every="25 * * * *")
def sweep_silence(session: Session, now: datetime) -> None:
    waiting = session.scalars(
        select(Resolution.id)
        .where(
            Resolution.resolved_at > now - SILENCE_LASTS_AT_MOST,
            ~exists().where(ResolutionAnswer.resolution_id == Resolution.id),
        )
        .order_by(Resolution.id)
        .limit(SWEEP_AT_MOST)
    ).all()
    enqueue_many(session, "answer_silence", [{"resolution_id": each} for each in waiting])


@task("sweep_uploads", own_transactions=True, every="40 3 * * *")
def sweep_uploads(edges: Edges, now: datetime) -> None:
    with transaction(edges.engine) as session:
        keys = notes.stale_uploads(session, now=now)
    # The rows are gone for good before the bytes are; a crash in between leaves bytes that nothing names.
    for key in keys:
        edges.files.delete(UUID(key))


def _worth_minor(session: Session, case_id: int) -> int:
    """What the case's standing bill items come to."""
    reversed_item = exists().where(BillItemReversal.bill_item_id == BillItem.id)
    total = select(func.coalesce(func.sum(BillItem.amount_minor), 0)).where(BillItem.case_id == case_id, ~reversed_item)
    return int(session.scalar(total) or 0)
