"""Tasks that tell people: they queue letters, and one sends them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

import portal.notifications.case_letters  # noqa: F401  registers its letters
from portal.cases.actions import authorizing
from portal.db import transaction
from portal.notifications import actions, case_notices, finance_notices, hours_notices, notices, payment_notices
from portal.notifications.letters import LETTERS, Writing
from portal.notifications.models import Delivery
from portal.notifications.rendering import Letter
from portal.worker.registry import Edges, task


@task("send_delivery", own_transactions=True)
def send_delivery(edges: Edges, now: datetime, *, delivery_id: int) -> None:
    actions.send_delivery(edges.engine, edges.mailer, delivery_id, write=_writer(edges, now), now=now)


def send_deliveries(edges: Edges, now: datetime, *, delivery_ids: Sequence[int]) -> None:
    """What the jobs of these deliveries do, at once."""
    actions.send_deliveries(edges.engine, edges.mailer, delivery_ids, write=_writer(edges, now), now=now)


def _writer(edges: Edges, now: datetime) -> actions.Write:
    settings = edges.settings

    def write(session: Session, delivery: Delivery) -> Letter | None:
        writing = Writing(session, delivery, settings.base_url, settings.secret_key, now)
        return LETTERS[delivery.template](writing)

    return write


@task("sweep_deliveries", every="*/15 * * * *")
def sweep_deliveries(session: Session, now: datetime) -> None:
    actions.sweep_deliveries(session, now)


@task("mail_password_reset", own_transactions=True)
def mail_password_reset(edges: Edges, now: datetime, *, person_id: int) -> None:
    with transaction(edges.engine) as session:
        notices.mail_password_reset(session, person_id, secret=edges.settings.secret_key, now=now)


@task("notify_case_event", own_transactions=True)
def notify_case_event(edges: Edges, now: datetime, *, event_id: int) -> None:
    with transaction(edges.engine) as session:
        case_notices.notify_case_event(session, event_id, secret=edges.settings.secret_key, now=now)


@task("notify_authorization_request", own_transactions=True)
def notify_authorization_request(edges: Edges, now: datetime, *, request_id: int, place: int = 0) -> None:
    secret = edges.settings.secret_key
    with transaction(edges.engine) as session:
        authorizing.by_purchase_order(session, request_id, now=now)
    with transaction(edges.engine) as session:
        case_notices.notify_authorization_request(session, request_id, secret=secret, now=now, place=place)


@task("notify_neutral", own_transactions=True)
def notify_neutral(edges: Edges, now: datetime, *, challenge_id: int) -> None:
    with transaction(edges.engine) as session:
        case_notices.notify_neutral(session, challenge_id, secret=edges.settings.secret_key, now=now)


@task("mail_invitation")
def mail_invitation(session: Session, now: datetime, *, invitation_id: int) -> None:
    notices.mail_invitation(session, invitation_id, now)


@task("notify_version_proposed")
def notify_version_proposed(session: Session, now: datetime, *, version_id: int, by_organisation_id: int) -> None:
    notices.notify_version_proposed(session, version_id, by_organisation_id, now)


@task("notify_service_end")
def notify_service_end(session: Session, now: datetime, *, relationship_id: int) -> None:
    notices.notify_service_end(session, relationship_id, now)


@task("notify_service_change")
def notify_service_change(session: Session, now: datetime, *, relationship_id: int, before_id: int) -> None:
    notices.notify_service_change(session, relationship_id, before_id, now)


@task("notify_statement")
def notify_statement(session: Session, now: datetime, *, statement_id: int) -> None:
    finance_notices.notify_statement(session, statement_id, now)


@task("notify_contest")
def notify_contest(session: Session, now: datetime, *, contest_id: int) -> None:
    finance_notices.notify_contest(session, contest_id, now)


@task("notify_contest_decided")
def notify_contest_decided(session: Session, now: datetime, *, contest_id: int) -> None:
    finance_notices.notify_contest_decided(session, contest_id, now)


@task("notify_payment_failed")
def notify_payment_failed(session: Session, now: datetime, *, intent_id: str) -> None:
    payment_notices.notify_payment_failed(session, intent_id, now)


@task("notify_line_query")
def notify_line_query(session: Session, now: datetime, *, query_id: int) -> None:
    payment_notices.notify_line_query(session, query_id, now)


@task("notify_line_answer")
def notify_line_answer(session: Session, now: datetime, *, query_id: int) -> None:
    payment_notices.notify_line_answer(session, query_id, now)


@task("notify_cash_needed")
def notify_cash_needed(session: Session, now: datetime, *, manufacturer_id: int, currency: str) -> None:
    finance_notices.notify_cash_needed(session, manufacturer_id, currency, now)


@task("notify_pack_use")
def notify_pack_use(session: Session, now: datetime, *, bill_item_id: int) -> None:
    hours_notices.notify_pack_use(session, bill_item_id, now)


@task("notify_top_up")
def notify_top_up(session: Session, now: datetime, *, notice_id: int) -> None:
    hours_notices.notify_top_up(session, notice_id, now)
