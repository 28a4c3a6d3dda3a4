"""The jobs that talk to Stripe, each outside any transaction, and the sweep that finds what lost its job."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from portal.db import transaction
from portal.errors import ProviderTrouble
from portal.jobs import enqueue
from portal.payments import actions, calls, cash, following, handling, outside, queries
from portal.payments.charging import unused
from portal.payments.gateway import Gateway
from portal.payments.models import ConnectedAccount, Intent
from portal.worker.registry import Edges, task

# Whoever performs an intent may be killed at it.
LOOK_AGAIN_AFTER = timedelta(seconds=15)


@task("perform_intent", own_transactions=True)
def perform_intent(edges: Edges, now: datetime, *, intent_id: str) -> None:
    """Perform an intent; where another process is at it, look again whether it came to an end.

    Its job may be this one: what a silent worker was doing is put back while it still goes on.
    """
    if calls.perform(edges.engine, _gateway(edges), UUID(intent_id), now) == calls.ELSEWHERE:
        with transaction(edges.engine) as session:
            enqueue(session, "perform_intent", run_at=now + LOOK_AGAIN_AFTER, intent_id=intent_id)


@task("perform_waiting", own_transactions=True)
def perform_waiting(edges: Edges, now: datetime) -> None:
    calls.perform_waiting(edges.engine, _gateway(edges), now)


@task("handle_provider_event", own_transactions=True)
def handle_provider_event(edges: Edges, now: datetime, *, event_id: str) -> None:
    handling.handle_event(edges.engine, _gateway(edges), event_id, now)


@task("refresh_account", own_transactions=True)
def refresh_account(edges: Edges, now: datetime, *, organisation_id: int) -> None:
    with transaction(edges.engine) as session:
        account = session.get(ConnectedAccount, organisation_id)
    if account is not None:
        handling.refresh_account(edges.engine, _gateway(edges), account.provider_account_id, now)


@task("look_at_refund", own_transactions=True)
def look_at_refund(edges: Edges, now: datetime, *, refund_id: str) -> None:
    """A refund that was made at Stripe and is adopted: what it moved."""
    outside.look_at_refund(edges.engine, _gateway(edges), refund_id, now)


@task("look_at_checkout", own_transactions=True)
def look_at_checkout(edges: Edges, now: datetime, *, intent_id: str) -> None:
    """A buyer is back from Stripe's page: nobody waits for the event that says so."""
    with transaction(edges.engine) as session:
        made = session.get_one(Intent, UUID(intent_id)).provider_object_id
    if made is not None:
        following.refresh_checkout(edges.engine, _gateway(edges), made, now)


@task("look_at_change", own_transactions=True)
def look_at_change(edges: Edges, now: datetime, *, intent_id: str) -> None:
    """A plan was changed at once: its charge is looked at, whether or not Stripe tells of it."""
    with transaction(edges.engine) as session:
        made = session.get_one(Intent, UUID(intent_id)).progress.get("change_invoice")
    if made:
        gateway = _gateway(edges)
        following.refresh_bill(edges.engine, gateway, gateway.retrieve_invoice(made), now)


@task("archive_product", own_transactions=True)
def archive_product(edges: Edges, now: datetime, *, intent_id: str) -> None:
    """A plan was not changed after all: what was made at Stripe for it is not left there to be sold."""
    unused.archive_product(edges.engine, _gateway(edges), UUID(intent_id))


@task("book_cash")
def book_cash(session: Session, now: datetime, *, receipt_id: int) -> None:
    cash.book_cash(session, receipt_id, now)


@task("prepare_customer_portal", own_transactions=True, every="37 * * * *")
def prepare_customer_portal(edges: Edges, now: datetime) -> None:
    """What payers may do at Stripe's own page is said there before the first of them goes."""
    if edges.gateway is None:
        return
    with transaction(edges.engine) as session:
        if queries.portal_configuration(session) is None:
            actions.plan_portal_configuration(session, livemode=edges.settings.livemode, now=now)


@task("poll_events", own_transactions=True, every="7 * * * *")
def poll_events(edges: Edges, now: datetime) -> None:
    if edges.gateway is not None:
        handling.poll_events(edges.engine, edges.gateway, now)


@task("import_balance_movements", own_transactions=True, every="22 * * * *")
def import_balance_movements(edges: Edges, now: datetime) -> None:
    if edges.gateway is not None:
        handling.import_movements(edges.engine, edges.gateway, now)


@task("retry_waiting_transfers", own_transactions=True, every="*/15 * * * *")
def retry_waiting_transfers(edges: Edges, now: datetime) -> None:
    if edges.gateway is not None:
        calls.perform_waiting(edges.engine, edges.gateway, now)


@task("sweep_payments", every="*/15 * * * *")
def sweep_payments(session: Session, now: datetime) -> None:
    handling.sweep(session, now)


def _gateway(edges: Edges) -> Gateway:
    if not isinstance(edges.gateway, Gateway):
        raise ProviderTrouble("Stripe is not set up for this deployment, so the payment step waits.")
    return edges.gateway
