"""Tasks that sell: what a checkout's state makes of a purchase, offers as their days pass, plans that are not paid."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from portal.cases import actions as cases
from portal.db import transaction
from portal.notifications import ending_notices, offer_notices, plan_notices
from portal.selling import actions, leaving
from portal.worker.registry import Edges, task


@task("follow_purchase", own_transactions=True)
def follow_purchase(edges: Edges, now: datetime, *, intent_id: str) -> None:
    with transaction(edges.engine) as session:
        actions.follow_purchase(session, UUID(intent_id), now=now, livemode=edges.settings.livemode)


@task("cover_case")
def cover_case(session: Session, now: datetime, *, case_id: int, name: str) -> None:
    cases.buy_cover(session, case_id, name=name, now=now)


@task("sell_after_all", own_transactions=True)
def sell_after_all(edges: Edges, now: datetime, *, purchase_id: int) -> None:
    with transaction(edges.engine) as session:
        actions.sell_after_all(session, purchase_id, now=now, livemode=edges.settings.livemode)


@task("keep_let_go")
def keep_let_go(session: Session, now: datetime, *, purchase_id: int, person_id: int, explanation: str) -> None:
    leaving.keep_let_go(session, purchase_id, person_id=person_id, explanation=explanation, now=now)


@task("sell_purchase", own_transactions=True)
def sell_purchase(edges: Edges, now: datetime, *, purchase_id: int) -> None:
    with transaction(edges.engine) as session:
        actions.sell_purchase(session, purchase_id, now=now, livemode=edges.settings.livemode)


@task("move_offers", own_transactions=True, every="12 * * * *")
def move_offers(edges: Edges, now: datetime) -> None:
    with transaction(edges.engine) as session:
        actions.move_offers(session, now=now)


@task("end_overdue_plans", own_transactions=True, every="42 * * * *")
def end_overdue_plans(edges: Edges, now: datetime) -> None:
    with transaction(edges.engine) as session:
        actions.end_overdue(session, now=now)
    with transaction(edges.engine) as session:
        actions.charge_early_ends(session, now=now, livemode=edges.settings.livemode)


@task("hand_over_plans", own_transactions=True, every="37 * * * *")
def hand_over_plans(edges: Edges, now: datetime) -> None:
    with transaction(edges.engine) as session:
        actions.hand_over_plans(session, now=now)


@task("notify_offer_made")
def notify_offer_made(session: Session, now: datetime, *, offer_id: int) -> None:
    offer_notices.notify_offer_made(session, offer_id, now)


@task("notify_offer_released")
def notify_offer_released(session: Session, now: datetime, *, offer_id: int) -> None:
    offer_notices.notify_offer_released(session, offer_id, now)


@task("notify_offer_ended")
def notify_offer_ended(session: Session, now: datetime, *, offer_id: int) -> None:
    offer_notices.notify_offer_ended(session, offer_id, now)


@task("notify_plan_change")
def notify_plan_change(session: Session, now: datetime, *, intent_id: str) -> None:
    plan_notices.notify_plan_change(session, intent_id, now)


@task("notify_plan_end")
def notify_plan_end(session: Session, now: datetime, *, intent_id: str) -> None:
    ending_notices.notify_plan_end(session, intent_id, now)
